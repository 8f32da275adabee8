"""`prepare`: ratings or clicks of any size, checked, by position, and laid out by user and by item blocks, on Spark.

    source ── check (one machine's, by batches) ──> draft/checked      one scan; all later steps read what stands there
    draft/checked ── distinct ids, sorted ──> users/, items/           positions: the rank of an id
    draft/checked ── joined with both ──> rows/                        by user block, sorted by user and item
    rows/ ── by block of a side, a task each ──> by_user/, by_item/    what each sweep reads
    facts/                                                             last

Each step writes Parquet, so that nothing is computed twice, and a source that gives other rows each time it is read
cannot mix them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palate.data.checking import IdsAs, OnDuplicate, OnFault, Policy
from palate.data.columns import Columns
from palate.data.convert import TimeUnit
from palate.data.features import Features
from palate.errors import ParameterError
from palate.spark.executors import check as check_executors
from palate.spark.facts import begin_facts, check_free, write_facts
from palate.spark.failures import clear_errors
from palate.spark.incoming import InputFormat, incoming
from palate.spark.prepared import Prepared, SideName
from palate.spark.session import settings
from palate.spark.side_tables import features_given, read_table
from palate.spark.stages import LONG_SHARE, Stages

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MOST_BLOCKS = 10_000
SETTINGS = {
    "spark.sql.adaptive.enabled": True,  # few partitions for few rows, and skewed ones are cut
    "spark.sql.execution.arrow.maxRecordsPerBatch": 100_000,
    "spark.sql.ansi.enabled": True,  # what overflows is an error, no other number
}


def prepare(
    spark: SparkSession,
    ratings: Any,
    path: str,
    *,
    columns: Columns | None = None,
    format: InputFormat | None = None,  # noqa: A002  # the word of Spark's readers
    ids: IdsAs = "auto",
    time_unit: TimeUnit = "s",
    rating_range: tuple[float, float] | None = None,
    on_missing: OnFault = "error",
    on_invalid: OnFault = "error",
    on_duplicate: OnDuplicate = "error",
    n_blocks: int | None = None,
    long_share: float = LONG_SHARE,
    user_features: Features | str | DataFrame | None = None,
    item_features: Features | str | DataFrame | None = None,
    items: Any = None,
    overwrite: bool = False,
) -> Prepared:
    """Check ratings or clicks once and write them by position, laid out by blocks, as training reads them.

    Args:
        spark: the session.
        ratings: the path of a Parquet or CSV file or folder, or a DataFrame.
        path: the folder to write.
        columns, ids, time_unit, rating_range, on_missing, on_invalid, on_duplicate: as `Interactions.from_table`.
        format: "parquet" or "csv", where the ending of the path does not tell it.
        n_blocks: of either side; without it, as many as Spark runs tasks at once, more where a block would have more
            than 20 million cells.
        long_share: a row with more than this share of the mean block's cells is dealt over the blocks.
        user_features, item_features: what `Features.from_table` makes, or a path or a DataFrame to make it of in this
            process; people and items that they alone know are known, too, behind the others.
        items: the columns of items to show, such as titles: a table in memory, a DataFrame, or a path.
        overwrite: whether to write over what lies at the path.

    Raises:
        DataError: one error that lists every fault with how many rows have it and some of them; the source cannot be
            read, something lies at the path, or Spark failed.
        ParameterError: a policy, the range, the number of blocks or the format is none of those above.
    """
    policy = Policy(on_missing, on_invalid, on_duplicate, rating_range, ids, time_unit)
    _check_numbers(n_blocks, long_share)
    check_free(spark, path, overwrite=overwrite)
    given: dict[SideName, Any] = {"user": user_features, "item": item_features}
    features = {
        side: features_given(spark, of_side, side, ids_as_text=ids == "text")
        for side, of_side in given.items()
        if of_side is not None
    }
    if isinstance(items, str):
        read_table(spark, items, "item")  # a wrong path is told before the work
    check_executors(spark)
    name = ratings if isinstance(ratings, str) else "the DataFrame"
    with settings(spark, SETTINGS), clear_errors(path, "preparing", name):
        source = incoming(spark, ratings, columns, format, policy)
        begin_facts(spark, path)
        stages = Stages(spark, path, policy, source, features)
        facts = stages.run(n_blocks, long_share, items)
        write_facts(spark, path, facts)
    return Prepared(spark, path, facts)


def _check_numbers(n_blocks: int | None, long_share: float) -> None:
    is_whole = isinstance(n_blocks, int) and not isinstance(n_blocks, bool)
    if n_blocks is not None and not (is_whole and 1 <= n_blocks <= MOST_BLOCKS):
        raise ParameterError.outside("n_blocks", f"a whole number from 1 to {MOST_BLOCKS:,}", n_blocks)
    if isinstance(long_share, bool) or not isinstance(long_share, int | float) or not long_share > 0:
        raise ParameterError.outside("long_share", "a number above 0", long_share)
