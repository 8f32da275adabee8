"""The CSV files that older dashboards of Gorse export, as rows with the names of the newer ones.

    users      user_id, labels
    items      item_id, is_hidden, categories, time_stamp, labels, description
    feedback   feedback_type, user_id, item_id, time_stamp

Categories and labels are joined by |, or labels are JSON. Times are written as Go prints them.
"""

from __future__ import annotations

import json
import re
from typing import Any

import polars as pl

from palate.data.reading.whole import WholeTable
from palate.store.bulk.columns import Kind

NAMES = {
    "user_id": "UserId",
    "item_id": "ItemId",
    "feedback_type": "FeedbackType",
    "value": "Value",
    "time_stamp": "Timestamp",
    "is_hidden": "IsHidden",
    "categories": "Categories",
    "labels": "Labels",
    "description": "Comment",
    "comment": "Comment",
    "subscribe": "Subscribe",
}
GO_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d\d)(\d\d)\b.*")


def kind_of(names: list[str]) -> Kind | None:
    """Return what such a file holds, None where it is none."""
    given = set(names)
    if {"feedback_type", "user_id", "item_id", "time_stamp"} <= given:
        return "events"
    if {"item_id", "time_stamp"} <= given and {"is_hidden", "labels"} & given and "user_id" not in given:
        return "items"
    return "users" if given == {"user_id", "labels"} else None


def rows_of(table: WholeTable) -> WholeTable:
    """Return a table of text as one of objects."""
    known = [name for name in table.frame.columns if name in NAMES]
    rows = [
        {NAMES[name]: _value(NAMES[name], value) for name, value in zip(known, row, strict=True)}
        for row in table.frame.select(known).iter_rows()
    ]
    return WholeTable("jsonl", pl.DataFrame(), rows, table.where)


def _value(name: str, text: str | None) -> Any:
    if not text:
        return 0.0 if name == "Value" else None
    if name == "Timestamp":
        return GO_TIME.sub(r"\1T\2\3:\4", text)
    if name == "IsHidden":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if name in ("Categories", "Labels", "Subscribe"):
        return _words(text)
    return text


def _words(text: str) -> Any:
    """Return what JSON says, else words that are joined by |."""
    if text[0] in "[{":
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text.split("|")
