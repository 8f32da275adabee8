"""`recommend_all`: the best items of every user, as on one machine.

The items' side goes once to each block of users, in one exchange with the users' factors and what they had; a task
ranks a chunk of users after the other (`palate.spark.listing`). Its memory is

    items x (8 k + 48 bytes) + 8192 users x (8 k + 12 n bytes + what they had)                                     (1)

for float32 factors, k of them: the items' messages and the matrix made of them. Where the items of one task would take
more than `GROUP_BYTES`, they are parted into groups, each block of users has a task for each group, and their lists are
merged by Spark: score, then popularity, which no grouping can change.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from palate.data.ids import Id
from palate.data.items import Condition
from palate.errors import ParameterError, Remedy, Set
from palate.models.contract.diversified import CANDIDATES
from palate.models.contract.parameters import check_whole
from palate.spark.executors import check as check_executors
from palate.spark.facts import check_free
from palate.spark.failures import clear_errors
from palate.spark.filters import kept_items
from palate.spark.listing import Listing, list_users, schema_of
from palate.spark.sending import addresses_of, sent, types_of
from palate.spark.session import settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palate.spark.trained import Trained

GROUP_BYTES = 1 << 30  # of items that a task holds
OF_AN_ITEM = 48  # bytes beside its factors
SETTINGS = {  # A plan of few, long rows: to plan it anew or to compile Java for it takes longer than to run it
    "spark.sql.adaptive.enabled": False,
    "spark.sql.codegen.wholeStage": False,
}


def recommend_all(
    trained: Trained,
    path: str | None = None,
    n: int = 10,
    *,
    exclude_seen: bool = True,
    allow: Sequence[Id] | None = None,
    deny: Sequence[Id] | None = None,
    where: Condition | Sequence[Condition] | None = None,
    diversity: float = 0.0,
    item_groups: int | None = None,
    overwrite: bool = False,
) -> DataFrame:
    """Return the best ``n`` items of every user: user_id, rank (from 1), item_id, score.

    The lists are those of ``recommend`` on one machine: the same items, order and scores, bit for bit.

    Args:
        trained: a model trained on Spark.
        path: folder to write them to as Parquet, which is then read; None returns what Spark computes when it is asked
            for, and each time anew.
        n: how many items a user.
        exclude_seen: leave out what the user had in training.
        allow, deny: item ids to choose from; to leave out, where unknown ones do no harm.
        where: conditions on the item table, such as "genres=Comedy", "year>=1990", or Polars expressions.
        diversity: from 0, the best, to 1, the most unlike each other: the 200 best of each user are ordered anew by
            the likeness of their factors, as the service does.
        item_groups: into how many parts the items are dealt, each a task of its own for each block of users; None
            takes as few as keep the items of a task within 1 GiB.
        overwrite: write over what lies at ``path``.

    Raises:
        ParameterError: n, diversity, item_groups or a condition is wrong, or there are groups and diversity.
        UnknownIdError: an item of allow is unknown.
        DataError: the path exists already, or Spark cannot read or write.
    """
    prepared = trained.prepared
    _check(n, diversity, item_groups)
    if path is not None:
        check_free(prepared.spark, path, overwrite=overwrite)
    check_executors(prepared.spark)
    with clear_errors(trained.path, "listing for all users"):
        kept = kept_items(prepared, allow, deny, where)
        groups = item_groups or groups_for(trained, prepared.n_items if kept is None else int(kept.sum()))
        _check_groups(trained, groups, diversity)
        types = types_of(trained)
        listing = Listing(n, trained.mean, types, float(diversity), candidates=groups > 1)
        messages = sent(trained, addresses_of(prepared, groups, kept), seen=exclude_seen)
        lists = messages.mapInArrow(partial(list_users, asked=listing), schema_of(types, candidates=groups > 1))
        lists = lists if groups == 1 else merged(lists, n)
    if path is None:
        return lists
    with clear_errors(path, "writing the lists"):
        with settings(prepared.spark, SETTINGS if groups == 1 else {}):
            lists.write.mode("overwrite" if overwrite else "errorifexists").parquet(path)
        return prepared.spark.read.schema(schema_of(types)).parquet(path)


def groups_for(trained: Trained, n_items: int) -> int:
    """Return how many groups keep the items of a task within `GROUP_BYTES`."""
    return max(1, int(-(-n_items * of_an_item(trained) // GROUP_BYTES)))


def of_an_item(trained: Trained) -> int:
    """Return how many bytes a task holds for an item."""
    return 2 * trained.n_factors * np.dtype(types_of(trained).factors).itemsize + OF_AN_ITEM


def merged(candidates: DataFrame, n: int) -> DataFrame:
    """Return the best of the lists of several groups: by score, then the more popular item, then the lower id."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    order = [F.col(name).desc() for name in ("score", "count", "mean")]
    of_user = Window.partitionBy("user").orderBy(*order, F.col("item_id").asc())
    ranked = candidates.withColumn("rank", F.row_number().over(of_user))
    return ranked.filter(F.col("rank") <= n).select("user_id", "rank", "item_id", "score")


def _check(n: int, diversity: float, item_groups: int | None) -> None:
    check_whole("n", n, low=1)
    number = isinstance(diversity, int | float | np.number) and not isinstance(diversity, bool)
    if not number or not 0 <= diversity <= 1:
        raise ParameterError.outside("diversity", "a number from 0 to 1", diversity)
    if item_groups is not None:
        check_whole("item_groups", item_groups, low=1)


def _check_groups(trained: Trained, groups: int, diversity: float) -> None:
    if groups > 1 and diversity > 0:
        travels = CANDIDATES * trained.n_factors * np.dtype(types_of(trained).factors).itemsize
        held = f"{trained.prepared.n_items * of_an_item(trained):,} bytes"
        raise ParameterError(
            f"diversity compares the factors of each user's {CANDIDATES} best items, and items are dealt over {groups} "
            f"groups, of which none has them all: {travels:,} bytes a user would have to travel",
            Remedy(f"; hold all items in one task, with {held} for them: ", Set("item_groups", 1)),
            subject="diversity",
        )
