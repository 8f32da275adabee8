"""Arrays in columns of Arrow tables: raw little-endian bytes, read without a copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from palate.sparse import Array

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_BYTES = 1 << 24  # of one value: whole blocks would be too large for a record
SPARK_TYPES = {"string": "string", "int": "int32", "long": "int64", "double": "float64", "binary": "binary"}


def array_of(value: Any, dtype: DTypeLike, width: int | None = None) -> Array:
    """Return the array of a binary value, read-only; (n, width), or (n,) where width is None.

    Args:
        value: a scalar of Arrow.
        dtype: of the array.
        width: numbers a row.
    """
    buffer = value.as_buffer()
    array = np.frombuffer(b"" if buffer is None else buffer, dtype)
    if not array.flags.aligned:  # a kernel would be compiled anew for it
        array = array.copy()
    return array if width is None else array.reshape(-1, width)


def binary(array: Array) -> pa.Array:
    """Return a column of one value: the bytes of an array, which are not copied."""
    import pyarrow as pa

    data = np.ascontiguousarray(array)
    ends = pa.py_buffer(np.array([0, data.nbytes], np.int32))
    return pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(data)])


def schema_of(fields: str) -> pa.Schema:
    """Return the schema of Arrow for "name type, …" of Spark."""
    import pyarrow as pa

    pairs = [field.split() for field in fields.split(",")]
    return pa.schema([(name, pa.type_for_alias(SPARK_TYPES[kind])) for name, kind in pairs])


def record(schema: pa.Schema, values: Mapping[str, Any]) -> pa.RecordBatch:
    """Return a batch of one row; arrays become binary, and what is not given is null."""
    import pyarrow as pa

    columns = [_column(field, values.get(field.name)) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(field: Any, value: Any) -> pa.Array:
    import pyarrow as pa

    return binary(value) if isinstance(value, np.ndarray) else pa.array([value], field.type)


def rows_of(table: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table, as scalars of Arrow."""
    yield from zip(*(table.column(name) for name in columns), strict=True)


def runs(n_rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield first and last + 1 of runs of rows of about `CHUNK_BYTES`; one run where there are no rows."""
    step = max(1, CHUNK_BYTES // max(1, row_bytes))
    for first in range(0, max(1, n_rows), step):
        yield first, min(first + step, n_rows)
