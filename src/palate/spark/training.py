"""`train`: `ALS` and `ImplicitALS` by sweeps over blocks, each sweep kept as Parquet."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from palate.errors import DataError, ParameterError, Remedy, Set
from palate.models import ALS, BayesianMF, ImplicitALS
from palate.models.contract.parameters import draw_seed
from palate.parallel import check_threads
from palate.progress import Progress, ProgressCallback, silent
from palate.spark.bayes.snapshots import forget_states, is_sampling
from palate.spark.bayes.training import Sampling
from palate.spark.executors import check as check_executors
from palate.spark.facts import check_free, write_facts
from palate.spark.failures import clear_errors
from palate.spark.given import SIDES, GivenFactors, Start
from palate.spark.halves import Common, Half, PriorWeights, RatingHalf
from palate.spark.kinds import gram_of, prior_of
from palate.spark.messages import Wire
from palate.spark.prepared import Prepared
from palate.spark.resuming import stopped
from palate.spark.session import settings
from palate.spark.starts import Beginning
from palate.spark.sweeps import SETTINGS, SUMS, TOLD, Layouts, SideFactors, reread, solved, sums_of, told, with_errors
from palate.spark.trained import Trained, sweep_path
from palate.spark.used import used_by

log = logging.getLogger(__name__)

WIRES = ("float32", "bfloat16")


def train(
    prepared: Prepared,
    model: ALS | ImplicitALS | BayesianMF | None,
    path: str,
    *,
    start: GivenFactors | ALS | ImplicitALS | None = None,
    resume: bool = False,
    wire: Literal["float32", "bfloat16"] = "float32",
    progress: ProgressCallback | None = None,
    persist: bool = True,
    threads_per_task: int = 1,
    overwrite: bool = False,
) -> Trained:
    """Learn a model of prepared ratings or clicks, by the row solvers of one machine.

    `BayesianMF` is sampled without the incidence, without time effects and with the Gaussian likelihood; the driver
    holds its draws, as one machine does, and its state is written after every 20 sweeps.

    Args:
        prepared: what `palate.spark.prepare` has made.
        model: unfitted, with its parameters; may be None where a training is resumed.
        path: a folder for the factors, which are kept after each sweep.
        start: factors to go on from, or a fitted model whose users and items are found by their ids.
        resume: go on after the last whole sweep of a training that has stopped.
        wire: how factors travel between blocks; bfloat16 halves the bytes, and costs precision: not for dtype float64.
        progress: called after every sweep.
        persist: keep the layout in the executors' memory; without, the ratings travel in each half sweep, and a
            warning says how many bytes that is.
        threads_per_task: of the solver; as many as a task has cores.
        overwrite: write over what lies at ``path``.

    Raises:
        ParameterError: a parameter has a wrong type or range, or ratings cannot be solved with these penalties.
        DataError: ``path`` exists, or what is to be resumed does not.
    """
    threads = check_threads(threads_per_task)
    if isinstance(model, BayesianMF) or (resume and model is None and is_sampling(prepared.spark, path)):
        _refuse_for_bayes(start, wire)
        begin = Sampling(prepared, model, path, threads, resume=resume, persist=persist, overwrite=overwrite)
        return begin.finish(progress or silent)
    before = stopped(prepared, path, model) if resume else []
    _check_wire(wire, before[0].model if before else model)
    if not resume:
        check_free(prepared.spark, path, overwrite=overwrite)
    if overwrite:
        forget_states(prepared.spark, path)
    check_executors(prepared.spark)
    states = before or [begun(prepared, model, path, progress or silent)]
    job = SparkTraining.of(states[0], wire == "bfloat16", threads)
    given = Start.of(start, prepared, job.first.model, job.wire)
    with clear_errors(path, "training"), settings(prepared.spark, SETTINGS), job.laid_out(persist=persist) as layouts:
        now = job.newest(states) if resume else job.begun(layouts, given)
        n_epochs = job.first.model.n_epochs
        while now.trained.sweep < n_epochs:
            now = job.next(now, layouts)
            (progress or silent)(Progress("training", now.trained.sweep, n_epochs, now.trained.history[-1]))
    write_facts(prepared.spark, path, now.trained.facts())
    return now.trained


def _refuse_for_bayes(start: Any, wire: str) -> None:
    if start is not None:
        raise ParameterError.of("start", "is for ALS and ImplicitALS: BayesianMF begins anew on Spark")
    if wire != "float32":
        raise ParameterError.of("wire", "is 'float32' for BayesianMF: rounded rows would be no draws", value=wire)


def _check_wire(wire: str, model: ALS | ImplicitALS | None) -> None:
    if wire not in WIRES:
        raise ParameterError.outside("wire", " or ".join(map(repr, WIRES)), wire)
    if wire == "bfloat16" and getattr(model, "dtype", None) == "float64":
        raise ParameterError.of(
            "wire", "is 'bfloat16', which keeps 3 digits of what dtype='float64' computes: take one of them",
            Remedy(": ", Set("wire", "float32")),
            value=wire,
        )  # fmt: skip


def begun(
    prepared: Prepared, model: ALS | ImplicitALS | None, path: str, progress: ProgressCallback = silent
) -> Trained:
    """Return a training before its first sweep, with the settings that the data ask for."""
    if not isinstance(model, ALS | ImplicitALS):
        raise ParameterError.outside("model", "an ALS(…), ImplicitALS(…) or BayesianMF(…)", model)
    model.check_parameters()
    seed = draw_seed(model.random_state)
    kind, n_factors = used_by(prepared, model, seed, progress)
    return Trained(prepared, path, model, n_factors, seed, kind, 0, [])


@dataclass(frozen=True, eq=False)
class Now:
    """What a sweep has left.

    Attributes:
        trained: the model after it.
        users, items: their factors; None for items where a sweep needs none to begin with.
    """

    trained: Trained
    users: SideFactors
    items: SideFactors | None

    def side(self, side: int) -> SideFactors | None:
        """Return users or items."""
        return self.users if side == 0 else self.items


@dataclass(frozen=True, eq=False)
class SparkTraining:
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
    def of(cls, first: Trained, bfloat16: bool, n_threads: int) -> SparkTraining:
        """Return the training of a model."""
        features = [first.prepared.features(side) for side in SIDES]
        counts = [0 if each is None else len(each["names"]) for each in features]
        return cls(first, replace(first.wire, bfloat16=bfloat16), (counts[0], counts[1]), n_threads)

    @contextmanager
    def laid_out(self, *, persist: bool) -> Iterator[Layouts]:
        """Keep the layouts in memory inside the block."""
        kind, prepared = self.first.kind, self.first.prepared
        sides = kind.layout(prepared.layout("user")), kind.layout(prepared.layout("item"))
        layouts = Layouts.of(sides, self.wire)
        kept = layouts.kept() if persist else None
        if kept is None:
            n_bytes = f"{prepared.n_rows * (12 if prepared.has_weights else 8):,}"
            log.warning("%s bytes of ratings travel in each half sweep, for executors do not keep them", n_bytes)
        try:
            yield kept or layouts
        finally:
            if kept is not None:
                kept.forget()

    def begun(self, layouts: Layouts, given: Start) -> Now:
        """Return what the first sweep goes on from."""
        users = self._begin(0, layouts, given)
        return Now(self.first, users, self._begin(1, layouts, given) if self._items_begin else None)

    def _begin(self, side: int, layouts: Layouts, given: Start) -> SideFactors:
        kind, seed = self.first.kind, self.first.seed
        half = kind.half(side, self.common(side, 0, None, self.first), None, last=False)
        start = Beginning(half, seed, side, kind.start_scale(side), kind.needs_grams)
        plan = layouts.begin(side, given.rows(SIDES[side]), start)
        records, rows = told(plan, sweep_path(self.first.path, 0, SIDES[side]), SUMS, TOLD)
        return SideFactors(records, sums_of(rows, half))

    def newest(self, states: Sequence[Trained]) -> Now:
        """Return what the newest sweep has left that is whole.

        Raises:
            DataError: none is.
        """
        for trained in states:
            try:
                return self._reread(trained)
            except DataError as error:
                broken = error
        raise broken

    def _reread(self, trained: Trained) -> Now:
        users = self._read(0, trained)
        if trained.sweep == 0:
            return Now(trained, users, self._read(1, trained) if self._items_begin else None)
        items = self._read(1, trained)
        record = {"epoch": trained.sweep, **trained.kind.record((users.sums, items.sums), trained.priors)}
        return Now(replace(trained, history=[*trained.history, record]), users, items)

    def _read(self, side: int, trained: Trained) -> SideFactors:
        half = trained.kind.half(side, self.common(side, trained.sweep, None), None, last=False)
        return reread(self.first.prepared.spark, sweep_path(trained.path, trained.sweep, SIDES[side]), half)

    @property
    def _items_begin(self) -> bool:
        """Whether a first sweep needs factors of the items."""
        return self.first.kind.needs_grams or self.n_features[1] > 0

    def next(self, now: Now, layouts: Layouts) -> Now:
        """Return what the next sweep leaves: items first, then users."""
        started_at = time.perf_counter()
        sweep, kind = now.trained.sweep + 1, now.trained.kind
        last = sweep == now.trained.model.n_epochs
        priors = self.prior(now, 0), self.prior(now, 1)
        half = kind.half(1, self.common(1, sweep, priors[1]), gram_of(now.users.sums), last=last)
        items = self._solved(1, half, layouts, now.users, now)
        begun = replace(now.trained, priors=priors)
        half = kind.half(0, self.common(0, sweep, priors[0], begun), gram_of(items.sums), last=last)
        users = self._solved(0, half, layouts, items, now)
        record = {"epoch": sweep, **kind.record((users.sums, items.sums), priors)}
        record["seconds"] = time.perf_counter() - started_at
        gram = kind.gram(items.sums)
        trained = replace(begun, sweep=sweep, history=[*begun.history, record], gram=gram)
        return Now(trained, users, items)

    def _solved(self, side: int, half: Half, layouts: Layouts, before: SideFactors, now: Now) -> SideFactors:
        """Return a side that is solved against the other."""
        path = sweep_path(now.trained.path, half.common.sweep, SIDES[side])
        plan = layouts.half(side, before, now.side(side) if half.goes_on else None, half)
        with clear_errors(path, f"sweep {half.common.sweep}"):
            factors = solved(plan, path, half)
            if factors.long is not None and isinstance(half, RatingHalf) and half.limits is not None:
                return with_errors(factors, layouts.errors(side, before, half, factors.long), path)
        return factors

    def prior(self, now: Now, side: int) -> PriorWeights | None:
        """Return the weights of a side's features, as its factors ask for them."""
        factors = now.side(side)
        parts = [] if factors is None else factors.sums.features
        return prior_of(parts, self.n_features[side], now.trained.kind.reg_features, self.wire.dtype)

    def common(self, side: int, sweep: int, prior: PriorWeights | None, begun: Trained | None = None) -> Common:
        """Return what half sweeps of all models have; begun: the model that a resumed training goes on from."""
        state = None if begun is None else json.dumps(begun.facts())
        long = tuple(sorted(self.first.prepared.long(SIDES[side])))
        return Common(self.wire, sweep, self.n_features[side], prior, long, self.n_threads, state)
