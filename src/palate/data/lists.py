"""Columns that hold lists: of genres as "Action|Comedy", of people, of tags.

A column of text is one of lists where

* its name says so (genres, tags, keywords; categories and themes), and any text holds a bar; in genres, tags and
  keywords a comma or a semicolon does as well;
* or, whatever its name is, of the different texts at least a tenth hold one sign (``|``, ``;``, or a comma with a
  space), and their parts recur: on average each stands in two different texts or more, and no more than 1,000 differ.

Titles never are, by whatever name they are found: their parts do not recur, and two films called "Good, the Bad" are
no proof. Nor are "Shoes, Bags & Hats", which always stand together, nor addresses. ``lists`` says it by hand.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import polars as pl

from palate.data.columns import TITLES, plain_name
from palate.errors import DataError, ParameterError

log = logging.getLogger(__name__)

ListColumns = bool | Mapping[str, str | None]  # True finds them; False makes none; {column: sign, or None for no list}
LISTS = ("genre", "genres", "tag", "tags", "keyword", "keywords", "category", "categories", "theme", "themes")
COMMAS = ("genre", "genres", "tag", "tags", "keyword", "keywords")  # a category may be "Shoes, Bags & Hats"
NONE = ("(no genres listed)", "")
SIGNS = ("|", ";", ", ")
SHARE = 0.1  # of the different texts hold the sign
RECURS = 2.0  # different texts that a part stands in, on average
MOST_PARTS = 1000  # that differ: each becomes a column of features
WORDS = (pl.String, pl.Categorical, pl.Enum, pl.Boolean)


def with_lists(frame: pl.DataFrame, lists: ListColumns = True) -> pl.DataFrame:
    """Return a table whose columns of lists are lists of text.

    Args:
        frame: any table.
        lists: True finds them by the rule above; False makes none; {column: sign} says which texts are lists and what
            stands between their parts, {column: None} which are not.

    Raises:
        ParameterError: lists is none of these.
        DataError: a column that is named holds no text.
    """
    frame = frame.with_columns(_of_text(column) for column in frame.get_columns() if _is_list_of_words(column.dtype))
    said = _said(frame, lists)
    found = []
    for column in frame.get_columns():
        if column.dtype != pl.String:
            continue
        sign = said[column.name] if column.name in said else _sign(column) if lists is not False else None
        if sign is not None:
            found.append(_cut(column, sign))
    return frame.with_columns(found)


def as_list(column: pl.Series, known: list[str], sign: str | None = None) -> pl.Series:
    """Return a column of text as one of lists, cut by the sign that gives most words of those known.

    Args:
        column: of newcomers.
        known: the words that a model has seen.
        sign: what stands between words, where that was said by hand.
    """
    if sign is not None:
        return _cut(column, sign)
    cuts = [_cut(column, sign) for sign in ("|", ";", ",")]
    return max(cuts, key=lambda cut: cut.explode().is_in(known).sum())


def check_lists(lists: ListColumns, *tables: pl.DataFrame) -> None:
    """Refuse what says nothing of lists, or speaks of columns that no table has.

    Raises:
        ParameterError: lists is neither True nor False, and no {column: sign or None}.
        DataError: a column is in none of the tables.
    """
    _check_kind(lists)
    if isinstance(lists, bool):
        return
    known = [name for table in tables for name in table.columns]
    absent = [name for name in lists if name not in known]
    if absent:
        raise DataError.of(
            "lists", f"names the column '{absent[0]}', and the tables have {', '.join(known) or 'none'}", code="columns"
        )


def _check_kind(lists: object) -> None:
    if isinstance(lists, bool):
        return
    if not isinstance(lists, Mapping) or not all(sign is None or _is_sign(sign) for sign in lists.values()):
        raise ParameterError.outside("lists", "True, False, or {column: the sign between words, or None}", lists)


def _is_sign(sign: object) -> bool:
    return isinstance(sign, str) and sign != ""


def _said(frame: pl.DataFrame, lists: ListColumns) -> Mapping[str, str | None]:
    if isinstance(lists, bool):
        return {}
    _check_kind(lists)
    for name in lists:
        if name in frame.columns and frame.schema[name] not in (pl.String, pl.List(pl.String), pl.Null):
            raise DataError.of(
                f"column '{name}'", f"has type {frame.schema[name]}; lists are made of text", code="columns"
            )
    return lists


def _is_list_of_words(kind: pl.DataType) -> bool:
    inner = kind.inner if isinstance(kind, pl.List | pl.Array) else None
    return inner is not None and (inner in WORDS or inner.is_integer())


def _of_text(column: pl.Series) -> pl.Series:
    """Return lists of words, of whatever type these are, as lists of text."""
    lists = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    return lists.cast(pl.List(pl.String))


def _sign(column: pl.Series) -> str | None:
    """Return the sign between the parts of a column's texts, or None where it holds no lists."""
    name = plain_name(column.name)
    if name in LISTS:
        signs = "|,;" if name in COMMAS else "|"
        known = next((sign for sign in signs if column.str.contains(sign, literal=True).any()), None)
        if known is not None:
            return known
    if name in TITLES:
        return None
    texts = column.drop_nulls().unique()
    sign = next((sign for sign in SIGNS if _parts_recur(texts, sign)), None)
    if sign is not None:
        log.info("column %s holds lists: words between '%s'", column.name, sign)
    return sign


def _parts_recur(texts: pl.Series, sign: str) -> bool:
    """Return whether texts that all differ are lists by this sign."""
    holding = texts.str.contains(sign, literal=True).sum()
    if holding < 2 or holding < SHARE * len(texts):
        return False
    parts = _cut(texts, sign).explode().drop_nulls()
    n_different = parts.n_unique()
    return n_different <= MOST_PARTS and len(parts) >= RECURS * n_different


def _cut(column: pl.Series, between: str) -> pl.Series:
    parts = column.str.split(between).list.eval(pl.element().str.strip_chars())
    return parts.list.eval(pl.element().filter(~pl.element().is_in(NONE))).alias(column.name)
