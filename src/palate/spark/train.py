"""`train`: `ALS` and `ImplicitALS` by sweeps over blocks, each sweep kept as Parquet."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from palate.errors import DataError, ParameterError
from palate.models import ALS, ImplicitALS
from palate.models.contract.parameters import draw_seed
from palate.models.ridge.sweeps import ALSSettings
from palate.parallel import check_threads
from palate.progress import Progress, ProgressCallback, silent
from palate.spark.facts import check_free, write_facts
from palate.spark.failures import clear_errors
from palate.spark.halves import Common
from palate.spark.kinds import Priors, Ratings, prior_of
from palate.spark.messages import Wire
from palate.spark.prepared import Prepared, Side
from palate.spark.session import settings
from palate.spark.starts import GIVEN, Start
from palate.spark.sweeps import SETTINGS, Layouts, Sums, read, sums_of, written
from palate.spark.trained import Trained, sweep_path
from palate.sparse import Array

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SIDES: tuple[Side, Side] = ("user", "item")
WIRES = ("float32", "bfloat16")


@dataclass(frozen=True, eq=False)
class Given:
    """Factors that training goes on from, of the positions that have some.

    Attributes:
        users, items: (n_users, k), (n_items, k), or None for random ones.
        user_biases, item_biases: (n_users,), (n_items,), or None for zeros.
    """

    users: Array | None = None
    items: Array | None = None
    user_biases: Array | None = None
    item_biases: Array | None = None

    def of_side(self, side: int) -> tuple[Array | None, Array | None]:
        """Return factors and biases of users or items."""
        return (self.users, self.user_biases) if side == 0 else (self.items, self.item_biases)


def train(
    prepared: Prepared,
    model: ALS | ImplicitALS,
    path: str,
    *,
    start: Given | ALS | ImplicitALS | None = None,
    resume: bool = False,
    wire: Literal["float32", "bfloat16"] = "float32",
    progress: ProgressCallback | None = None,
    persist: bool = True,
    threads_per_task: int = 1,
    overwrite: bool = False,
) -> Trained:
    """Learn a model of prepared ratings or clicks, by the row solvers of one machine.

    Args:
        prepared: what `palate.spark.prepare` has made.
        model: unfitted, with its parameters.
        path: a folder for the factors, which are kept after each sweep.
        start: factors to go on from, or a fitted model, whose users and items are found by their ids.
        resume: go on after the last whole sweep of a training that has stopped.
        wire: how factors travel between blocks; bfloat16 halves the bytes, and costs precision.
        progress: called after every sweep.
        persist: keep the layout in the executors' memory; without, the ratings travel in each half sweep.
        threads_per_task: of the solver; as many as a task has cores.
        overwrite: write over what lies at ``path``.

    Raises:
        ParameterError: a parameter has a wrong type or range, or ratings cannot be solved with these penalties.
        DataError: ``path`` exists, or what is to be resumed does not.
    """
    model.check_parameters()
    if wire not in WIRES:
        raise ParameterError.outside("wire", " or ".join(map(repr, WIRES)), wire)
    check_free(prepared.spark, path, overwrite=overwrite)
    job = Training.of(prepared, model, path, wire == "bfloat16", check_threads(threads_per_task))
    with settings(prepared.spark, SETTINGS), job.laid_out(persist=persist) as layouts:
        now = job.begun(layouts, start or Given())
        while now.trained.sweep < model.n_epochs:
            now = job.next(now, layouts)
            report(now.trained, model.n_epochs, progress or silent)
    write_facts(prepared.spark, path, now.trained.facts())
    return now.trained


def report(trained: Trained, n_epochs: int, progress: ProgressCallback) -> None:
    """Tell of a sweep."""
    progress(Progress("training", trained.sweep, n_epochs, trained.history[-1]))


@dataclass(frozen=True, eq=False)
class Now:
    """What a sweep has left.

    Attributes:
        trained: the model after it.
        records: of users and of items; None where there are none yet.
        sums: of both.
    """

    trained: Trained
    records: tuple[DataFrame | None, DataFrame | None]
    sums: tuple[Sums | None, Sums | None]


@dataclass(frozen=True, eq=False)
class Training:
    """A training: what stays the same over its sweeps."""

    prepared: Prepared
    first: Trained
    wire: Wire
    n_features: tuple[int, int]
    n_threads: int

    @classmethod
    def of(cls, prepared: Prepared, model: ALS | ImplicitALS, path: str, bfloat16: bool, n_threads: int) -> Training:
        """Return a training with the settings that the data ask for."""
        seed = draw_seed(model.random_state)
        on = ALSSettings(
            float(np.dtype(model.dtype).type(prepared.facts["value_sum"] / prepared.facts["weight_sum"])),
            float(model.reg) * model.shrinkage,
            float(model.reg_biases),
            float(model.reg_biases),
            model.reg_exponent,
            model.reg_features,
            model.biases,
        )
        kind = Ratings(on, prepared.rating_limits, float(model.init_scale or 0.1))
        first = Trained(prepared, path, model, model.n_factors, seed, kind, 0, [])
        wire = Wire(prepared.keys, model.n_factors, str(model.dtype), bfloat16)
        features = [prepared.features(side) for side in SIDES]
        counts = [0 if each is None else len(each["names"]) for each in features]
        return cls(prepared, first, wire, (counts[0], counts[1]), n_threads)

    @contextmanager
    def laid_out(self, *, persist: bool) -> Iterator[Layouts]:
        """Keep the layouts in memory inside the block."""
        sides = self.prepared.layout("user"), self.prepared.layout("item")
        layouts = Layouts.of(sides, self.prepared.n_blocks, persist=persist)
        try:
            yield layouts
        finally:
            if persist:
                layouts.forget()

    def begun(self, layouts: Layouts, given: Given) -> Now:
        """Return what the first sweep goes on from."""
        records: list[DataFrame | None] = []
        sums: list[Sums | None] = []
        for side in (0, 1):
            needed = side == 0 or self.first.kind.needs_own or self.n_features[side] > 0
            half = self.first.kind.half(side, self.common(side, 0, (None, None)), None, last=False)
            start = Start(half, self.first.seed, side, self.first.kind.start_scale(side), self.first.kind.needs_own)
            plan = layouts.begin(side, self.rows_of(*given.of_side(side)), start) if needed else None
            records.append(plan and written(plan, sweep_path(self.first.path, 0, SIDES[side])))
            sums.append(records[side] and sums_of(records[side], self.prepared.n_blocks))
        return Now(self.first, (records[0], records[1]), (sums[0], sums[1]))

    def next(self, now: Now, layouts: Layouts) -> Now:
        """Return what the next sweep leaves: items first, then users."""
        started_at = time.perf_counter()
        sweep, kind, path = now.trained.sweep + 1, now.trained.kind, now.trained.path
        last = sweep == now.trained.model.n_epochs
        priors = self.prior(now, 0), self.prior(now, 1)
        half = kind.half(1, self.common(1, sweep, priors), now.sums[0], last=last)
        own = now.records[1] if kind.needs_own else None
        items = written(layouts.half(1, now.records[0], own, half), sweep_path(path, sweep, "item"))
        of_items = sums_of(items, self.prepared.n_blocks)
        half = kind.half(0, self.common(0, sweep, priors, self.state(now, priors)), of_items, last=last)
        own = now.records[0] if kind.needs_own and not last else None
        users = written(layouts.half(0, items, own, half), sweep_path(path, sweep, "user"))
        sums = sums_of(users, self.prepared.n_blocks), of_items
        record = {"epoch": sweep, **kind.record(sums, priors), "seconds": time.perf_counter() - started_at}
        history = [*now.trained.history, record]
        return Now(replace(now.trained, sweep=sweep, history=history, priors=priors), (users, items), sums)

    def prior(self, now: Now, side: int) -> Priors:
        """Return the weights of a side's features, as its factors ask for them."""
        sums = now.sums[side]
        parts = [] if sums is None else sums.features
        return prior_of(parts, self.n_features[side], now.trained.kind.reg_features, self.wire.dtype)

    def common(self, side: int, sweep: int, priors: Priors, state: str | None = None) -> Common:
        """Return what half sweeps of all models have."""
        return Common(self.wire, sweep, self.n_features[side], priors[side], self.n_threads, state)

    def state(self, now: Now, priors: Priors) -> str:
        """Return what resuming after the sweep that begins needs, beside its figures."""
        return json.dumps(replace(now.trained, priors=priors).facts())

    def rows_of(self, factors: Array | None, biases: Array | None) -> DataFrame:
        """Return given factors as rows of `palate.spark.starts.GIVEN`."""
        import pyarrow as pa

        from palate.spark.arrays import schema_of

        if factors is None:
            return self.prepared.spark.createDataFrame(schema_of(GIVEN).empty_table(), GIVEN)
        n, keys = self.prepared.n_blocks, np.array(self.wire.keys, np.int32)
        positions = np.arange(len(factors), dtype=np.int32)
        X = np.ascontiguousarray(factors, self.wire.dtype)
        b = np.zeros(len(X)) if biases is None else np.asarray(biases, np.float64)
        values = [keys[positions % n], positions, pa.array([x.tobytes() for x in X], pa.binary()), b]
        return self.prepared.spark.createDataFrame(pa.Table.from_arrays([pa.array(v) for v in values], schema=schema_of(GIVEN)), GIVEN)
