"""The item table of a model, in index order, and the conditions that filter it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from palate.data.columns import find_columns
from palate.data.ids import Ids
from palate.data.interactions import as_frame
from palate.errors import DataError, ParameterError

SHOWN = 20  # values named where none fits
CONDITION = re.compile(r"^\s*(?P<column>[^=<>!]+?)\s*(?P<sign>!=|<=|>=|=|<|>)\s*(?P<value>.+?)\s*$")


def item_table(ids: Ids, items: Any = None) -> pl.DataFrame:
    """Return one row an id in index order: item_id, title, and the further columns of ``items``.

    Args:
        ids: the items of a model.
        items: any table with the item id; ids it lacks get nulls, ids beyond the model's are left out.

    Raises:
        DataError: the table has no item id column, an id twice, ids of another type, no id of the model, or a column
            of a type that a model cannot keep.
    """
    table = pl.DataFrame({"item_id": ids.values})
    if items is not None:
        frame = as_frame(items)
        frame = frame.rename({_id_column(frame.columns): "item_id"})
        frame = _plain(frame)
        _check(frame["item_id"], ids)
        table = table.join(frame, on="item_id", how="left", maintain_order="left")
    if "title" not in table.columns:
        table = table.with_columns(title=pl.lit(None, pl.String))
    title = pl.coalesce(pl.col("title").cast(pl.String), pl.col("item_id").cast(pl.String))
    return table.with_columns(title=title).select("item_id", "title", pl.exclude("item_id", "title"))


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the table with the column types that a model keeps: numbers, text, truth, days, times, lists of text.

    NaN becomes null, categories become text, and times lose their zone (they are UTC then).
    """
    frame = frame.with_columns((cs.by_name("item_id") & cs.integer()).cast(pl.Int64, strict=False))
    frame = frame.with_columns(
        (cs.categorical() | cs.enum()).cast(pl.String),
        cs.decimal().cast(pl.Float64),
        cs.float().fill_nan(None),
        cs.datetime(time_zone="*").dt.convert_time_zone("UTC").dt.replace_time_zone(None),
    )
    for name, kind in frame.schema.items():
        good = kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Date, pl.Null, pl.List(pl.String))
        if not good and not isinstance(kind, pl.Datetime):
            raise DataError(f"the item table's column '{name}' has type {kind}: drop it, or cast it to text")
    return frame


def _id_column(names: Sequence[str]) -> str:
    """Return the column of item ids; what else the table holds (ratings, dates) may be called as it likes."""
    if "item_id" in names:
        return "item_id"
    others = {role: f"no {role} column" for role in ("user", "value", "time")}
    try:
        return find_columns([*names, *others.values()], others)["item"]
    except DataError:
        shown = ", ".join(map(repr, names))
        raise DataError(f"the item table needs one column item_id with the items' ids; it has {shown}") from None


def _check(column: pl.Series, ids: Ids) -> None:
    if column.dtype != ids.values.dtype:
        raise DataError(f"the item table's ids are {column.dtype}, those of the ratings are {ids.values.dtype}")
    if column.n_unique() != len(column):
        twice = column.filter(column.is_duplicated())[0]
        raise DataError(f"the item table has id {twice!r} more than once")
    if len(ids) and not column.is_in(ids.values.implode()).any():
        raise DataError(f"the item table shares no id with the ratings (such as {ids.values[0]!r})")


def matching_items(table: pl.DataFrame, where: str | Sequence[str] | pl.Expr) -> NDArray[np.bool_]:
    """Return which items meet all conditions.

    Args:
        table: an item table.
        where: a Polars expression, or conditions "column=value" with one of = != < <= > >=; on a column of lists,
            = and != ask whether the value is in the list. An item without a value meets no condition.

    Raises:
        ParameterError: a condition cannot be read, names no column, or does not fit the column's type, or no item has
            the text asked for.
    """
    if isinstance(where, pl.Expr):
        condition = where
    else:
        conditions = [where] if isinstance(where, str) else list(where)
        if not conditions:
            return np.ones(len(table), bool)
        condition = pl.all_horizontal([_condition(table, text) for text in conditions])
    try:
        mask = table.select(condition.fill_null(value=False).alias("keep"))["keep"]
    except pl.exceptions.PolarsError as error:
        raise ParameterError(f"where= cannot be applied to the item table: {error}") from None
    if mask.dtype != pl.Boolean or len(mask) != len(table):
        raise ParameterError("where= must give true or false for each item")
    return mask.to_numpy()


def _condition(table: pl.DataFrame, text: str) -> pl.Expr:
    match = CONDITION.match(text)
    if match is None:
        raise ParameterError(f"cannot read the condition '{text}'; write it like genres=Comedy or year>=1990")
    name, sign, value = match["column"], match["sign"], match["value"]
    if name not in table.columns:
        raise ParameterError(f"the item table has no column '{name}'; it has {', '.join(table.columns)}")
    kind = table.schema[name]
    column = pl.col(name)
    if isinstance(kind, pl.List):
        if sign not in ("=", "!="):
            raise ParameterError(f"'{name}' holds lists; ask with = or !=, not {sign}")
        _check_value(name, table[name].explode(), value)
        return column.list.contains(value) if sign == "=" else ~column.list.contains(value)
    if kind == pl.String and sign in ("=", "!="):
        _check_value(name, table[name], value)
    wanted = _value(name, kind, value)
    compare = {"=": column.eq, "!=": column.ne, "<": column.lt, "<=": column.le, ">": column.gt, ">=": column.ge}
    return compare[sign](wanted)


def _check_value(name: str, column: pl.Series, value: str) -> None:
    """Refuse a text that no item has: it is a slip of the pen more often than a wish for an empty list."""
    if not column.eq(value).any():
        known = column.drop_nulls().unique().sort()
        shown = ", ".join(known.head(SHOWN)) + (", …" if len(known) > SHOWN else "")
        raise ParameterError(f"no item has {name} '{value}'; there is {shown}")


def _value(name: str, kind: pl.DataType, value: str) -> pl.Expr:
    try:
        if kind == pl.Date:
            return pl.lit(pl.Series([value]).str.to_date("%Y-%m-%d")).first()
        if kind.is_numeric():
            return pl.lit(float(value))
    except (ValueError, pl.exceptions.PolarsError):
        raise ParameterError(f"'{name}' holds {kind}; cannot compare it with '{value}'") from None
    return pl.lit(value)
