"""User-item pairs that stand more than once, on Spark: refused, or made one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from palate.data.checking import SHOWN, Fault, OnDuplicate, Policy, Where, refuse_merged, value_faults
from palate.errors import DataError, Remedy, Set
from palate.spark.checks import rows_as_text

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

GROUP = 5_000_000  # rows that a task merges at once
PAIR = ["user", "item"]


def repeated(rows: DataFrame, where: Where) -> list[Fault]:
    """Return the fault of pairs that stand again, in a list that is empty where there are none."""
    from pyspark.sql import functions as F

    pairs = rows.groupBy(*PAIR).agg(F.count("*").alias("n")).filter("n > 1")
    again = pairs.agg(F.sum(F.col("n") - 1)).collect()[0][0]
    if not again:
        return []
    first = pl.DataFrame(pl.from_arrow(pairs.orderBy(*PAIR).limit(SHOWN).select(*PAIR).toArrow()))
    samples = tuple(rows_as_text(first, where))
    fault = Fault("duplicate", "a user-item pair", "stands again", np.empty(0, np.intp), samples=samples)
    return [replace(fault, total=int(again))]


def check_order(roles: Iterable[str], how: OnDuplicate, where: Where) -> None:
    """Refuse to keep the last row of a pair where none is the last: rows of Spark have no order.

    Raises:
        DataError: there is no time.
    """
    if how == "last" and "time" not in roles:
        raise DataError.of(
            where.name,
            "has no times, and rows on Spark have no order: which row of a user-item pair is the last cannot be told",
            Remedy("; take ", Set("on_duplicate", "mean"), " or 'sum', or name the column of times"),
            code="times",
        )


def merged(rows: DataFrame, n_rows: int, how: OnDuplicate) -> DataFrame:
    """Return one row for each pair; whatever the partitions, its numbers are added up in the same order."""
    n_tasks = max(1, -(-n_rows // GROUP))
    together = rows.repartition(n_tasks, *PAIR)
    schema = ", ".join(f"{name} {kind}" for name, kind in rows.dtypes)
    return together.mapInArrow(partial(merge, how=how), schema)


def merge(batches: Iterable[pa.RecordBatch], how: OnDuplicate) -> Iterator[pa.RecordBatch]:
    """Yield one row for each pair of a partition: that of the latest time, and of equal ones the largest value.

    Its value is that row's, or the mean or the sum of all.
    """
    import pyarrow as pa

    several = [batch for batch in batches if batch.num_rows]
    if not several:
        return
    frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(several)))
    frame = frame.sort([*PAIR, *(name for name in ("time", "value", "weight") if name in frame.columns)])
    same = np.logical_and(*((frame[name][1:] == frame[name][:-1]).to_numpy() for name in PAIR))
    new = np.concatenate([[True], ~same, [True]])
    starts = np.flatnonzero(new)
    kept = frame[starts[1:] - 1]
    if how != "last" and "value" in frame.columns:
        totals = np.add.reduceat(frame["value"].to_numpy().astype(np.float64), starts[:-1])
        with np.errstate(over="ignore"):  # infinite: refused by the caller
            values = (totals / np.diff(starts) if how == "mean" else totals).astype(np.float32)
        kept = kept.with_columns(value=pl.Series(values))
    schema = several[0].schema
    yield from kept.to_arrow().cast(schema).to_batches(max_chunksize=100_000)


def check_merged_rows(rows: DataFrame, n_pairs: int, policy: Policy, where: Where) -> None:
    """Refuse merged values that left the finite numbers or the stated range.

    Raises:
        DataError: how many pairs have such a value, and what can be done.
    """
    from pyspark.sql import functions as F

    value = F.col("value")
    outside = F.lit(False) if policy.rating_range is None else ~value.between(*policy.rating_range)
    infinite = F.abs(value) == float("inf")
    bad = rows.filter(infinite | outside).groupBy(infinite).agg(F.count("*").alias("n"), F.min("value").alias("value"))
    faults = []
    for row in bad.collect():
        (fault,) = value_faults(pl.Series([row["value"]], dtype=pl.Float32), policy)
        faults.append(replace(fault, total=int(row["n"])))
    refuse_merged(n_pairs, faults, policy.on_duplicate, where)
