"""What tests of the engines let them do."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa


def rows_by_process(batches):
    for batch in batches:
        yield pa.record_batch({"id": batch.column("id"), "pid": pa.array([os.getpid()] * batch.num_rows, pa.int64())})


def summed(spark, n):
    """Return the numbers below n, their sum, and how many processes worked on them."""
    rows = spark.range(0, n, 1, 4).mapInArrow(rows_by_process, "id long, pid long").toArrow()
    ids = np.sort(rows["id"].to_numpy())
    return {"kind": type(spark).__module__, "ids": ids, "sum": int(ids.sum()), "version": spark.version}


def fails(spark):
    raise ValueError("no luck")
