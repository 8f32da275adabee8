"""CSV and other separated text on Spark: one machine's look at the first lines, then all as text."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palate.data.columns import Columns
from palate.data.reading.layout import INTEGER, LEADING_ZERO, FileForm, Layout, look_at
from palate.data.reading.text import DECIMAL_COMMA, THOUSANDS, WHOLE_FRACTION
from palate.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

log = logging.getLogger(__name__)

LINES = 1000  # looked at
EDGES = r"^\s+|\s+$"
NOT_UTF8 = "\ufffd"  # what Spark puts where bytes are none
BEYOND = "beyond"


def read_separated(spark: SparkSession, path: str, columns: Columns | None) -> DataFrame:
    """Return a column of text for each role, named by it.

    Raises:
        DataError: it is no such text, a column cannot be told, or lines stand before the header.
    """
    layout = _look_at(spark, path, columns)
    _check_layout(path, layout)
    named = [f"c{place}" for place in range(layout.width)]
    options: dict[str, str | bool] = {
        "header": layout.names is not None,
        "sep": layout.separator,
        "quote": '"' if layout.quotable else "",
        "escape": '"' if layout.quotable else "\\",
        "enforceSchema": True,
        "nullValue": "",
        "emptyValue": "",
    }
    rows = spark.read.schema(", ".join(f"{name} string" for name in [*named, BEYOND])).options(**options).csv(path)
    chosen = [_checked_width(path, f"c{place}", named, layout).alias(role) for role, place in layout.roles.items()]
    rows = rows.select(*chosen)
    if layout.separator != ",":
        for role in {"value", "weight"} & set(layout.roles):
            rows = _with_points(rows, role, path)
    return rows


def _look_at(spark: SparkSession, path: str, columns: Columns | None) -> Layout:
    lines = [row["value"] for row in spark.read.text(path).limit(LINES).collect()]
    with _as_local(lines, path) as file:
        try:
            return look_at(file, FileForm(name=path), columns)
        except DataError as error:
            raise error.renamed(str(file), path) from None


@contextmanager
def _as_local(lines: list[str], path: str) -> Iterator[Path]:
    """Yield a file of this machine with the first lines of one that may lie elsewhere."""
    ending = ".tsv" if ".tsv" in path.lower() else ".csv" if ".csv" in path.lower() else ".txt"
    with tempfile.TemporaryDirectory(prefix="palate-") as folder:
        file = Path(folder) / f"ratings{ending}"
        file.write_text("\n".join(lines) + "\n" * bool(lines), encoding="utf-8", newline="")
        yield file


def _check_layout(path: str, layout: Layout) -> None:
    if layout.kind != "text":
        raise DataError.of(
            path, f"is {layout.kind}, no separated text; Spark's own readers make a DataFrame of it", code="format"
        )
    if layout.skip > (layout.names is not None):
        raise DataError.of(
            path,
            f"has {layout.skip - (layout.names is not None)} lines before its rows or header, such as comments: "
            "Spark reads every line of every file; take them out",
            code="format",
        )


def _checked_width(path: str, name: str, named: list[str], layout: Layout) -> Column:
    """Return a column that refuses rows of more fields than the first line has."""
    from pyspark.sql import functions as F

    row = F.substring(F.concat_ws(layout.separator, *named, BEYOND), 1, 60)
    words = f"{path}: a row has more than the {layout.width} fields of the first line ("
    advice = "): put fields that hold the separator into double quotes, or mend it"
    error = F.raise_error(F.concat(F.lit(words), row, F.lit(advice)))
    return F.when(F.col(BEYOND).isNotNull(), error.cast("string")).otherwise(F.col(name))


def _with_points(rows: DataFrame, role: str, path: str) -> DataFrame:
    """Return rows with points for decimal commas in a column, where that is what they are, and say so."""
    from pyspark.sql import functions as F

    text = F.col(role)
    comma = text.contains(",")
    flags = rows.agg(
        F.max(comma).alias("commas"),
        F.max(text.contains(".")).alias("points"),
        F.min(F.when(comma, text.rlike(DECIMAL_COMMA))).alias("decimal"),
        F.min(F.when(comma, text.rlike(THOUSANDS))).alias("thousands"),
    ).collect()[0]
    if not flags["commas"] or flags["points"] or not flags["decimal"] or flags["thousands"]:
        return rows
    log.warning("%s: '%s' has decimal commas; where they are none, write the file without them", path, role)
    return rows.withColumn(role, F.replace(text, F.lit(","), F.lit(".")))


def integer_sides(rows: DataFrame, source: str) -> list[str]:
    """Return the sides whose ids, as they are written, are all integers.

    Raises:
        DataError: ids hold bytes that are no UTF-8.
    """
    from pyspark.sql import functions as F

    flags = []
    for side in ("user", "item"):
        plain = plain_id(side)
        fits = plain.rlike(INTEGER) & ~plain.rlike(LEADING_ZERO) & plain.try_cast("bigint").isNotNull()
        flags += [
            F.min(stripped(side).rlike(WHOLE_FRACTION)).alias(f"{side}_fractions"),
            F.min(fits).alias(f"{side}_integers"),
            F.max(F.col(side).contains(".")).alias(f"{side}_points"),
            F.max(F.col(side).contains(NOT_UTF8)).alias(f"{side}_broken"),
        ]
    told = rows.agg(*flags).collect()[0]
    for side in ("user", "item"):
        if told[f"{side}_broken"]:
            raise DataError.of(
                source, f"is not UTF-8: some {side} ids hold bytes that are none; write it as UTF-8", code="format"
            )
    return [side for side in ("user", "item") if _are_integers(told, side)]


def _are_integers(told: Any, side: str) -> bool:
    return bool(told[f"{side}_integers"] and (told[f"{side}_fractions"] or not told[f"{side}_points"]))


def stripped(side: str) -> Column:
    """Return ids without spaces around them."""
    from pyspark.sql import functions as F

    return F.regexp_replace(F.col(side), EDGES, "")


def plain_id(side: str) -> Column:
    """Return ids without spaces around them, and without the fraction that a whole number may be written with."""
    from pyspark.sql import functions as F

    return F.regexp_replace(stripped(side), r"\.0*$", "")
