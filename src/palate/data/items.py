"""The item table of a model, in index order, and the conditions that filter it."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from palate.data.columns import TITLES, plain_name, usual_columns
from palate.data.ids import Ids
from palate.data.lists import ListColumns, with_lists
from palate.data.tables import as_frame
from palate.errors import Column, DataError, ParameterError, Remedy, Set
from palate.parallel import check_table_threads

log = logging.getLogger(__name__)

CALL_TITLE = Column("title", "call the column of titles 'title'")
SHOWN = 20  # values named where none fits
CONDITION = re.compile(  # a value that begins with < or > comes right after ==: "=<" is a slip for "<="
    r"^\s*(?P<column>[^=<>!]+?)\s*(?P<sign>!=|<=|>=|==?|<|>)\s*(?P<value>((?<===)[<>]|[^=<>\s]).*?)\s*$"
)
WHOLE = re.compile(r"[+-]?\d{1,99}")
Condition = str | pl.Expr
Side = Literal["user", "item"]


def item_table(
    ids: Ids, items: Any = None, *, id_name: str | None = None, title: str | None = None, lists: ListColumns = True
) -> pl.DataFrame:
    """Return one row an id in index order: item_id, title, and the further columns of ``items``.

    Genres and the like become lists where their texts hold several, as "Action|Comedy".

    Args:
        ids: the items of a model.
        items: any table with the item id; ids it lacks get nulls, ids beyond the model's are left out.
        id_name: its column of ids, where that has no usual name.
        title: its column of titles, where that has no usual name.
        lists: which texts are lists, as in `palate.data.lists.with_lists`.

    Raises:
        ParameterError: lists is none of what it can be.
        DataError: the table has no item id column, an id twice, ids of another type, no id of the model, no such title,
            or a column of a type that a model cannot keep.
    """
    check_table_threads("training")
    if items is None:
        table = pl.DataFrame({"item_id": ids.values})
    else:
        table = shown_columns(attribute_table(ids, items, "item", id_name=id_name), title, lists)
    if "title" not in table.columns:
        table = table.with_columns(title=pl.lit(None, pl.String))
    if isinstance(table.schema["title"], pl.List):
        raise DataError.of(
            "the item table's column 'title'",
            f"must hold text, not {table.schema['title']}: cast or drop it",
            code="columns",
        )
    shown = pl.coalesce(pl.col("title").cast(pl.String), pl.col("item_id").cast(pl.String))
    return table.with_columns(title=shown).select("item_id", "title", pl.exclude("item_id", "title"))


def shown_columns(table: pl.DataFrame, title: str | None = None, lists: ListColumns = True) -> pl.DataFrame:
    """Return a table with its column of titles called "title", lists of words as lists, and types that a model keeps.

    Args:
        table: with the column item_id.
        title, lists: as `item_table`.

    Raises:
        DataError: no such column of titles, or a column of a type that a model cannot keep.
    """
    return _kept_types(with_lists(_titled(table, title), lists))


def _titled(table: pl.DataFrame, title: str | None) -> pl.DataFrame:
    """Return the table with its column of titles called "title"; say what was taken where its name is another."""
    names = [name for name in table.columns if name != "item_id"]
    if title is not None:
        if title not in names:
            raise DataError.of(
                "the item table",
                f"has no column {title!r} of titles; it has {', '.join(map(repr, names))}",
                code="columns",
            )
        return table if title == "title" else table.drop("title", strict=False).rename({title: "title"})
    if "title" in names:
        return table
    fits = [name for name in names if plain_name(name) in TITLES]
    if len(fits) == 1:
        if plain_name(fits[0]) != "title":
            log.warning("the item table: the titles are those of '%s'; for others, %s", fits[0], CALL_TITLE)
        return table.rename({fits[0]: "title"})
    if names:
        log.warning("the item table has no column of titles, so ids stand for them: %s", CALL_TITLE)
    return table


def attribute_table(ids: Ids, table: Any, side: Side, *, id_name: str | None = None) -> pl.DataFrame:
    """Return one row an id in index order: user_id or item_id, and the further columns of ``table``.

    Args:
        ids: the users or items of the ratings.
        table: any table with their id; ids it lacks get nulls, further ids are left out.
        side: whose attributes these are.
        id_name: the column of ids, where it has no usual name.

    Raises:
        DataError: the table has no id column, an id twice, ids of another type, or no id of the ratings.
    """
    frame = as_frame(table)
    name = f"{side}_id"
    column = id_column(frame.columns, side, id_name)
    frame = (frame if column == name else frame.drop(name, strict=False)).rename({column: name})
    frame = frame.with_columns(
        (cs.by_name(name) & cs.integer()).cast(pl.Int64, strict=False),
        (cs.by_name(name) & (cs.categorical() | cs.enum())).cast(pl.String),
    )
    if ids.kind == "text" and frame.schema[name] == pl.Int64:
        frame = frame.with_columns(pl.col(name).cast(pl.String))
    nameless = frame[name].null_count()
    if nameless:
        log.warning("the %s table: dropped %s rows without id", side, f"{nameless:,}")
        frame = frame.filter(pl.col(name).is_not_null())
    _check(frame[name], ids, side)
    return pl.DataFrame({name: ids.values}).join(frame, on=name, how="left", maintain_order="left")


def _kept_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the table with the column types that a model keeps: numbers, text, truth, days, times, lists of text.

    NaN becomes null, categories become text, and times lose their zone (they are UTC then).
    """
    frame = frame.with_columns(
        (cs.categorical() | cs.enum()).cast(pl.String),
        cs.decimal().cast(pl.Float64),
        cs.float().fill_nan(None),
        cs.datetime(time_zone="*").dt.convert_time_zone("UTC").dt.replace_time_zone(None),
    )
    for name, kind in frame.schema.items():
        good = kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Date, pl.Null, pl.List(pl.String))
        if not good and not isinstance(kind, pl.Datetime):
            raise DataError.of(
                f"the item table's column '{name}'", f"has type {kind}: drop it, or cast it to text", code="columns"
            )
    return frame


def id_column(names: Sequence[str], side: str, given: str | None = None) -> str:
    """Return the column of ids: the one given where the table has it, else the one of a usual name, else "id".

    What else the table holds (ratings, dates) may be called as it likes.

    Raises:
        DataError: there is none, or several may be it.
    """
    if given in names:
        return str(given)
    if f"{side}_id" in names:
        return f"{side}_id"
    fits = usual_columns(names, side) or [name for name in names if plain_name(name) == "id"]
    if len(fits) != 1:
        shown = ", ".join(map(repr, names))
        raise DataError(
            f"the {side} table needs one column {side}_id with the {side}s' ids; it has {shown}",
            Remedy(": ", Column(side, f"call that column '{side}_id'")),
            code="columns",
            subject=f"{side} table",
            value=list(names),
        )
    return fits[0]


def _check(column: pl.Series, ids: Ids, side: str) -> None:
    if column.dtype != ids.values.dtype:
        raise DataError(
            f"the {side} table's ids are {column.dtype}, those of the ratings are {ids.values.dtype}",
            Remedy("; read the ratings with ", Set("ids", "text")),
            code="ids",
            subject=side,
        )
    if column.n_unique() != len(column):
        twice = column.filter(column.is_duplicated())[0]
        raise DataError.of(f"the {side} table", f"has id {twice!r} more than once", code="duplicates")
    if len(ids) and not column.is_in(ids.values.implode()).any():
        raise DataError.of(f"the {side} table", f"shares no id with the ratings (such as {ids.values[0]!r})")


def matching_items(
    table: pl.DataFrame, where: Condition | Iterable[Condition], *, known_values: bool = True
) -> NDArray[np.bool_]:
    """Return which items meet all conditions.

    Args:
        table: an item table.
        where: one or more conditions, each a Polars expression or a text "column=value" with one of = (or ==) != < <=
            > >=; on a column of lists, = and != ask whether the value is in the list. An item without a value meets
            no condition.
        known_values: refuse a text that no item has, as a slip of the pen; a catalogue that changes while it is asked
            takes any.

    Raises:
        ParameterError: a condition cannot be read, names no column, or does not fit the column's type, or no item has
            the text asked for.
    """
    keep = np.ones(len(table), bool)
    for condition in [where] if isinstance(where, str | pl.Expr) or not isinstance(where, Iterable) else where:
        keep &= _mask(table, condition, known_values=known_values)
    return keep


def _mask(table: pl.DataFrame, where: object, *, known_values: bool) -> NDArray[np.bool_]:
    if not isinstance(where, str | pl.Expr):
        raise ParameterError(
            f"where= takes text such as 'year>=1990' or Polars expressions, got {where!r}", subject="where", value=where
        )
    check_table_threads("where=")
    condition = _condition(table, where, known_values=known_values) if isinstance(where, str) else where
    try:
        mask = table.select(condition.fill_null(value=False).alias("keep"))["keep"]
    except pl.exceptions.PolarsError as error:
        raise ParameterError(f"where= cannot be applied to the item table: {error}", subject="item table") from None
    if mask.dtype != pl.Boolean or len(mask) != len(table):
        raise ParameterError("where= must give true or false for each item", subject="where")
    return mask.to_numpy()


def _condition(table: pl.DataFrame, text: str, *, known_values: bool) -> pl.Expr:
    match = CONDITION.match(text)
    if match is None:
        raise ParameterError(
            f"cannot read the condition '{text}'; write it like genres=Comedy or year>=1990", subject="where"
        )
    name, sign, value = match["column"], match["sign"].replace("==", "="), match["value"]
    if name not in table.columns:
        words = f"has no column '{name}'; it has {', '.join(table.columns)}"
        raise ParameterError.of("the item table", words, code="columns")
    kind = table.schema[name]
    column = pl.col(name)
    if isinstance(kind, pl.List):
        if sign not in ("=", "!="):
            raise ParameterError.of(f"'{name}'", f"holds lists; ask with = or !=, not {sign}")
        if known_values:
            _check_value(name, table[name].explode(), value)
        return column.list.contains(value) if sign == "=" else ~column.list.contains(value)
    if known_values and kind == pl.String and sign in ("=", "!="):
        _check_value(name, table[name], value)
    wanted = _value(name, kind, value)
    if isinstance(kind, pl.Datetime) and not isinstance(wanted, datetime):
        column = column.dt.date()  # a day stands for all its times
    compare = {"=": column.eq, "!=": column.ne, "<": column.lt, "<=": column.le, ">": column.gt, ">=": column.ge}
    return compare[sign](pl.lit(wanted))


def _check_value(name: str, column: pl.Series, value: str) -> None:
    """Refuse a text that no item has: it is a slip of the pen more often than a wish for an empty list."""
    if not column.eq(value).any():
        known = column.drop_nulls().unique().sort()
        shown = ", ".join(known.head(SHOWN)) + (", …" if len(known) > SHOWN else "")
        raise ParameterError(f"no item has {name} '{value}'; there is {shown}", code="unknown_name", subject=name)


def _value(name: str, kind: pl.DataType, value: str) -> float | str | date | datetime:
    try:
        if kind == pl.Date or isinstance(kind, pl.Datetime):
            return _day_or_moment(value) if isinstance(kind, pl.Datetime) else date.fromisoformat(value)
        if kind.is_integer() and WHOLE.fullmatch(value):
            number = int(value)
            return number if -(2**63) <= number < 2**63 else math.copysign(math.inf, number)
        if kind.is_numeric():
            if not math.isfinite(float(value)):
                raise ValueError("NaN and infinity compare with nothing")
            return float(value)
    except ValueError:
        raise ParameterError.of(f"'{name}'", f"holds {kind}; cannot compare it with '{value}'") from None
    return value


def _day_or_moment(value: str) -> date | datetime:
    """Return a day, or a moment in UTC without zone, as item tables hold them."""
    if len(value) == len("1990-01-31"):
        return date.fromisoformat(value)
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
