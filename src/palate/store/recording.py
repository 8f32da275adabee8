"""What one transaction of the group commit writes: events and lists of a namespace, set by set.

1. what is there already of the ids that come in: events, users, items, lists;
2. each event in its turn: new, known (the same event again), or refused;
3. users and items that are met for the first time, the new events, the users' counters, the counts a day.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from palate.errors import ConflictError, DataError, NotFoundError, PalateError, ParameterError
from palate.store import popular
from palate.store.checking import CheckedEvent
from palate.store.ids import list_bytes
from palate.store.kinds import kinds_of
from palate.store.many import inserts
from palate.store.packing import encode_shown
from palate.store.prepared import Among, PreparedSQL
from palate.store.records import UNDO, Namespace, Receipt, ShownList
from palate.store.rows import INSERT_EVENT, add_items, add_users, item_keys, next_keys, raise_users, user_keys
from palate.store.schema import WAITS, events, experiments, lists, scenarios, versions
from palate.store.times import now
from palate.store.tombstones import too_old

_KNOWN = Among(
    lambda among: select(
        events.c.event_id,
        events.c.key,
        events.c.user,
        events.c.item,
        events.c.kind,
        events.c.value,
        events.c.time,
        events.c.list_id,
        events.c.place,
        events.c.withdraws,
    ).where(events.c.namespace == bindparam("namespace"), among),
    events.c.event_id,
    "namespace",
)
_LISTS = Among(
    lambda among: select(lists.c.list_id).where(lists.c.namespace == bindparam("namespace"), among),
    lists.c.list_id,
    "namespace",
)
_VERSIONS = Among(
    lambda among: select(versions.c.number, versions.c.key).where(
        versions.c.namespace == bindparam("namespace"), among
    ),
    versions.c.number,
    "namespace",
)
_SCENARIO = PreparedSQL(
    select(scenarios.c.key).where(
        scenarios.c.namespace == bindparam("namespace"),
        scenarios.c.name == bindparam("name"),
        scenarios.c.revision == bindparam("revision"),
    ),
    *("namespace", "name", "revision"),
)
_EXPERIMENT = PreparedSQL(
    select(experiments.c.key).where(
        experiments.c.namespace == bindparam("namespace"), experiments.c.name == bindparam("name")
    ),
    *("namespace", "name"),
)
_PUT_LIST = inserts(  # one that is there already stays: a group may be tried again after a lost answer
    lists,
    *("namespace", "list_id", "user", "time", "policy", "version", "arm", "request", "shown", "ranked"),
    *("scenario", "experiment", "explored", "uncounted"),
    conflict=lambda put: put.on_conflict_do_nothing(),
)

ANALYSED = (1_000, 30_000)  # numbers of events at which a log is no longer as young as it was


class _Group:
    """The events of one namespace that are written together.

    Attributes:
        new: events to write, by event id, in the order of receipt.
        before: rows of events that are there, by event id.
        users, items: keys by id.
    """

    def __init__(self, connection: Connection, ns: Namespace, batch: Sequence[CheckedEvent]) -> None:
        live = [event for event in batch if event.error is None]
        self.connection, self.ns = connection, ns
        self.new: dict[str, CheckedEvent] = {}
        self.users = user_keys(connection, ns, {event.user for event in live})
        self.items = item_keys(connection, ns, {event.item for event in live if event.item is not None})
        asked = {event.event_id for event in live if not event.made_id}
        asked |= {event.withdraws for event in live if event.withdraws is not None}
        self.before = {row[0]: row for row in _KNOWN.tuples(connection, asked, ns.key)}
        shown = {event.list_id for event in live if event.list_id is not None}
        self.lists = {bytes(row[0]) for row in _LISTS.tuples(connection, shown, ns.key)}
        self.kinds = kinds_of(connection, ns)
        told = ((event.user, event.time) for event in live if event.time is not None)
        self.forgotten = too_old(connection, ns, told)

    def take(self, event: CheckedEvent) -> Receipt:
        """Return what becomes of an event, and keep it where it is new."""
        error = event.error
        if error is None and (event.event_id in self.before or event.event_id in self.new):
            if self._is_same(event):
                return Receipt(event.event_id, "known")
            error = ConflictError.of(
                f"event '{event.event_id}'",
                "is there with other content: give each event its own id",
                value=event.event_id,
            )
        error = error or self._forbidden(event) or self._missing(event)
        if error is not None:
            return Receipt(event.event_id, "refused", error, event.made_id)
        self.new[event.event_id] = event
        return Receipt(event.event_id, "new", None, event.made_id)

    def _is_same(self, event: CheckedEvent) -> bool:
        if event.event_id in self.new:
            return self.new[event.event_id].same(event)
        _, _, user, item, kind, value, time, list_id, place, withdraws = self.before[event.event_id]
        undone = self.before.get(event.withdraws or "")
        return (
            (user, item, kind, value, list_id and bytes(list_id), place)
            == (
                self.users.get(event.user),
                self.items.get(event.item or ""),
                event.kind,
                event.value,
                event.list_id,
                event.place,
            )
            and event.time in (None, time)
            and withdraws == (undone and undone[1])
        )

    def _forbidden(self, event: CheckedEvent) -> PalateError | None:
        """Return the error for an event that the namespace's kinds do not allow, or of somebody forgotten since."""
        if event.user in self.forgotten and event.time is not None:
            return ConflictError(
                "the event happened before its user was forgotten: it is not taken again", subject="user"
            )
        try:
            self.kinds.check(event)
        except DataError as error:
            return error
        return None

    def _missing(self, event: CheckedEvent) -> PalateError | None:
        """Return the error for a list, or an event to undo, that is not this user's or not there at all."""
        if event.list_id is not None and event.list_id not in self.lists:
            return NotFoundError.of(f"list '{event.list_id.hex()}'", "is not there", value=event.list_id.hex())
        if event.withdraws is None:
            return None
        kind = self._kind_of(event)
        if kind is None:
            return NotFoundError.of(f"event '{event.withdraws}'", "of this user is not there", value=event.withdraws)
        if kind == UNDO:
            what = f"event '{event.withdraws}' is an undo, which cannot be undone: send the first event anew"
            return ParameterError(what, subject="withdraws", value=event.withdraws)
        return None

    def _kind_of(self, undo: CheckedEvent) -> str | None:
        """Return the kind of the event that is undone, None where this user has none of that id."""
        target = undo.withdraws or ""
        if target in self.new:
            other = self.new[target]
            return other.kind if other.user == undo.user else None
        row = self.before.get(target)
        return row[4] if row is not None and row[2] == self.users.get(undo.user) else None

    def write(self, received: int) -> None:
        """Write the new events, whoever and whatever they tell of, and the users' counters."""
        new = list(self.new.values())
        add_users(self.connection, self.ns, self.users, (event.user for event in new), received)
        add_items(self.connection, self.ns, self.items, (e.item for e in new if e.item is not None), received)
        keys = dict(zip(self.new, next_keys(self.connection, len(new)), strict=True))
        _analyse_at(self.connection, min(keys.values()), max(keys.values()))
        keys_of = keys | {row[0]: row[1] for row in self.before.values()}
        INSERT_EVENT.run_many(self.connection, [self._row(event, keys_of, received) for event in new])
        raise_users(self.connection, {self.users[e.user]: (keys[e.event_id], self.users[e.user]) for e in new}.values())
        happened = [
            (self.items[e.item], e.kind, e.value, received if e.time is None else e.time)
            for e in new
            if e.item is not None
        ]
        popular.record(
            self.connection, self.ns, happened, [keys_of[e.withdraws] for e in new if e.withdraws is not None]
        )

    def _row(self, event: CheckedEvent, keys: dict[str, int], received: int) -> tuple[Any, ...]:
        return (
            keys[event.event_id],
            self.ns.key,
            self.users[event.user],
            None if event.item is None else self.items[event.item],
            event.kind,
            event.value,
            received if event.time is None else event.time,
            event.time + WAITS if event.waits and event.time is not None else received,
            event.source,
            event.event_id,
            event.list_id,
            event.place,
            None if event.withdraws is None else keys[event.withdraws],
        )


def _analyse_at(connection: Connection, first: int, last: int) -> None:
    """Let PostgreSQL count a young log; it does so a minute late, and until then looks through all of a namespace."""
    if connection.dialect.name == "postgresql" and any(first <= at <= last for at in ANALYSED):
        connection.exec_driver_sql("ANALYZE events, users, items")


def record_events(connection: Connection, ns: Namespace, batch: Sequence[CheckedEvent]) -> list[Receipt]:
    """Write events in the transaction of the connection, and return what became of each."""
    group = _Group(connection, ns, batch)
    receipts = [group.take(event) for event in batch]
    if group.new:
        group.write(now())
    return receipts


def record_lists(connection: Connection, ns: Namespace, shown: Sequence[ShownList]) -> None:
    """Write lists in the transaction of the connection; a user who is new gets a row, so that forgetting finds it."""
    known = user_keys(connection, ns, {one.user for one in shown if one.user is not None})
    add_users(connection, ns, known, (one.user for one in shown if one.user is not None), now())
    made = _MadeBy(connection, ns, shown)
    _PUT_LIST.run_many(connection, [_list_row(ns, one, known, made) for one in shown])


class _MadeBy:
    """The keys of what lists were made by: model versions, scenarios, experiments."""

    def __init__(self, connection: Connection, ns: Namespace, shown: Sequence[ShownList]) -> None:
        numbers = {one.version for one in shown if one.version is not None}
        self.versions: dict[int, int] = dict(_VERSIONS.tuples(connection, numbers, ns.key))
        presets = {one.scenario for one in shown if one.scenario is not None}
        self.scenarios = {each: _key_of(_SCENARIO.tuples(connection, ns.key, *each)) for each in presets}
        names = {one.experiment for one in shown if one.experiment is not None}
        self.experiments = {name: _key_of(_EXPERIMENT.tuples(connection, ns.key, name)) for name in names}

    def version(self, number: int | None) -> int | None:
        """Return the key of a model version."""
        if number is None:
            return None
        return _there(self.versions.get(number), f"model version {number}", number)

    def scenario(self, named: tuple[str, int] | None) -> int | None:
        """Return the key of a revision of a scenario."""
        if named is None:
            return None
        return _there(self.scenarios[named], f"revision {named[1]} of the scenario '{named[0]}'", named[0])

    def experiment(self, name: str | None) -> int | None:
        """Return the key of an experiment."""
        return None if name is None else _there(self.experiments[name], f"the experiment '{name}'", name)


def _key_of(rows: list[tuple[int]]) -> int | None:
    return rows[0][0] if rows else None


def _there(key: int | None, what: str, value: object) -> int:
    if key is None:
        raise NotFoundError.of(what, "is not there", value=value)
    return key


def _list_row(ns: Namespace, one: ShownList, known: dict[str, int], made: _MadeBy) -> tuple[Any, ...]:
    return (
        ns.key,
        list_bytes(one.list_id),
        None if one.user is None else known[one.user],
        one.time,
        one.policy,
        made.version(one.version),
        one.arm,
        json.dumps(dict(one.request)) if one.request else None,
        encode_shown(one.places),
        one.ranked,
        made.scenario(one.scenario),
        made.experiment(one.experiment),
        json.dumps(dict(one.explored)) if one.explored else None,
        one.uncounted,
    )
