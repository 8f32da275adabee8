"""`compare`: several models on the same folds, measured alike; `cross_validate`: one model on many folds."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.card import card
from palate.data.dataset import Dataset, interactions_of
from palate.data.features import Features
from palate.data.fingerprint import fingerprint
from palate.data.ids import Id
from palate.data.interactions import Interactions
from palate.data.items import Condition
from palate.data.splits.split import Split
from palate.errors import DataError, ParameterError
from palate.evaluation.comparison import FORMAT_VERSION, Comparison
from palate.evaluation.measuring import beside, check_offered, checked
from palate.evaluation.rows import UNITS, Job, Row, part_words
from palate.evaluation.running import Failure, run_all
from palate.evaluation.significance import bootstrap
from palate.evaluation.single import all_splits, default_metrics, versions
from palate.evaluation.sources import Relevance, relevant_rows
from palate.metrics import quantile_groups, user_column
from palate.models import MODELS
from palate.models.contract.abilities import check_supports
from palate.models.contract.answers import allowed_items, id_list
from palate.models.contract.attributes import features_for
from palate.models.contract.base import Recommender
from palate.notebook import watched
from palate.parallel import check_threads
from palate.progress import ProgressCallback, automatic

log = logging.getLogger(__name__)

DEFAULT_SPLIT = "random:0.2:42"
GROUPS = ("age", "gender")  # where the data has them
FEWEST_USERS = 2
Models = Mapping[str, Recommender] | Sequence[Recommender | str]


def compare(
    models: Models,
    data: Dataset | Interactions,
    splits: str | Split | Iterable[str | Split] = DEFAULT_SPLIT,
    metrics: Sequence[str] | None = None,
    *,
    positive: Relevance = None,
    allow: Sequence[Id] | None = None,
    deny: Sequence[Id] | None = None,
    where: Condition | Sequence[Condition] | None = None,
    groups: Sequence[str] | None = None,
    attributes: bool | None = None,
    out: str | Path | None = None,
    n_processes: int | None = None,
    random_state: int = 42,
    words: Sequence[str] = (),
    progress: ProgressCallback | None = automatic,
) -> Comparison:
    """Fit and measure models on the same folds.

    A model without a seed of its own gets ``random_state`` plus the number of the fold. A run that fails does not end
    the others; a warning names it, and it stands in ``failed`` and ``failures``. With ``out``, every finished run is
    kept there at once: after a crash, a Ctrl-C, or with one more model, the same call runs only what is missing.

    Args:
        models: models or their keys, or {label: model}; they are not fitted themselves.
        data: a data set, or interactions alone (then without titles, genres, and groups by age or gender).
        splits: as `make_splits` takes and gives them.
        metrics: names such as "rmse" or "ndcg@10"; a model that does not have one is left out of it. None takes RMSE
            and MAE, or metrics of lists of ten where no model predicts ratings, and for clicks.
        positive: test values of at least this are relevant in metrics of lists; None or "any" takes every test row.
        allow, deny, where: the part of the catalogue that lists are drawn from, as in `measure`; training has all.
        groups: columns of the user table to look at users by, besides "activity"; None takes age and gender.
        attributes: whether those of the data's users and items enter each model that takes features; None lets them
            enter models that use them by themselves (``uses_attributes``).
        out: folder for the results; made where it is not there.
        n_processes: run so many side by side, each in a process of its own, which tells its memory; None runs them
            here. A script that asks for processes needs ``if __name__ == "__main__":``.
        random_state: seed of models without one, of intervals and of permutations.
        words: how the command line names the data, for the commands that repeat a row.
        progress: called with the task that a step belongs to, and with task "" as runs are finished; None
            shows nothing. Without it a notebook shows bars.

    Raises:
        ParameterError: a model, metric, split, group or number is not to be had.
        DataError: data is neither of the two, a split leaves one user in its test part, or ``out`` holds another
            comparison.
    """
    dataset = _dataset(data)
    named = _named(models)
    folds = list(all_splits(dataset.interactions, splits))
    n_items = dataset.interactions.n_items
    asked = checked(_default(named, dataset.interactions) if metrics is None else metrics, n_items)
    check_offered(asked, list(named.values()), dataset.items)
    _check(named, folds, dataset.interactions, n_processes)
    part = allowed_items(dataset.interactions.items, dataset.items, allow, deny, where)
    if any(one.metric.kind != "rating" for one in asked):
        for fold in folds:
            relevant_rows(dataset.interactions.take(fold.test), positive, part, f" of {fold.name}")
    of_users = _groupings(dataset, groups)
    entering = _entering(named, dataset, attributes)
    plan = {
        "format_version": FORMAT_VERSION,
        "kind": "comparison",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": _of_data(dataset, words),
        "split": splits if isinstance(splits, str) else ", ".join(dict.fromkeys(_family(f) for f in folds)),
        "splits": [_of_split(fold, dataset.interactions) for fold in folds],
        "metrics": [one.name for one in asked],
        "positive": positive,
        "part": _of_part(part, allow, deny, where),
        "random_state": random_state,
        "attributes": attributes,
        "versions": versions(),
        "machine": machine(),
    }
    rows_folder = None if out is None else _prepared(Path(out), plan)
    jobs = _jobs(named, folds, plan, [one.name for one in asked] + beside(asked), part, n_processes, entering)
    with watched(progress) as callback:
        results = run_all(jobs, dataset, rows_folder, n_processes, callback)
    comparison = _gathered(plan, named, jobs, results, words or ["DATA"])
    comparison = _with_groups(comparison, of_users)
    for one in comparison.failures:
        log.warning("%s failed on fold %s and is left out of it: %s", one["model"], one["fold"] + 1, one["error"])
    if out is not None:
        comparison.save(out)
    return comparison


def cross_validate(
    model: Recommender | str,
    data: Dataset | Interactions,
    splits: str | Split | Iterable[str | Split] = "kfold:5:42",
    metrics: Sequence[str] | None = None,
    **options: Any,
) -> Comparison:
    """Fit and measure one model on every fold: `compare` of one model; see there.

    Args:
        model: a model or its key.
        data, splits, metrics, options: as in `compare`.

    Raises:
        ParameterError, DataError: as `compare`.
    """
    return compare([model], data, splits, metrics, **options)


def machine() -> dict[str, Any]:
    """Return the processor's name, the cores that this process may use, and the memory in GB as far as known."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = None
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    return {"cpu": cpu or platform.processor() or platform.machine(), "cores": check_threads(None), "memory_gb": memory}


def _dataset(data: Dataset | Interactions) -> Dataset:
    if isinstance(data, Dataset):
        return data
    return Dataset.from_tables(interactions_of(data))


def _named(models: Models) -> dict[str, Recommender]:
    """Return {label: model}; a model without a label is called by its key, or as it is shown where keys repeat."""
    if isinstance(models, Mapping):
        named = {str(label): _model(model) for label, model in models.items()}
    else:
        given = [models] if isinstance(models, Recommender | str) else list(models)
        made = [_model(one) for one in given]
        keys = [one.key for one in made]
        labels = [
            one.key if keys.count(one.key) == 1 else repr(one).replace(type(one).__name__, one.key) for one in made
        ]
        if len(set(labels)) < len(labels):
            raise ParameterError.of(
                "two models", f"are the same: {', '.join(labels)}; give {{label: model}} to tell them apart"
            )
        named = dict(zip(labels, made, strict=True))
    if not named:
        raise ParameterError(f"give at least one model; there is {', '.join(MODELS)}", subject="models")
    return named


def _model(one: Any) -> Recommender:
    if isinstance(one, str):
        if one not in MODELS:
            raise ParameterError.unknown("no model", one, MODELS)
        return MODELS[one]()
    if not isinstance(one, Recommender):
        raise ParameterError(f"a model, or a key such as 'mf', is needed; got {type(one).__name__}", subject="models")
    return one


def _default(named: Mapping[str, Recommender], data: Interactions) -> tuple[str, ...]:
    by_kind = sorted(named.values(), key=lambda model: model.score_kind != "rating")
    return default_metrics(by_kind[0], data)


def _check(
    named: Mapping[str, Recommender], folds: Sequence[Split], data: Interactions, n_processes: int | None
) -> None:
    """Refuse what would fail after hours of work."""
    if n_processes is not None and (not isinstance(n_processes, int) or n_processes < 1):
        raise ParameterError.outside("n_processes", "a whole number of at least 1, or None", n_processes)
    for label, model in named.items():
        model.check_parameters()
        if isinstance(model.get_params().get("random_state"), np.random.Generator):
            raise ParameterError.of(
                label, ": random_state must be a whole number or None here, so that a run can be repeated"
            )
    for fold in folds:
        n_users = len(np.unique(data.user_index[fold.test]))
        if n_users < FEWEST_USERS:
            raise DataError.of(
                f"the test part of {fold.name}",
                "has rows of one user only, and intervals and tests are over users: "
                "choose a larger part or fewer folds, or measure one model with evaluate",
                code="split",
            )


class _Entering(NamedTuple):
    """What a model is given of the attributes: as in `features_for`, and a hash of the features, None without any."""

    attributes: bool | None
    mark: str | None


def _entering(named: Mapping[str, Recommender], dataset: Dataset, attributes: bool | None) -> dict[str, _Entering]:
    """Return what each model is given; one that takes no features is compared without.

    Raises:
        ParameterError: attributes shall enter, and no model takes features, or the data has none.
    """
    takes = {label: "features" in model.supports for label, model in named.items()}
    if attributes and not any(takes.values()):
        check_supports(next(iter(named.values())), "features")
    entering = {}
    for label, model in named.items():
        wanted = attributes if takes[label] else None
        features = features_for(model, dataset, attributes=wanted)
        entering[label] = _Entering(wanted, _mark(features) if any(features.values()) else None)
    return entering


def _mark(features: Mapping[str, Features | None]) -> str:
    """Return a hash of features: rows measured with others are made again."""
    digest = hashlib.sha256()
    for side in features.values():
        if side is not None:
            digest.update("|".join(side.names).encode() + side.matrix.tobytes())
    return digest.hexdigest()[:24]


def _jobs(
    named: Mapping[str, Recommender],
    folds: Sequence[Split],
    plan: Mapping[str, Any],
    metrics: Sequence[str],
    part: NDArray[np.bool_] | None,
    n_processes: int | None,
    entering: Mapping[str, _Entering],
) -> list[Job]:
    identity = {"data": plan["data"]["fingerprint"], "palate": plan["versions"]["palate"]}
    n_threads = None if n_processes is None else max(1, check_threads(None) // n_processes)
    jobs = []
    for label, model in named.items():
        attributes, mark = entering[label]
        known = identity if mark is None else {**identity, "attributes": mark}
        for number, fold in enumerate(folds):
            parameters = model.get_params()
            if "random_state" in parameters and parameters["random_state"] is None:
                parameters["random_state"] = plan["random_state"] + number
            if parameters.get("n_threads", 0) is None:
                parameters.pop("n_threads")  # changes speed, never the answer
            what = (label, type(model), parameters, number, fold, tuple(metrics), plan["positive"], known)
            jobs.append(Job(*what, part, part_words(plan["part"]), n_threads, attributes))
    return jobs


def _prepared(out: Path, plan: Mapping[str, Any]) -> Path:
    """Return the folder of finished rows, made; refuse a folder of something else."""
    rows = out / "rows"
    try:
        if (out / "run.json").exists():
            before = Comparison.open(out).plan
            for name in ("split", "metrics", "positive", "part", "random_state", "attributes"):
                if before.get(name) != plan[name]:
                    raise DataError.of(
                        out,
                        f"holds a comparison with another {name} ({before.get(name)}, now {plan[name]}): "
                        "choose another folder, or remove that one",
                        code="other_data",
                    )
            if before["data"]["fingerprint"] != plan["data"]["fingerprint"]:
                raise DataError.of(
                    out,
                    "holds a comparison of other data: choose another folder, or remove that one",
                    code="other_data",
                )
        elif out.is_dir() and any(out.iterdir()) and not rows.is_dir():
            raise DataError.of(out, "holds other files: choose an empty folder for the results", code="other_data")
        rows.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError.of_disk("cannot write results to", out, error) from None
    return rows


def _of_data(dataset: Dataset, words: Sequence[str]) -> dict[str, Any]:
    data = dataset.interactions
    return {
        "name": dataset.name,
        "fingerprint": fingerprint(data),
        "words": list(words),
        "n_rows": len(data),
        "n_users": data.n_users,
        "n_items": data.n_items,
        "rating_range": None if data.rating_range is None else list(data.rating_range),
        "card": vars(card(dataset)),
    }


def _of_split(fold: Split, data: Interactions) -> dict[str, Any]:
    facts = fold.describe(data)
    return {**vars(facts), "says": facts.says}


def _of_part(part: NDArray[np.bool_] | None, allow: Any, deny: Any, where: Any) -> dict[str, Any] | None:
    """Return the part of the catalogue that lists are drawn from as JSON values, or None for all of it."""
    if part is None:
        return None
    conditions = [] if where is None else [where] if isinstance(where, str | pl.Expr) else list(where)
    ids = {name: None if given is None else id_list(given) for name, given in (("allow", allow), ("deny", deny))}
    return {"n_items": int(part.sum()), **ids, "where": [str(one) for one in conditions]}


def _family(fold: Split) -> str:
    """Return the split's string without the number of the fold."""
    return fold.name.partition(" ")[0]


def _groupings(dataset: Dataset, groups: Sequence[str] | None) -> dict[str, pl.Series]:
    """Return {grouping: group of each user}; groups of numbers are of about equal size."""
    data = dataset.interactions
    wanted = list(groups) if groups is not None else [name for name in GROUPS if name in dataset.users.columns]
    out = {"activity": quantile_groups(np.bincount(data.user_index, minlength=data.n_users))}
    for name in wanted:
        if name != "activity":
            column = user_column(dataset.users, name, data.users)
            out[name] = quantile_groups(column) if column.dtype.is_numeric() and column.n_unique() > 8 else column
    return out


def _gathered(
    plan: dict[str, Any],
    named: Mapping[str, Recommender],
    jobs: Sequence[Job],
    results: Sequence[Row | Failure],
    words: Sequence[str],
) -> Comparison:
    """Return the comparison of all rows, still without groups."""
    of = [(job, row) for job, row in zip(jobs, results, strict=True) if isinstance(row, Row)]
    failures = [vars(one) for one in results if isinstance(one, Failure)]
    if not of:
        raise DataError(
            "every run failed: " + "; ".join(dict.fromkeys(one["error"] for one in failures)),
            code="failed_runs",
            subject="models",
        )
    models = []
    details: dict[str, Any] = {}
    for label, model in named.items():
        first = next(job for job in jobs if job.label == label)
        models.append({"label": label, "key": model.key, "parameters": dict(first.parameters)})
    for job, row in of:
        if job.label not in details:
            details[job.label] = {**row.details, "skipped": row.skipped}
    head = {"model": pl.String, "fold": pl.Int64}
    runs = [
        {
            "model": j.label,
            "fold": j.fold,
            **r.figures,
            "command": j.command(words, [name for name in plan["metrics"] if name not in r.skipped]),
        }
        for j, r in of
    ]
    found = [{"model": j.label, "fold": j.fold, **one} for j, r in of for one in r.results]
    units = [
        r.units.select(pl.lit(j.label).alias("model"), pl.lit(j.fold, pl.Int64).alias("fold"), pl.all()) for j, r in of
    ]
    return Comparison(
        plan={**plan, "models": models, "failures": failures},
        runs=pl.DataFrame(runs, schema={**head, **_RUNS}),
        results=pl.DataFrame(found, schema={**head, **_RESULTS}),
        units=pl.concat(units) if units else pl.DataFrame(schema={**head, **UNITS}),
        groups=pl.DataFrame(),
        details=details,
    )


_RUNS = {
    "split": pl.String,
    "seed": pl.Int64,
    "epochs": pl.Int64,
    "epoch_chosen_on": pl.String,
    **dict.fromkeys(("fit_seconds", "score_seconds", "peak_mb"), pl.Float64),
    "n_threads": pl.Int64,
    "command": pl.String,
}
_RESULTS = {
    "metric": pl.String,
    **dict.fromkeys(("value", "worst_tenth"), pl.Float64),
    **dict.fromkeys(("n_users", "n_without_list", "n_left_out", "n_popular"), pl.Int64),
    "mean_of_others": pl.Float64,
}
_GROUPS = {
    **dict.fromkeys(("model", "metric", "grouping", "group"), pl.String),
    "place": pl.Int64,
    "mean": pl.Float64,
    "n": pl.Int64,
    **dict.fromkeys(("low", "high"), pl.Float64),
}


def _with_groups(comparison: Comparison, of_users: Mapping[str, pl.Series]) -> Comparison:
    """Return the comparison with each metric by group of users; an interval needs two users."""
    rows = []
    for grouping, labels in of_users.items():
        for place, group in enumerate(labels.unique().sort(nulls_last=True)):
            inside = labels.is_null() if group is None else (labels == group).fill_null(value=False)
            columns = comparison.columns_of(np.flatnonzero(inside.to_numpy()))
            kept = {key: column for key, column in columns.items() if key[1] in comparison.plan["metrics"]}
            if not kept:
                continue
            drawn = bootstrap(list(kept.values()), 1000, comparison.plan["random_state"])
            for number, ((model, metric), column) in enumerate(kept.items()):
                n = int((column.den.sum(axis=1) > 0).sum())
                low, high = np.quantile(drawn[:, number], [0.025, 0.975]) if n > 1 else (None, None)
                rows.append((model, metric, grouping, str(group or "unknown"), place, column.value(), n, low, high))
    groups = pl.DataFrame(rows, schema=_GROUPS, orient="row")
    return Comparison(**{**vars(comparison), "groups": groups})
