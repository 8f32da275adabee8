"""The sweeps of `BayesianMF` over blocks: rows where their cells lie, all else at the driver."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from palate.errors import DataError, ParameterError
from palate.models import BayesianMF
from palate.models.bayes.chain import stream
from palate.models.bayes.chains import warn_of_overfit, warn_of_unsettled
from palate.models.bayes.chance import ByName
from palate.models.bayes.checkpoints import restored, snapshot
from palate.models.bayes.derived import diverged
from palate.models.bayes.product_sum import bytes_of_sum
from palate.models.bayes.run import spaced, together
from palate.models.bayes.start import first_rows
from palate.models.bayes.units import record_out_of_unit
from palate.models.contract.memory import check_memory
from palate.models.contract.parameters import draw_seed, plain_value
from palate.parallel import single_blas_thread
from palate.progress import Progress, ProgressCallback
from palate.spark.arrays import array_of, runs
from palate.spark.bayes.chains import ChainSide, DriverChain, added
from palate.spark.bayes.ground import BayesGround, check_model, ground_of, with_features
from palate.spark.bayes.halves import GIVEN, BayesHalf, ChainHalf, ChainSums, begin, draw, long_errors
from palate.spark.bayes.long_draws import DrawnLongRows
from palate.spark.bayes.posterior import DrawSums, SideRows
from palate.spark.bayes.rows import (
    MESSAGES,
    RECORDS,
    SENT,
    ChainShape,
    LongDraws,
    Since,
    runs_of,
    send,
    send_own,
)
from palate.spark.bayes.snapshots import forget_states, frame_of, read_states, write_state
from palate.spark.bayes.trained import BayesKind, TrainedBayes
from palate.spark.executors import check as check_executors
from palate.spark.facts import check_free, write_facts
from palate.spark.failures import clear_errors
from palate.spark.messages import Wire
from palate.spark.prepared import Prepared
from palate.spark.session import settings
from palate.spark.settings import SIDES
from palate.spark.sweeps import SETTINGS, WRITTEN, Layouts, ordered
from palate.spark.trained import sweep_path
from palate.sparse import Array

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEPT_SWEEPS = 20  # after so many the state is written


@dataclass(frozen=True, eq=False)
class Sampling:
    """What `palate.spark.train` is asked for with a `BayesianMF`.

    Attributes:
        prepared, model, path: as there; model may be None where a training is resumed.
        n_threads: of a task.
        resume, persist, overwrite: as there.
    """

    prepared: Prepared
    model: BayesianMF | None
    path: str
    n_threads: int
    resume: bool
    persist: bool
    overwrite: bool

    def finish(self, progress: ProgressCallback) -> TrainedBayes:
        """Sample what is left, and return the trained model.

        Raises:
            ParameterError: what the sampler cannot do on Spark, or the training to resume is another one.
            DataError: there is none to resume, it was trained on something else, or something lies there.
            DivergenceError: the chain left the finite numbers.
        """
        spark = self.prepared.spark
        run = self.resumed() if self.resume else self.begun()
        with settings(spark, SETTINGS), run.laid_out(persist=self.persist) as layouts, single_blas_thread():
            try:
                run.finish(layouts, progress)
            except np.linalg.LinAlgError as error:
                raise diverged(run.model, error) from None
        run.warn()
        trained = run.trained()
        write_facts(spark, self.path, trained.facts())
        return trained

    def begun(self) -> BayesRun:
        """Return a training before its first sweep."""
        spark, model = self.prepared.spark, self.model or BayesianMF()
        check_model(model, self.prepared)
        check_free(spark, self.path, overwrite=self.overwrite)
        if self.overwrite:
            forget_states(spark, self.path)
        check_executors(spark)
        return BayesRun.of(self.prepared, model, self.path, draw_seed(model.random_state), self.n_threads)

    def resumed(self) -> BayesRun:
        """Return a training as its last whole state is."""
        states = list(read_states(self.prepared.spark, self.path))
        if not states:
            raise DataError(
                f"there is no training in {self.path} to resume that has come to {KEPT_SWEEPS} sweeps: train without "
                "resume",
                code="not_found",
                subject=self.path,
            )
        last = max(states, key=lambda state: int(state.values["run.sweep"]))
        was = last.values["fit"]
        model = self.model or BayesianMF(**was["parameters"])
        check_model(model, self.prepared)
        check_same(was, self.prepared.path, model, self.path)
        check_executors(self.prepared.spark)
        run = BayesRun.of(self.prepared, model, self.path, int(was["seed"]), self.n_threads)
        restored(last, {"run": run, "sums": run.sums}, was)
        return run


def check_same(was: dict[str, Any], prepared: str, model: BayesianMF, path: str) -> None:
    """Refuse to go on with another model or other data.

    Raises:
        DataError: it was trained on something else.
        ParameterError: names the parameter that differs.
    """
    if was["prepared"] != prepared:
        raise DataError.of(path, f"was trained on {was['prepared']}, not on {prepared}", code="format")
    for name, value in model.get_params().items():
        before = was["parameters"].get(name)
        if name not in ("random_state", "n_threads", "store_history") and value != before:
            raise ParameterError(
                f"the training in {path} has {name}={before!r}, and cannot go on with {value!r}", subject=name
            )


@dataclass(eq=False)
class BayesRun:
    """A training: what stays the same, and what its sweeps change.

    Attributes:
        prepared, model, path, seed: as given.
        ground: what the chains stand on.
        shape: of records.
        n_threads: of a task.
        sums: what is kept of the sweeps.
        chains: by number.
        long: of users and of items, the rows that the driver draws.
        rows: of users and of items, X and scales when the state was last written.
        history: one record a sweep.
        sweep: the last one done.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("chains", "long", "rows", "history", "sweep")

    prepared: Prepared
    model: BayesianMF
    path: str
    seed: int
    ground: BayesGround
    shape: ChainShape
    n_threads: int
    sums: DrawSums
    chains: list[DriverChain]
    long: list[DrawnLongRows]
    rows: list[list[Array]]
    history: list[dict[str, float]] = field(default_factory=list)
    sweep: int = 0
    records: list[Any] = field(default_factory=lambda: [None, None])
    begun: bool = True  # records are those that sweeps begin with
    item_factors: Array | None = None  # what coordinates of items are multiplied by since they were written
    halves: list[tuple[ChainHalf, ChainHalf]] = field(default_factory=list)  # of the sweep that is on

    @classmethod
    def of(cls, prepared: Prepared, model: BayesianMF, path: str, seed: int, n_threads: int) -> BayesRun:
        """Return a training before its first sweep."""
        ground, n_chains = ground_of(prepared, model, seed), int(model.n_chains)
        shape = ChainShape(tuple(prepared.keys), n_chains, ground.settings.n_factors + 1)
        n = prepared.n_users, prepared.n_items
        wanted = model._wanted(*n, ground.settings.n_factors)
        check_memory(
            "this BayesianMF", bytes_of(model, n, ground.settings.n_factors), "take fewer n_factors, n_kept or n_chains"
        )
        sums = DrawSums.of(shape, n, wanted, ground.encoders)
        rows = [_first(model, seed, shape, side, n[side]) for side in (0, 1)]
        chains = []
        for number in range(n_chains):
            sides: list[ChainSide] = []
            for side in (0, 1):
                own = ground.sides[side].chain_side(ground.hyper, shape.width)
                own.take(_sums_of(shape.of_chain(rows[side][0], number), ground, side))
                sides.append(own)
            chains.append(DriverChain(sides[0], sides[1], ground.constants, prepared.n_rows, ground.mean))
        long = [_long(prepared, ground, side, rows[side]) for side in (0, 1)]
        return cls(prepared, model, path, seed, ground, shape, n_threads, sums, chains, long, rows)

    @property
    def fit(self) -> dict[str, Any]:
        """What must be the same for a training to go on."""
        parameters = {name: plain_value(value) for name, value in self.model.get_params().items()}
        return {"prepared": self.prepared.path, "parameters": parameters, "seed": self.seed}

    @contextmanager
    def laid_out(self, *, persist: bool) -> Iterator[Layouts]:
        """Keep the layouts in memory inside the block."""
        sides = [
            with_features(self.prepared.layout(side), own, self.prepared)
            for side, own in zip(SIDES, self.ground.sides, strict=True)
        ]
        layouts = Layouts.of((sides[0], sides[1]), Wire(self.shape.keys, self.shape.numbers, "float32"))
        kept = layouts.kept() if persist else None
        try:
            yield kept or layouts
        finally:
            if kept is not None:
                kept.forget()

    def finish(self, layouts: Layouts, progress: ProgressCallback) -> None:
        """Do the sweeps that are left."""
        n_sweeps = int(self.model.n_sweeps)
        if self.sweep < n_sweeps:
            self.records = [self._begin(side, layouts) for side in (0, 1)]
        while self.sweep < n_sweeps:
            self._next(layouts)
            progress(Progress("sampling", self.sweep, n_sweeps, self.history[-1]))

    def _begin(self, side: int, layouts: Layouts) -> DataFrame:
        X, scales = self.rows[side]
        given = []
        for block, key in enumerate(self.shape.keys):
            own = [np.ascontiguousarray(rows[block :: len(self.shape.keys)]) for rows in (X, scales)]
            for part, (first, last) in enumerate(runs(len(own[0]), own[0][:1].nbytes)):
                parts = [rows[first:last].tobytes() for rows in own]
                given.append({"key": key, "part": part, "X": parts[0], "scales": parts[1]})
        frame = frame_of(self.prepared.spark, given, GIVEN).repartition(len(self.shape.keys), "key")
        layout = layouts.sides[side].where("kind != 'long'").groupBy("key")
        plan = layout.cogroup(frame.groupBy("key")).applyInArrow(
            partial(begin, shape=self.shape, sweep=self.sweep), RECORDS
        )
        return self._written(plan, side, self.sweep)

    def _written(self, plan: DataFrame, side: int, sweep: int) -> DataFrame:
        path = sweep_path(self.path, sweep, SIDES[side])
        with clear_errors(path, f"sweep {sweep}"):
            plan.write.mode("overwrite").options(**WRITTEN).parquet(path)
        return plan.sparkSession.read.schema(RECORDS).parquet(path)

    def _next(self, layouts: Layouts) -> None:
        """Sample once: items, users, what belongs to no row."""
        started_at, number, model = time.perf_counter(), self.sweep + 1, self.model
        rngs = [stream(self.seed, chain, number) for chain in range(self.shape.n_chains)]
        met = self._draw_items(number, rngs, layouts)
        half = self._half(0, number)
        users_then = self._since_users(number) if half.nu is not None else None
        since = Since(self.shape, 1, self.seed, number, None, (), None, met)
        pieces, own_sums = self._drawn(layouts, half, since, users_then)
        long_errors_ = self._draw_long_users(layouts, half, since, pieces, own_sums)
        for chain, sums, rng in zip(self.chains, own_sums, rngs, strict=True):
            chain.take(0, sums)
            chain.finish(sums.errors, rng)
        if long_errors_ is not None:
            self.long[0].draw_scales(half, long_errors_, [chain.scale_step for chain in self.chains])
        self.begun, self.sweep = False, number
        warm, last = number > model.n_burn_in, number == model.n_sweeps
        written = last or number % KEPT_SWEEPS == 0
        if warm or written:
            self._gather(warm=warm)
        record = together(number, [chain.figures() for chain in self.chains])
        record = record_out_of_unit(record, self.ground.unit)
        record["seconds"] = time.perf_counter() - started_at
        self.history.append(record)
        if last and self.sums.open:
            self._last_scales(layouts)
        if written:
            parts = {"run": self, "sums": self.sums}
            write_state(self.prepared.spark, self.path, number // KEPT_SWEEPS + last, snapshot(parts, self.fit))

    def _draw_items(self, number: int, rngs: Sequence[np.random.Generator], layouts: Layouts) -> LongDraws | None:
        """Draw the items, and return the long ones as the users meet them."""
        self.halves = [chain.begin(rng) for chain, rng in zip(self.chains, rngs, strict=True)]
        half = self._half(1, number)
        looks_back = half.nu is not None and half.chains[0].before is not None
        own = Since(self.shape, 1, self.seed, number - 1, self.item_factors, (), None, None) if looks_back else None
        pieces, sums = self._drawn(layouts, half, self._since_users(number), own)
        met = None
        if half.long:
            met, more = self.long[1].draw(half, pieces)
            sums = [added(pair) for pair in zip(sums, more, strict=True)]
        for chain, of_items in zip(self.chains, sums, strict=True):
            chain.take(1, of_items)
        if self.sums.open:
            self.sums.close(self._all_rows(1, None).scales)
        factors = [own_half.factors.astype(np.float32) for own_half in half.chains]
        self.item_factors = np.concatenate(factors)
        return met

    def _draw_long_users(
        self, layouts: Layouts, half: BayesHalf, items: Since, pieces: Sequence[Array], sums: list[ChainSums]
    ) -> list[Array] | None:
        """Draw the long users, add what they sum up to, and return the sums of their cells' errors by chain."""
        if not half.long:
            return None
        drawn, more = self.long[0].draw(half, pieces)
        both = self._beside(layouts.sides[0].where("kind = 'long'"), 0, items, None)
        plan = both.applyInArrow(partial(long_errors, half=half, long=drawn), RECORDS)
        columns = ["kind", "block", "row", "sums", "note"]
        with clear_errors(self.path, f"sweep {half.sweep}"):
            found = _by_row(plan.select(*columns).collect(), half, 5)
        for chain, (own, errors) in enumerate(zip(more, self.long[0].error_totals(found), strict=True)):
            own.errors[:] = errors
            sums[chain] = added([sums[chain], own])
        return found

    def _half(self, side: int, number: int) -> BayesHalf:
        n_features = self.ground.sides[side].Z.shape[1]
        long = self.long[side]
        return BayesHalf(
            self.shape,
            side,
            number,
            self.seed,
            self.model.scale_df,
            self.ground.unit,
            n_features,
            tuple(pair[side] for pair in self.halves),
            tuple(long.positions.tolist()),
            long.now if side == 1 and len(long.positions) else None,
            self.n_threads,
        )

    def _since_users(self, number: int) -> Since:
        """Return what has become of the users' rows since the sweep before this one."""
        steps = () if self.begun else tuple(chain.scale_step for chain in self.chains)
        long = self.long[0].now if len(self.long[0].positions) else None
        return Since(self.shape, 0, self.seed, number - 1, None, steps, self.model.scale_df, long)

    def _drawn(
        self, layouts: Layouts, half: BayesHalf, other: Since, own: Since | None
    ) -> tuple[list[Array], list[ChainSums]]:
        """Carry out a half sweep; return the pieces of long rows by chain, and the sums of the blocks."""
        both = self._beside(layouts.sides[half.side], half.side, other, own)
        records = self._written(both.applyInArrow(partial(draw, half=half), RECORDS), half.side, half.sweep)
        self.records[half.side] = records
        D, F = self.shape.width, half.n_features
        wanted = records.where("kind in ('sums', 'fault', 'piece')").select(
            "kind", "block", "row", "sums", "sweep", "note"
        )
        with clear_errors(self.path, f"sweep {half.sweep}"):
            rows = ordered(wanted.collect(), "block")
        sums = [np.frombuffer(row["sums"]).reshape(self.shape.n_chains, -1) for row in rows if row["kind"] == "sums"]
        if len(sums) != len(self.shape.keys):
            raise DataError(
                "the rows of a sweep are not whole: train anew with overwrite=True", code="damaged", subject="rows"
            )
        pieces = _by_row([row for row in rows if row["kind"] == "piece"], half, 2 + D * D + D) if half.long else []
        by_chain = [added([ChainSums.unpacked(one[c], D, F) for one in sums]) for c in range(self.shape.n_chains)]
        return pieces, by_chain

    def _beside(self, layout: DataFrame, side: int, other: Since, own: Since | None) -> Any:
        """Return the layout's groups beside those of the messages: the one exchange of a half sweep."""
        messages = self._sent(1 - side, partial(send, since=other))
        if own is not None:
            messages = messages.union(self._sent(side, partial(send_own, since=own)))
        messages = messages.repartition(len(self.shape.keys), "key")
        return layout.groupBy("key").cogroup(messages.groupBy("key"))

    def _sent(self, side: int, how: Any) -> DataFrame:
        sent: DataFrame = self.records[side].where("kind = 'rows'").select(*SENT).mapInArrow(how, MESSAGES)
        return sent

    def _all_rows(self, side: int, since: Since | None) -> SideRows:
        """Return all rows of a side at the driver, as they are, or as they were written."""
        n = self.prepared.n(SIDES[side])
        X, means = (np.zeros((n, self.shape.numbers), np.float32) for _ in range(2))
        scales = np.ones((n, self.shape.n_chains), np.float32)
        columns = [*SENT, "means"]
        with clear_errors(self.path, "bringing its rows to the driver"):
            table = self.records[side].where("kind = 'rows'").select(*columns).toArrow()
        for run, own_means in zip(runs_of(table, self.shape), table["means"], strict=True):
            at = self.shape.positions(run.block, run.first, len(run.X))
            X[at], scales[at] = (run.X, run.scales) if since is None else since.now(run)
            if own_means.is_valid:
                means[at] = array_of(own_means, np.float32, self.shape.numbers)
        long = self.long[side]
        if len(long.positions):
            X[long.positions], scales[long.positions] = long.X, long.scales
            means[long.positions] = long.means
        return SideRows(X, scales, means)

    def _gather(self, *, warm: bool) -> None:
        """Bring the rows to the driver, and add them to what is kept."""
        users = self._all_rows(0, self._since_users(self.sweep + 1))
        items = self._all_rows(1, Since(self.shape, 1, self.seed, self.sweep, self.item_factors, (), None, None))
        self.rows = [[users.X, users.scales], [items.X, items.scales]]
        if warm:
            wanted = -(-self.sums.kept.wanted // self.shape.n_chains)
            keeps = spaced(wanted, int(self.model.n_burn_in), int(self.model.n_sweeps))
            self.sums.add(self.chains, users, items, keep=self.sweep in keeps)

    def _last_scales(self, layouts: Layouts) -> None:
        """Draw the items once more, for their noise scales after the last sweep alone."""
        if self.model.scale_df is None:
            self.sums.close(np.ones((self.prepared.n_items, self.shape.n_chains), np.float32))
            return
        number = self.sweep + 1
        self._draw_items(number, [stream(self.seed, c, number) for c in range(self.shape.n_chains)], layouts)

    def warn(self) -> None:
        """Log where the chains took noise for taste, or have not settled."""
        n_burn_in = int(self.model.n_burn_in)
        if not warn_of_overfit(self.history[n_burn_in:], self.ground.noise.in_ratings(self.ground.unit)):
            warn_of_unsettled(self.history, n_burn_in)

    def trained(self) -> TrainedBayes:
        """Return the trained model."""
        kind = BayesKind(self.ground.settings, self.ground.unit, self.sums.kept.wanted)
        return TrainedBayes.of(self.prepared, self.path, self.model, self.seed, kind, self.sweep, self.history)


def _by_row(rows: Sequence[Any], half: BayesHalf, width: int) -> list[Array]:
    """Return what blocks have summed of long rows, added in the order of blocks: by chain, (n_long, width)."""
    total = np.zeros((len(half.long), half.shape.n_chains, width))
    for row in sorted(rows, key=lambda one: (one["row"], one["block"])):
        total[half.long.index(row["row"])] += np.frombuffer(row["sums"]).reshape(half.shape.n_chains, width)
    return [np.ascontiguousarray(total[:, chain]) for chain in range(half.shape.n_chains)]


def _first(model: BayesianMF, seed: int, shape: ChainShape, side: int, n: int) -> list[Array]:
    """Return rows before the first sweep, and noise scales of 1."""
    by_chain = [
        first_rows(ByName(seed, chain, 0).normals(side, n, shape.width), model.init_scale)
        for chain in range(shape.n_chains)
    ]
    return [np.hstack(by_chain), np.ones((n, shape.n_chains), np.float32)]


def _sums_of(X: Array, ground: BayesGround, side: int) -> ChainSums:
    own = ground.sides[side]
    return ChainSums.of(X, np.zeros_like(X), own.Z, own.counts > 0, np.ones(len(X), bool))


def _long(prepared: Prepared, ground: BayesGround, side: int, rows: list[Array]) -> DrawnLongRows:
    positions = np.array(sorted(prepared.long(SIDES[side])), np.int64)
    own = ground.sides[side]
    counts = own.counts[positions].astype(np.float64)
    return DrawnLongRows(positions, own.Z[positions], counts, *(each[positions] for each in rows))


def bytes_of(model: BayesianMF, n: tuple[int, int], n_factors: int) -> int:
    """Return about how many bytes the driver needs: sums, draws, and the rows of a sweep."""
    n_chains = int(model.n_chains)
    rows = 16 * sum(n) * (n_factors + 2) * n_chains
    return n_chains * bytes_of_sum(*n) + model._wanted(*n, n_factors) * model._bytes_of_draw(*n, n_factors) + rows
