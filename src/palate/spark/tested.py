"""A test part on Spark: checked, by the positions of a trained model, and known not to be of its training."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.data.checking import Policy
from palate.data.columns import Columns
from palate.errors import DataError, ParameterError, Remedy, Set
from palate.spark.checked import CheckedRows, checked_rows
from palate.spark.incoming import incoming
from palate.spark.leaks import PAIR, shared_error

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palate.spark.prepared import Prepared

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Tested:
    """A test part that may be measured.

    Attributes:
        rows: user, item (positions) and value.
        n: how many.
        highest: value.
        unknown: users, items and test_rows that the model does not know by id.
        without_training: users, items and test_rows that it knows, and has no training row of.
    """

    rows: DataFrame
    n: int
    highest: float
    unknown: dict[str, int]
    without_training: dict[str, int]


def tested_rows(
    prepared: Prepared, test: str | DataFrame, columns: Columns | None, policy: Policy, name: str, on_overlap: str
) -> Tested:
    """Return a test part by position.

    Raises:
        ParameterError: on_overlap is neither of the two.
        DataError: the test part has faults, ids of another type, nothing that the model knows, or rows of the training
            part.
    """
    if on_overlap not in ("raise", "drop"):
        raise ParameterError.outside("on_overlap", "'raise' or 'drop'", on_overlap)
    source = incoming(prepared.spark, test, columns, None, policy)
    given = _typed(checked_rows(prepared.spark, source, policy), prepared, name)
    beside = given
    for side in ("user", "item"):
        beside = beside.join(_ids(prepared, side), f"{side}_id", "left")
    counts = _counts(beside)
    known = beside.filter("user is not null and item is not null").select("user", "item", "value")
    if not counts["known"]:
        raise DataError.of(
            name,
            f"has no row of a user and an item that the model knows ({counts['rows']:,} rows, "
            f"{counts['new_users']:,} unknown users, {counts['new_items']:,} unknown items): it is of other data",
            code="other_data",
        )
    n_shared = _check_pairs(prepared, known, counts["known"], name, on_overlap)
    if n_shared:
        log.warning("%s: %s test rows are also in the training part and left out", name, f"{n_shared:,}")
        known = known.join(prepared.rows.select(*PAIR), PAIR, "left_anti").select("user", "item", "value")
    return Tested(
        known,
        counts["known"] - n_shared,
        counts["highest"],
        {"users": counts["new_users"], "items": counts["new_items"], "test_rows": counts["rows"] - counts["known"]},
        {"users": counts["idle_users"], "items": counts["idle_items"], "test_rows": counts["idle_rows"]},
    )


def _ids(prepared: Prepared, side: Any) -> DataFrame:
    ids = prepared.ids(side)
    return ids.select(ids["id"].alias(f"{side}_id"), ids["position"].alias(side), ids["count"].alias(f"{side}_rows"))


def _typed(checked: CheckedRows, prepared: Prepared, name: str) -> DataFrame:
    """Return user_id, item_id and value; integers become text where the model's ids are.

    Raises:
        DataError: ids are text, and the model's are integers.
    """
    from pyspark.sql import functions as F

    columns: list[Column] = []
    for side in ("user", "item"):
        wanted, found = prepared.facts["ids"][side], checked.kinds[side]
        if wanted == "integer" != found:
            raise DataError(
                f"the {side} ids of {name} are text, and the model's are integers",
                Remedy(": cast them, or prepare the training part with ", Set("ids", "text")),
                code="ids",
                subject=name,
            )
        columns.append(F.col(side).cast("string" if wanted == "text" else "long").alias(f"{side}_id"))
    value = F.col("value").cast("float") if "value" in checked.rows.columns else F.lit(1.0).cast("float")
    return checked.rows.select(*columns, value.alias("value"))


def _counts(rows: DataFrame) -> dict[str, Any]:
    """Return what one pass over the rows tells."""
    from pyspark.sql import functions as F

    known = F.col("user").isNotNull() & F.col("item").isNotNull()
    idle_user, idle_item = known & (F.col("user_rows") == 0), known & (F.col("item_rows") == 0)
    one = rows.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count_if(known).alias("known"),
        F.max(F.when(known, F.col("value"))).alias("highest"),
        F.count_distinct(F.when(F.col("user").isNull(), F.col("user_id"))).alias("new_users"),
        F.count_distinct(F.when(F.col("item").isNull(), F.col("item_id"))).alias("new_items"),
        F.count_distinct(F.when(idle_user, F.col("user"))).alias("idle_users"),
        F.count_distinct(F.when(idle_item, F.col("item"))).alias("idle_items"),
        F.count_if(idle_user | idle_item).alias("idle_rows"),
    )
    counts: dict[str, Any] = one.collect()[0].asDict()
    return counts


def _check_pairs(prepared: Prepared, known: DataFrame, n: int, name: str, on_overlap: str) -> int:
    """Return how many test rows are also training rows.

    Raises:
        DataError: rows are in both parts and shall not be, or all are.
    """
    from pyspark.sql import functions as F

    shared = known.join(prepared.rows.select(*PAIR), PAIR, "left_semi")
    found = shared.agg(F.count(F.lit(1)).alias("shared"), F.min(F.struct(*PAIR)).alias("first")).collect()[0]
    n_shared = int(found["shared"])
    if n_shared and on_overlap == "raise":
        user, item = (
            prepared.ids(side).filter(F.col("position") == found["first"][side]).collect()[0]["id"]
            for side in ("user", "item")
        )
        raise shared_error(name, n_shared, n, user, item)
    if n_shared == n:
        raise DataError.of(
            name, f": all of the {n:,} test rows are also in the training part: nothing is left", code="empty"
        )
    return n_shared


def check_relevant(test: Tested, positive: Any, n_allowed: int | None, n_ranked: int) -> None:
    """Refuse a rule of relevance that means nothing, or that no test row meets.

    Raises:
        ParameterError: positive is none of those there are.
        DataError: no test row is relevant.
    """
    from palate.evaluation.metric_inputs import check_positive

    check_positive(positive, np.array([test.highest], np.float32))
    if not n_ranked:
        raise DataError(
            f"none of the relevant test rows is of the {n_allowed or 0:,} items that may be listed: take a larger "
            "part of the catalogue",
            subject="positive",
        )
