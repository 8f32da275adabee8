"""The item table as JSON bytes, every column with its type; nulls are kept."""

from __future__ import annotations

from itertools import chain
from typing import Any

import polars as pl

from palate.data.ids import Ids
from palate.errors import ModelFileError
from palate.files import strict_json

# word: type of the column, type of its numbers in JSON (days for dates, ticks for times), types of its JSON values
_COLUMNS: dict[str, tuple[pl.DataType, pl.DataType, set[type]]] = {
    **{
        str(kind).lower(): (kind, kind, {int})
        for kind in (pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64())
    },
    "float32": (pl.Float32(), pl.Float32(), {float}),
    "float64": (pl.Float64(), pl.Float64(), {float}),
    "bool": (pl.Boolean(), pl.Boolean(), {bool}),
    "str": (pl.String(), pl.String(), {str}),
    "date": (pl.Date(), pl.Int32(), {int}),
    "datetime[ms]": (pl.Datetime("ms"), pl.Int64(), {int}),
    "datetime[us]": (pl.Datetime("us"), pl.Int64(), {int}),
    "datetime[ns]": (pl.Datetime("ns"), pl.Int64(), {int}),
    "list[str]": (pl.List(pl.String()), pl.List(pl.String()), {list}),
    "null": (pl.Null(), pl.Null(), set()),
}


def check_item_columns(table: pl.DataFrame) -> None:
    """Refuse item columns that a model file cannot hold.

    Raises:
        ModelFileError: names the column, its type or row, and what to do.
    """
    for column in table.iter_columns():
        _word(column)
        if column.dtype.is_float() and not column.is_finite().fill_null(value=True).all():
            row = (~column.is_finite()).arg_true()[0]
            raise ModelFileError.of(
                f"item column '{column.name}'",
                f"holds NaN or an infinite number in row {row}; mark missing values as null (fill_nan(None))",
            )


def item_table_to_json(table: pl.DataFrame) -> bytes:
    """Return the columns after item_id as JSON.

    Raises:
        ModelFileError: a column that a model file cannot hold.
    """
    check_item_columns(table)
    columns = []
    for column in table.drop("item_id").iter_columns():
        word = _word(column)
        values = column.cast(_COLUMNS[word][1]).to_list()
        columns.append({"name": column.name, "dtype": word, "values": values})
    return strict_json.dumps({"columns": columns}, "the item table")


def item_table_from_json(data: bytes, items: Ids) -> pl.DataFrame:
    """Return the item table of JSON bytes, with the ids as item_id.

    Raises:
        ModelFileError: not such JSON, a column twice or out of step with the items, or a value of another type.
    """
    document = strict_json.loads(data, "the item table")
    if not isinstance(document, dict) or set(document) != {"columns"} or not isinstance(document["columns"], list):
        raise ModelFileError.of("the item table", "must be a list of columns")
    columns = {"item_id": items.values}
    for column in document["columns"]:
        if not isinstance(column, dict) or set(column) != {"name", "dtype", "values"}:
            raise ModelFileError.of("the item table", ": a column must have name, dtype and values, nothing else")
        name, word, values = column["name"], column["dtype"], column["values"]
        if not isinstance(name, str) or not isinstance(word, str) or not isinstance(values, list):
            raise ModelFileError.of("the item table", ": a column's name and dtype must be text, its values a list")
        if word not in _COLUMNS:
            raise ModelFileError.of(f"item column '{name}'", f"has the unknown dtype '{word[:40]}'")
        if name in columns:
            raise ModelFileError(f"the item table has the column '{name}' twice", subject=name)
        if len(values) != len(items):
            raise ModelFileError.of(
                f"item column '{name}'", f"has {len(values)} rows for {len(items)} items: the item table is out of step"
            )
        columns[name] = _series(name, word, values)
    return pl.DataFrame(columns)


def _word(column: pl.Series) -> str:
    for word, (kind, _, _) in _COLUMNS.items():
        if column.dtype == kind:
            return word
    raise ModelFileError.of(
        f"item column '{column.name}'",
        f"has type {column.dtype}, which a model file cannot hold; drop it or cast it to one of {', '.join(_COLUMNS)}",
    )


def _series(name: str, word: str, values: list[Any]) -> pl.Series:
    kind, stored, types = _COLUMNS[word]
    wrong = set(map(type, values)) - types - {type(None)}
    if word == "list[str]" and not wrong:
        wrong = set(map(type, chain.from_iterable(v for v in values if v is not None))) - {str, type(None)}
    if wrong:
        raise ModelFileError.of(f"item column '{name}'", f"holds {min(t.__name__ for t in wrong)} values, not {word}")
    try:
        return pl.Series(name, values, dtype=stored, strict=True).cast(kind)
    except (TypeError, OverflowError, UnicodeEncodeError, pl.exceptions.PolarsError):
        raise ModelFileError.of(f"item column '{name}'", f"holds a value that is no {word}") from None
