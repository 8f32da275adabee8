"""Attributes of users and items, kept as JSON, as typed columns of a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def attribute_columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, pl.Series]:
    """Return {name: column} of rows of attributes, in the order in which the names are met.

    A column of whole numbers, numbers, truth, or lists of text is one; texts that are all days become days; what is
    mixed is text.
    """
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column(name, [row.get(name) for row in rows]) for name in names}


def attribute_table(ids: Sequence[str], texts: Sequence[str]) -> pl.DataFrame:
    """Return a table with the column ``id`` and one for each attribute that its JSON texts name."""
    columns = attribute_columns(json.loads(text) for text in texts)
    columns.pop("id", None)
    return pl.DataFrame([pl.Series("id", ids, dtype=pl.String), *columns.values()])


def _column(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds and kinds <= {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds == {list}:
        return pl.Series(name, values, dtype=pl.List(pl.String))
    texts = pl.Series(name, [_text(value) for value in values], dtype=pl.String)
    days = _days(texts) if kinds == {str} else None
    return texts if days is None else days


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _days(texts: pl.Series) -> pl.Series | None:
    """Return a column of texts such as 1995-01-31 as days, None where one of them is none."""
    if not texts.str.contains(f"^{DAY.pattern}$").all():
        return None
    days = texts.str.to_date("%Y-%m-%d", strict=False)
    return days if days.null_count() == texts.null_count() else None
