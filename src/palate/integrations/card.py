"""The card of a model: a README.md in Hugging Face's form, of what the model knows of itself and what was measured.

Its head is YAML that the Hub reads (library, tags, ``model-index`` with the figures); its body is Markdown for people.
Names and values come from other people's files: in the head they stand in quotes, in the body as text.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from palate.atomic import replacing
from palate.errors import DataError, ModelFileError
from palate.evaluation import Comparison
from palate.evaluation.result import Evaluation
from palate.metrics import label_of, named
from palate.models import Recommender
from palate.terminal import json_values, plain

MARKS = re.compile(r"([\\`*_\[\]<>|#~$&])")  # what Markdown would take for more than a letter
SCORES = {
    "rating": "a predicted rating, in the unit of the ratings; lists are in its order",
    "probability": "a probability",
    "order": "good for the order of a list alone: it is no rating, and not comparable between people",
}
ABLE = {
    "recommend_for": ("lists for people it has not seen, by what they rated", "people it has not seen"),
    "predict_distribution": ("how sure it is of a predicted rating", "how sure it is"),
    "similar_items": ("items that are alike", "which items are alike"),
    "explain": ("of what a score is made", "of what a score is made"),
    "fold_in_items": ("items it has not seen, by who rated them", "items it has not seen, whoever rates them"),
}
Results = Evaluation | Comparison | Mapping[str, Any]


class _Measurement(NamedTuple):
    """A figure of a model, with its interval over people where there is one."""

    metric: str
    value: float
    low: float | None = None
    high: float | None = None


class _Measured(NamedTuple):
    """What was measured, and on what."""

    data: str
    split: str
    rows: str
    figures: list[_Measurement]
    beside: list[str]


def model_card(
    model: Recommender, results: Results | None = None, *, name: str | None = None, licence: str | None = None
) -> str:
    """Return the card of a fitted model.

    Args:
        model: fitted.
        results: what was measured: of `palate.evaluate`, its ``to_dict``, or a comparison with a model of the same
            key; without it the card says that nothing was measured.
        name: of the model; its class without it.
        licence: of the model, as the Hub names licenses, such as "mit"; left out without it.

    Raises:
        NotFittedError: before ``fit``.
        DataError: the results are of another model, or are none.
    """
    items = len(model.items_)  # of a fitted model alone
    measured = None if results is None else _measured(model, results)
    title = name or f"{type(model).__name__} on {items:,} items"
    head = _head(model, measured, title, licence)
    about = (_training(model), _parameters(model), _evaluation(measured), _limits(model))
    body = "\n\n".join("\n".join(part) for part in (_summary(model, title), _usage(model), *about))
    return "\n".join(["---", *_yaml(head), "---", "", body, ""])


def results_of(path: str | Path) -> Results:
    """Return what was measured, of a folder of `palate compare --out` or a file of `palate evaluate --json`.

    Raises:
        DataError: there is none of either, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        return Comparison.open(path)
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"there is no file {path}", code="not_found", subject=path) from None
    except OSError as error:
        raise DataError.of_disk("cannot read", path, error) from None
    except ValueError as error:
        raise _no_results(path, f"is no JSON ({error})") from None
    if not isinstance(record, dict) or not {"model", "split", "metrics", "n_train", "n_test"} <= record.keys():
        raise _no_results(path, "holds no evaluation")
    return record


def _no_results(path: Path, words: str) -> DataError:
    after = "give a file of 'palate evaluate --json', or a folder of 'palate compare --out'"
    return DataError.of(path, f"{words}: {after}", code="format")


def _measured(model: Recommender, results: Results) -> _Measured:
    """Return a model's figures from what was measured."""
    if isinstance(results, Comparison):
        return _of_comparison(model, results)
    record = results.to_dict() if isinstance(results, Evaluation) else dict(results)
    if record["model"] != model.key:
        raise _of_another(model, [record["model"]])
    rows = f"{record['n_train']:,} training and {record['n_test']:,} test rows"
    values = json_values(record["metrics"])
    figures = [_Measurement(metric, value) for metric, value in values.items() if value is not None]
    return _Measured("its own data", str(record["split"]), rows, figures, [])


def _of_comparison(model: Recommender, run: Comparison) -> _Measured:
    labels = [one["label"] for one in run.plan["models"] if one["key"] == model.key]
    if not labels:
        raise _of_another(model, [one["key"] for one in run.plan["models"]])
    own = [row for row in run.table().to_dicts() if row["model"] == labels[0]]
    figures = [_Measurement(*(row[name] for name in ("metric", "mean", "low", "high"))) for row in own]
    part = run.plan["splits"][0]
    folds = f", {len(run.plan['splits'])} folds" if len(run.plan["splits"]) > 1 else ""
    rows = f"{part['n_train']:,} training and {part['n_test']:,} test rows{folds}"
    return _Measured(run.plan["data"]["name"], run.plan["split"], rows, figures, run.findings())


def _of_another(model: Recommender, keys: Sequence[str]) -> DataError:
    of = ", ".join(dict.fromkeys(keys))
    return DataError.of("the results", f"are of {of}, and the model is {model.key}", code="other_data", value=keys)


# -- the head ---------------------------------------------------------------------------------------------------------


def _head(model: Recommender, measured: _Measured | None, title: str, licence: str | None) -> dict[str, Any]:
    tags = ["recommender-system", "collaborative-filtering", "matrix-factorization", model.key]
    if "user_factors_" not in dir(type(model)):
        tags.remove("matrix-factorization")
    head: dict[str, Any] = {"library_name": "palate", "tags": tags}
    if licence is not None:
        head["license"] = licence
    if measured is not None:
        head["metrics"] = [figure.metric for figure in measured.figures]
        head["model-index"] = [{"name": title, "results": [_result(measured)]}]
    return head


def _result(measured: _Measured) -> dict[str, Any]:
    metrics = [{"type": f.metric, "value": float(f.value), "name": label_of(f.metric)} for f in measured.figures]
    dataset = {"type": _slug(measured.data), "name": measured.data, "split": measured.split}
    return {"task": {"type": "recommendation", "name": "Recommendation"}, "dataset": dataset, "metrics": metrics}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "data"


def _yaml(value: Any, indent: str = "") -> Iterator[str]:
    """Yield the lines of YAML of mappings, lists and plain values; texts in JSON's quotes, which are YAML's, too."""
    entries = value.items() if isinstance(value, Mapping) else ((None, one) for one in value)
    for key, inner in entries:
        mark = "-" if key is None else f"{key}:"
        if not isinstance(inner, Mapping | list):
            yield f"{indent}{mark} {json.dumps(plain(inner) if isinstance(inner, str) else inner, ensure_ascii=False)}"
        elif key is None:
            first, *rest = _yaml(inner, indent + "  ")
            yield f"{indent}- {first.strip()}"
            yield from rest
        else:
            yield f"{indent}{mark}"
            yield from _yaml(inner, indent + "  ")


# -- the body ---------------------------------------------------------------------------------------------------------


def _summary(model: Recommender, title: str) -> Iterator[str]:
    about = (inspect.getdoc(type(model)) or "").split("\n\n")[0].replace("\n", " ")
    yield f"# {_text(title)}"
    yield ""
    yield f"A recommender made by Palate: `{model.key}`. {_text(about)}"
    yield ""
    yield f"A score is {SCORES[model.score_kind]}."


def _usage(model: Recommender) -> Iterator[str]:
    user = model.users_.at(np.zeros(1, np.int32)).to_list()[0]
    yield "## How to use it"
    yield ""
    yield "```python"
    yield "import palate"
    yield ""
    yield 'model = palate.load("model.safetensors")'
    yield f"model.recommend({plain(ascii(user))}, n=10)"
    if "recommend_for" in model.supports:
        item = model.items_.at(np.zeros(1, np.int32)).to_list()[0]
        yield f"model.recommend_for({{{plain(ascii(item))}: {model.rating_range_[1]:g}}})  # somebody it has not seen"
    yield "```"


def _training(model: Recommender) -> Iterator[str]:
    low, high = model.rating_range_
    yield "## What it learned from"
    yield ""
    yield f"* {len(model.users_):,} users and {len(model.items_):,} items"
    if model.seen_ is not None:
        n_rows = len(model.seen_.indices)
        share = n_rows / (len(model.users_) * len(model.items_))
        yield f"* {n_rows:,} rows, {share:.2%} of all pairs; its file keeps them, for lists leave out what people had"
    else:
        yield "* The rows themselves are not in the model file."
    yield f"* values from {low:g} to {high:g}" if low < high else f"* clicks: every value is {low:g}"


def _parameters(model: Recommender) -> Iterator[str]:
    yield "## Parameters"
    yield ""
    given = dict(model.get_params())
    if hasattr(model, "seed_"):
        given["random_state"] = model.seed_
    yield from _table(("parameter", "value"), [(f"`{name}`", _text(value)) for name, value in given.items()])
    yield ""
    yield f"Trained with Palate {version('palate')}."


def _evaluation(measured: _Measured | None) -> Iterator[str]:
    yield "## Evaluation"
    yield ""
    if measured is None:
        yield "Nothing was measured. `palate evaluate --json` and `palate compare --out` do it, for `--results`."
        return
    yield f"On {_text(measured.split)}: {measured.rows}."
    yield ""
    rows = [(label_of(f.metric), _better(f.metric), f"{f.value:.4f}", _interval(f)) for f in measured.figures]
    yield from _table(("metric", "better", "value", "95 % interval over users"), rows)
    for sentence in measured.beside:
        yield ""
        yield _text(sentence)


def _better(metric: str) -> str:
    return named(metric).metric.sense.partition(" ")[0] or "neither"


def _interval(figure: _Measurement) -> str:
    return "" if figure.low is None else f"{figure.low:.4f} to {figure.high:.4f}"


def _limits(model: Recommender) -> Iterator[str]:
    yield "## What it can, and its limits"
    yield ""
    for ability, (can, cannot) in ABLE.items():
        yield f"* It tells {can}." if ability in model.supports else f"* It does not tell {cannot}."
    yield "* It has learned from what people were shown and chose: what was popular then is recommended more often."
    yield "* It says nothing of items and tastes that came after its training; train it anew from time to time."
    if model.seen_ is not None:
        yield "* Its file holds who rated what: treat it as personal data."


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _text(value: object) -> str:
    """Return a value as Markdown shows it: letters alone."""
    return MARKS.sub(r"\\\1", plain(value))


def write_card(path: str | Path, text: str) -> Path:
    """Write a card; return its path.

    Raises:
        ModelFileError: the file cannot be written.
    """
    path = Path(path)
    try:
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise ModelFileError.of_disk("cannot write", path, error) from error
    return path
