"""Tables of attributes that Spark reads: of items to show, and of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from palate.data.features import Encoding, Features
from palate.data.items import id_column
from palate.models.contract.training_part import check_features
from palate.spark.failures import clear_errors
from palate.spark.incoming import format_of
from palate.spark.prepared import SideName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

INTEGER = r"^(0|-?[1-9][0-9]*)$"  # what is written as an integer, and would be written so again


def read_table(spark: SparkSession, path: str, side: SideName) -> DataFrame:
    """Return a table of Parquet or CSV; ids of CSV are text as it is written, other columns as Spark infers them."""
    from pyspark.sql.types import StringType, StructField, StructType

    with clear_errors(path, f"reading the {side} table"):
        if format_of(path) == "parquet":
            return spark.read.parquet(path)
        how: dict[str, Any] = {"header": True, "quote": '"', "escape": '"'}
        inferred = spark.read.csv(path, inferSchema=True, **how).schema
        name = id_column(inferred.names, side)
        kinds = [StringType() if field.name == name else field.dataType for field in inferred.fields]
        fields = [StructField(*field) for field in zip(inferred.names, kinds, strict=True)]
        return spark.read.csv(path, schema=StructType(fields), **how)


def features_given(
    spark: SparkSession, given: Any, side: SideName, *, ids_as_text: bool = False, encoding: Encoding | None = None
) -> Features:
    """Return features as they are, or made of a path or a DataFrame, which this process then holds.

    Args:
        spark: the session.
        given: `Features`, a path or a DataFrame.
        side: whose they are.
        ids_as_text: take the ids of a path or a DataFrame as text.
        encoding: as `Features.from_table` takes it.

    Raises:
        ParameterError: it is none of these.
        DataError: the table cannot be read or encoded.
    """
    is_table = hasattr(given, "mapInArrow")
    if not is_table and not isinstance(given, str):
        check_features(f"{side}_features", given)
        features: Features = given
        return features
    what = given if isinstance(given, str) else f"the {side} table"
    table = given if is_table else read_table(spark, given, side)
    with clear_errors(what, "reading it"):
        frame = pl.DataFrame(pl.from_arrow(table.toArrow()))
    name = id_column(frame.columns, side)
    if ids_as_text:
        frame = frame.with_columns(pl.col(name).cast(pl.String))
    elif isinstance(given, str) and format_of(given) == "csv":
        frame = frame.with_columns(_as_integers(frame[name]))
    return Features.from_table(frame, side, encoding=encoding)


def _as_integers(ids: pl.Series) -> pl.Series:
    """Return ids as integers, where all of them are written as such."""
    numbers = ids.cast(pl.Int64, strict=False)
    return numbers if ids.str.contains(INTEGER).all() and not numbers.null_count() else ids
