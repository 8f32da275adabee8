"""Messages between blocks: each row's factors once to each block that needs them.

A side's factors are kept as records of runs of rows (`FACTORS`), each with its routes: which of these rows which block
of the other side needs. A scan of them makes one message for each record and destination; sorted by source and part,
the messages are the columns that the destination's cells point into.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from palate.kernels.wire import from_bfloat16, to_bfloat16
from palate.spark.arrays import array_of, record, rows_of, runs, schema_of
from palate.spark.worker import settle
from palate.sparse import Array

if TYPE_CHECKING:
    import pyarrow as pa

FACTORS = (
    "kind string, block int, part int, first int, factors binary, biases binary, routes binary, "
    "sweep int, row int, sums binary, gram binary, figures binary, note string"
)
SENT = ("kind", "block", "part", "first", "factors", "biases", "routes")  # the columns that make messages
MESSAGES = "key int, block int, part int, factors binary, biases binary"
OWN = -1  # in the place of the source's block: a block's own rows, to go on from

Routes = Mapping[int, Array]  # rows of a block that each block of the other side needs


@dataclass(frozen=True, eq=False)
class Wire:
    """How factors travel.

    Attributes:
        keys: of the blocks.
        k: number of factors.
        dtype: of the factors.
        bfloat16: whether they travel in half the bytes, with 8 bits of precision.
    """

    keys: Sequence[int]
    k: int
    dtype: str
    bfloat16: bool = False

    def sent(self, X: Array) -> Array:
        """Return factors as they travel."""
        return to_bfloat16(X) if self.bfloat16 else X

    def read(self, value: Any) -> Array:
        """Return factors that have travelled."""
        if self.bfloat16:
            return from_bfloat16(array_of(value, np.uint16, self.k))
        return array_of(value, self.dtype, self.k)


@dataclass(frozen=True, eq=False)
class LongRows:
    """Factors of the few rows that were solved apart, which records of blocks do not have.

    Attributes:
        positions: ascending.
        X, biases: (n_rows, k), (n_rows,).
    """

    positions: tuple[int, ...]
    X: Array
    biases: Array

    def put(self, block: int, n_blocks: int, first: int, X: Array, biases: Array) -> tuple[Array, Array]:
        """Return a run of a block's rows, from row ``first`` on, with those of them that were solved apart."""
        at = [position // n_blocks - first if position % n_blocks == block else -1 for position in self.positions]
        own = [n for n, place in enumerate(at) if 0 <= place < len(X)]
        if not own:
            return X, biases
        X, biases = X.copy(), biases.copy()
        X[[at[n] for n in own]], biases[[at[n] for n in own]] = self.X[own], self.biases[own]
        return X, biases


def factor_records(block: int, factors: Array, biases: Array, routes: Routes, sweep: int) -> Iterator[pa.RecordBatch]:
    """Yield a block's records of `FACTORS`, in runs of rows."""
    schema = schema_of(FACTORS)
    for part, (first, last) in enumerate(runs(len(factors), factors[:1].nbytes + 8)):
        values = {"kind": "rows", "block": block, "part": part, "first": first, "sweep": sweep}
        arrays = {"factors": factors[first:last], "biases": biases[first:last]}
        yield record(schema, {**values, **arrays, "routes": packed(within(routes, first, last))})


def within(routes: Routes, first: int, last: int) -> Routes:
    """Return the routes of a run of rows, counted from its first."""
    out = {}
    for destination, rows in routes.items():
        start, stop = np.searchsorted(rows, (first, last))
        if stop > start:
            out[destination] = rows[start:stop] - np.int32(first)
    return out


def packed(routes: Routes) -> Array:
    """Return routes as one array: how many there are, where to, how long each is, and the rows."""
    sizes = [len(rows) for rows in routes.values()]
    head = np.array([len(routes), *routes, *sizes], np.int32)
    return np.concatenate([head, *routes.values()]).astype(np.int32, copy=False)


def unpacked(packed: Array) -> Routes:
    """Return the routes that `packed` has packed."""
    n = int(packed[0])
    destinations, sizes = packed[1 : n + 1].tolist(), packed[n + 1 : 2 * n + 1]
    ends = 2 * n + 1 + np.cumsum(sizes)
    return {to: packed[end - size : end] for to, size, end in zip(destinations, sizes, ends, strict=True)}


@dataclass(frozen=True, eq=False)
class RowRun:
    """A run of a block's rows.

    Attributes:
        block, part, first: of which block, the how manieth, from which row on.
        X, biases: (n_rows, k), (n_rows,).
        routes: packed.
    """

    block: int
    part: int
    first: int
    X: Array
    biases: Array
    routes: Array


def runs_of(batches: Iterator[pa.RecordBatch], wire: Wire, long: LongRows | None) -> Iterator[RowRun]:
    """Yield the runs of rows that records of `FACTORS` hold, long rows among them."""
    for batch in batches:
        for _, block, part, first, factors, biases, routes in rows_of(batch, SENT):
            X, b = array_of(factors, wire.dtype, wire.k), array_of(biases, wire.dtype)
            if long is not None:
                X, b = long.put(block.as_py(), len(wire.keys), first.as_py(), X, b)
            yield RowRun(block.as_py(), part.as_py(), first.as_py(), X, b, array_of(routes, np.int32))


def send(batches: Iterator[pa.RecordBatch], *, wire: Wire, long: LongRows | None) -> Iterator[pa.RecordBatch]:
    """Yield the messages of records of `FACTORS`: what each block needs of their rows."""
    settle()
    schema = schema_of(MESSAGES)
    for run in runs_of(batches, wire, long):
        for to, rows in unpacked(run.routes).items():
            place = {"key": wire.keys[to], "block": run.block, "part": run.part}
            yield record(schema, {**place, "factors": wire.sent(run.X[rows]), "biases": run.biases[rows]})


def send_own(batches: Iterator[pa.RecordBatch], *, wire: Wire, long: LongRows | None) -> Iterator[pa.RecordBatch]:
    """Yield the messages that bring a block its own rows, as they were."""
    settle()
    schema = schema_of(MESSAGES)
    for run in runs_of(batches, wire, long):
        place = {"key": wire.keys[run.block], "block": OWN, "part": run.part}
        yield record(schema, {**place, "factors": run.X, "biases": run.biases})


@dataclass(frozen=True, eq=False)
class Received:
    """The messages to a block.

    Attributes:
        Q, c: factors and biases of the columns that it needs, ordered by their blocks and rows.
        own: factors of its own rows, to go on from; no rows where none were sent.
    """

    Q: Array
    c: Array
    own: Array

    @classmethod
    def of(cls, messages: pa.Table, wire: Wire) -> Received:
        """Return what was received, in any order."""
        ordered = messages.sort_by([("block", "ascending"), ("part", "ascending")])
        parts = [(block.as_py(), x, b) for block, x, b in rows_of(ordered, ("block", "factors", "biases"))]
        others = [(x, b) for block, x, b in parts if block != OWN]
        Q = joined([wire.read(x) for x, _ in others], (0, wire.k), wire.dtype)
        c = joined([array_of(b, wire.dtype) for _, b in others], (0,), wire.dtype)
        own = [array_of(x, wire.dtype, wire.k) for block, x, _ in parts if block == OWN]
        return cls(Q, c, joined(own, (0, wire.k), wire.dtype))


def joined(arrays: Sequence[Array], shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return arrays behind each other, one alone as it is; of a shape without rows where there are none."""
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(shape, dtype)
