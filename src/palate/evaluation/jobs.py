"""One model on one fold: how it is run, what is kept of it, and its two files in a run folder.

`rows/<digest>.json` holds the figures, `rows/<digest>.parquet` each user's share of the metrics. The JSON is written
last: where it stands, the row is finished, and a comparison that was killed goes on with the others.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.atomic import replacing
from palate.data.dataset import Dataset
from palate.data.splits.split import Split
from palate.errors import DataError
from palate.evaluation.details import details_of
from palate.evaluation.metric_inputs import Relevance
from palate.evaluation.single import evaluate
from palate.metrics import Summary, named
from palate.metrics.units import Units
from palate.models.contract.base import Recommender
from palate.progress import ProgressCallback
from palate.terminal import command, json_values

DEFINITIONS = "expected values under ties"  # of the metrics: rows measured by others are made again
UNITS = {"metric": pl.String, "user_index": pl.Int32, "num": pl.Float64, "den": pl.Float64}


@dataclass(frozen=True, eq=False)
class Job:
    """A model to be fitted and measured on a fold.

    Attributes:
        label: the model's name in the comparison.
        cls, parameters: the model; random_state is set.
        fold: from 0.
        split: its rows.
        metrics: all that is measured.
        positive: as in `evaluate`.
        part: the items that lists are drawn from, or None for all.
        part_words: the same as options of the command line.
        identity: whatever else the result depends on: fingerprint of the data, versions.
        n_threads: for the model; None for all cores.
        attributes: whether those of the data enter the model; None leaves it to the model.
    """

    label: str
    cls: type[Recommender]
    parameters: Mapping[str, Any]
    fold: int
    split: Split
    metrics: tuple[str, ...]
    positive: Relevance
    identity: Mapping[str, Any]
    part: NDArray[np.bool_] | None = None
    part_words: tuple[str, ...] = ()
    n_threads: int | None = None
    attributes: bool | None = None

    @property
    def task(self) -> str:
        """Return what to call it to people."""
        return f"{self.label}, {self.split.name}"

    @property
    def digest(self) -> str:
        """Return what names its files: the same only where the same would be computed."""
        part = None if self.part is None else hashlib.sha256(self.part.tobytes()).hexdigest()
        what = [
            self.cls.__name__,
            dict(self.parameters),
            self.split.digest,
            self.metrics,
            self.positive,
            dict(self.identity),
        ]
        what += [part, DEFINITIONS, *([] if self.attributes is None else [self.attributes])]
        return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:24]

    def command(self, words: Sequence[str], metrics: Sequence[str]) -> str:
        """Return the command that repeats it; ``metrics`` are those that the model has."""
        fresh = self.cls().get_params()
        changed = [f"{name}={value}" for name, value in self.parameters.items() if value != fresh.get(name)]
        name, _, fold = self.split.name.replace(" window ", " fold ").partition(" fold ")
        if self.split.source is not None:
            name, fold = self.split.source[0], str(self.split.source[1])
        asked = ["palate", "evaluate", *self._words_of_data(words), "--model", self.cls.key]
        asked += [word for setting in changed for word in ("--set", setting)]
        asked += split_words(words, name, fold)
        asked += ["--metrics", ",".join(metrics)]
        asked += {None: [], True: ["--attributes"], False: ["--no-attributes"]}[self.attributes]
        has_lists = any(named(name).metric.kind != "rating" for name in metrics)
        relevant = positive_words(self.positive) if has_lists or "positive" in self.parameters else []
        return command(*asked, *relevant, *(self.part_words if has_lists else ()))

    def _words_of_data(self, words: Sequence[str]) -> list[str]:
        """Return the words that name the data, less the table of users where this model makes nothing of it."""
        enter = self.cls.uses_attributes if self.attributes is None else self.attributes
        if "--users" not in words or (enter and "features" in self.cls.supports):
            return list(words)
        at = list(words).index("--users")
        return [*words[:at], *words[at + 2 :]]


def split_words(words: Sequence[str], name: str, fold: str = "") -> list[str]:
    """Return a split as options of the command line; none where the words that name the data name the parts."""
    return [] if "--train" in words else ["--split", name, *(["--fold", fold] if fold else [])]


def positive_words(positive: Relevance) -> list[str]:
    """Return a rule of relevance as options of the command line."""
    if positive is None:
        return []
    return ["--positive", positive if isinstance(positive, str) else f"{positive:g}"]


def part_words(part: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return a part of the catalogue as options of the command line."""
    asked = [(f"--{name}", value) for name in ("allow", "deny", "where") for value in (part or {}).get(name) or ()]
    return tuple(str(word) for pair in asked for word in pair)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is kept of a finished job.

    Attributes:
        figures: split, seed, epochs, epoch_chosen_on, fit_seconds, score_seconds, peak_mb, n_threads.
        results: one record a metric: metric, value, worst_tenth, n_users, n_without_list, n_left_out, n_popular,
            mean_of_others.
        details: as `details_of`, and the warnings given on the way.
        skipped: metrics that the model does not have, and why.
        units: each user's share of each metric.
    """

    figures: dict[str, Any]
    results: list[dict[str, Any]]
    details: dict[str, Any]
    skipped: dict[str, str]
    units: pl.DataFrame = field(repr=False)

    def save(self, folder: Path, digest: str) -> None:
        """Write both files, the JSON last."""
        with replacing(folder / f"{digest}.parquet") as file:
            self.units.write_parquet(file)
        rest = {name: value for name, value in vars(self).items() if name != "units"}
        with replacing(folder / f"{digest}.json") as file:
            file.write(json.dumps(json_values(rest), allow_nan=False, ensure_ascii=False).encode())

    @classmethod
    def open(cls, folder: Path, digest: str) -> Outcome | None:
        """Return a finished row, or None where it is not.

        Raises:
            DataError: its files are damaged.
        """
        path = folder / f"{digest}.json"
        if not path.exists():
            return None
        try:
            rest = json.loads(path.read_text(encoding="utf-8"))
            units = pl.read_parquet(io.BytesIO((folder / f"{digest}.parquet").read_bytes()))
            if units.schema != pl.Schema(UNITS):
                raise DataError.of(
                    f"{folder / digest}.parquet",
                    f"has the columns {', '.join(units.columns)}; remove it",
                    code="damaged",
                )
            return cls(**rest, units=units)
        except (ValueError, TypeError, OSError, pl.exceptions.PolarsError) as error:
            raise DataError(
                f"the finished row {path} is damaged ({error}); remove it, and it is made again",
                subject=path,
                code="damaged",
            ) from None


def run(job: Job, dataset: Dataset, progress: ProgressCallback) -> Outcome:
    """Return the finished row of a job.

    Raises:
        KeyboardInterrupt: Ctrl-C; a model that ended its training early is no result.
        PalateError: as `evaluate`.
    """
    model = job.cls(**job.parameters)
    if "n_threads" in model.get_params() and job.n_threads is not None:
        model.set_params(n_threads=job.n_threads)
    train, test = job.split.apply(dataset)
    with warnings_of_palate() as warned:
        options: dict[str, Any] = {"metrics": job.metrics, "name": job.split.name, "positive": job.positive}
        if job.part is not None:
            options["allow"] = dataset.interactions.items.values.filter(pl.Series(job.part))
        result = evaluate(model, train, test, attributes=job.attributes, skip=True, progress=progress, **options)
    if model.interrupted_:
        raise KeyboardInterrupt
    details = details_of(model, train.interactions, test.interactions, result.measured, dataset.users)
    return Outcome(
        figures={
            "split": job.split.name,
            "seed": getattr(model, "seed_", None),
            "epochs": model.best_epoch_,
            "epoch_chosen_on": result.epoch_chosen_on,
            "fit_seconds": result.seconds["fit"],
            "score_seconds": result.seconds["score"],
            "peak_mb": None,
            "n_threads": job.n_threads,
        },
        results=[result_of(name, value, result.summaries.get(name)) for name, value in result.metrics.items()],
        details={**details, "warnings": warned},
        skipped=result.measured.skipped,
        units=units_table(result.measured.units),
    )


@contextmanager
def warnings_of_palate() -> Iterator[list[str]]:
    """Collect what Palate warns of, once each; it is not shown on the way."""
    messages: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() not in messages:
                messages.append(record.getMessage())

    log, collect = logging.getLogger("palate"), Collect(logging.WARNING)
    before, passes_on = log.handlers, log.propagate
    log.handlers, log.propagate = [collect], False
    try:
        yield messages
    finally:
        log.handlers, log.propagate = before, passes_on


def peak_megabytes() -> float | None:
    """Return the most memory this process has held, in MB, or None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held before this program was started
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    if os.name != "posix":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def result_of(name: str, value: float, summary: Any) -> dict[str, Any]:
    """Return a metric's row of results."""
    none = dict.fromkeys(f.name for f in fields(Summary) if f.name != "mean")
    known = {key: figure for key, figure in asdict(summary).items() if key != "mean"} if summary else none
    return {"metric": name, "value": value, **known}


def units_table(units: Mapping[str, Units]) -> pl.DataFrame:
    """Return each user's share of each metric as a table."""
    parts = [
        pl.DataFrame({"user_index": shares.user_index, "num": shares.num, "den": shares.den}).select(
            pl.lit(name).alias("metric"), "user_index", "num", "den"
        )
        for name, shares in units.items()
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=UNITS)
