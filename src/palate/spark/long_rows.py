"""Rows that are too long for a task: their sums over blocks, solved, and the errors of their cells."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.errors import PalateError
from palate.models.ridge.sums import rating_errors
from palate.parallel import Workers, single_blas_thread
from palate.spark.arrays import array_of, record, rows_of, schema_of
from palate.spark.halves import Half, Home, RatingHalf, Solved, feature_parts, note_of
from palate.spark.layout import CELLS, rows_at
from palate.spark.messages import FACTORS, LongRows, Received
from palate.sparse import Array

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def solved_plan(records: DataFrame, half: Half) -> DataFrame:
    """Return the plan that solves long rows by the sums that blocks have written."""
    names = ["kind", "block", "row", "factors", "sums", "figures"]
    parts = records.where("kind in ('piece', 'home')").select(*names)
    n_parts = min(len(half.common.long), len(half.common.wire.keys))
    return parts.repartition(n_parts, "row").mapInArrow(partial(solve_rows, half=half), FACTORS)


def solve_rows(batches: Iterator[pa.RecordBatch], *, half: Half) -> Iterator[pa.RecordBatch]:
    """Yield the records of long rows, their pieces summed in the order of blocks."""
    import pyarrow as pa

    several = list(batches)
    if not several:
        return
    parts = pa.Table.from_batches(several).sort_by([("kind", "ascending"), ("block", "ascending")])
    rows = np.array(parts["row"])
    for row in np.unique(rows).tolist():
        yield solved_row(row, parts.filter(rows == row), half)


def solved_row(row: int, parts: pa.Table, half: Half) -> pa.RecordBatch:
    """Return the record of a long row."""
    common = half.common
    values: dict[str, Any] = {"row": row, "block": row % len(common.wire.keys), "sweep": common.sweep}
    try:
        solved, features = _solved(parts, half)
    except PalateError as error:
        values |= {"kind": "fault", "note": note_of(error)}
    else:
        values |= {"kind": "long", "factors": solved.X, "biases": solved.biases, "figures": solved.figures}
        values |= {"sums": feature_parts(features, solved), "gram": solved.gram}
    return record(schema_of(FACTORS), values)


def _solved(parts: pa.Table, half: Half) -> tuple[Solved, Array | None]:
    """Return a row and its features, (1, n_features)."""
    wire, n_features = half.common.wire, half.common.n_features
    home, *pieces = rows_of(parts, ("figures", "sums", "factors"))  # "home" goes before "piece"
    features = array_of(home[1], np.float32, n_features) if n_features else None
    start = array_of(home[2], wire.dtype, wire.k) if home[2].is_valid else None
    total, clicks = (
        np.sum([array_of(piece[at], dtype) for piece in pieces], axis=0, keepdims=True)
        for at, dtype in ((1, wire.dtype), (0, np.float64))
    )
    own = Home(array_of(home[0], np.float64), clicks[0], features, start)
    with Workers(half.common.n_threads) as workers, single_blas_thread():
        return half.solve_sums(total, own, workers), features


def errors_plan(both: Any, half: RatingHalf, long: LongRows) -> DataFrame:
    """Return the plan that sums the errors of long rows' cells; both: the layout beside the messages."""
    plan: DataFrame = both.applyInArrow(partial(errors, half=half, long=long), FACTORS)
    return plan


def errors(layout: pa.Table, messages: pa.Table, *, half: RatingHalf, long: LongRows) -> pa.Table:
    """Return the figures of a block's pieces of long rows."""
    import pyarrow as pa

    received, schema = Received.of(messages, half.common.wire), schema_of(FACTORS)
    with Workers(half.common.n_threads) as workers:
        batches = list(_errors(layout, received, half, long, workers))
    return pa.Table.from_batches(batches, schema)


def _errors(
    layout: pa.Table, received: Received, half: RatingHalf, long: LongRows, workers: Workers
) -> Iterator[pa.RecordBatch]:
    for block, row, *cells in rows_of(layout.sort_by("row"), ("block", "row", *CELLS)):
        at = slice(n := long.positions.index(row.as_py()), n + 1)
        limits = half.limits or (-np.inf, np.inf)
        found = rating_errors(rows_at(cells), long.X[at], long.biases[at], half.side(received), limits, workers)
        values = {"kind": "errors", "block": block.as_py(), "row": row.as_py(), "figures": np.array([*found, 0.0])}
        yield record(schema_of(FACTORS), values)
