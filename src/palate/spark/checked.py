"""Rows that went through the check: the good ones as a DataFrame, and how many were left out."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import polars as pl

from palate.data.checking import Fault, Policy, check_fatal, check_left
from palate.spark.checks import RowDoor, checked, checked_schema, counts_of, dropped_of, faults_of
from palate.spark.facts import path_in
from palate.spark.incoming import IncomingRows
from palate.spark.prepared import TYPES
from palate.spark.repeats import check_merged_rows, check_order, merged, repeated
from palate.spark.separated import integer_sides, plain_id

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)

SOME = 1000  # rows looked at

ReadAs = Literal["integer", "text"]


class CheckedRows(NamedTuple):
    """Good rows.

    Attributes:
        rows: user, item (ids), and value, time and weight as far as they were given.
        n_rows: how many there are.
        dropped: how many others there were, by reason.
        kinds: of the ids of both sides, "integer" or "text".
    """

    rows: DataFrame
    n_rows: int
    dropped: dict[str, int]
    kinds: dict[str, ReadAs]


def checked_rows(
    spark: SparkSession, source: IncomingRows, policy: Policy, draft: str | None = None, *, repeats_later: bool = False
) -> CheckedRows:
    """Return the good rows of a source.

    Args:
        spark: the session.
        source: the rows as they came.
        policy: what to do with faulty ones.
        draft: a folder to write them to, so that they are computed once; without it, each use computes them anew.
        repeats_later: whether the caller finds repeated pairs by himself where the policy refuses them, and raises
            `repeated`.

    Raises:
        DataError: rows are faulty that may not be dropped, or none is left.
    """
    where, door = source.where, RowDoor(source.roles, policy, truth_roles(source.rows))
    merges = policy.on_duplicate != "error"
    if merges:
        check_order(source.roles, policy.on_duplicate, where)
    kinds: dict[str, ReadAs] = {side: _kind_of(dict(source.rows.dtypes)[side], policy) for side in ("user", "item")}
    schema = checked_schema(source.roles, {s: TYPES[k] for s, k in kinds.items()}, source.rows.schema.simpleString())
    rows = _kept(spark, source.rows.mapInArrow(partial(checked, door=door), schema), schema, draft, "checked")
    counts = counts_of(rows)
    if source.written and counts:
        for side in integer_sides(rows, where.name):
            rows, kinds[side] = rows.withColumn(side, plain_id(side).cast("bigint")), "integer"
    good = rows.filter("faults = 0").select(*source.roles)
    n_all, n_good = sum(counts.values()), counts.get(0, 0)
    faults = faults_of(rows, counts, door, where)
    if not merges and (not repeats_later or _are_fatal(faults, policy)):
        faults += repeated(good, where)
    check_fatal(n_all, faults, policy, where)
    check_left(n_all, n_good, where)
    dropped = dropped_of(counts, door)
    if merges:
        schema = ", ".join(f"{name} {kind}" for name, kind in good.dtypes)
        good = _kept(spark, merged(good, n_good, policy.on_duplicate), schema, draft, "merged")
        n_pairs = good.count()
        if "value" in source.roles:
            check_merged_rows(good, n_pairs, policy, where)
        if n_pairs < n_good:
            dropped[f"repeated pairs merged ({policy.on_duplicate})"] = n_good - n_pairs
        n_good = n_pairs
    for reason, count in dropped.items():
        log.warning("%s: dropped %s rows: %s", where.name, f"{count:,}", reason)
    return CheckedRows(good, n_good, dropped, kinds)


def truth_roles(rows: DataFrame) -> tuple[str, ...]:
    """Return the columns of text that hold true and false, and no number at all."""
    from pyspark.sql import functions as F

    texts = [role for role, kind in rows.dtypes if role in ("value", "weight") and kind == "string"]
    found = []
    for role in texts:
        first = pl.DataFrame(pl.from_arrow(rows.select(role).limit(SOME).toArrow()))[role]
        if first.str.strip_chars().cast(pl.Float64, strict=False).null_count() < len(first):
            continue  # a number: the usual case, told without reading all
        is_number = F.trim(role).try_cast("double").isNotNull()
        if not rows.agg(F.max(is_number)).collect()[0][0]:
            found.append(role)
    return tuple(found)


def _are_fatal(faults: list[Fault], policy: Policy) -> bool:
    allowed = {"missing": policy.on_missing, "invalid": policy.on_invalid}
    return any(allowed[fault.kind] == "error" for fault in faults)


def _kind_of(dtype: str, policy: Policy) -> ReadAs:
    return "text" if policy.ids == "text" or dtype == "string" else "integer"


def _kept(spark: SparkSession, rows: DataFrame, schema: str, draft: str | None, name: str) -> DataFrame:
    """Return rows as they lie in the draft, where there is one."""
    if draft is None:
        return rows
    path = path_in(draft, name)
    rows.write.mode("overwrite").parquet(path)
    return spark.read.schema(schema).parquet(path)
