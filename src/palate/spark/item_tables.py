"""The item columns to show, by position: from a table in memory by one machine's rules, or from a DataFrame."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from palate.data.columns import TITLES, plain_name
from palate.data.ids import READ_AS_TEXT
from palate.data.items import id_column, shown_columns
from palate.data.tables import as_frame
from palate.errors import DataError, shown
from palate.spark.facts import path_in
from palate.spark.incoming import format_of
from palate.spark.side_tables import read_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)

TABLE = "the item table"


def write_item_table(spark: SparkSession, items: Any, ids: DataFrame, kind: str, path: str) -> None:
    """Write position, item_id, title and the further columns of each item of the ratings.

    Args:
        spark: the session.
        items: a table in memory, a DataFrame, or the path of one; ids it lacks get nulls, further ones are left out.
        ids: position and id of the items.
        kind: of the ids, "integer" or "text".
        path: the prepared folder.

    Raises:
        DataError: no column of ids, an id twice, ids of another type, none of the ratings, or a column that cannot be
            kept.
    """
    from pyspark.sql import functions as F

    table = _named(spark, items)
    if kind == "integer" and isinstance(items, str) and format_of(items) == "csv":  # the ids are text as it is written
        table = table.withColumn("item_id", F.col("item_id").try_cast("bigint"))
    kinds = dict(table.dtypes)
    if kind == "text" and kinds["item_id"] != "string":
        table = table.withColumn("item_id", F.col("item_id").cast("string"))
    elif kind == "integer" and kinds["item_id"] not in ("tinyint", "smallint", "int", "bigint"):
        words = f"ids are {kinds['item_id']}, those of the ratings are integers"
        raise DataError(f"{TABLE}'s {words}", READ_AS_TEXT, code="ids", subject="item")
    table = table.filter("item_id is not null")
    _check_ids(table, ids)
    joined = ids.select("position", F.col("id").alias("item_id")).join(table, on="item_id", how="left")
    title = F.col("title").cast("string") if "title" in table.columns else F.lit(None).cast("string")
    further = [F.col(f"`{name}`") for name in table.columns if name not in ("item_id", "title")]
    title = F.coalesce(title, F.col("item_id").cast("string")).alias("title")
    shown_ones = joined.select("position", "item_id", title, *further)
    shown_ones.sortWithinPartitions("position").write.mode("overwrite").parquet(path_in(path, "item_table"))


def _named(spark: SparkSession, items: Any) -> DataFrame:
    """Return a table whose column of ids is item_id, and that of titles title."""
    if isinstance(items, str):
        return _of_frame(read_table(spark, items, "item"))
    if type(items).__module__.startswith("pyspark."):
        return _of_frame(items)
    frame = as_frame(items)
    column = id_column(frame.columns, "item")
    frame = frame if column == "item_id" else frame.drop("item_id", strict=False).rename({column: "item_id"})
    frame = shown_columns(frame).with_columns(
        cs.unsigned_integer().cast(pl.Int64), cs.by_dtype(pl.Null).cast(pl.String)
    )
    return spark.createDataFrame(frame.to_arrow())


def _of_frame(table: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    names = table.columns
    column = id_column(names, "item")
    titles = [name for name in names if plain_name(name) in TITLES and name != column]
    title = "title" if "title" in names else titles[0] if len(titles) == 1 else None
    renamed = {column: "item_id", title: "title"}
    for name, kind in table.dtypes:
        if kind.startswith(("map", "struct", "binary", "interval", "variant", "array<array")):
            raise DataError.of(
                f"{TABLE}'s column '{name}'", f"has type {kind}: drop it, or cast it to text", code="columns"
            )
    return table.select(*(F.col(f"`{name}`").alias(renamed.get(name, name)) for name in names))


def _check_ids(table: DataFrame, ids: DataFrame) -> None:
    twice = table.groupBy("item_id").count().filter("count > 1").orderBy("item_id").limit(1).collect()
    if twice:
        raise DataError.of(TABLE, f"has id {shown(twice[0]['item_id'])} more than once", code="duplicates")
    known = table.select("item_id").join(ids.withColumnRenamed("id", "item_id"), on="item_id", how="left_semi")
    if not known.limit(1).collect():
        first = ids.orderBy("position").limit(1).collect()
        raise DataError.of(TABLE, f"shares no id with the ratings (such as {shown(first[0]['id'])})")
