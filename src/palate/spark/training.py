"""`train`: `ALS` and `ImplicitALS` by sweeps over blocks, each sweep kept as Parquet."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from palate.errors import ParameterError
from palate.models import ALS, ImplicitALS
from palate.models.contract.parameters import draw_seed
from palate.parallel import check_threads
from palate.progress import Progress, ProgressCallback, silent
from palate.spark.arrays import schema_of
from palate.spark.facts import check_free, write_facts
from palate.spark.failures import clear_errors
from palate.spark.halves import Common, Half, RatingHalf, Weights
from palate.spark.kinds import Priors, gram_of, prior_of
from palate.spark.messages import Wire
from palate.spark.prepared import Prepared, Side
from palate.spark.session import settings
from palate.spark.starts import GIVEN, Start
from palate.spark.sweeps import SETTINGS, Factors, Layouts, error_sums, joined, solved, sums_of, written
from palate.spark.trained import Trained, sweep_path
from palate.spark.used import clicks_of, ratings_of
from palate.sparse import Array

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SIDES: tuple[Side, Side] = ("user", "item")
WIRES = ("float32", "bfloat16")


@dataclass(frozen=True, eq=False)
class Given:
    """Factors that training goes on from.

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
    model: ALS | ImplicitALS | None,
    path: str,
    *,
    start: Given | None = None,
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
        model: unfitted, with its parameters; may be None where a training is resumed.
        path: a folder for the factors, which are kept after each sweep.
        start: factors to go on from.
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
    if wire not in WIRES:
        raise ParameterError.outside("wire", " or ".join(map(repr, WIRES)), wire)
    check_free(prepared.spark, path, overwrite=overwrite)
    first = begun(prepared, model, path)
    job = Training.of(first, wire == "bfloat16", check_threads(threads_per_task))
    with settings(prepared.spark, SETTINGS), job.laid_out(persist=persist) as layouts:
        now = job.begun(layouts, start or Given())
        n_epochs = first.model.n_epochs
        while now.trained.sweep < n_epochs:
            now = job.next(now, layouts)
            (progress or silent)(Progress("training", now.trained.sweep, n_epochs, now.trained.history[-1]))
    write_facts(prepared.spark, path, now.trained.facts())
    return now.trained


def begun(prepared: Prepared, model: ALS | ImplicitALS | None, path: str) -> Trained:
    """Return a training before its first sweep, with the settings that the data ask for."""
    if not isinstance(model, ALS | ImplicitALS):
        raise ParameterError.outside("model", "an ALS(…) or ImplicitALS(…)", model)
    model.check_parameters()
    kind = ratings_of(prepared, model) if isinstance(model, ALS) else clicks_of(prepared, model)
    return Trained(prepared, path, model, int(model.n_factors), draw_seed(model.random_state), kind, 0, [])


@dataclass(frozen=True, eq=False)
class Now:
    """What a sweep has left.

    Attributes:
        trained: the model after it.
        users, items: their factors; None for items where a sweep needs none to begin with.
    """

    trained: Trained
    users: Factors
    items: Factors | None

    def side(self, side: int) -> Factors | None:
        """Return users or items."""
        return self.users if side == 0 else self.items


@dataclass(frozen=True, eq=False)
class Training:
    """What stays the same over the sweeps of a training.

    Attributes:
        first: the model as it began.
        wire: how factors travel.
        n_features: of users and of items.
        n_threads: of a task.
    """

    first: Trained
    wire: Wire
    n_features: tuple[int, int]
    n_threads: int

    @classmethod
    def of(cls, first: Trained, bfloat16: bool, n_threads: int) -> Training:
        """Return the training of a model."""
        features = [first.prepared.features(side) for side in SIDES]
        counts = [0 if each is None else len(each["names"]) for each in features]
        return cls(first, replace(first.wire, bfloat16=bfloat16), (counts[0], counts[1]), n_threads)

    @contextmanager
    def laid_out(self, *, persist: bool) -> Iterator[Layouts]:
        """Keep the layouts in memory inside the block."""
        kind, prepared = self.first.kind, self.first.prepared
        sides = kind.layout(prepared.layout("user")), kind.layout(prepared.layout("item"))
        layouts = Layouts.of(sides, self.wire, persist=persist)
        try:
            yield layouts
        finally:
            if persist:
                layouts.forget()

    def begun(self, layouts: Layouts, given: Given) -> Now:
        """Return what the first sweep goes on from."""
        users = self._begin(0, layouts, given)
        needed = self.first.kind.needs_grams or self.n_features[1] > 0
        return Now(self.first, users, self._begin(1, layouts, given) if needed else None)

    def _begin(self, side: int, layouts: Layouts, given: Given) -> Factors:
        kind, seed = self.first.kind, self.first.seed
        half = kind.half(side, self.common(side, 0, None), None, last=False)
        start = Start(half, seed, side, kind.start_scale(side), kind.needs_grams)
        plan = layouts.begin(side, self.rows_of(*given.of_side(side)), start)
        records = written(plan, sweep_path(self.first.path, 0, SIDES[side]))
        return Factors(records, sums_of(records, half))

    def next(self, now: Now, layouts: Layouts) -> Now:
        """Return what the next sweep leaves: items first, then users."""
        started_at = time.perf_counter()
        sweep, kind = now.trained.sweep + 1, now.trained.kind
        last = sweep == now.trained.model.n_epochs
        priors = self.prior(now, 0), self.prior(now, 1)
        half = kind.half(1, self.common(1, sweep, priors[1]), gram_of(now.users.sums), last=last)
        items = self._solved(1, half, layouts, now.users, now)
        state = json.dumps(replace(now.trained, priors=priors).facts())
        half = kind.half(0, self.common(0, sweep, priors[0], state), gram_of(items.sums), last=last)
        users = self._solved(0, half, layouts, items, now)
        record = {"epoch": sweep, **kind.record((users.sums, items.sums), priors)}
        record["seconds"] = time.perf_counter() - started_at
        return Now(self.after(now.trained, sweep, record, priors, items), users, items)

    def after(self, trained: Trained, sweep: int, record: dict[str, float], priors: Priors, items: Factors) -> Trained:
        """Return the model after a sweep."""
        return replace(trained, sweep=sweep, history=[*trained.history, record], priors=priors)

    def _solved(self, side: int, half: Half, layouts: Layouts, before: Factors, now: Now) -> Factors:
        """Return a side that is solved against the other."""
        path = sweep_path(now.trained.path, half.common.sweep, SIDES[side])
        plan = layouts.half(side, before, now.side(side) if half.goes_on else None, half)
        with clear_errors(path, f"sweep {half.common.sweep}"):
            factors = solved(plan, path, half)
            if side == 0 and factors.long is not None and isinstance(half, RatingHalf):
                errors = written(layouts.errors(side, before, half, factors.long), f"{path}-errors")
                return replace(factors, sums=joined(factors.sums, error_sums(errors)))
        return factors

    def prior(self, now: Now, side: int) -> Weights | None:
        """Return the weights of a side's features, as its factors ask for them."""
        factors = now.side(side)
        parts = [] if factors is None else factors.sums.features
        return prior_of(parts, self.n_features[side], now.trained.kind.reg_features, self.wire.dtype)

    def common(self, side: int, sweep: int, prior: Weights | None, state: str | None = None) -> Common:
        """Return what half sweeps of all models have."""
        long = tuple(sorted(self.first.prepared.long(SIDES[side])))
        return Common(self.wire, sweep, self.n_features[side], prior, long, self.n_threads, state)

    def rows_of(self, factors: Array | None, biases: Array | None) -> DataFrame:
        """Return given factors as rows of `palate.spark.starts.GIVEN`."""
        import pyarrow as pa

        spark, schema = self.first.prepared.spark, schema_of(GIVEN)
        if factors is None:
            return spark.createDataFrame(schema.empty_table(), GIVEN)
        keys, positions = np.array(self.wire.keys, np.int32), np.arange(len(factors), dtype=np.int32)
        X = np.ascontiguousarray(factors, self.wire.dtype)
        b = np.zeros(len(X)) if biases is None else np.asarray(biases, np.float64)
        raw = pa.array([x.tobytes() for x in X], pa.binary())
        columns = [pa.array(keys[positions % len(keys)]), pa.array(positions), raw, pa.array(b)]
        return spark.createDataFrame(pa.Table.from_arrays(columns, schema=schema), GIVEN)
