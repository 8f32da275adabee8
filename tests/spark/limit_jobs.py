"""What runs on an engine of its own that has too little memory: each returns the code and the words of the error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from palate.errors import PalateError
from palate.spark.failures import clear_errors


def told(work: Callable[[], Any]) -> tuple[str, str]:
    """Return the code and words of the error that work ends in, and the type where it is none of ours."""
    try:
        work()
    except PalateError as error:
        return error.code, str(error)
    except Exception as error:  # noqa: BLE001 - what is not ours fails the test that asked
        return type(error).__name__, str(error)
    return "no error", ""


def hungry(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Ask for more than a worker may have."""
    for batch in batches:
        yield pa.RecordBatch.from_pydict({"id": [len(bytearray(64 << 30))] * batch.num_rows})


def without_memory(spark: Any) -> dict[str, tuple[str, str]]:
    """Return what is told where a worker, the driver's results and Java's heap are too small."""

    def worker() -> None:
        with clear_errors("lists", "writing"):
            spark.range(10).mapInArrow(hungry, "id long").collect()

    def results() -> None:
        with clear_errors("model", "collecting"):
            spark.range(1_000_000).toArrow()

    def heap() -> None:
        with clear_errors("lists", "writing"):
            long = spark.range(0, 40, 1, 1).selectExpr("collect_list(repeat(string(id), 50000000)) as all")
            long.selectExpr("length(all[0])").collect()

    return {name: told(work) for name, work in (("worker", worker), ("results", results), ("heap", heap))}
