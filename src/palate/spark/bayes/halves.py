"""What an executor does in a half sweep of `BayesianMF`: the rows of one block, by the functions of one machine.

Noise scales h of items are drawn at the beginning of the items' half, by the errors that the sweep before has left
(eq. 5 of `palate.models.bayes.model`); those of users where their rows are sent (`palate.spark.bayes.rows`). Of rows
whose cells lie in many blocks each block sums its piece, and the driver draws them (`palate.spark.bayes.long_draws`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.errors import PalateError
from palate.kernels import gibbs as kernel
from palate.models.bayes.chain import draw_scales
from palate.models.bayes.chance import ByName
from palate.models.bayes.hyper import RowSums, row_sums
from palate.models.bayes.side import applied, draw_rows
from palate.models.ridge.rows import row_ranges
from palate.parallel import GRAIN, Workers, single_blas_thread
from palate.spark.arrays import array_of, record, rows_of, schema_of
from palate.spark.bayes.rows import OF_ERRORS, RECORDS, ChainReceived, ChainShape, LongDraws, RowParts
from palate.spark.halves import note_of
from palate.spark.layout import CELLS, Block, rows_at
from palate.spark.messages import joined
from palate.sparse import Array, Rows

if TYPE_CHECKING:
    import pyarrow as pa

GIVEN = "key int, part int, X binary, scales binary"
ERROR_SUMS = 6  # over the cells: g h, g h e, g h e^2, e, e^2, and how many


@dataclass(frozen=True, eq=False)
class ChainsBefore:
    """What one chain's items look back on to draw their noise scales.

    Attributes:
        mu: that the errors were found with.
        step: of mu since.
        alpha: as it is now.
    """

    mu: float
    step: float
    alpha: float


@dataclass(frozen=True, eq=False)
class ChainHalf:
    """One chain's half sweep.

    Attributes:
        mu, alpha: mean and noise precision.
        mean, L: of the prior, (D,), (D, D).
        weights: (F, D) of the features.
        factors: (D,) that the coordinates of this side are multiplied by afterwards.
        before: of items; None where their noise scales are 1.
    """

    mu: float
    alpha: float
    mean: Array
    L: Array
    weights: Array
    factors: Array
    before: ChainsBefore | None = None


@dataclass(frozen=True, eq=False)
class BayesHalf:
    """A half sweep of all chains.

    Attributes:
        shape: of records.
        side: that is drawn, 0 for users.
        sweep, seed: of the chance.
        nu: as `Constants.scale_df`.
        unit: that the ratings are divided by.
        n_features: F, 0 without.
        chains: by number.
        long: positions of this side's long rows, ascending.
        own_long: these rows of items as they were; None where nobody looks back.
        n_threads: of a task.
    """

    shape: ChainShape
    side: int
    sweep: int
    seed: int
    nu: float | None
    unit: float
    n_features: int
    chains: tuple[ChainHalf, ...]
    long: tuple[int, ...]
    own_long: LongDraws | None
    n_threads: int

    def values(self, rows: Rows) -> Array:
        """Return the ratings in the unit of the chain."""
        return rows.values if self.unit == 1 else np.asarray(rows.values / np.float32(self.unit))


@dataclass(frozen=True, eq=False)
class ChainSums:
    """What one chain's rows sum up to, of one block or of several.

    Attributes:
        rows: of those with cells, less what their features give.
        pulls: (F, D), Z'X of these.
        n, total, squares: of all rows, for their norm: how many, their sum (D,), the sum of their squares.
        errors: (6,), over the cells, once the users' rows are drawn; see ERROR_SUMS.
    """

    rows: RowSums
    pulls: Array
    n: float
    total: Array
    squares: float
    errors: Array

    @classmethod
    def of(cls, X: Array, parts: Array, Z: Array, filled: Array, counted: Array) -> ChainSums:
        """Return the sums of rows X (n, D), of which those ``filled`` have cells, and those ``counted`` are here."""
        some = X[filled].astype(np.float64)
        pulls = Z[filled].astype(np.float64).T @ some
        some -= parts[filled]
        own = X[counted].astype(np.float64)
        return cls(row_sums(some), pulls, len(own), own.sum(axis=0), float(np.vdot(own, own)), np.zeros(ERROR_SUMS))

    def packed(self) -> Array:
        """Return all of it as one array."""
        n, mean, scatter = self.rows
        flat: list[Any] = [
            [n],
            mean,
            scatter.ravel(),
            self.pulls.ravel(),
            [self.n],
            self.total,
            [self.squares],
            self.errors,
        ]
        return np.concatenate(flat)

    @classmethod
    def unpacked(cls, numbers: Array, D: int, F: int) -> ChainSums:
        """Return what `packed` gave."""
        n, mean, scatter, pulls, several, total, squares, errors = np.split(
            numbers, np.cumsum([1, D, D * D, F * D, 1, D, 1])
        )
        rows = RowSums(int(n[0]), mean, scatter.reshape(D, D))
        return cls(rows, pulls.reshape(F, D), float(several[0]), total, float(squares[0]), errors)


@dataclass(frozen=True, eq=False)
class DrawnRows:
    """One chain's rows of a block: as they are written, their noise scales, and what they sum up to."""

    X: Array
    means: Array
    scales: Array
    errors: Array | None
    sums: ChainSums


def draw(layout: pa.Table, messages: pa.Table, *, half: BayesHalf) -> pa.Table:
    """Return the records of one block after a half sweep, or of the fault that stopped it."""
    import pyarrow as pa

    schema = schema_of(RECORDS)
    try:
        block, received = Block.of(layout, half.n_features), ChainReceived.of(messages, half.shape)
        with Workers(half.n_threads) as workers, single_blas_thread():
            return pa.Table.from_batches(list(_records(block, received, half, workers)), schema)
    except PalateError as error:
        return pa.Table.from_batches([record(schema, {"kind": "fault", "note": note_of(error)})])


def _records(block: Block, received: ChainReceived, half: BayesHalf, workers: Workers) -> Iterator[pa.RecordBatch]:
    drawn = [draw_block(block, received, half, chain, workers) for chain in range(half.shape.n_chains)]
    X, means = (np.hstack([getattr(one, name) for one in drawn]) for name in ("X", "means"))
    scales = np.column_stack([one.scales for one in drawn])
    sums = np.stack([one.errors for one in drawn if one.errors is not None], axis=1) if half.side == 0 else None
    rows = RowParts(X, scales, means if half.side == 0 else None, sums, block.counts)
    yield from rows.records(block.number, block.routes, half.sweep)
    schema, here = schema_of(RECORDS), {"block": block.number, "sweep": half.sweep}
    yield record(schema, {"kind": "sums", **here, "sums": np.concatenate([one.sums.packed() for one in drawn])})
    for row, cells in block.long.items():
        pieces = [piece(row, cells, received, half, chain, workers) for chain in range(half.shape.n_chains)]
        yield record(schema, {"kind": "piece", **here, "row": row, "sums": np.concatenate(pieces)})


def draw_block(block: Block, received: ChainReceived, half: BayesHalf, chain: int, workers: Workers) -> DrawnRows:
    """Return one chain's rows of a block, by eq. 2 of `palate.models.bayes.model`; long ones are not looked at."""
    own, shape, rows = half.chains[chain], half.shape, block.rows
    other = shape.of_chain(received.X, chain), np.ascontiguousarray(received.scales[:, chain])
    names = shape.positions(block.number, 0, rows.n_rows)
    chance, values = ByName(half.seed, chain, half.sweep, names), half.values(rows)
    scales = scales_of(block, received, half, chain, workers)
    Z = np.zeros((rows.n_rows, 0), np.float32) if block.features is None else block.features
    parts = applied(Z, own.weights.astype(np.float32), workers)
    L = own.L.astype(np.float32)
    prior = kernel.RowPrior(applied(parts + own.mean.astype(np.float32), L, workers), L)
    noise, targets = kernel.Noise(scales, np.float32(own.alpha)), values - np.float32(own.mu)
    E = chance.normals(half.side, rows.n_rows, shape.width)
    X, means = draw_rows(rows, targets, other, noise, prior, E, workers)
    factors = own.factors.astype(np.float32)
    moved = X * factors
    counted = ~np.isin(names, half.long)
    sums = ChainSums.of(moved, parts * factors, Z, rows.sizes > 0, counted)
    if half.side == 1:
        return DrawnRows(X, means, scales, None, sums)
    theirs = other[0] * (1 / own.factors).astype(np.float32)
    errors = errors_of(rows, targets, moved, theirs, workers)
    of_users = error_sums(rows, errors, other[1], workers)
    sums.errors[:] = totals(of_users, scales, rows.sizes)
    return DrawnRows(moved, means * factors, scales, of_users[:, :OF_ERRORS], sums)


def scales_of(block: Block, received: ChainReceived, half: BayesHalf, chain: int, workers: Workers) -> Array:
    """Return the noise scales that a block's rows are drawn with: items draw them first."""
    n = block.rows.n_rows
    if half.nu is None or (half.side == 1 and half.chains[chain].before is None):
        return np.ones(n, np.float32)
    if half.side == 0:
        sent = received.own_scales
        return np.ascontiguousarray(sent[:, chain]) if len(sent) else np.ones(n, np.float32)
    X = half.shape.of_chain(received.own_rows, chain)
    squares = squares_before(block.rows, X, received, half, chain, workers)
    alpha = half.chains[chain].before.alpha  # type: ignore[union-attr]
    names = half.shape.positions(block.number, 0, n)
    chance = ByName(half.seed, chain, half.sweep - 1, names)
    return draw_scales(half.nu, block.rows.sizes, alpha * squares, half.side, chance)


def squares_before(
    rows: Rows, X: Array, received: ChainReceived, half: BayesHalf, chain: int, workers: Workers
) -> Array:
    """Return the sums of g e^2 over the cells of items, with their rows X as the sweep before has left them."""
    before: Any = half.chains[chain].before
    theirs = half.shape.of_chain(received.X, chain)
    errors = errors_of(rows, half.values(rows) - np.float32(before.mu), X, theirs, workers)
    errors -= np.float32(before.step)
    return error_sums(rows, errors, np.ascontiguousarray(received.scales[:, chain]), workers)[:, 2]


def errors_of(rows: Rows, targets: Array, X: Array, theirs: Array, workers: Workers) -> Array:
    """Return what is left of the targets of each cell."""
    errors = np.empty(len(targets), np.float32)
    both = kernel.padded_apart(X), kernel.padded_apart(theirs)
    call = partial(kernel.residuals, rows.cells_with(targets), *both)
    workers.run([partial(call, a, b, errors) for a, b in row_ranges(rows, workers, GRAIN.passed)])
    return errors


def error_sums(rows: Rows, errors: Array, scales: Array, workers: Workers) -> Array:
    """Return the sums of `palate.kernels.gibbs.sums_of_errors` of each row, (n_rows, 5)."""
    out = np.empty((rows.n_rows, 5))
    call = partial(kernel.sums_of_errors, rows.cells_with(errors), scales)
    workers.run([partial(call, a, b, out) for a, b in row_ranges(rows, workers, GRAIN.passed)])
    return out


def totals(sums: Array, scales: Array, counts: Array) -> Array:
    """Return ERROR_SUMS of users, by the sums over their cells."""
    weighted = scales.astype(np.float64) @ sums[:, :OF_ERRORS]
    return np.array([*weighted, *sums[:, OF_ERRORS:].sum(axis=0), counts.sum()])


# -- long rows ------------------------------------------------------------------------------------------------------


def piece(row: int, rows: Rows, received: ChainReceived, half: BayesHalf, chain: int, workers: Workers) -> Array:
    """Return what a block's cells of a long row tell: how many, g e^2 as it was, and sums of w z z' and of w y z.

    z = [q, 1]; w is the other side's noise scale alone; of users g e^2 is 0.
    """
    own = half.chains[chain]
    X = half.shape.of_chain(received.X, chain)[rows.indices].astype(np.float64)
    w = received.scales[rows.indices, chain].astype(np.float64)
    targets = half.values(rows) - np.float32(own.mu)
    y = targets - X[:, -1]
    X[:, -1] = 1
    squares = 0.0
    if own.before is not None and half.own_long is not None and half.nu is not None:
        at = int(np.searchsorted(half.own_long.positions, row))
        one = half.shape.of_chain(half.own_long.X[at : at + 1], chain)
        squares = float(squares_before(rows, one, received, half, chain, workers)[0])
    return np.concatenate([[len(y), squares], ((X.T * w) @ X).ravel(), X.T @ (w * y)])


def long_errors(layout: pa.Table, messages: pa.Table, *, half: BayesHalf, long: LongDraws) -> pa.Table:
    """Return the sums of errors of a block's pieces of long users, as they have been drawn."""
    import pyarrow as pa

    received, schema = ChainReceived.of(messages, half.shape), schema_of(RECORDS)
    with Workers(half.n_threads) as workers:
        batches = list(_long_errors(layout, received, half, long, workers))
    return pa.Table.from_batches(batches, schema)


def _long_errors(
    layout: pa.Table, received: ChainReceived, half: BayesHalf, long: LongDraws, workers: Workers
) -> Iterator[pa.RecordBatch]:
    for block, row, *cells in rows_of(layout.sort_by("row"), ("block", "row", *CELLS)):
        at, rows = int(np.searchsorted(long.positions, row.as_py())), rows_at(cells)
        found = []
        for chain, own in enumerate(half.chains):
            X = half.shape.of_chain(long.X[at : at + 1], chain)
            theirs = half.shape.of_chain(received.X, chain) * (1 / own.factors).astype(np.float32)
            errors = errors_of(rows, half.values(rows) - np.float32(own.mu), X, theirs, workers)
            found.append(error_sums(rows, errors, np.ascontiguousarray(received.scales[:, chain]), workers)[0])
        values = {"kind": "errors", "block": block.as_py(), "row": row.as_py(), "sums": np.concatenate(found)}
        yield record(schema_of(RECORDS), {**values, "sweep": half.sweep})


# -- the beginning --------------------------------------------------------------------------------------------------


def begin(layout: pa.Table, given: pa.Table, *, shape: ChainShape, sweep: int) -> pa.Table:
    """Return a block's records of rows that the driver gives."""
    import pyarrow as pa

    block = Block.of(layout)
    parts = list(rows_of(given.sort_by("part"), ("X", "scales")))
    X = joined([array_of(x, np.float32, shape.numbers) for x, _ in parts], (0, shape.numbers), np.float32)
    scales = joined([array_of(g, np.float32, shape.n_chains) for _, g in parts], (0, shape.n_chains), np.float32)
    rows = RowParts(X, scales, None, None, block.counts)
    return pa.Table.from_batches(list(rows.records(block.number, block.routes, sweep)), schema_of(RECORDS))
