"""The stages of `prepare`: check, number, place and lay out; each writes what the next one reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from palate.data.checking import Policy, check_fatal
from palate.data.features import Features
from palate.spark.attributes import check_all_have, check_kind, feature_task, unknown_ids, with_keys
from palate.spark.blocks import block_keys
from palate.spark.checked import checked_rows
from palate.spark.facts import path_in
from palate.spark.incoming import IncomingRows
from palate.spark.item_tables import write_item_table
from palate.spark.laying_out import WRITTEN, SideBlocks, lay_out
from palate.spark.positions import RANGE, add_positions, write_positions
from palate.spark.prepared import FORMAT_VERSION, KIND, SideName, ids_schema, rows_schema
from palate.spark.repeats import repeated

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

LONG_SHARE = 0.25  # of the mean block's cells: a row that has more is dealt over the blocks
MOST_CELLS = 20_000_000  # in a block: what its task holds in memory
SMALL = {"integer": 2_000_000, "text": 500_000}  # ids that are sent to every executor
SIDES: tuple[SideName, SideName] = ("user", "item")
WEIGHT = "coalesce(try_cast(sum(try_cast(weight as decimal(38, 18))) as double), sum(weight))"  # whatever the order
BLOBS = {  # Parquet asks for sizes after 100 records, if it is not told: here are few, and long ones
    "parquet.page.size.row.check.min": "1",
    "parquet.block.size.row.check.min": "1",
    "parquet.enable.dictionary": "false",
    "compression": "none",
}


class Numbering(NamedTuple):
    """How many there are of what."""

    n_rows: int
    n_users: int
    n_items: int
    keys: list[int]

    def n(self, side: SideName) -> int:
        """Return how many positions a side has."""
        return self.n_users if side == "user" else self.n_items


class Stages:
    """One run of `prepare`.

    Args:
        spark: the session.
        path: the folder to write.
        policy: what to do with faulty rows.
        source: the rows as they came.
        features: of users and items, where there are some.
    """

    def __init__(
        self,
        spark: SparkSession,
        path: str,
        policy: Policy,
        source: IncomingRows,
        features: Mapping[SideName, Features],
    ) -> None:
        self.spark, self.path, self.policy, self.source, self.features = spark, path, policy, source, features
        self.further = [role for role in ("value", "time", "weight") if role in source.roles]

    def run(self, n_blocks: int | None, long_share: float, items: Any = None) -> dict[str, Any]:
        """Run all stages and return the facts."""
        n_rows, dropped = self.check()
        numbers = self.number(n_rows, n_blocks)
        if items is not None:
            write_item_table(self.spark, items, self._ids("item"), self.kinds["item"], self.path)
        long = {side: self.long(side, numbers, long_share) for side in SIDES}
        self.place(numbers)
        of_blocks: dict[SideName, list[dict[str, Any]]] = {}
        for side in SIDES:
            of_blocks[side] = self.lay_out(side, numbers, long[side])
            self.lay_out_features(side, numbers)
            self.refuse_repeated(n_rows + sum(dropped.values()), of_blocks[side])
        self.clear()
        told = {"dropped": dropped, "item_table": items is not None}
        return self.facts(numbers, long, of_blocks, long_share) | told

    def check(self) -> tuple[int, dict[str, int]]:
        """Write the checked rows; return how many are good, and how many were dropped by reason."""
        checked = checked_rows(self.spark, self.source, self.policy, path_in(self.path, "draft"), repeats_later=True)
        self.good, self.kinds = checked.rows, checked.kinds
        return checked.n_rows, checked.dropped

    def number(self, n_rows: int, n_blocks: int | None) -> Numbering:
        """Write the ids of both sides with their positions; return how many there are, and the keys of the blocks."""
        n = n_blocks or blocks_for(n_rows, parallelism(self.spark))
        n_users, n_items = (self._number(side, n, -(-n_rows // RANGE)) for side in SIDES)
        return Numbering(n_rows, n_users, n_items, block_keys(self.spark, n))

    def _number(self, side: SideName, n_blocks: int, n_ranges: int) -> int:
        from pyspark.sql import functions as F

        count = F.count("*")
        weight = F.expr(WEIGHT) if "weight" in self.further else count.cast("double")
        ids = self.good.groupBy(F.col(side).alias("id")).agg(count.alias("count"), weight.alias("weight"))
        n_ids = write_positions(self.spark, ids, self.path, f"{side}s", n_blocks, n_ranges)
        return n_ids + self._add_further(side, n_ids, n_blocks)

    def _add_further(self, side: SideName, n_ids: int, n_blocks: int) -> int:
        """Write the ids that only the features know behind the others; return how many there are."""
        if side not in self.features:
            return 0
        check_kind(self.features[side].ids, side, self.kinds[side])
        check_all_have(self.spark, self.features[side], self._ids(side), side)
        more = unknown_ids(self.spark, self.features[side], self._ids(side))
        if more:
            add_positions(self.spark, more, n_ids, self.path, f"{side}s", n_blocks)
        return len(more)

    def long(self, side: SideName, numbers: Numbering, long_share: float) -> dict[int, float]:
        """Return the positions of the rows that are dealt over the blocks, with their counts or sums of weights."""
        least = long_share * numbers.n_rows / len(numbers.keys)
        if len(numbers.keys) == 1:
            return {}
        rows = self._ids(side).filter(f"count > {least!r}").select("position", "weight").collect()
        return dict(sorted((int(row["position"]), float(row["weight"])) for row in rows))

    def place(self, numbers: Numbering) -> None:
        """Write the rows by position, those of a user block in one file, sorted by user and item."""
        from pyspark.sql import functions as F

        rows = self.good
        for side in SIDES:
            ids = self._ids(side).select(F.col("id").alias(side), F.col("position").alias(f"{side}_at"))
            small = numbers.n(side) <= SMALL[self.kinds[side]]
            rows = rows.join(F.broadcast(ids) if small else ids, on=side)
        rows = rows.select(*(F.col(f"{side}_at").alias(side) for side in SIDES), *self._numbers())
        by_block = rows.withColumn("key", key_of(F.col("user"), numbers.keys)).repartition(len(numbers.keys), "key")
        in_order = by_block.sortWithinPartitions("user", "item", *self.further).drop("key")
        in_order.write.mode("overwrite").parquet(path_in(self.path, "rows"))

    def _numbers(self) -> list[Column]:
        """Return the columns of rows beside their positions; a click's value is 1."""
        from pyspark.sql import functions as F

        value = [] if "value" in self.further else [F.lit(1.0).cast("float").alias("value")]
        return [*value, *(F.col(role) for role in self.further)]

    def lay_out(self, side: SideName, numbers: Numbering, long: dict[int, float]) -> list[dict[str, Any]]:
        """Write the blocks of a side; return the facts of each block."""
        from pyspark.sql import functions as F

        row, column = (F.col(s) for s in (SIDES if side == "user" else SIDES[::-1]))
        weight = [F.col("weight")] if "weight" in self.further else []
        dealt = F.when(row.isin(list(long)), column).otherwise(row) if long else row
        cells = self._rows().select(
            key_of(dealt, numbers.keys).alias("key"), row.alias("row"), column.alias("column"), "value", *weight
        )
        blocks = SideBlocks(tuple(numbers.keys), numbers.n(side), numbers.n("item" if side == "user" else "user"), long)
        laid = cells.unionByName(self._no_cells(numbers.keys, cells)).repartition(len(numbers.keys), "key")
        path = path_in(self.path, f"by_{side}")
        laid.mapInArrow(partial(lay_out, side=blocks), WRITTEN).write.mode("overwrite").options(**BLOBS).parquet(path)
        told = self.spark.read.schema(WRITTEN).parquet(path).filter("kind = 'facts'").select("block", "facts").collect()
        return [json.loads(row["facts"]) for row in sorted(told, key=lambda row: row["block"])]

    def lay_out_features(self, side: SideName, numbers: Numbering) -> None:
        """Write the features of a side's blocks beside their cells."""
        from pyspark.sql import functions as F

        if side not in self.features:
            return
        features, n_blocks = self.features[side], len(numbers.keys)
        rows = with_keys(self.spark, features, self._ids(side), key_of(F.col("position"), numbers.keys))
        none = self.spark.range(n_blocks).select(
            key_of(F.col("id"), numbers.keys).alias("key"), F.lit(-1).alias("position"), F.lit(b"").alias("numbers")
        )
        blocks = SideBlocks(tuple(numbers.keys), numbers.n(side), 0, {})
        laid = rows.unionByName(none).repartition(n_blocks, "key")
        records = laid.mapInArrow(feature_task(blocks, features.matrix.shape[1]), WRITTEN)
        records.write.mode("append").options(**BLOBS).parquet(path_in(self.path, f"by_{side}"))

    def refuse_repeated(self, n_rows: int, blocks: list[dict[str, Any]]) -> None:
        """Raise the error of repeated pairs, where a block has found one."""
        if any(block["repeated"] for block in blocks):
            check_fatal(n_rows, repeated(self.good, self.source.where), self.policy, self.source.where)

    def _no_cells(self, keys: list[int], like: DataFrame) -> DataFrame:
        """Return a row for each block that is no cell, so that each has a task."""
        from pyspark.sql import functions as F

        key = key_of(F.col("id"), keys)
        empty = {name: F.lit(None).cast(kind) for name, kind in like.dtypes} | {"key": key, "row": F.lit(-1)}
        numbers = {name: F.lit(0).cast(kind) for name, kind in like.dtypes if name not in ("key", "row")}
        return self.spark.range(len(keys)).select(*(c.alias(name) for name, c in (empty | numbers).items()))

    def clear(self) -> None:
        """Let go of what was written on the way."""
        nothing = self.spark.range(0)
        merged = ["merged"] if self.policy.on_duplicate != "error" else []
        for name in ("checked", *merged, "users", "items"):
            nothing.write.mode("overwrite").parquet(path_in(self.path, "draft", name))

    def facts(
        self,
        numbers: Numbering,
        long: dict[SideName, dict[int, float]],
        blocks: dict[SideName, list[dict[str, Any]]],
        share: float,
    ) -> dict[str, Any]:
        """Return what there is to know of the whole."""
        stated = self.policy.rating_range
        users = blocks["user"]
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "source": self.source.where.name,
            "n_users": numbers.n_users,
            "n_items": numbers.n_items,
            "n_rows": numbers.n_rows,
            "keys": numbers.keys,
            "long_share": share,
            "long": {side: [list(row) for row in rows.items()] for side, rows in long.items()},
            "has_times": "time" in self.further,
            "has_weights": "weight" in self.further,
            "rating_range": None if stated is None else [float(x) for x in stated],
            "lowest": min(block["low"] for block in users if block["low"] is not None),
            "highest": max(block["high"] for block in users if block["high"] is not None),
            "sums": [sum(block["sums"][k] for block in users) for k in range(5)],
            "ids": self.kinds,
            "needed": {
                "item": [list(of) for of in zip(*(block["needed"] for block in users), strict=True)],
                "user": [list(of) for of in zip(*(block["needed"] for block in blocks["item"]), strict=True)],
            },
            "features": {side: _facts_of(self.features.get(side)) for side in SIDES},
        }

    def _ids(self, side: SideName) -> DataFrame:
        return self.spark.read.schema(ids_schema(self.kinds[side])).parquet(path_in(self.path, f"{side}s"))

    def _rows(self) -> DataFrame:
        schema = rows_schema(times="time" in self.further, weights="weight" in self.further)
        return self.spark.read.schema(schema).parquet(path_in(self.path, "rows"))


def _facts_of(features: Features | None) -> dict[str, Any] | None:
    if features is None:
        return None
    return {"names": list(features.names), "encoding": [dict(spec) for spec in features.encoding]}


def key_of(position: Column, keys: list[int]) -> Column:
    """Return the key of the block that a position lies in."""
    from pyspark.sql import functions as F

    return F.element_at(F.array(*map(F.lit, keys)), (position % len(keys)).cast("int") + 1)


def parallelism(spark: SparkSession) -> int:
    """Return how many tasks Spark runs at once, by its own rule for ranges; Connect tells nothing else."""
    from pyspark.sql import functions as F

    return int(spark.range(10_000).select(F.spark_partition_id().alias("at")).distinct().count())


def blocks_for(n_rows: int, n_tasks: int) -> int:
    """Return how many blocks to make: a multiple of the tasks that run at once."""
    return n_tasks * -(-n_rows // (MOST_CELLS * n_tasks))
