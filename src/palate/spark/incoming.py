"""What `prepare` is given, a path or a DataFrame, as a DataFrame with a column for each role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl

from palate.data.checking import Policy, Where, typed
from palate.data.columns import Columns, check_columns, find_columns
from palate.errors import DataError, ParameterError, Remedy
from palate.spark.failures import clear_errors
from palate.spark.separated import read_separated

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

InputFormat = Literal["parquet", "csv"]
TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
PACKED = (".gz", ".bz2", ".zst", ".zstd")
NO_ARROW = (TypeError, ValueError, pl.exceptions.PolarsError)


@dataclass(frozen=True, eq=False)
class IncomingRows:
    """Rows as they came.

    Attributes:
        rows: a column for each role, named by it, in the order of the roles.
        where: the source and its columns, for messages.
        written: whether ids are text as it was written, and may all be integers.
    """

    rows: DataFrame
    where: Where
    written: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that rows have."""
        return tuple(self.rows.columns)


def incoming(
    spark: SparkSession, ratings: Any, columns: Columns | None, form: InputFormat | None, policy: Policy
) -> IncomingRows:
    """Return the rows of a path or a DataFrame.

    Raises:
        DataError: there is no such path, it cannot be read, or a column cannot be told or has an unfit type.
        ParameterError: the format is none of those known.
    """
    check_columns(columns)
    if form is not None and form not in get_args(InputFormat):
        raise ParameterError.outside("format", "'parquet' or 'csv'", form)
    if not isinstance(ratings, str):
        return _of_frame(_checked_frame(ratings), "the DataFrame", columns, policy)
    form = form or format_of(ratings)
    with clear_errors(ratings, "reading the ratings"):
        if form == "csv":
            return IncomingRows(read_separated(spark, ratings, columns), Where(ratings), written=policy.ids == "auto")
        return _of_frame(spark.read.parquet(ratings), ratings, columns, policy)


def format_of(path: str) -> InputFormat:
    """Return what the ending of a path promises, Parquet where it promises nothing."""
    bare = path.rstrip("/").lower()
    for ending in PACKED:
        bare = bare.removesuffix(ending)
    if bare.endswith((".jsonl", ".ndjson", ".json")):
        raise DataError.of(path, "is JSON: spark.read.json(path) makes a DataFrame of it, to be given", code="format")
    return "csv" if bare.endswith(TEXT) else "parquet"


def _checked_frame(ratings: Any) -> DataFrame:
    if type(ratings).__module__.startswith("pyspark.") and hasattr(ratings, "mapInArrow"):
        frame: DataFrame = ratings
        return frame
    kind = type(ratings).__name__
    words = f"are a path or a DataFrame of Spark, got {kind}"
    raise DataError.of("ratings", words, Remedy("; spark.createDataFrame(table) makes one of a table in memory"))


def _of_frame(frame: DataFrame, name: str, columns: Columns | None, policy: Policy) -> IncomingRows:
    from pyspark.sql import functions as F
    from pyspark.sql.types import BooleanType, DecimalType, NumericType

    fields = frame.schema.fields
    names = [field.name for field in fields]
    numeric = [field.name for field in fields if isinstance(field.dataType, NumericType | BooleanType)]
    roles = find_columns(names, columns, numeric=numeric, source=name)
    if not isinstance(columns, Mapping):
        columns = {}
    unique = frame.toDF(*(f"c{place}" for place in range(len(names))))  # names may stand twice, and hold dots
    chosen = []
    for role, column in roles.items():
        place = _place_of(names, column, columns.get(role))
        kind = fields[place].dataType
        one = F.col(f"c{place}")
        if isinstance(kind, DecimalType) and role in ("user", "item") and not kind.scale and kind.precision < 19:
            one = one.cast("bigint")  # as databases give integers
        chosen.append(one.alias(role))
    rows = unique.select(*chosen)
    _check_types(rows, roles, name, policy)
    return IncomingRows(rows, Where(name, columns=roles))


def _place_of(names: list[str], column: str, given: str | int | None) -> int:
    """Return where a column stands: at the position given, where others have its name too."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    return names.index(column)


def _check_types(rows: DataFrame, roles: Mapping[str, str], name: str, policy: Policy) -> None:
    """Refuse types of columns that the check does not take, before anything is read."""
    for role, field in zip(roles, rows.schema.fields, strict=True):
        try:
            empty = pl.DataFrame(pl.from_arrow(rows.select(role).limit(0).toArrow()))
            nested = empty.schema[role].is_nested() or empty.schema[role] == pl.Binary
        except NO_ARROW:  # such as an interval of months
            nested = True
        if nested:
            raise DataError(
                f"{name}: column '{roles[role]}' has type {field.dataType.simpleString()}; the {role} must be one "
                "value a row: a number, a text, or a day or time",
                code="columns",
                subject=roles[role],
            )
        named = empty[role].alias(role)
        try:
            typed({role: named}, policy)
        except DataError as error:
            raise error.renamed(f"column '{role}'", f"{name}: column '{roles[role]}'") from None
