"""`fold_in`: factors of users whom training has not seen, by the row solver of one machine."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from palate.data.checking import Policy
from palate.data.columns import Columns
from palate.data.features import Features
from palate.errors import DataError, Remedy, Set
from palate.models.contract.newcomers import check_encoding
from palate.spark.attributes import check_all_have, check_kind, table_of
from palate.spark.clicks import check_values
from palate.spark.failures import clear_errors
from palate.spark.incoming import incoming
from palate.spark.kinds import Clicks
from palate.spark.learner import SparkLearner
from palate.spark.prepared import Prepared
from palate.spark.side_tables import features_given
from palate.spark.user_blocks import matrix_of
from palate.sparse import Rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from palate.spark.trained import Trained

log = logging.getLogger(__name__)

NAME = "the newcomers' rows"
NUMBER = {"float32": "float", "float64": "double"}


def fold_in(
    trained: Trained,
    ratings: str | DataFrame,
    features: Features | str | DataFrame | None = None,
    *,
    columns: Columns | None = None,
) -> DataFrame:
    """Return the factors of users by their own rows, with the items as they are: user_id, factors (a list), bias.

    Equal to ``fold_in`` of one machine, bit for bit. Rows of items that training did not know are left out, and a line
    says how many; a user of whom none is left has zeros, or what the features say.

    Args:
        trained: a model trained on Spark.
        ratings: a path or a DataFrame of rows of any users.
        features: of these users, encoded as those of training, or the path of a table or a DataFrame to make them of in
            this process; None where training had none, or where nothing is known of them.
        columns: which columns hold what, as `palate.spark.prepare` takes them.

    Raises:
        DataError: there are no rows, a row is missing something or stands again, ids are of another type than the
            model's, or a user has no features where some are given.
        ParameterError: features where training had none, or encoded in another way.
    """
    from pyspark.sql import functions as F

    prepared, learner = trained.prepared, SparkLearner.of(trained)
    given = _typed(incoming(prepared.spark, ratings, columns, None, Policy()).rows, prepared.facts["ids"]["item"])
    items = prepared.ids("item").select(F.col("position").alias("item"), F.col("id").alias("item_id"))
    rows = given.join(items, "item_id", "left").drop("item_id")
    own = None if features is None else _own(prepared, learner, features, dict(given.dtypes)["user_id"])
    _check(rows, learner, trained.path)
    n = prepared.n_blocks
    keyed = (rows if own is None else _beside(rows, own)).withColumn(
        "key", F.pmod(F.xxhash64("user_id"), F.lit(n)).cast("int")
    )
    needed = keyed.select(F.col("key").alias("of"), F.col("item").alias("position")).distinct()
    needed = needed.join(trained.factors("item"), "position").select("of", "position", "factors", "bias")
    kind = given.schema["user_id"].dataType.simpleString()
    task = partial(solved, learner=learner)
    result = f"user_id {kind}, factors array<{NUMBER[trained.dtype]}>, bias double"
    return keyed.groupBy("key").cogroup(needed.groupBy("of")).applyInArrow(task, result)


def _own(prepared: Prepared, learner: SparkLearner, features: Any, kind: str) -> Features:
    """Return the newcomers' features.

    Raises:
        DataError: they cannot be read, or are of ids of another type.
        ParameterError: training had none, or others.
    """
    encoding = learner.encodings[0]
    own = features_given(prepared.spark, features, "user", ids_as_text=kind == "string", encoding=encoding or None)
    check_encoding(own, encoding, "user", "trained.prepared.features('{side}')['encoding']")
    check_kind(own.ids, "user", "text" if kind == "string" else "integer")
    return own


def _beside(rows: DataFrame, features: Features) -> DataFrame:
    """Return rows with further ones of what is known of their users: no item, and the numbers of their features.

    Raises:
        DataError: a user has none.
    """
    from pyspark.sql import functions as F

    spark = rows.sparkSession
    users = rows.select("user_id").distinct()
    check_all_have(
        spark, features, users.select(F.col("user_id").alias("id"), F.col("user_id").alias("position")), "user"
    )
    known = table_of(spark, features, with_numbers=True).withColumnRenamed("id", "user_id").join(users, "user_id")
    return rows.unionByName(known.select("user_id", "numbers"), allowMissingColumns=True)


def _typed(rows: DataFrame, item_kind: str) -> DataFrame:
    """Return user_id, item_id, value and weight; item ids of the model's type."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import IntegralType, StringType

    for side in ("user", "item"):
        found = rows.schema[side].dataType
        integer = isinstance(found, IntegralType)
        if not (integer or isinstance(found, StringType)) or (
            side == "item" and item_kind == "integer" and not integer
        ):
            raise DataError(
                f"{NAME} have {side} ids of type {found.simpleString()}, and the model's items are {item_kind}",
                Remedy(": cast them, or prepare the training part with ", Set("ids", "text")),
                code="ids",
                subject=side,
            )
    text = isinstance(rows.schema["user"].dataType, StringType)
    user = F.col("user").cast("string" if text else "bigint").alias("user_id")
    item = F.col("item").cast("bigint" if item_kind == "integer" else "string").alias("item_id")
    value = F.col("value").cast("float") if "value" in rows.columns else F.lit(1.0).cast("float")
    weight = [F.col("weight").cast("float").alias("weight")] if "weight" in rows.columns else []
    return rows.select(user, item, value.alias("value"), *weight)


def _check(rows: DataFrame, learner: SparkLearner, path: str) -> None:
    """Refuse rows with faults, by one pass over them; say how many are of unknown items.

    Raises:
        DataError: says what is wrong, and of how many rows.
    """
    from pyspark.sql import functions as F

    value, known = F.col("value"), F.col("item").isNotNull()
    bad = F.col("user_id").isNull() | value.isNull() | F.isnan(value) | (F.abs(value) == float("inf"))
    if "weight" in rows.columns:
        bad = bad | F.col("weight").isNull() | ~(F.col("weight") > 0)
    counted = [F.count(F.lit(1)).alias("rows"), F.count_if(bad).alias("bad"), F.count_if(~known).alias("unknown")]
    limits = [F.min(value).alias("low"), F.max(value).alias("high")]
    with clear_errors(path, "reading the newcomers' rows"):
        found = rows.agg(*counted, *limits).collect()[0]
        pairs = rows.filter(known).groupBy("user_id", "item").count()
        again = pairs.filter("count > 1").limit(1).collect()
    if not found["rows"]:
        raise DataError.of(NAME, "are none", code="empty")
    if found["bad"]:
        raise DataError.of(
            NAME, f": {found['bad']:,} lack a user, or have a value or weight that is no finite number", code="faults"
        )
    if again:
        raise DataError.of(
            NAME, f"hold a pair again, of the user {again[0]['user_id']!r}: keep one row of each", code="duplicates"
        )
    if isinstance(learner.kind, Clicks):
        check_values((found["low"], found["high"]), learner.kind.positive)
    if found["unknown"]:
        log.warning("%s: %s rows of unknown items left out", NAME, f"{found['unknown']:,}")


def solved(rows: pa.Table, items: pa.Table, *, learner: SparkLearner) -> pa.Table:
    """Return the factors of the users of a task.

    Args:
        rows: user_id, value, item, perhaps weight and numbers, key; numbers stand in rows of their own.
        items: of (the key), position, factors, bias of those that they need.
        learner: what the model has learned but its factors.
    """
    import pyarrow as pa

    table, k, dtype = pl.DataFrame(pl.from_arrow(rows)), learner.n_factors, learner.dtype
    positions, order = np.unique(items["position"].to_numpy(), return_index=True)
    raw = [matrix_of(chunk).view(dtype).reshape(-1, k) for chunk in items["factors"].chunks if len(chunk)]
    Q = np.concatenate([np.zeros((0, k), dtype), *raw])[order]
    c = items["bias"].to_numpy().astype(dtype)[order]
    users = table["user_id"].unique().sort()
    features = _numbers(table) if "numbers" in table.columns else None
    known = table.filter(pl.col("item").is_not_null())
    at = pl.DataFrame({"user_id": users, "at": np.arange(len(users), dtype=np.int32)})
    user = known.join(at, "user_id", maintain_order="left")["at"].to_numpy()
    item = np.searchsorted(positions, known["item"].to_numpy()).astype(np.int32)
    weights = known["weight"].to_numpy() if "weight" in known.columns else None
    cells = Rows.from_cells(user, item, len(users), len(Q), known["value"].to_numpy(), weights)
    P, b = _fold(learner, cells, features, Q, c)
    ends = pa.array(np.arange(len(P) + 1, dtype=np.int32) * np.int32(k))
    ids = rows.schema.field("user_id").type
    factors = pa.ListArray.from_arrays(ends, pa.array(P.reshape(-1)))
    columns = [users.to_arrow().cast(ids), factors, pa.array(b.astype(np.float64))]
    return pa.Table.from_arrays(columns, names=["user_id", "factors", "bias"])


def _numbers(table: pl.DataFrame) -> Any:
    """Return the features of the users of a table in their order, (n_users, n_features)."""
    given = table.filter(pl.col("numbers").is_not_null()).sort("user_id")["numbers"].to_list()
    return np.frombuffer(b"".join(given), np.float32).reshape(len(given), -1)


def _fold(learner: SparkLearner, rows: Rows, features: Any, Q: Any, c: Any) -> tuple[Any, Any]:
    """Return what the model's own fold-in does."""
    model = type(learner.model)(**{**learner.model.get_params(), "n_threads": 1})
    model.learned_ = learner.learned((np.zeros((0, learner.n_factors), learner.dtype), c[:0]), (Q, c), None)
    return model._fold(rows, features)
