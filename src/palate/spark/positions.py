"""Ids of any kind to dense positions, in their order, without collecting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palate.errors import DataError
from palate.spark.facts import path_in

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

RANGE = 4_000_000  # rows of ratings for each range of ids
MOST = 2**31 - 1  # positions are 32 bits wide


def write_positions(spark: SparkSession, ids: DataFrame, path: str, name: str, n_blocks: int, n_ranges: int) -> int:
    """Write position, id, count, weight and block of each id, in order; return how many there are.

    Which ids share a range is drawn anew by Spark each time, so that it is written before it is counted. Positions do
    not depend on it.

    Args:
        spark: the session.
        ids: columns id, count and weight, each id once.
        path, name: the folder, and that of the table in it.
        n_blocks: of the layout.
        n_ranges: how many ranges to cut the ids into.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    kind = dict(ids.dtypes)["id"]
    draft = path_in(path, "draft", name)
    sorted_ids = ids.repartitionByRange(n_ranges, "id").sortWithinPartitions("id")
    sorted_ids.withColumn("range", F.spark_partition_id()).write.mode("overwrite").parquet(draft)
    drafted = spark.read.schema(f"id {kind}, count bigint, weight double, range int").parquet(draft)
    sizes: dict[int, int] = {row["range"]: row["count"] for row in drafted.groupBy("range").count().collect()}
    n = sum(sizes.values())
    if n > MOST:
        raise DataError.of(f"the {name}", f"are {n:,}; positions have room for {MOST:,}", code="too_large")
    firsts, first = [], 0
    for at in range(max(sizes, default=0) + 1):
        firsts.append(F.lit(first))
        first += sizes.get(at, 0)
    place = F.row_number().over(Window.partitionBy("range").orderBy("id")) - 1
    position = (F.element_at(F.array(*firsts), F.col("range") + 1) + place).cast("int")
    table = drafted.select(position.alias("position"), "id", "count", "weight")
    table.withColumn("block", F.col("position") % n_blocks).write.mode("overwrite").parquet(path_in(path, name))
    return n


def add_positions(spark: SparkSession, ids: list[Any], first: int, path: str, name: str, n_blocks: int) -> None:
    """Write further ids without rows behind the others, in the order given."""
    import pyarrow as pa
    from pyspark.sql import functions as F

    at = pa.array(range(first, first + len(ids)), pa.int32())
    more = spark.createDataFrame(pa.table({"position": at, "id": ids}))
    counts = F.lit(0).cast("bigint").alias("count"), F.lit(0.0).alias("weight")
    table = more.select("position", "id", *counts, (F.col("position") % n_blocks).alias("block"))
    table.write.mode("append").parquet(path_in(path, name))
