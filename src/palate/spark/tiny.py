"""A tiny job that shows whether Spark works: rows are dealt out anew, and a kernel draws numbers for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.errors import SparkError
from palate.kernels.keyed import normals

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS, K = 64, 4


def drawn(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the rows of an executor with the bytes of their numbers."""
    import pyarrow as pa

    for batch in batches:
        ids = batch.column("id").to_numpy(zero_copy_only=False)
        numbers = [row.tobytes() for row in normals(0, 0, ids, K)]
        yield pa.record_batch({"id": batch.column("id"), "numbers": pa.array(numbers, pa.binary())})


def tiny_job(spark: SparkSession) -> int:
    """Let executors draw numbers, and return for how many rows they are those of this process, bit for bit.

    Raises:
        SparkError: rows are lost, or have other bits.
    """
    made = spark.range(ROWS).repartition(2, "id").mapInArrow(drawn, "id long, numbers binary").collect()
    found = {row["id"]: bytes(row["numbers"]) for row in made}
    expected = {row: numbers.tobytes() for row, numbers in enumerate(normals(0, 0, np.arange(ROWS), K))}
    if found != expected:
        other = sorted(row for row in expected if found.get(row) != expected[row])
        raise SparkError(
            f"executors drew other numbers than this process for {len(other)} of {ROWS} rows, or lost them: "
            "is their processor of another kind?",
            code="executors",
            subject="the tiny job",
            rows=other[:5],
        )
    return ROWS
