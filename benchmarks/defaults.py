"""How good each model's defaults are: beside what a search finds on training rows, and beside the floor of their kind.

    defaults.py fit [--models als,knn] [--on "gowalla, fixed"]      the defaults on the test part
    defaults.py search [--models …] [--on …] [--trials 30] [--seconds 1800]    what a search finds, on the same
    defaults.py tables [--write] [--before FOLDER]                  of all results so far

Results are kept in out/defaults, or in --out; --before names those of another commit, for the table of what changed.

A search sees training rows alone: a part of them is held out, on wide sets of 6,000 people. Its parameters are then
fitted on the whole training part. The test part is measured once for the defaults and once for what was found.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import ROOT, machine, markdown, publish
from eight_sets import LISTS, MODELS_OF, QUESTIONS, RATINGS, Question, some_people

import palate

ALLOWED = {"rmse": 1.005, "ndcg@20": 0.98}  # of what a search finds
SEED = 42


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fit", "search", "tables"))
    parser.add_argument("--models", default="")
    parser.add_argument("--on", action="append", choices=list(QUESTIONS))
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "defaults")
    parser.add_argument("--before", type=Path)
    options = parser.parse_args()
    out = Results(options.out)
    if options.what == "tables":
        tables(out, options.before and Results(options.before), write=options.write)
        return
    for key, question in asked(options):
        model = made(key, question, options.threads)
        if options.what == "fit":
            record = fitted(model, question)
        else:
            record = searched(model, question, options.trials, options.seconds)
        out.keep(key, question, options.what, record)
        print(key, question.name, json.dumps(record), flush=True)


def asked(options: argparse.Namespace) -> Iterator[tuple[str, Question]]:
    """Yield models and questions."""
    wanted = [word for word in options.models.split(",") if word]
    for name in options.on or QUESTIONS:
        question = QUESTIONS[name]
        for key in MODELS_OF[question.metric]:
            if not wanted or key in wanted:
                yield key, question


def made(key: str, question: Question, n_threads: int) -> Any:
    """Return a model with its defaults and a seed."""
    names = palate.MODELS[key].parameter_names()
    given = {"random_state": SEED, **question.parameters, "n_threads": n_threads}
    return palate.MODELS[key](**{name: value for name, value in given.items() if name in names})


def fitted(model: Any, question: Question) -> dict[str, Any]:
    """Return the figures of a model on the test part, with what it derived from the data."""
    metrics = [question.metric, *(["recall@20"] if question.higher_is_better else [])]
    train, test = question.parts()
    relevant = {} if question.relevant is None else {"positive": question.relevant}
    done = palate.evaluate(model, train, test, metrics=metrics, progress=None, **relevant)
    used = {
        name.removesuffix("_"): done.fitted.learned_.read(name) for name in getattr(done.fitted.learned_, "USED", ())
    }
    return {**done.metrics, "seconds": done.seconds["fit"], "used": used, "made": machine()}


def searched(model: Any, question: Question, n_trials: int, seconds: float) -> dict[str, Any]:
    """Return what a search finds on training rows, and its figures on the test part."""
    train, _ = question.parts()
    relevant = {} if question.relevant is None else {"positive": question.relevant}
    begun = time.perf_counter()
    found = palate.tune(
        model, some_people(train), metric=question.metric, n_trials=n_trials, seconds=seconds, split="none",
        validation=question.validation, progress=_told, **relevant,
    )  # fmt: skip
    again = type(model)(**found.model.get_params())
    validation = {"best": found.value, "default": found.default_value, "worst": _worst(found.trials, question)}
    record = fitted(again, question)
    counts = {"trials": found.trials.height, "search_seconds": time.perf_counter() - begun}
    return {**record, "parameters": found.parameters, "validation": validation, **counts}


def _worst(trials: Any, question: Question) -> float:
    values = trials["value"].drop_nulls()
    return float(values.min() if question.higher_is_better else values.max())


def _told(step: Any) -> None:
    if step.stage == "trials finished":
        print(step.step, step.record, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Results:
    """A folder of results, one file each."""

    folder: Path

    def _path(self, key: str, question: Question, what: str) -> Path:
        return self.folder / f"{question.name.replace(', ', '-').replace(' ', '-')}.{key}.{what}.json"

    def keep(self, key: str, question: Question, what: str, record: dict[str, Any]) -> None:
        """Keep a result, in place of an older one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path(key, question, what).write_text(json.dumps(record, indent=1))

    def read(self, key: str, question: Question, what: str) -> dict[str, Any] | None:
        """Return a result, or None."""
        path = self._path(key, question, what)
        return json.loads(path.read_text()) if path.exists() else None

    def made_with(self) -> str:
        """Return on what machine and days the results were made."""
        lines = sorted({json.loads(path.read_text())["made"] for path in self.folder.glob("*.json")})
        return "; ".join(lines) + "."


def tables(out: Results, before: Results | None, *, write: bool) -> None:
    """Publish which model is best where, and what the search adds to the defaults."""
    publish("choosing-ratings", choosing(out, RATINGS), write=write)
    publish("choosing-lists", choosing(out, LISTS), write=write)
    publish("defaults", beside_search(out, before), write=write)


def choosing(out: Results, questions: tuple[Question, ...]) -> str:
    """Return the figure of each model's defaults on each question, the best ones bold, with the seconds of the fit."""
    keys = MODELS_OF[questions[0].metric]
    rows = []
    for question in questions:
        results = {key: out.read(key, question, "fit") for key in keys}
        values = {key: result[question.metric] for key, result in results.items() if result}
        best = (max if question.higher_is_better else min)(values.values(), default=None)
        cells = []
        for key in keys:
            result = results[key]
            if result is None:
                cells.append("")
                continue
            figure = f"{result[question.metric]:.4f}"
            figure = f"**{figure}**" if result[question.metric] == best else figure
            cells.append(f"{figure} ({result['seconds']:.0f} s)")
        rows.append([f"{question.name}: {question.metric}", *cells])
    return markdown(["data and metric", *(f"`{key}`" for key in keys)], rows) + "\n\n" + out.made_with()


def beside_search(out: Results, before: Results | None) -> str:
    """Return a line for each model and question: defaults, what the search found, whether the goal is met."""
    rows = []
    for question in QUESTIONS.values():
        floor = out.read(question.floor, question, "fit")
        for key in MODELS_OF[question.metric]:
            plain, found = out.read(key, question, "fit"), out.read(key, question, "search")
            if plain is not None:
                old = None if before is None else before.read(key, question, "fit")
                rows.append(_line(question, key, plain, found, floor, old))
    header = ["data", "model", "before", "defaults", "searched (trials)", "ratio", "goal", "derived", "found"]
    return markdown(header, rows) + "\n\n" + out.made_with()


def _line(question: Question, key: str, plain: Any, found: Any, floor: Any, old: Any) -> list[str]:
    ours, metric = plain[question.metric], question.metric
    sign = 1 if question.higher_is_better else -1
    verdict = "" if floor is None or sign * ours >= sign * floor[metric] else "below the floor"
    searched = ["", ""]
    if found is not None:
        ratio = ours / found[metric]
        searched = [f"{found[metric]:.4f} ({found['trials']})", f"{ratio:.4f}"]
        met = "met" if sign * ratio >= sign * ALLOWED[metric] else "missed"
        verdict = ", ".join(word for word in (met, verdict) if word)
    words = [_in_words(plain["used"]), "" if found is None else _in_words(found["parameters"])]
    return [
        question.name, f"`{key}`", "" if old is None else f"{old[metric]:.4f}", f"{ours:.4f}", *searched, verdict,
        *words,
    ]  # fmt: skip


def _in_words(values: dict[str, Any]) -> str:
    short = {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in values.items()}
    return ", ".join(f"{name} {value}" for name, value in short.items())


if __name__ == "__main__":
    main()
