"""Attributes as the store holds them, JSON, as columns that conditions can be asked of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

ItemAttributes = Mapping[str, Any]


def parsed(attributes: str) -> dict[str, Any]:
    """Return attributes from the store's text."""
    known: dict[str, Any] = json.loads(attributes)
    return known


def frame_of(rows: Sequence[ItemAttributes], kinds: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return one row of columns each; a value that does not fit its column is null, and meets no condition.

    Args:
        rows: attributes.
        kinds: types of the columns that a model's item table has.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame([_column(name, [row.get(name) for row in rows], kinds.get(name)) for name in names])


def _column(name: str, values: list[Any], kind: pl.DataType | None) -> pl.Series:
    kind = _kind(values) if kind is None else kind
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


def _kind(values: list[Any]) -> pl.DataType:
    """Return the type that holds all values of a column that no model knows."""
    kinds = {type(value) for value in values if value is not None}
    if list in kinds or tuple in kinds:
        return pl.List(pl.String)
    if kinds == {bool}:
        return pl.Boolean()
    if kinds and kinds <= {int, float}:
        return pl.Float64() if float in kinds else pl.Int64()
    return pl.String()


def _listed(value: Any) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [_text(part) or "" for part in value]
    return str(value).split("|")


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, list | dict | bool) else str(value)
