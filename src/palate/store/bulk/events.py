"""A file of events, checked: every fault in one error with its lines, and what is left as the store writes it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from palate.data.checking import Fault, Policy, Where, dropped_or_raise, kept_rows
from palate.data.convert import is_missing
from palate.data.reading.whole import WholeTable
from palate.errors import Blank, DataError, Remedy, Set
from palate.store.bulk.columns import EVENTS, Given, event_columns
from palate.store.bulk.content import repeated_ids, with_event_ids
from palate.store.bulk.convert import IncomingColumn
from palate.store.checking import KIND_BYTES
from palate.store.kinds import Kinds
from palate.store.records import IMPRESSION, UNDO, IdKind

log = logging.getLogger(__name__)

TYPES: dict[str, Any] = {
    **dict.fromkeys(EVENTS, pl.String()),
    "value": pl.Float64(),
    **dict.fromkeys(("time", "received", "place"), pl.Int64()),
}
CONFLICT = "is the id of another event, with other content"


@dataclass(frozen=True)
class Reading:
    """How a file of events is read.

    Attributes:
        id_kind: what ids are in the namespace.
        kinds: its event kinds.
        kind: of events where the file names none; None: a rating where there are values, else a click.
        renamed: kinds of the file under the namespace's names.
        columns: roles that the caller names himself.
        policy: what happens to faulty rows, and what times count.
    """

    id_kind: IdKind
    kinds: Kinds
    kind: str | None = None
    renamed: dict[str, str] = field(default_factory=dict)
    columns: Given = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True)
class Events:
    """Events that may be written.

    Attributes:
        frame: `EVENTS`, and ``row``: where each stood in the file.
        n_rows: of the file.
        again: rows that say again what another row of the file says.
        dropped: {reason: faulty rows that were left out}.
        where: how rows get the numbers of their lines.
        policy: what happens to faulty rows.
    """

    frame: pl.DataFrame
    n_rows: int
    again: int
    dropped: dict[str, int]
    where: Where
    policy: Policy

    def without(self, faults: list[Fault]) -> Events:
        """Return the events without those at fault.

        Raises:
            DataError: faulty rows may not be left out.
        """
        if not faults:
            return self
        dropped = dropped_or_raise(self.n_rows, faults, self.policy, self.where)
        bad = pl.Series(np.unique(np.concatenate([fault.rows for fault in faults])), dtype=pl.UInt32)
        frame = self.frame.filter(~pl.col("row").is_in(bad.implode()))
        return Events(frame, self.n_rows, self.again, {**self.dropped, **dropped}, self.where, self.policy)


def events_of(table: WholeTable, reading: Reading) -> Events:
    """Return the events of a file.

    Raises:
        DataError: a column is not there or of a wrong type, or one error that lists every fault with its lines.
    """
    where, roles = table.where, event_columns(table.names, reading.columns, table.where.name)
    where = replace(where, columns=roles)
    _tell_unread([name for name in table.names if name not in roles.values()], where.name)
    given = {role: column_of(table, name, role) for role, name in roles.items()}
    return checked_events(given, reading, where)


def _tell_unread(names: list[str], source: str) -> None:
    if names:
        say = Set("columns", {"time": Blank("NAME")})
        log.warning("%s: not read: %s; %s and the like say which column is what", source, ", ".join(names), say)


def checked_events(given: dict[str, pl.Series], reading: Reading, where: Where) -> Events:
    """Return columns by role as events that may be written; rows are numbered as ``where`` says."""
    n_rows = len(given["user"])
    faults: list[Fault] = []
    frame = pl.DataFrame(_typed(given, reading, faults)).with_columns(row=pl.int_range(n_rows, dtype=pl.UInt32))
    faults += _of_kinds(frame, reading.kinds, given)
    frame = with_event_ids(frame.filter(pl.Series(kept_rows(n_rows, faults), dtype=pl.Boolean)))
    if not n_rows:
        return Events(frame, 0, 0, {}, where, reading.policy)
    again, other = repeated_ids(frame)
    if other.any():
        rows = frame.filter(other)["row"].to_numpy().astype(np.intp)
        example = repr(frame.filter(other)["event_id"][0])
        faults.append(Fault("invalid", "event_id", CONFLICT, rows, example))
        frame = frame.filter(~other)
        again = again.filter(~other)
    dropped = dropped_or_raise(n_rows, faults, reading.policy, where)
    return Events(frame.filter(~again), n_rows, int(again.sum()), dropped, where, reading.policy)


def column_of(table: WholeTable, name: str, role: str) -> pl.Series:
    """Return a column of a file under the name of its role; numbers and truth of JSON as text.

    Raises:
        DataError: a value of JSON is a list or an object.
    """
    if table.kind != "jsonl":
        return table.frame[name].alias(role)
    values = [line.get(name) for line in table.objects]
    nested = next((row for row, value in enumerate(values) if isinstance(value, list | dict)), None)
    if nested is not None:
        place = table.where.rows(np.array([nested]))
        raise DataError.of(table.where.name, f": '{name}' must be one value a row ({place})", code="columns")
    return pl.Series(role, [_word(value) for value in values], dtype=pl.String)


def _word(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    return str(value).lower() if type(value) is bool else str(value)


def _typed(given: dict[str, pl.Series], reading: Reading, faults: list[Fault]) -> dict[str, pl.Series]:
    """Return all columns of events in the store's types."""
    n_rows, unit = len(given["user"]), reading.policy.time_unit

    def column(role: str) -> IncomingColumn:
        return IncomingColumn(given.get(role, pl.Series(role, [None] * n_rows, dtype=pl.String)).alias(role), faults)

    user = column("user")
    made = {"event_id": column("event_id").text(), "user": user.must_be_there(user.id(reading.id_kind))}
    made["item"] = column("item").id(reading.id_kind)
    made["kind"] = _kinds(column("kind"), reading, has_values="value" in given)
    made["value"] = column("value").number()
    made["time"], made["received"] = column("time").time(unit), column("received").time(unit)
    made["source"], made["list_id"] = column("source").text(), column("list_id").list_id()
    made["place"], made["withdraws"] = column("place").place(), column("withdraws").text()
    if made["kind"].eq("click").all() and "kind" not in given:
        made["value"] = pl.Series([None] * n_rows, dtype=pl.Float64)
    return {role: done.alias(role).cast(TYPES[role]) for role, done in made.items()}


def _kinds(column: IncomingColumn, reading: Reading, *, has_values: bool) -> pl.Series:
    kind = column.text(KIND_BYTES)
    if kind.null_count() == len(kind) and len(kind):
        kind = pl.Series("kind", [reading.kind or ("rating" if has_values else "click")], dtype=pl.String)
        kind = kind.new_from_index(0, len(column.given))
    else:
        column.must_be_there(kind)
    return kind.replace(reading.renamed) if reading.renamed else kind


def _of_kinds(frame: pl.DataFrame, kinds: Kinds, given: dict[str, pl.Series]) -> list[Fault]:
    """Return the rows that are no events of the namespace: of an unknown kind, or without what their kind needs."""
    kind, undo = frame["kind"], frame["kind"].eq_missing(UNDO)
    faults: list[Fault] = []

    def fault(role: str, bad: pl.Series, what: str, remedy: Remedy | None = None) -> None:
        missing = what.startswith("is missing")
        IncomingColumn(frame[role], faults).fault(bad, what, remedy, missing=missing)

    unknown = ~kind.is_in([*kinds.names, IMPRESSION, UNDO]).fill_null(value=True)
    fault("kind", unknown, f"is no event kind of this namespace, which has {', '.join(kinds)}", RENAME)
    fault("item", ~undo & _absent(given, "item"), "is missing")
    needs = kind.is_in([name for name in kinds if kinds[name].needs_value]).fill_null(value=False)
    fault("value", needs & _absent(given, "value"), "is missing")
    fault("withdraws", undo & frame["withdraws"].is_null(), "is missing in an undo")
    fault("item", undo & frame["item"].is_not_null(), "stands in an undo, which has withdraws")
    fault("withdraws", ~undo & frame["withdraws"].is_not_null(), "stands in an event that is no undo")
    alone = frame["place"].is_not_null() & frame["list_id"].is_null()
    fault("place", alone, "needs the list_id of the list that it is in")
    return faults


RENAME = Remedy(
    Set("rename", Blank("OLD=NEW")), " takes a kind for another; ", Set("new_kinds", value=True), " adds them"
)


def _absent(given: dict[str, pl.Series], role: str) -> pl.Series | bool:
    """Return where the file gives nothing, so that a value that cannot be read is told once."""
    column = given.get(role)
    return True if column is None else is_missing(column, words=False)
