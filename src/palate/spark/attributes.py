"""Features of one machine on Spark: matched to positions by id, and cut into blocks; items with their columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.data.features import Features
from palate.data.ids import Ids
from palate.errors import DataError, shown
from palate.spark.blocks import n_rows_of
from palate.spark.laying_out import PART, SideBlocks, batch_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


def check_kind(ids: Ids, side: str, kind: str) -> None:
    """Refuse features whose ids are of another type than those of the ratings.

    Raises:
        DataError: says both types.
    """
    if ids.kind != kind:
        raise DataError.of(f"the {side} features' ids", f"are {ids.kind}, those of the ratings {kind}", code="ids")


def unknown_ids(spark: SparkSession, features: Features, known: DataFrame) -> list[Any]:
    """Return the ids of features that no row has, in the order of the features."""
    ids = table_of(spark, features, with_numbers=False)
    rows = ids.join(known.select("id"), on="id", how="left_anti").collect()
    return [row["id"] for row in sorted(rows, key=lambda row: row["at"])]


def check_all_have(spark: SparkSession, features: Features, known: DataFrame, side: str) -> None:
    """Refuse features that lack rows of ids in the ratings.

    Raises:
        DataError: how many lack one, and some of them.
    """
    lacking = known.select("id", "position").join(
        table_of(spark, features, with_numbers=False), on="id", how="left_anti"
    )
    count = lacking.count()
    if count:
        first = ", ".join(shown(row["id"]) for row in lacking.orderBy("position").limit(3).collect())
        raise DataError(
            f"{count:,} {side}s have no row in the table of features, such as {first}: add rows for them; fields may "
            "be empty",
            subject=side,
        )


def with_keys(spark: SparkSession, features: Features, known: DataFrame, key: Any) -> DataFrame:
    """Return key, position and numbers of each id's features."""
    numbers = table_of(spark, features, with_numbers=True)
    return known.select("id", "position").join(numbers, on="id").select(key.alias("key"), "position", "numbers")


def feature_blocks(batches: Iterable[pa.RecordBatch], side: SideBlocks, n_features: int) -> Iterator[pa.RecordBatch]:
    """Yield the records of one block's features.

    Args:
        batches: key, position and numbers (float32 as bytes), all of one key; a position below 0 is none.
        side: how the side is laid out.
        n_features: numbers of each row.
    """
    block, table = None, np.empty((0, n_features), np.float32)
    for batch in batches:
        positions, numbers = batch["position"].to_numpy(), batch["numbers"].to_pylist()
        for at, key in zip(range(batch.num_rows), batch["key"].to_pylist(), strict=True):
            if block is None:
                block = side.keys.index(key)
                table = np.zeros((n_rows_of(block, side.n_blocks, side.n_rows), n_features), np.float32)
            if positions[at] >= 0:
                table[positions[at] // side.n_blocks] = np.frombuffer(numbers[at], np.float32)
    if block is not None:
        step = max(1, PART // n_features)
        for part, first in enumerate(range(0, max(len(table), 1), step)):
            some = table[first : first + step]
            here = {"block": block, "key": side.keys[block], "part": part, "row": first, "dest": n_features}
            yield batch_of({"kind": "features", **here, "features": some})


def feature_task(side: SideBlocks, n_features: int) -> partial[Iterator[pa.RecordBatch]]:
    """Return the task that writes a block's features."""
    return partial(feature_blocks, side=side, n_features=n_features)


def table_of(spark: SparkSession, features: Features, *, with_numbers: bool) -> DataFrame:
    """Return the ids of features with their order, and their numbers as bytes."""
    import pyarrow as pa

    ids = features.ids.values.to_arrow()
    columns = {"id": ids.cast(pa.string()) if features.ids.kind == "text" else ids, "at": pa.array(range(len(ids)))}
    if with_numbers:
        numbers = np.ascontiguousarray(features.matrix, np.float32)
        width = pa.binary(numbers.shape[1] * 4)
        columns["numbers"] = pa.FixedSizeBinaryArray.from_buffers(
            width, len(ids), [None, pa.py_buffer(numbers.tobytes())]
        ).cast(pa.binary())
    return spark.createDataFrame(pa.table(columns))
