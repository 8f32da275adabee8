"""Tables from outside as Polars frames: anything of the Arrow world, pandas with or without pyarrow, Spark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from palate.data.reading.raw import brief
from palate.errors import DataError, MissingExtraError, Remedy, Set, shown
from palate.parallel import check_table_threads

FAILS = (TypeError, ValueError, OverflowError, OSError, NotImplementedError, pl.exceptions.PolarsError)
PANDAS_FAILS = (ImportError, *FAILS)
NUMPY_TIMES = ("D", "ms", "us", "ns")  # units that Polars takes


def as_frame(table: Any) -> pl.DataFrame:
    """Return any table as a Polars frame; a column of mixed types keeps them, as type Object.

    Raises:
        DataError: the object is no table, or a lazy one that fails.
    """
    check_table_threads("reading a table")
    try:
        if isinstance(table, pl.LazyFrame):
            return table.collect()
        if isinstance(table, pl.DataFrame):
            return table
        if is_pandas(table):
            return _of_pandas(table)
        if type(table).__module__.startswith("pyspark.") and hasattr(table, "toPandas"):
            return as_frame(table.toArrow() if hasattr(table, "toArrow") else table.toPandas())
        if table is None or isinstance(table, str | bytes | Path):
            raise DataError.of(type(table).__name__, "is no table; read_ratings reads a file")
        if type(table).__module__.startswith("scipy.sparse"):
            raise DataError.of(
                "a SciPy matrix",
                "is no table: Interactions.from_scipy(matrix, users=…, items=…) takes it, one row for each stored cell",
            )
        return _of_python(table)
    except FAILS as error:
        if isinstance(error, DataError):
            raise
        words = f"cannot read a table from {type(table).__name__}: {brief(error)}"
        raise DataError(words, way_in(table), subject=type(table).__name__) from None


def numeric_columns(frame: pl.DataFrame) -> list[str]:
    """Return the names of the columns of numbers, or of true and false."""
    return [name for name, kind in frame.schema.items() if kind.is_numeric() or kind == pl.Boolean]


def is_pandas(table: Any) -> bool:
    """Return whether an object is a frame or a column of pandas, without importing it."""
    return type(table).__module__.split(".")[0] == "pandas" and hasattr(table, "index")


def way_in(table: Any) -> Remedy:
    """Return how to come from a table of another shape to one row a rating."""
    levels = [str(name) for name in getattr(table.index, "names", ()) if name is not None] if is_pandas(table) else []
    if levels:
        words = ", ".join(levels)
        way = f". Its index holds {words}: reset_index() makes columns of it, melt() one row a rating of a pivot table"
        return Remedy(way)
    if isinstance(table, list | tuple | np.ndarray):
        return Remedy(
            ". One row a rating is needed: columns without names are given by position, such as ",
            Set("columns", {"user": 0, "item": 1, "value": 2}),
            "; a matrix goes in by Interactions.from_scipy",
        )
    return Remedy(
        ". One row a rating is needed: melt() (pandas) or unpivot() (Polars) makes it of a pivot table, "
        "Interactions.from_scipy of a matrix"
    )


def to_pandas(table: pl.DataFrame) -> Any:
    """Return a frame of pandas with the same columns.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError.of("to_pandas", "needs pandas: pip install pandas") from None
    return pd.DataFrame(
        {c.name: c.to_numpy() if c.dtype.is_numeric() else c.to_list() for c in table.get_columns()}, copy=True
    )


def _of_pandas(table: Any) -> pl.DataFrame:
    if not hasattr(table, "columns"):
        raise DataError.of("one column of pandas", "is no table", way_in(table))
    names = [str(name) for name in table.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"two columns have the name {shown(twice)}: leave one out, or rename it, such as by "
            "table.loc[:, ~table.columns.duplicated()], which keeps the first",
            code="columns",
            subject=twice,
        )
    return pl.DataFrame([_of_pandas_column(name, table.iloc[:, k]) for k, name in enumerate(names)])


def _of_pandas_column(name: str, column: Any) -> pl.Series:
    """Return one column; where pyarrow is not installed, or the column is mixed, value by value."""
    try:
        if column.dtype.kind in "iufb":
            return pl.Series(name, column.to_numpy())
        return _by_arrow(name, column)
    except PANDAS_FAILS:
        return _column(name, column.astype(object).where(column.notna(), None).tolist())


def _by_arrow(name: str, column: Any) -> pl.Series:
    return pl.Series(name, column)  # needs pyarrow for all but numbers and times


def _of_python(table: Any) -> pl.DataFrame:
    """Return columns, rows or a NumPy array as a frame; what has no names of columns is one row a rating."""
    if isinstance(table, dict):
        return _of_dict(table)
    if isinstance(table, np.ndarray):
        if table.dtype.names:
            return _of_dict({name: table[name] for name in table.dtype.names})
        return pl.DataFrame(table, orient="row")
    if hasattr(table, "__arrow_c_stream__") or not isinstance(table, Iterable):
        return pl.DataFrame(table)
    return _of_rows(table if isinstance(table, Sequence) else list(table))


def _of_rows(rows: Sequence[Any]) -> pl.DataFrame:
    first = rows[0] if len(rows) else None
    if isinstance(first, dict):  # every row is looked at: a later one may have a further field
        names = dict.fromkeys(chain.from_iterable(rows))
        return pl.DataFrame([_column(str(name), [row.get(name) for row in rows]) for name in names])
    if not isinstance(first, tuple | list):
        return pl.DataFrame(rows)
    width = len(first)
    odd = next((k for k, row in enumerate(rows) if not isinstance(row, tuple | list) or len(row) != width), None)
    if odd is not None:
        raise DataError(
            f"row {odd} has not {width} values, as the first row has: each row needs one for each column",
            code="columns",
            subject="the table",
        )
    fields: Sequence[str] = getattr(first, "_fields", [f"column_{k}" for k in range(width)])
    return pl.DataFrame([_column(name, [row[k] for row in rows]) for k, name in enumerate(fields)])


def _of_dict(table: dict[Any, Any]) -> pl.DataFrame:
    table = {name: _known_unit(values) for name, values in table.items()}
    try:
        return pl.DataFrame(table)
    except TypeError:  # a column of mixed types
        return pl.DataFrame([_column(str(name), values) for name, values in table.items()])


def _known_unit(values: Any) -> Any:
    """Return NumPy's times in a unit that Polars takes, and all else as it is."""
    if (
        isinstance(values, np.ndarray)
        and values.dtype.kind == "M"
        and np.datetime_data(values.dtype)[0] not in NUMPY_TIMES
    ):
        return values.astype("M8[us]")
    return values


def _column(name: str, values: Any) -> pl.Series:
    try:
        return pl.Series(name, values)
    except FAILS:
        return pl.Series(name, values, dtype=pl.Object)
