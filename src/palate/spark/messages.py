"""Messages between blocks: each row's factors once to each block that needs them.

A side's factors are kept as records of runs of rows (`FACTORS`), each with its routes: which of these rows which block of
the other side needs. A scan of them makes one message for each record and destination; sorted by source and part, the
messages are the columns that the destination's cells point into.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from palate.kernels.wire import from_bfloat16, to_bfloat16
from palate.spark.arrays import array_of, record, rows_of, runs, schema_of
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


def factor_records(
    block: int, factors: Array, biases: Array, routes: Routes, sweep: int
) -> Iterator[pa.RecordBatch]:
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


def send(batches: Iterator[pa.RecordBatch], *, wire: Wire) -> Iterator[pa.RecordBatch]:
    """Yield the messages of records of `FACTORS`: what each block needs of their rows."""
    schema = schema_of(MESSAGES)
    for batch in batches:
        for _, block, part, _, factors, biases, routes in rows_of(batch, SENT):
            X, b = array_of(factors, wire.dtype, wire.k), array_of(biases, wire.dtype)
            for to, rows in unpacked(array_of(routes, np.int32)).items():
                place = {"key": wire.keys[to], "block": block.as_py(), "part": part.as_py()}
                yield record(schema, {**place, "factors": wire.sent(X[rows]), "biases": b[rows]})


def send_own(batches: Iterator[pa.RecordBatch], *, wire: Wire) -> Iterator[pa.RecordBatch]:
    """Yield the messages that bring a block its own rows, as they were."""
    schema = schema_of(MESSAGES)
    for batch in batches:
        for _, block, part, _, factors, biases, _ in rows_of(batch, SENT):
            place = {"key": wire.keys[block.as_py()], "block": OWN, "part": part.as_py()}
            yield record(schema, {**place, "factors": factors.as_py(), "biases": biases.as_py()})


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
