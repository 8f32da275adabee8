"""The task that lays out one block of a side: its cells by rows, and which rows of the other side it needs.

A block's *received* columns are the rows of the other side that it needs, ordered by the block that they come from,
then by their place in it. The cells of a row lie in ascending order of their global columns, as on one machine, and
point into the received columns.

The records have these kinds; long arrays are cut into parts of whole rows.

    cells     indptr, indices, values, weights of rows from ``row`` on; a long row has no cells here
    long      the same four for this block's cells of one long row, whose position is ``row``
    counts    float64, cells of each row or the sum of their weights
    features  float32, (n_rows, ``dest``)
    routes    of the *other* side: rows, the places in its block ``block`` that this block, ``dest``, needs
    facts     JSON, what the driver adds up over the blocks
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import SparkError
from palate.kernels import given
from palate.kernels.order import stable_order
from palate.spark.blocks import n_rows_of
from palate.sparse import Rows

if TYPE_CHECKING:
    import pyarrow as pa

PART = 1 << 22  # cells in a record, 16 MB of each array
BINARY = ("indptr", "indices", "values", "weights", "rows", "features", "counts")
NUMBERS = ("block", "key", "part", "row", "dest")
LAYOUT = ", ".join(["kind string", *(f"{name} int" for name in NUMBERS), *(f"{name} binary" for name in BINARY)])
WRITTEN = f"{LAYOUT}, facts string"

Record = dict[str, Any]


@dataclass(frozen=True)
class SideBlocks:
    """How one side is laid out: what each task of it knows.

    Attributes:
        keys: of the blocks, see `palate.spark.blocks`.
        n_rows, n_columns: positions of this side, and of the other.
        long: {position: cells, or the sum of their weights} of the long rows, whose cells are dealt over the blocks by
            column.
    """

    keys: tuple[int, ...]
    n_rows: int
    n_columns: int
    long: Mapping[int, float]

    @property
    def n_blocks(self) -> int:
        """How many blocks either side has."""
        return len(self.keys)


@dataclass(frozen=True, eq=False)
class Gathered:
    """The cells of a block, in any order."""

    block: int
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]
    weights: NDArray[np.float32] | None


def lay_out(batches: Iterable[pa.RecordBatch], side: SideBlocks) -> Iterator[pa.RecordBatch]:
    """Yield the records of one block.

    Args:
        batches: columns key, row, column, value and perhaps weight, in any order; all of one key. A row below 0 is no
            cell: each block has one, so that none is without a task.
        side: how the side is laid out.
    """
    cells = gathered(batches, side.keys)
    if cells is not None:
        for record in records_of(cells, side):
            yield batch_of(record)


def gathered(batches: Iterable[pa.RecordBatch], keys: tuple[int, ...]) -> Gathered | None:
    """Return the cells of the batches, or None where there is no batch."""
    import pyarrow as pa

    several = list(batches)
    if not sum(batch.num_rows for batch in several):
        return None
    table = pa.Table.from_batches(several)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    if (columns["key"] != columns["key"][0]).any():
        raise SparkError("two blocks met in one task: keep Spark from joining partitions")
    kept = columns["row"] >= 0
    weights = columns["weight"][kept] if "weight" in columns else None
    block = keys.index(int(columns["key"][0]))
    return Gathered(block, columns["row"][kept], columns["column"][kept], columns["value"][kept], weights)


def records_of(cells: Gathered, side: SideBlocks) -> Iterator[Record]:
    """Yield the records of one block."""
    block, n = cells.block, side.n_blocks
    needed = Needed.of(cells.columns, n, side.n_columns)
    is_long = np.isin(cells.rows, np.array(sorted(side.long), np.int32))
    n_rows = n_rows_of(block, n, side.n_rows)
    rows = _rows(cells, ~is_long, cells.rows[~is_long] // n, n_rows, needed)
    pieces = {row: _rows(cells, at, np.zeros(at.sum(), np.int32), 1, needed) for row, at in _places(cells, is_long)}
    here = {"block": block, "key": side.keys[block]}
    yield from (here | record for record in _cut(rows))
    yield {"kind": "counts", **here, "part": 0, "row": 0, "counts": _counts(rows, block, side)}
    for row, piece in pieces.items():
        yield {"kind": "long", **here, "part": 0, "row": row, **_arrays(piece)}
    for source, places in enumerate(needed.routes):
        yield {"kind": "routes", "block": source, "key": side.keys[source], "part": 0, "dest": block, "rows": places}
    facts = _facts([rows, *pieces.values()]) | {"needed": [len(places) for places in needed.routes]}
    yield {"kind": "facts", **here, "part": 0, "facts": json.dumps(facts)}


@dataclass(frozen=True, eq=False)
class Needed:
    """The rows of the other side that a block needs.

    Attributes:
        rank: (n_columns,) int32, the place of each needed column among them in ascending order.
        received: (n_needed,) int32, its place among the received ones.
        routes: for each block of the other side, the places in it that are needed.
    """

    rank: NDArray[np.int32]
    received: NDArray[np.int32]
    routes: list[NDArray[np.int32]]

    @classmethod
    def of(cls, columns: NDArray[np.int32], n_blocks: int, n_columns: int) -> Needed:
        """Return what cells of these columns need."""
        is_needed = np.zeros(n_columns, bool)
        is_needed[columns] = True
        needed = np.flatnonzero(is_needed)
        order, starts = stable_order(*given((needed % n_blocks).astype(np.int32), n_blocks))
        received = np.empty(len(needed), np.int32)
        received[order] = np.arange(len(needed), dtype=np.int32)
        places = (needed[order] // n_blocks).astype(np.int32)
        rank = np.cumsum(is_needed, dtype=np.int32) - np.int32(1)
        return cls(rank, received, np.split(places, starts[1:-1]))


def _rows(cells: Gathered, kept: NDArray[np.bool_], rows: NDArray[np.int32], n_rows: int, needed: Needed) -> Rows:
    """Return rows of some cells, each ascending by global column, that point into the received columns."""
    ranks = needed.rank[cells.columns[kept]]
    weights = None if cells.weights is None else cells.weights[kept]
    made = Rows.from_cells(rows, ranks, n_rows, len(needed.received), cells.values[kept], weights)
    return Rows(made.indptr, needed.received[made.indices], made.values, made.weights)


def _places(cells: Gathered, is_long: NDArray[np.bool_]) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield each long row that has cells here, and where they are."""
    for row in np.unique(cells.rows[is_long]).tolist():
        yield row, cells.rows == row


def _cut(rows: Rows) -> Iterator[Record]:
    """Yield the cells of a block in parts of whole rows."""
    ends = np.searchsorted(rows.indptr, np.arange(PART, rows.indptr[-1], PART), side="right") - 1
    firsts = np.unique([0, *ends.tolist()])
    for part, (first, stop) in enumerate(zip(firsts, [*firsts[1:], rows.n_rows], strict=True)):
        cells = slice(rows.indptr[first], rows.indptr[stop])
        weights = None if rows.weights is None else rows.weights[cells]
        indptr = rows.indptr[first : stop + 1] - rows.indptr[first]
        some = Rows(indptr, rows.indices[cells], rows.values[cells], weights)
        yield {"kind": "cells", "part": part, "row": int(first), **_arrays(some)}


def _arrays(rows: Rows) -> Record:
    return {"indptr": rows.indptr, "indices": rows.indices, "values": rows.values, "weights": rows.weights}


def _counts(rows: Rows, block: int, side: SideBlocks) -> NDArray[np.float64]:
    """Return the cells of each row of a block, or the sum of their weights; those of long rows as they are known."""
    counts: NDArray[np.float64] = rows.sizes.astype(np.float64)
    if rows.weights is not None:
        counts = np.bincount(rows.row_of_cells(), rows.weights, rows.n_rows).astype(np.float64)
    for row, count in side.long.items():
        if row % side.n_blocks == block:
            counts[row // side.n_blocks] = count
    return counts


def _facts(several: list[Rows]) -> dict[str, Any]:
    """Return the sums over a block's cells, in their order, and how many pairs stand again."""
    values = np.concatenate([rows.values for rows in several]).astype(np.float64)
    weights = [np.ones(len(r.values)) if r.weights is None else r.weights.astype(np.float64) for r in several]
    weight = np.concatenate(weights)
    return {
        "n_cells": len(values),
        "repeated": sum(_repeated(rows) for rows in several),
        "low": float(values.min()) if len(values) else None,
        "high": float(values.max()) if len(values) else None,
        "sums": [float(s.sum()) for s in (values, values**2, weight, weight * values, weight * values**2)],
    }


def _repeated(rows: Rows) -> int:
    """Return how many cells have the row and column of the cell before."""
    again = rows.indices[1:] == rows.indices[:-1]
    starts = rows.indptr[1:-1]
    again[starts[(starts > 0) & (starts < len(rows.indices))] - 1] = False
    return int(again.sum())


def batch_of(record: Record) -> pa.RecordBatch:
    """Return one record as Spark takes it."""
    import pyarrow as pa

    columns = {"kind": pa.array([record["kind"]])}
    columns |= {name: pa.array([record.get(name)], pa.int32()) for name in NUMBERS}
    columns |= {name: pa.array([_bytes(record.get(name))], pa.binary()) for name in BINARY}
    return pa.RecordBatch.from_pydict(columns | {"facts": pa.array([record.get("facts")], pa.string())})


def _bytes(array: NDArray[Any] | None) -> bytes | None:
    return None if array is None else array.tobytes()
