"""Blocks: which rows of a side lie together, and the key that gives each block a partition of its own.

Position p of a side lies in block p % n, at row p // n of it. Positions follow the order of ids, so that popular rows
are spread over all blocks, and neither a table nor a search tells where a row lies.

Spark puts a row with key x into partition pmod(hash(x), n). The keys of blocks are chosen so that block b gets
partition b: with the numbers of the blocks themselves some partitions would get two blocks, and others none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TRIED = 64  # keys for each block: that one is without any has the chance n exp(-64)


def block_keys(spark: SparkSession, n_blocks: int) -> list[int]:
    """Return a key for each block, so that ``repartition(n_blocks, "key")`` puts block b alone into partition b."""
    from pyspark.sql import functions as F  # an extra

    places = F.pmod(F.hash(F.col("id").cast("int")), F.lit(n_blocks))
    rows = spark.range(TRIED * n_blocks).groupBy(places.alias("block")).agg(F.min("id").alias("key")).collect()
    keys = {int(row["block"]): int(row["key"]) for row in rows}
    return [keys[block] for block in range(n_blocks)]


def n_rows_of(block: int, n_blocks: int, n_positions: int) -> int:
    """Return how many rows a block has."""
    return len(range(block, n_positions, n_blocks))


def positions_of(block: int, n_blocks: int, n_positions: int) -> NDArray[np.int64]:
    """Return the positions of a block's rows, (n_rows,), in the order of its rows."""
    return np.arange(block, n_positions, n_blocks)
