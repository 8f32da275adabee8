"""What tests of the engines let them do."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pyarrow as pa

from palate.errors import SparkError
from palate.spark.executors import check, here, judged, probe


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


def checked(spark):
    """Return how many processes answered the check of executors."""
    return len({report["pid"] for report in check(spark).reports})


def hidden(batches, packages=(), wait=0.0):
    """Tell what the probe tells where Palate cannot be imported."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "palate"}
    sys.modules["palate"] = None
    try:
        yield from probe(batches, packages, wait)
    finally:
        del sys.modules["palate"]
        sys.modules.update(kept)


def without_palate(spark):
    """Check executors that have no Palate."""
    rows = spark.range(4).mapInArrow(hidden, "report string").collect()
    return judged([json.loads(row["report"]) for row in rows], here())


def checked_before_and_after(spark, archive):
    """Return what the check says before an archive is sent, and the marks of code that it finds afterwards."""
    try:
        before = str(check(spark))
    except SparkError as error:
        before = str(error)
    spark.addArtifacts(archive, pyfile=True)
    return before, [report["code"] for report in check(spark, again=True).reports]
