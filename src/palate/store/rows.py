"""Rows of users and items: the keys of ids, made where they are new, and the counters that say what changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, func, literal_column, select, text, update

from palate.store.many import inserts, updates
from palate.store.prepared import Among, PreparedSQL
from palate.store.records import Namespace
from palate.store.schema import events, items, namespaces, users

_USERS = Among(
    lambda among: select(users.c.id, func.coalesce(users.c.merged_into, users.c.key)).where(
        users.c.namespace == bindparam("namespace"), among
    ),
    users.c.id,
    "namespace",
)
_ITEMS = Among(
    lambda among: select(items.c.id, items.c.key).where(items.c.namespace == bindparam("namespace"), among),
    items.c.id,
    "namespace",
)


_NEW = ("namespace", "id", "created", "updated")
_NEW_USER = inserts(users, *_NEW, attributes="'{}'", counter="0", last_event="0", hidden="false")
_NEW_ITEM = inserts(items, *_NEW, "changed", attributes="'{}'", hidden="false", described="false", deleted="false")
_RAISE_USER = updates(
    users,
    *("last_event", "key"),
    where=("key",),
    change=lambda given: {"counter": users.c.counter + literal_column("1"), "last_event": given["last_event"]},
)
_LAST_EVENT = PreparedSQL(text("SELECT seq FROM sqlite_sequence WHERE name = 'events'"))
_RAISE_CATALOGUE = PreparedSQL(
    update(namespaces)
    .where(namespaces.c.key == bindparam("namespace"))
    .values(catalogue=namespaces.c.catalogue + literal_column("1"))
    .returning(namespaces.c.catalogue),
    "namespace",
)


def user_keys(connection: Connection, ns: Namespace, ids: Iterable[str]) -> dict[str, int]:
    """Return the keys of the users that are there; a visitor's that was merged is the account's."""
    return dict(_USERS.tuples(connection, ids, ns.key))


def item_keys(connection: Connection, ns: Namespace, ids: Iterable[str]) -> dict[str, int]:
    """Return the keys of the items that are there."""
    return dict(_ITEMS.tuples(connection, ids, ns.key))


def add_users(connection: Connection, ns: Namespace, known: dict[str, int], ids: Iterable[str], time: int) -> None:
    """Make the users that are not known, and enter their keys."""
    new = list(dict.fromkeys(each for each in ids if each not in known))
    if new:
        _NEW_USER.run_many(connection, [(ns.key, each, time, time) for each in new])
        known |= user_keys(connection, ns, new)


def add_items(connection: Connection, ns: Namespace, known: dict[str, int], ids: Iterable[str], time: int) -> None:
    """Make the items that are not known, with the next number of the catalogue, and enter their keys."""
    new = list(dict.fromkeys(each for each in ids if each not in known))
    if new:
        changed = raise_catalogue(connection, ns)
        _NEW_ITEM.run_many(connection, [(ns.key, each, time, time, changed) for each in new])
        known |= item_keys(connection, ns, new)


def raise_users(connection: Connection, newest: Collection[tuple[int, int]]) -> None:
    """Say that users changed: pairs of their newest event and their key."""
    _RAISE_USER.run_many(connection, list(newest))


def raise_catalogue(connection: Connection, ns: Namespace) -> int:
    """Say that items of a namespace change in this transaction, and return the number of the change."""
    return int(_RAISE_CATALOGUE.run(connection, ns.key).scalar_one())


def next_keys(connection: Connection, count: int) -> list[int]:
    """Return keys for new events, in the order of receipt; the write transaction must be this process's own."""
    if connection.dialect.name == "sqlite":
        last = max((seq for (seq,) in _LAST_EVENT.tuples(connection)), default=0)
        return list(range(last + 1, last + 1 + count))
    sequence = text("SELECT nextval(pg_get_serial_sequence('events', 'key')) FROM generate_series(1, :count)")
    return sorted(connection.execute(sequence, {"count": count}).scalars())


EVENT_COLUMNS = [column.name for column in events.c]
INSERT_EVENT = inserts(events, *EVENT_COLUMNS)
