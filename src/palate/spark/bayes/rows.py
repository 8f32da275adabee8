"""Rows of the chains between half sweeps: records as they are written, and messages to the blocks that need them.

The rows of all chains lie side by side: of C chains a row has C D numbers, D = n_factors + 1, and C noise scales.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.models.bayes.chain import draw_scales
from palate.models.bayes.chance import ByName
from palate.spark.arrays import array_of, record, rows_of, runs, schema_of
from palate.spark.messages import OWN, Routes, joined, packed, unpacked, within
from palate.sparse import Array

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS = (
    "kind string, block int, part int, first int, X binary, means binary, scales binary, sums binary, counts binary, "
    "routes binary, sweep int, row int, note string"
)
SENT = ("kind", "block", "part", "first", "X", "scales", "sums", "counts", "routes")  # the columns that make messages
MESSAGES = "key int, block int, part int, X binary, scales binary"
OF_ERRORS = 3  # sums over a user's cells that are kept: of h, of h e, of h e^2


@dataclass(frozen=True)
class ChainShape:
    """How rows lie in records.

    Attributes:
        keys: of the blocks.
        n_chains: C.
        width: D.
    """

    keys: tuple[int, ...]
    n_chains: int
    width: int

    @property
    def numbers(self) -> int:
        """How many a row has."""
        return self.n_chains * self.width

    def of_chain(self, X: Array, chain: int) -> Array:
        """Return the rows of one chain, (n_rows, D)."""
        return np.ascontiguousarray(X[:, chain * self.width : (chain + 1) * self.width])

    def positions(self, block: int, first: int, n_rows: int) -> Array:
        """Return the positions of a run of a block's rows."""
        return block + len(self.keys) * np.arange(first, first + n_rows)


@dataclass(frozen=True, eq=False)
class LongDraws:
    """The few rows that the driver draws, for their cells lie in many blocks.

    Attributes:
        positions: ascending, (n_rows,).
        X, scales: (n_rows, C D), (n_rows, C).
    """

    positions: Array
    X: Array
    scales: Array

    def put(self, positions: Array, X: Array, scales: Array) -> tuple[Array, Array]:
        """Return rows of ascending positions with those of them that the driver has drawn."""
        _, at, own = np.intersect1d(positions, self.positions, assume_unique=True, return_indices=True)
        if not len(at):
            return X, scales
        X, scales = X.copy(), scales.copy()
        X[at], scales[at] = self.X[own], self.scales[own]
        return X, scales


@dataclass(frozen=True)
class ScaleStep:
    """What the noise scales of one chain's users are drawn by: the step of mu since their errors, and alpha."""

    step: float
    alpha: float

    def squares(self, sums: Array) -> Array:
        """Return the sums of h e^2 of users, of these sums over their cells (n, 3), once mu has moved."""
        squares: Array = sums[:, 2] + self.step * (self.step * sums[:, 0] - 2 * sums[:, 1])
        return squares


@dataclass(frozen=True, eq=False)
class Since:
    """What has become of a side's rows since they were written.

    Attributes:
        shape: of records.
        side: 0 for users.
        seed, sweep: of the scales' chance.
        factors: (C D,) float32 that the coordinates are multiplied by, or None.
        steps: by chain, what users' scales are drawn by; none where they are as they were written.
        nu: as `Constants.scale_df`.
        long: rows of the driver, as they are now; or None.
    """

    shape: ChainShape
    side: int
    seed: int
    sweep: int
    factors: Array | None
    steps: tuple[ScaleStep, ...]
    nu: float | None
    long: LongDraws | None

    def now(self, run: ChainRowRun) -> tuple[Array, Array]:
        """Return rows and noise scales as they are."""
        names = self.shape.positions(run.block, run.first, len(run.X))
        X = run.X if self.factors is None else run.X * self.factors
        scales = run.scales
        if self.steps and self.nu is not None:
            scales = np.empty_like(run.scales)
            for chain, step in enumerate(self.steps):
                chance = ByName(self.seed, chain, self.sweep, names)
                squares = step.alpha * step.squares(run.sums[:, chain])
                scales[:, chain] = draw_scales(self.nu, run.counts, squares, self.side, chance)
        return (X, scales) if self.long is None else self.long.put(names, X, scales)


@dataclass(frozen=True, eq=False)
class ChainRowRun:
    """A run of a block's rows, as it was written.

    Attributes:
        block, part, first: of which block, the how manieth, from which row on.
        X, scales: (n_rows, C D), (n_rows, C).
        sums: (n_rows, C, 3) of users.
        counts: (n_rows,) cells.
        routes: packed.
    """

    block: int
    part: int
    first: int
    X: Array
    scales: Array
    sums: Array
    counts: Array
    routes: Array


def runs_of(table: pa.Table | pa.RecordBatch, shape: ChainShape) -> Iterator[ChainRowRun]:
    """Yield the runs of rows that records hold."""
    for _, block, part, first, X, scales, sums, counts, routes in rows_of(table, SENT):
        yield ChainRowRun(
            block.as_py(),
            part.as_py(),
            first.as_py(),
            array_of(X, np.float32, shape.numbers),
            array_of(scales, np.float32, shape.n_chains),
            array_of(sums, np.float64).reshape(-1, shape.n_chains, OF_ERRORS),
            array_of(counts, np.float64),
            array_of(routes, np.int32),
        )


@dataclass(frozen=True, eq=False)
class RowParts:
    """A block's rows, to be written.

    Attributes:
        X, scales: (n_rows, C D), (n_rows, C).
        means, sums: (n_rows, C D), (n_rows, C, 3) of users, or None.
        counts: (n_rows,).
    """

    X: Array
    scales: Array
    means: Array | None
    sums: Array | None
    counts: Array

    def records(self, block: int, routes: Routes, sweep: int) -> Iterator[pa.RecordBatch]:
        """Yield records of runs of the rows."""
        schema = schema_of(RECORDS)
        for part, (first, last) in enumerate(runs(len(self.X), 2 * self.X[:1].nbytes + 8)):
            values: dict[str, Any] = {"kind": "rows", "block": block, "part": part, "first": first, "sweep": sweep}
            for name in ("X", "scales", "means", "sums", "counts"):
                whole = getattr(self, name)
                values[name] = None if whole is None else whole[first:last]
            yield record(schema, {**values, "routes": packed(within(routes, first, last))})


def send(batches: Iterator[pa.RecordBatch], *, since: Since) -> Iterator[pa.RecordBatch]:
    """Yield the messages of records: what each block needs of their rows."""
    schema = schema_of(MESSAGES)
    for batch in batches:
        for run in runs_of(batch, since.shape):
            X, scales = since.now(run)
            for to, rows in unpacked(run.routes).items():
                place = {"key": since.shape.keys[to], "block": run.block, "part": run.part}
                yield record(schema, {**place, "X": X[rows], "scales": scales[rows]})


def send_own(batches: Iterator[pa.RecordBatch], *, since: Since) -> Iterator[pa.RecordBatch]:
    """Yield the messages that bring a block its own rows, or of users their noise scales alone."""
    schema = schema_of(MESSAGES)
    for batch in batches:
        for run in runs_of(batch, since.shape):
            X, scales = since.now(run)
            place = {"key": since.shape.keys[run.block], "block": OWN, "part": run.part}
            yield record(schema, {**place, "X": X if since.side else X[:0], "scales": scales})


@dataclass(frozen=True, eq=False)
class ChainReceived:
    """The messages to a block.

    Attributes:
        X, scales: of the columns that it needs, ordered by their blocks and rows.
        own_rows, own_scales: of its own rows; no rows where none were sent.
    """

    X: Array
    scales: Array
    own_rows: Array
    own_scales: Array

    @classmethod
    def of(cls, messages: pa.Table, shape: ChainShape) -> ChainReceived:
        """Return what was received, in any order."""
        ordered = messages.sort_by([("block", "ascending"), ("part", "ascending")])
        parts = [(block.as_py() == OWN, x, g) for block, x, g in rows_of(ordered, ("block", "X", "scales"))]
        return cls(*_stacked([p for p in parts if not p[0]], shape), *_stacked([p for p in parts if p[0]], shape))


def _stacked(parts: Sequence[tuple[bool, Any, Any]], shape: ChainShape) -> tuple[Array, Array]:
    X = [array_of(x, np.float32, shape.numbers) for _, x, _ in parts]
    scales = [array_of(g, np.float32, shape.n_chains) for _, _, g in parts]
    return joined(X, (0, shape.numbers), np.float32), joined(scales, (0, shape.n_chains), np.float32)
