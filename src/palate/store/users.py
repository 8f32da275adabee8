"""Users with attributes: written, read, hidden. Deleting one is `palate.store.forgetting`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, literal_column, select

from palate.errors import NotFoundError, shown
from palate.store.attributes import encoded
from palate.store.ids import canonical
from palate.store.many import updates
from palate.store.prepared import Among
from palate.store.records import Namespace, Thing
from palate.store.rows import add_users, user_keys
from palate.store.schema import users
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.store import Store

_GET = Among(
    lambda among: select(users.c.id, users.c.attributes, users.c.hidden, users.c.created, users.c.updated).where(
        users.c.namespace == bindparam("namespace"), among
    ),
    users.c.id,
    "namespace",
)
_WRITE = updates(
    users,
    *("attributes", "hidden", "updated", "namespace", "id"),
    where=("namespace", "id"),
    change=lambda given: {
        "attributes": given["attributes"],
        "hidden": given["hidden"],
        "counter": users.c.counter + literal_column("1"),
        "updated": given["updated"],
    },
)


def upsert(store: Store, ns: Namespace, things: Sequence[Thing]) -> None:
    """Write users: new ones, and new attributes, which take the place of all old ones, of those that are there.

    Raises:
        ParameterError: an id or attributes are none that the store keeps; nothing was written.
    """
    rows = {canonical(ns, thing.id, "user"): (encoded(thing.attributes), thing.hidden) for thing in things}
    with store.write() as connection:
        _put(connection, ns, rows)


def change(store: Store, ns: Namespace, user: str, make: Callable[[Thing], Thing]) -> None:
    """Write what a function makes of a user: they are read and written in one transaction.

    Raises:
        NotFoundError: the namespace has no such user.
        ParameterError: the attributes are none that the store keeps; nothing was written.
    """
    user = canonical(ns, user, "user")
    with store.write() as connection:
        found = get(connection, ns, [user]).get(user)
        if found is None:
            raise NotFoundError(f"there is no user {shown(user)}", subject="user", value=user)
        made = make(found)
        _put(connection, ns, {user: (encoded(made.attributes), made.hidden)})


def _put(connection: Connection, ns: Namespace, rows: dict[str, tuple[str, bool | None]]) -> None:
    time = now()
    add_users(connection, ns, user_keys(connection, ns, rows), rows, time)
    was = {row.id: row.hidden for row in _GET.rows(connection, rows, ns.key)}
    written = [
        (text, bool(was[user] if hidden is None else hidden), time, ns.key, user)
        for user, (text, hidden) in rows.items()
    ]
    _WRITE.run_many(connection, written)


def get(connection: Connection, ns: Namespace, ids: Iterable[str]) -> dict[str, Thing]:
    """Return the users that are there, by id."""
    return {row.id: thing_of(row) for row in _GET.rows(connection, ids, ns.key)}


def page(connection: Connection, ns: Namespace, after: str, n: int) -> list[Thing]:
    """Return so many users in the order of their ids, those behind an id, without merged visitors; "" is before all."""
    columns = users.c.id, users.c.attributes, users.c.hidden, users.c.created, users.c.updated
    chosen = select(*columns).where(users.c.namespace == ns.key, users.c.id > after, users.c.merged_into.is_(None))
    return [thing_of(row) for row in connection.execute(chosen.order_by(users.c.id).limit(n))]


def hide(store: Store, ns: Namespace, ids: Iterable[str], hidden: bool = True) -> int:
    """Keep users out of what others are shown, or let them in again; returns how many are there."""
    ids = [canonical(ns, each, "user") for each in ids]
    with store.write() as connection:
        there = get(connection, ns, ids)
        rows = [(encoded(thing.attributes), hidden, now(), ns.key, user) for user, thing in there.items()]
        _WRITE.run_many(connection, rows)
    return len(there)


def thing_of(row: Any) -> Thing:
    """Return a user or an item for its row."""
    return Thing(row.id, json.loads(row.attributes), bool(row.hidden), row.created, row.updated)
