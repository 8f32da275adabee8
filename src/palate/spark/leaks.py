"""Leak checks on Spark: what a model is tested on, it must not have been trained on, nor trained on what came later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palate.errors import Call, DataError, Remedy, Set

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PAIR = ["user", "item"]


def overlap(train: DataFrame, test: DataFrame) -> DataFrame:
    """Return the test rows whose pair of user and item stands in the training part."""
    return test.join(train.select(*PAIR), PAIR, "left_semi")


def without_overlap(train: DataFrame, test: DataFrame) -> DataFrame:
    """Return the test part less the pairs that the training part has."""
    return test.join(train.select(*PAIR), PAIR, "left_anti")


def check_parts(train: DataFrame, test: DataFrame, name: str) -> None:
    """Refuse a test part that shares pairs of user and item with the training part.

    Args:
        train, test: with columns user and item, as `make_splits` gives them.
        name: what to call the split.

    Raises:
        DataError: tells how many pairs are shared, one of them, and the way out.
    """
    shared = overlap(train, test)
    n = shared.count()
    if n:
        first = shared.orderBy(*PAIR).select(*PAIR).first()
        user, item = ("?", "?") if first is None else (first["user"], first["item"])
        raise shared_error(name, n, test.count(), user, item)


def shared_error(name: str, n: int, n_test: int, user: object, item: object) -> DataError:
    """Return the error for a test part of which rows are also in the training part."""
    return DataError(
        f"{name}: {n:,} of {n_test:,} test rows are also in the training part, such as user {user} and item {item}: "
        "figures on them would say nothing",
        Remedy("; take them out with ", Set("on_overlap", "drop")),
        Remedy(", or with ", Call("test = without_overlap(train, test) of palate.spark.leaks")),
        code="overlap",
        subject=name,
    )


def check_time(train: DataFrame, test: DataFrame, name: str, *, within_users: bool = False) -> None:
    """Refuse a split by time whose training part holds rows later than the first test row.

    Args:
        train, test: with columns user and time, numbers or moments.
        name: what to call the split.
        within_users: compare each user's rows alone.

    Raises:
        DataError: there are no times; or tells how many rows are later.
    """
    from pyspark.sql import functions as F

    if "time" not in train.columns or "time" not in test.columns:
        raise DataError.of(name, "is a split by time, and these ratings have no times", code="times")
    by = ["user"] if within_users else []
    first = test.groupBy(*by).agg(F.min("time").alias("first"))
    beside = train.join(first, by) if by else train.crossJoin(first)
    late = beside.filter(F.col("time") > F.col("first")).count()
    if late:
        whose = " of the same user" if within_users else ""
        raise DataError.of(
            name,
            f"is a split by time, and {late:,} of {train.count():,} training rows are later than the first test row"
            f"{whose}: training would see the future; make the split again",
            code="overlap",
        )
