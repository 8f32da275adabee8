"""What users of Gorse bring along: users.jsonl, items.jsonl and feedback.jsonl of its dashboard, and its dump.

The dump (``/api/dump``) is a stream: for users (-1), items (-2) and feedback (-3) the number of the part as 64 bits in
little endian, then each row as its length, in the same way, and a message of protocol buffers; 0 ends it. Rows of both
become objects with the dashboard's names, and these become rows of the store:

    UserId, ItemId       ids
    FeedbackType, Value  kind and value, 0 where none is said; Gorse keeps one row for each type, user and item
    Timestamp            time of an event; the year 1 stands for none
    Comment              of feedback, left out

What users and items have besides, `palate.store.bulk.gorse_shapes` reads.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from palate.data.checking import Where
from palate.data.reading.whole import WholeTable
from palate.errors import DataError
from palate.store.bulk.columns import Kind
from palate.store.bulk.gorse_shapes import NO_TIME, item_attributes, user_attributes

PARTS: dict[int, Kind] = {-1: "users", -2: "items", -3: "events"}
END = 0
LARGEST = 1 << 26  # bytes of a message
FIELDS: dict[Kind, dict[int, str]] = {  # numbers of fields in messages; a namespace, the first of two, is never set
    "users": {1: "UserId", 2: "Labels", 3: "Comment", 4: "Subscribe"},
    "items": {2: "ItemId", 3: "IsHidden", 4: "Categories", 5: "Timestamp", 6: "Labels", 7: "Comment"},
    "events": {2: "FeedbackType", 3: "UserId", 4: "ItemId", 5: "Timestamp", 6: "Comment"},
}
REPEATED = ("Categories", "Subscribe")


def is_dump(path: Path) -> bool:
    """Return whether a file begins as a dump does."""
    with path.open("rb") as file:
        start = file.read(8)
    return len(start) == 8 and struct.unpack("<q", start)[0] in PARTS


def kind_of(names: list[str]) -> Kind | None:
    """Return what a file of the dashboard with these fields holds, or None where it is none of its own."""
    if {"FeedbackType", "UserId", "ItemId"} <= set(names):
        return "events"
    if "ItemId" in names and {"IsHidden", "Categories", "Labels"} & set(names):
        return "items"
    return "users" if "UserId" in names and {"Labels", "Subscribe", "Comment"} & set(names) else None


def as_own(table: WholeTable, kind: Kind) -> WholeTable:
    """Return a table of Gorse's rows as one of the names that exports of ours have."""
    make = {"users": _user, "items": _item, "events": _event}[kind]
    return WholeTable("jsonl", table.frame, [make(row) for row in table.objects], table.where)


def _user(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"user_id": row.get("UserId"), "attributes": user_attributes(row)}


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "item_id": row.get("ItemId"),
        "attributes": item_attributes(row),
        "hidden": row.get("IsHidden"),
        "created": _time(row.get("Timestamp")),
    }


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "user": row.get("UserId"),
        "item": row.get("ItemId"),
        "kind": row.get("FeedbackType"),
        "value": row.get("Value", 0.0),  # a dump leaves out zeros, and older versions have no values: both stand for 0
        "time": _time(row.get("Timestamp")),
    }


def _time(given: Any) -> Any:
    return None if isinstance(given, str) and (not given or given.startswith(NO_TIME)) else given


def read_dump(path: Path) -> dict[Kind, WholeTable]:
    """Return the tables of a dump, without empty ones.

    Raises:
        DataError: it is cut off, or a message is none.
    """
    rows: dict[Kind, list[dict[str, Any]]] = {kind: [] for kind in PARTS.values()}
    with path.open("rb") as file:
        try:
            for kind, message in _messages(file):
                rows[kind].append(_object(message, kind))
        except (struct.error, IndexError, ValueError, EOFError) as error:
            at = f"after {sum(map(len, rows.values())):,} rows, at byte {file.tell():,}"
            raise DataError.of(
                path, f"is no whole dump of Gorse: {error} ({at}); fetch it again", code="damaged"
            ) from None
    return {kind: as_own(_whole(path, kind, rows[kind]), kind) for kind in rows if rows[kind]}


def _whole(path: Path, kind: Kind, objects: list[dict[str, Any]]) -> WholeTable:
    import polars as pl

    return WholeTable("jsonl", pl.DataFrame(), objects, Where(f"{path} ({kind})", "row", 1))


def _messages(file: BinaryIO) -> Iterator[tuple[Kind, bytes]]:
    """Yield the messages of a dump, each with its part."""
    part = _whole_number(file)
    while part != END:
        if part not in PARTS:
            raise ValueError(f"there is no part {part}")
        while (size := _whole_number(file)) > 0:
            message = file.read(size) if size <= LARGEST else b""
            if len(message) < size:
                raise EOFError("a message is cut off")
            yield PARTS[part], message
        part = size


def _whole_number(file: BinaryIO) -> int:
    return int(struct.unpack("<q", file.read(8))[0])


def _object(message: bytes, kind: Kind) -> dict[str, Any]:
    """Return a message as an object with the dashboard's names; the one float of feedback is its value."""
    row: dict[str, Any] = {}
    for number, wire, value in _fields(message):
        if kind == "events" and wire == 1:
            row["Value"] = struct.unpack("<d", value)[0]
        name = FIELDS[kind].get(number)
        if name is None or wire == 1:
            continue
        if name in REPEATED:
            row.setdefault(name, []).append(value.decode())
        else:
            row[name] = _value(name, value)
    return row


def _value(name: str, value: Any) -> Any:
    if name == "IsHidden":
        return bool(value)
    if name == "Labels":
        return json.loads(value) if value else None
    return _moment(value) if name == "Timestamp" else value.decode()


def _moment(message: bytes) -> float | None:
    """Return a time stamp as seconds, None for one before 1970: Gorse's word for none."""
    parts = {number: value - (1 << 64) if value >> 63 else value for number, _, value in _fields(message)}
    seconds = parts.get(1, 0) + parts.get(2, 0) / 1e9
    return None if seconds < 0 else seconds


def _fields(message: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield number, kind on the wire, and value of each field of a message of protocol buffers."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield tag >> 3, wire, value
            continue
        if wire not in (1, 2, 5):
            raise ValueError(f"a field has the unknown kind {wire}")
        size, at = _varint(message, at) if wire == 2 else (8 if wire == 1 else 4, at)
        if at + size > len(message):
            raise EOFError("a field is cut off")
        yield tag >> 3, wire, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number is longer than 64 bits")
