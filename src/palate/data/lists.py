"""Columns of text that hold lists, such as genres "Action|Comedy"."""

from __future__ import annotations

import polars as pl

from palate.data.columns import plain_name

LISTS = ("genre", "genres", "tag", "tags", "keyword", "keywords", "category", "categories", "theme", "themes")
COMMAS = ("genre", "genres", "tag", "tags", "keyword", "keywords")  # a category may be "Shoes, Bags & Hats"
NONE = ("(no genres listed)", "")


def with_lists(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose columns of genres, tags, keywords, categories or themes are lists, where texts hold several.

    Several stand between bars; genres, tags and keywords without bars stand between commas or semicolons.
    """
    return frame.with_columns(_split(column) for column in frame.get_columns() if _is_text(column))


def as_list(column: pl.Series) -> pl.Series:
    """Return a column of text as one of lists."""
    return _cut(column, _between(column) or "|")


def _is_text(column: pl.Series) -> bool:
    return column.dtype == pl.String and plain_name(column.name) in LISTS


def _split(column: pl.Series) -> pl.Series:
    between = _between(column)
    return column if between is None else _cut(column, between)


def _between(column: pl.Series) -> str | None:
    """Return the sign between the texts of a list, or None where no text holds several."""
    signs = "|,;" if plain_name(column.name) in COMMAS else "|"
    return next((sign for sign in signs if column.str.contains(sign, literal=True).any()), None)


def _cut(column: pl.Series, between: str) -> pl.Series:
    parts = column.str.split(between).list.eval(pl.element().str.strip_chars())
    return parts.list.eval(pl.element().filter(~pl.element().is_in(NONE))).alias(column.name)
