"""Attributes of users and items, kept as JSON, as typed columns of a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import polars as pl

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def attribute_columns(
    rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, pl.DataType] = MappingProxyType({})
) -> dict[str, pl.Series]:
    """Return {name: column} of rows of attributes, in the order in which the names are met.

    A column of whole numbers, numbers, truth, or lists of text is one; texts that are all days become days; what is
    mixed is text.

    Args:
        rows: attributes.
        kinds: types of columns that are known already, as a model's item table has them; a value that does not fit is
            null there, and meets no condition.
    """
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    out = {}
    for name in names:
        values = [row.get(name) for row in rows]
        out[name] = _of_kind(name, values, kinds[name]) if name in kinds else _column(name, values)
    return out


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


def _of_kind(name: str, values: list[Any], kind: pl.DataType) -> pl.Series:
    if isinstance(kind, pl.List):
        return pl.Series(name, [_listed(value) for value in values], pl.List(pl.String))
    if kind == pl.Boolean:
        return pl.Series(name, [value if isinstance(value, bool) else None for value in values], pl.Boolean)
    if kind.is_numeric():
        numbers = [float(value) if type(value) in (int, float) else None for value in values]
        whole = kind.is_integer() and all(number is None or number.is_integer() for number in numbers)
        return pl.Series(name, numbers, pl.Float64).cast(pl.Int64 if whole else pl.Float64, strict=False)
    texts = pl.Series(name, [_text(value) for value in values], pl.String)
    if kind == pl.Date:
        return texts.str.to_date("%Y-%m-%d", strict=False)
    return texts.str.to_datetime(strict=False) if isinstance(kind, pl.Datetime) else texts


def _listed(value: Any) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [_text(part) or "" for part in value]
    return str(value).split("|")


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool) else str(value)


def _days(texts: pl.Series) -> pl.Series | None:
    """Return a column of texts such as 1995-01-31 as days, None where one of them is none."""
    if not texts.str.contains(f"^{DAY.pattern}$").all():
        return None
    days = texts.str.to_date("%Y-%m-%d", strict=False)
    return days if days.null_count() == texts.null_count() else None
