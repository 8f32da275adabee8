"""Values of a layout as clicks: once, before it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from palate.models.items.clicks import Positive, clicks_of
from palate.spark.arrays import binary
from palate.spark.laying_out import LAYOUT
from palate.spark.layout import CELLS, rows_at
from palate.sparse import Array, Rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def check_values(limits: tuple[float, float], positive: Positive) -> None:
    """Refuse values that are no clicks by the rule given.

    Args:
        limits: lowest and highest value.
        positive: the rule.

    Raises:
        DataError: as `clicks_of`.
    """
    both = np.array(limits, np.float32)
    clicks_of(Rows.of_sizes([2], np.arange(2, dtype=np.int32), both), positive, "the training part")


def as_clicks(layout: DataFrame, positive: Positive, typical: float) -> DataFrame:
    """Return a layout whose values are what clicks count; what is no click is left out."""
    names = [field.split()[0] for field in LAYOUT.split(",")]
    cells, rest = (layout.select(*names).where(f"kind {which} ('cells', 'long')") for which in ("in", "not in"))
    return cells.mapInArrow(partial(convert, positive=positive, typical=typical), LAYOUT).union(rest)


def convert(batches: Iterator[pa.RecordBatch], *, positive: Positive, typical: float) -> Iterator[pa.RecordBatch]:
    """Yield records whose values are what clicks count."""
    rule = "any" if positive is None else positive  # that all values are equal was checked
    for batch in batches:
        for n in range(batch.num_rows):
            row = batch.slice(n, 1)
            clicks = clicks_of(rows_at([row.column(name)[0] for name in CELLS]), rule, "the training part", typical)
            arrays: dict[str, Array] = {"indptr": clicks.indptr, "indices": clicks.indices, "values": clicks.values}
            for name, array in arrays.items():
                row = row.set_column(row.schema.get_field_index(name), row.schema.field(name), binary(array))
            at = row.schema.get_field_index("weights")
            yield row.set_column(at, row.schema.field(at), pa_null(row.schema.field(at)))


def pa_null(field: pa.Field) -> pa.Array:
    """Return one missing value."""
    import pyarrow as pa

    return pa.nulls(1, field.type)
