"""What an executor does in a half sweep: the rows of one block, by the functions of one machine.

Rows too long for a task are dealt over the blocks by their cells. Each block sums its piece of such a row (kind
"piece"); the row's own block adds what only it knows (kind "home"); `palate.spark.long_rows` solves the sum.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from palate.errors import PalateError
from palate.models.ridge.click_sweeps import ClickSettings
from palate.models.ridge.click_sweeps import half_sweep as clicks_half_sweep
from palate.models.ridge.click_sweeps import rows_penalty as click_penalty
from palate.models.ridge.pieces import click_sums, rating_sums, solve_clicks, solve_ratings
from palate.models.ridge.rows import FixedSide, Prior
from palate.models.ridge.sums import feature_sums, gram_sum, rating_errors
from palate.models.ridge.sweeps import half_sweep, power_weights, rows_penalty
from palate.models.ridge.weighing import clicks_weigh
from palate.parallel import Workers, single_blas_thread
from palate.spark.arrays import record, schema_of
from palate.spark.layout import Block
from palate.spark.messages import FACTORS, Received, Wire, factor_records
from palate.spark.worker import settle
from palate.sparse import Array, Rows

if TYPE_CHECKING:
    import pyarrow as pa

PriorWeights = tuple[Array, Array]  # of a prior: (n_features, k) of the factors, (n_features,) of the biases


@dataclass(frozen=True, eq=False)
class Common:
    """What half sweeps of all models have.

    Attributes:
        wire: how factors travel.
        sweep: its number.
        n_features: of the side that is solved, 0 without.
        prior: weights of these features, or None.
        long: positions of this side's long rows, ascending.
        n_threads: of a task.
        state: JSON that block 0 keeps beside its sums, or None.
    """

    wire: Wire
    sweep: int
    n_features: int
    prior: PriorWeights | None
    long: tuple[int, ...]
    n_threads: int
    state: str | None = None

    def prior_of(self, features: Array | None) -> Prior | None:
        """Return the prior of rows."""
        if features is None or self.prior is None:
            return None
        return Prior(features.astype(self.wire.dtype), *self.prior)


@dataclass(frozen=True, eq=False)
class Solved:
    """Rows after a half sweep.

    Attributes:
        X, biases: (n_rows, k), (n_rows,).
        figures: sums over the rows, as the model's record of an epoch needs them.
        weights: (n_rows,), of the rows in the regression on features; 0 for rows that are no part of it.
        gram: of the rows with cells, or None.
    """

    X: Array
    biases: Array
    figures: Array
    weights: Array
    gram: Array | None = None


@dataclass(frozen=True, eq=False)
class Home:
    """What the own blocks of long rows know of them.

    Attributes:
        counts: (n_rows,), as the layout has them.
        clicks: (n_rows,), what their values sum to.
        features: (n_rows, n_features), or None.
        start: (n_rows, k), or None where the model does not go on from it.
    """

    counts: Array
    clicks: Array
    features: Array | None
    start: Array | None


class Half(Protocol):
    """A half sweep of a model."""

    @property
    def common(self) -> Common:
        """What it has as those of other models."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether it goes on from the rows' last factors."""
        ...

    def row_weights(self, block: Block) -> Array:
        """Return what rows weigh in the regression on features, as their penalties weigh them."""
        ...

    def solve(self, block: Block, received: Received, workers: Workers) -> Solved:
        """Return the rows of a block, long ones apart."""
        ...

    def piece(self, rows: Rows, received: Received, workers: Workers) -> Array:
        """Return the sums of a block's cells of one long row, (1, width)."""
        ...

    def solve_sums(self, sums: Array, home: Home, workers: Workers) -> Solved:
        """Return long rows by the sums of all their cells, (n_rows, width)."""
        ...


def solve(layout: pa.Table, messages: pa.Table, *, half: Half) -> pa.Table:
    """Return the records of one block after a half sweep, or of the fault that stopped it.

    A function of the module, for executors to import. What it raised would be tried again, in vain, and reach the
    driver as text.
    """
    import pyarrow as pa

    settle()
    schema, common = schema_of(FACTORS), half.common
    try:
        block, received = Block.of(layout, common.n_features), Received.of(messages, common.wire)
        with Workers(common.n_threads) as workers, single_blas_thread():
            return pa.Table.from_batches(list(_records(block, received, half, workers)), schema)
    except PalateError as error:
        return pa.Table.from_batches([record(schema, {"kind": "fault", "note": note_of(error)})])


def note_of(error: PalateError) -> str:
    """Return an error as JSON, for the driver to raise."""
    return json.dumps({"kind": type(error).__name__, "words": str(error), "code": error.code, "subject": error.subject})


def _records(block: Block, received: Received, half: Half, workers: Workers) -> Iterator[pa.RecordBatch]:
    common, schema = half.common, schema_of(FACTORS)
    solved = half.solve(block, received, workers)
    yield from factor_records(block.number, solved.X, solved.biases, block.routes, common.sweep)
    yield sums_record(common, block, solved)
    here = {"block": block.number, "sweep": common.sweep}
    for row, cells in block.long.items():
        sums = half.piece(cells, received, workers)[0]
        yield record(schema, {"kind": "piece", **here, "row": row, "sums": sums, "figures": _count(cells)})
    for row in common.long:
        at, own = divmod(row, len(common.wire.keys))
        if own == block.number:
            yield record(schema, {"kind": "home", **here, "row": row, **_home(block, received, at)})


def _count(cells: Rows) -> Array:
    return np.array([cells.values.sum(dtype=np.float64)])


def _home(block: Block, received: Received, at: int) -> Mapping[str, Any]:
    return {
        "figures": block.counts[at : at + 1],
        "sums": None if block.features is None else block.features[at],
        "factors": received.own[at] if len(received.own) else None,
    }


def sums_record(common: Common, block: Block, solved: Solved) -> pa.RecordBatch:
    """Return a block's record of sums."""
    note = common.state if block.number == 0 else None
    values = {"kind": "sums", "block": block.number, "sweep": common.sweep, "note": note}
    features = feature_parts(block.features, solved)
    return record(schema_of(FACTORS), {**values, "figures": solved.figures, "sums": features, "gram": solved.gram})


def feature_parts(features: Array | None, solved: Solved) -> Array | None:
    """Return the sums of features that the next prior is made of, as one array; None without features."""
    if features is None:
        return None
    sums = feature_sums(solved.X, solved.biases, features, solved.weights)
    return np.concatenate([sums.of_factors.ravel(), sums.of_biases.ravel()])


@dataclass(frozen=True, eq=False)
class RatingHalf:
    """A half sweep of `ALS`.

    Attributes:
        common: of all models.
        regs: penalties of factors and of biases.
        exponent: of the rows' weights.
        mean, biases: as `FixedSide` has them.
        limits: lowest and highest rating, where errors are to be summed; else None.
    """

    common: Common
    regs: tuple[float, float]
    exponent: float
    mean: float
    biases: bool
    limits: tuple[float, float] | None

    @property
    def goes_on(self) -> bool:
        """Never: rows are solved exactly."""
        return False

    def row_weights(self, block: Block) -> Array:
        """Return w of each row."""
        return power_weights(block.counts, self.exponent)

    def side(self, received: Received) -> FixedSide:
        """Return what is fixed."""
        return FixedSide(received.Q, received.c, mean=self.mean, biases=self.biases)

    def solve(self, block: Block, received: Received, workers: Workers) -> Solved:
        """Return the rows of a block; figures: number, squares, clipped and weighted ones of errors, penalty."""
        side, weights = self.side(received), self.row_weights(block)
        prior = self.common.prior_of(block.features)
        P, b = half_sweep(block.rows, side, weights, self.regs, prior, workers)
        errors = (0.0,) * 4 if self.limits is None else rating_errors(block.rows, P, b, side, self.limits, workers)
        own = np.where(block.rows.sizes > 0, weights, 0.0)
        return Solved(P, b, np.array([*errors, rows_penalty(P, b, prior, own, self.regs)]), own)

    def piece(self, rows: Rows, received: Received, workers: Workers) -> Array:
        """Return the sums of a block's cells of one long row."""
        return rating_sums(rows, self.side(received), workers)

    def solve_sums(self, sums: Array, home: Home, workers: Workers) -> Solved:
        """Return long rows; the errors of their cells are summed afterwards."""
        weights, prior = power_weights(home.counts, self.exponent), self.common.prior_of(home.features)
        P, b, _ = solve_ratings(sums, self.biases, weights, self.regs, prior, workers)
        return Solved(P, b, np.array([0.0] * 4 + [rows_penalty(P, b, prior, weights, self.regs)]), weights)


@dataclass(frozen=True, eq=False)
class ClickHalf:
    """A half sweep of `ImplicitALS`.

    Attributes:
        common: of all models.
        settings: weights, penalties, and steps of conjugate gradients.
        n_columns: of the other side, those with clicks.
        gram: o Q'Q of these, the upper triangle.
        exact: whether rows are solved exactly, and not from their last factors.
    """

    common: Common
    settings: ClickSettings
    n_columns: int
    gram: Array
    exact: bool

    @property
    def goes_on(self) -> bool:
        """Whether there are steps to go on by."""
        return not self.exact and self.settings.cg_steps > 0

    def row_weights(self, block: Block) -> Array:
        """Return the penalty of each row; of a long one as far as it is known here."""
        weighing, n = self.settings.weighing, len(self.common.wire.keys)
        own = clicks_weigh(block.rows, weighing.alpha)
        long = [row // n for row in self.common.long if row % n == block.number]
        own[long] = weighing.alpha * block.counts[long]
        return weighing.row_penalties(own, self.n_columns)

    def solve(self, block: Block, received: Received, workers: Workers) -> Solved:
        """Return the rows of a block; figures: their losses, and their penalty."""
        penalties, prior = self.row_weights(block), self.common.prior_of(block.features)
        start = received.own if self.goes_on else None
        P, losses = clicks_half_sweep(
            block.rows, received.Q, self.gram, penalties, prior, start, self.settings, workers
        )
        return self._solved(P, losses, penalties, prior, block.rows.sizes > 0, workers)

    def piece(self, rows: Rows, received: Received, workers: Workers) -> Array:
        """Return the sums of a block's cells of one long row."""
        return click_sums(rows, received.Q, self.settings.weighing, workers)

    def solve_sums(self, sums: Array, home: Home, workers: Workers) -> Solved:
        """Return long rows."""
        weighing, warm = self.settings.weighing, home.clicks > 0
        penalties = weighing.row_penalties(weighing.alpha * home.clicks, self.n_columns)
        prior, start = self.common.prior_of(home.features), home.start if self.goes_on else None
        P, losses = solve_clicks(sums, self.gram, penalties, prior, start, self.settings, workers)
        return self._solved(P, losses, penalties, prior, warm, workers)

    def _solved(
        self, P: Array, losses: Array, penalties: Array, prior: Prior | None, warm: Array, workers: Workers
    ) -> Solved:
        figures = np.array([losses.sum(), click_penalty(P, penalties, prior)])
        weights = np.where(warm, penalties, 0.0)
        return Solved(P, np.zeros(len(P), P.dtype), figures, weights, gram_sum(P[warm], workers))
