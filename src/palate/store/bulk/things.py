"""A file of users or items, checked: their columns as attributes, every fault in one error with its lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from palate.data.checking import Fault, Policy, dropped_or_raise, kept_rows
from palate.data.items import Side, id_column
from palate.data.lists import ListColumns, with_lists
from palate.data.reading.text import narrowed
from palate.data.reading.whole import WholeTable
from palate.errors import DataError, ParameterError, shown
from palate.store.attributes import encoded
from palate.store.bulk.columns import THINGS, Given, Kind
from palate.store.bulk.convert import IncomingColumn
from palate.store.bulk.events import column_of
from palate.store.records import IdKind

SIDES: dict[Kind, Side] = {"users": "user", "items": "item"}
TRUTH, MOMENTS = ("hidden", "described", "deleted"), ("created", "updated")


@dataclass(frozen=True)
class Things:
    """Users or items that may be written.

    Attributes:
        kind: "users" or "items".
        frame: the columns of `THINGS`, the id as ``id``, attributes as JSON, and ``row``: where each stood in the file.
        n_rows: of the file.
        dropped: {reason: faulty rows that were left out}.
    """

    kind: Kind
    frame: pl.DataFrame
    n_rows: int
    dropped: dict[str, int]


def things_of(
    table: WholeTable,
    kind: Kind,
    id_kind: IdKind,
    policy: Policy,
    columns: Given | None = None,
    lists: ListColumns = True,
) -> Things:
    """Return the users or items of a file; columns that exports of ours do not have are attributes.

    Args:
        table: the file.
        kind: "users" or "items".
        id_kind: what ids are in the namespace.
        policy: what happens to faulty rows, and what times count.
        columns: the column of ids, as {"user": name} or {"item": name}, where it has no usual name.
        lists: which texts of a table are lists, as `palate.data.lists.with_lists`.

    Raises:
        DataError: there is no column of ids, or one error that lists every fault with its lines.
    """
    side = SIDES[kind]
    given = (columns or {}).get(side)
    id_name = id_column(table.names, side, None if given is None else str(given))
    where = replace(table.where, columns={side: id_name})
    n_rows = len(table.objects) or len(table.frame)
    faults: list[Fault] = []

    def column(name: str, role: str | None = None) -> IncomingColumn:
        there = name in table.names
        made = column_of(table, name, role or name) if there else pl.Series(name, [None] * n_rows, dtype=pl.String)
        return IncomingColumn(made, faults)

    ids = column(id_name, side)
    made = {"id": ids.must_be_there(ids.id(id_kind))}
    ids.fault(made["id"].is_duplicated() & made["id"].is_not_null() & ~made["id"].is_first_distinct(), "stands twice")
    for name in THINGS[kind]:
        if name in TRUTH:
            made[name] = column(name).truth()
        elif name in MOMENTS:
            made[name] = column(name).time(policy.time_unit)
        elif name == "merged_into":
            made[name] = column(name).id(id_kind)
    own = {id_name, *THINGS[kind]}
    made["attributes"] = _attributes(table, [name for name in table.names if name not in own], lists, faults)
    frame = pl.DataFrame([series.alias(name) for name, series in made.items()])
    frame = frame.with_columns(row=pl.int_range(n_rows, dtype=pl.UInt32))
    dropped = dropped_or_raise(n_rows, faults, policy, where) if n_rows else {}
    return Things(kind, frame.filter(pl.Series(kept_rows(n_rows, faults), dtype=pl.Boolean)), n_rows, dropped)


def _attributes(table: WholeTable, names: list[str], lists: ListColumns, faults: list[Fault]) -> pl.Series:
    """Return what each row says beside its id as JSON: a column ``attributes``, and all columns that are not ours."""
    if table.kind == "jsonl":
        others = [{name: row[name] for name in names if row.get(name) is not None} for row in table.objects]
        nested = [row.get("attributes") for row in table.objects]
    else:
        others = _rows(table, names, lists)
        nested = table.frame["attributes"].to_list() if "attributes" in table.names else [None] * len(table.frame)
        others = others or [{}] * len(nested)
    made: list[str | None] = []
    wrong: dict[str, list[int]] = {}
    for row, (inner, outer) in enumerate(zip(nested, others, strict=True)):
        try:
            made.append(encoded({**_object(inner), **outer}))
        except (ParameterError, ValueError) as error:
            made.append(None)
            wrong.setdefault(_reason(error), []).append(row)
    for reason, rows in wrong.items():
        faults.append(Fault("invalid", "attributes", reason, np.array(rows, np.intp)))
    return pl.Series("attributes", made, dtype=pl.String)


def _reason(error: Exception) -> str:
    """Return what is wrong with attributes, without their values: rows with the same fault are told together."""
    return (
        f"are refused: {str(error).split(', got ')[0]}" if isinstance(error, ParameterError) else "are no JSON object"
    )


def _object(given: Any) -> Mapping[str, Any]:
    if given is None or given == "":
        return {}
    value = json.loads(given) if isinstance(given, str) else given
    if not isinstance(value, dict):
        raise ValueError(f"no object: {shown(value)}")
    return value


def _rows(table: WholeTable, names: list[str], lists: ListColumns) -> list[dict[str, Any]]:
    """Return the columns of these names, row by row, what is missing left out: numbers, texts and lists as they are."""
    frame = table.frame.select(names)
    if table.kind == "text":
        frame = with_lists(frame.select(narrowed(column) for column in frame.get_columns()), lists)
    else:
        frame = with_lists(frame, lists)
    return [{name: _value(name, value) for name, value in row.items() if value is not None} for row in frame.to_dicts()]


def _value(name: str, value: Any) -> Any:
    """Return a value as JSON holds it; a day or a moment becomes text."""
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes | dict):
        raise DataError.of(
            f"column '{name}'", "holds neither numbers, texts, truth, times nor lists of texts", code="columns"
        )
    return value
