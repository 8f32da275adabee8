"""Columns of any type as ids, values and seconds; what cannot be converted becomes null."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.errors import DataError, shown

TimeUnit = Literal["s", "ms", "us", "ns"]
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
WORDS = ("NULL", "null", "Null", "nan", "NaN", "NAN", "None", "NA", "N/A", "#N/A", "<NA>", "NaT", "\\N")
EXACT = 2**53  # floats beyond it stand for several integers


def may_be_missing(column: pl.Series, *, words: bool) -> bool:
    """Return whether a text may be missing: quick to tell for a long column, and never no where `is_missing` says yes.

    A text is looked at closer where it begins with a sign before "!", as spaces do, or beyond ASCII.
    """
    if column.null_count() or (words and column.is_in(WORDS).any()):
        return True
    return bool((column < "!").any()) or bool((column > "\x7f").any())


def without_words(column: pl.Series) -> pl.Series:
    """Return a column of text with null where a word such as NULL says that the value is missing."""
    return column.set(column.is_in(WORDS).fill_null(value=False), None)


def is_missing(column: pl.Series, *, words: bool = True) -> pl.Series:
    """Return where a column is null, NaN, an empty text, or a word such as NULL."""
    missing = column.is_null()
    if column.dtype == pl.String:
        stripped = column.str.strip_chars()
        missing |= (stripped == "").fill_null(value=True)
        if words:
            missing |= column.is_in(WORDS).fill_null(value=True)
    elif column.dtype.is_float():
        missing |= column.is_nan().fill_null(value=True)
    return missing


def numbers_and_texts(column: pl.Series) -> tuple[NDArray[np.str_], pl.Series]:
    """Return what each value of a mixed column is ("number", "text", "other" or "missing"), and all as text."""
    kinds, texts = [], []
    for value in column.to_list():
        kind, text = _kind_and_text(value)
        kinds.append(kind)
        texts.append(text)
    return np.array(kinds, dtype=np.str_), pl.Series(column.name, texts, dtype=pl.String)


def _kind_and_text(value: Any) -> tuple[str, str | None]:
    if value is None or value != value:
        return "missing", None
    if isinstance(value, str):
        return "text", value
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return "other", shown(value)
    return "number", str(int(value)) if value == value // 1 else str(value)


def as_id(column: pl.Series) -> pl.Series:
    """Return ids as Int64 or String."""
    kind = column.dtype
    if kind == pl.String:
        return column if not column.is_empty() and (column != "").all() else column.replace("", None)
    if kind.is_integer():
        return column.cast(pl.Int64, strict=False)
    if kind.is_float():
        whole = column.cast(pl.Int64, strict=False)
        exact = (column == whole.cast(pl.Float64)) & (column.abs() <= EXACT)
        return pl.select(pl.when(exact).then(whole)).to_series().alias(column.name)
    if kind == pl.Null:
        return column.cast(pl.Int64)
    raise DataError.of(f"column '{column.name}'", f"has type {kind}; ids are integers or text", code="columns")


def as_value(column: pl.Series) -> pl.Series:
    """Return values as Float32."""
    if column.dtype == pl.String:
        stripped = column.str.strip_chars()
        column = stripped.cast(pl.Float64, strict=False)
        if column.null_count() == len(column):  # true and false, as a frame may hold them
            column = stripped.str.to_lowercase().replace_strict({"true": 1.0, "false": 0.0}, default=None)
    elif not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise DataError.of(f"column '{column.name}'", f"has type {column.dtype}; values are numbers", code="columns")
    return column.cast(pl.Float32, strict=False)


def as_time(column: pl.Series, unit: TimeUnit = "s") -> pl.Series:
    """Return times as seconds since 1970; numbers count ``unit``s."""
    if column.dtype == pl.String:
        return _seconds_of_text(column, unit)
    if column.dtype.is_temporal() and column.dtype in (pl.Datetime, pl.Date):
        return column.cast(pl.Datetime("us")).dt.epoch("s")
    if column.dtype.is_numeric() or column.dtype == pl.Null:
        return _seconds(column.cast(pl.Int64, strict=False), unit)
    raise DataError.of(
        f"column '{column.name}'", f"has type {column.dtype}; times are seconds, dates or ISO text", code="columns"
    )


def _seconds(whole: pl.Series, unit: TimeUnit) -> pl.Series:
    return whole if unit == "s" else whole // PER_SECOND[unit]


def _seconds_of_text(column: pl.Series, unit: TimeUnit) -> pl.Series:
    column = column.str.strip_chars()
    whole = column.cast(pl.Int64, strict=False)
    if whole.null_count() == column.null_count():
        return _seconds(whole, unit)
    whole = whole.fill_null(column.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False))
    formats = ("%+", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f")
    parsed = [column.str.to_datetime(form, strict=False) for form in formats]
    parsed.append(column.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")))
    seconds = [p.dt.epoch("s") for p in parsed]
    return pl.select(pl.coalesce(_seconds(whole, unit), *seconds)).to_series().alias(column.name)
