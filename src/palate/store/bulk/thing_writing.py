"""Chunks of users and items into the store, each in one transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlalchemy import Connection, Table, bindparam, select, update

from palate.store.attributes import title_words
from palate.store.bulk.things import Things
from palate.store.items import put_words
from palate.store.prepared import Among, PreparedSQL
from palate.store.records import Namespace
from palate.store.rows import add_items, add_users, item_keys, raise_catalogue, user_keys
from palate.store.schema import items, users
from palate.store.times import now
from palate.store.tombstones import times_of

if TYPE_CHECKING:
    from palate.store.store import Store

CHUNK = 10_000
USER_FIELDS = ("attributes", "hidden", "created", "updated")
ITEM_FIELDS = ("attributes", "hidden", "described", "deleted", "created", "updated")


def _there(table: Table, fields: tuple[str, ...]) -> Among:
    columns = (table.c.id, table.c.key, *(table.c[name] for name in fields))
    return Among(
        lambda among: select(*columns).where(table.c.namespace == bindparam("namespace"), among),
        table.c.id,
        "namespace",
    )


def _write(table: Table, fields: tuple[str, ...], **more: Any) -> PreparedSQL:
    values = {name: bindparam(name, type_=table.c[name].type) for name in fields}
    return PreparedSQL(update(table).where(table.c.key == bindparam("of")).values(values | more), *fields, *more, "of")


_USERS, _ITEMS = _there(users, USER_FIELDS), _there(items, ITEM_FIELDS)
_WRITE_USER = _write(users, USER_FIELDS, counter=users.c.counter + bindparam("counter"))
_WRITE_ITEM = _write(items, (*ITEM_FIELDS, "changed"))
_MERGE = PreparedSQL(
    update(users).where(users.c.key == bindparam("of")).values(merged_into=bindparam("account")), "account", "of"
)


@dataclass
class PutThings:
    """What became of the users or items of a file.

    Attributes:
        new: met for the first time.
        changed: there, and something of them is other now.
        known: there, and the same, or written later than the file says.
        forgotten: users left out, because they are older than their wish to be forgotten.
    """

    new: int = 0
    changed: int = 0
    known: int = 0
    forgotten: int = 0


class ThingWriter:
    """Writes the users or items of one import.

    Args:
        store, ns: where to.
    """

    def __init__(self, store: Store, ns: Namespace) -> None:
        self.store, self.ns = store, ns

    def write(self, made: Things, chunk: pl.DataFrame) -> PutThings:
        """Write a chunk in one transaction.

        Raises:
            UnavailableError: the store cannot be written now; nothing of the chunk was.
        """
        rows = chunk.rows(named=True)
        with self.store.write() as connection:
            if made.kind == "users":
                return self._users(connection, rows)
            return self._items(connection, rows)

    def _users(self, connection: Connection, given: list[dict[str, Any]]) -> PutThings:
        gone = times_of(connection, self.ns, [row["id"] for row in given])
        rows = [row for row in given if (row["updated"] or 0) > gone.get(row["id"], -1)]
        before = {row.id: row for row in _USERS.rows(connection, [row["id"] for row in rows], self.ns.key)}
        time = now()
        keys = user_keys(connection, self.ns, [row["id"] for row in rows])
        accounts = [row["merged_into"] for row in rows if row["merged_into"] is not None]
        keys |= user_keys(connection, self.ns, accounts)
        add_users(connection, self.ns, keys, [*(row["id"] for row in rows), *accounts], time)
        put, out = PutThings(forgotten=len(given) - len(rows)), []
        for row in rows:
            values = _values(row, before.get(row["id"]), USER_FIELDS, time, put)
            if values is not None:
                key = before[row["id"]].key if row["id"] in before else keys[row["id"]]
                out.append((*values, 1, key))
        _WRITE_USER.run_many(connection, out)
        self._merge(connection, rows, before, keys)
        return put

    def _merge(
        self, connection: Connection, rows: list[dict[str, Any]], before: dict[str, Any], keys: dict[str, int]
    ) -> None:
        """Let visitors who are new be their accounts; who was here before is merged by `palate store merge` alone."""
        new = [row for row in rows if row["merged_into"] not in (None, row["id"]) and row["id"] not in before]
        _MERGE.run_many(connection, [(keys[row["merged_into"]], keys[row["id"]]) for row in new])

    def _items(self, connection: Connection, rows: list[dict[str, Any]]) -> PutThings:
        ids = [row["id"] for row in rows]
        before = {row.id: row for row in _ITEMS.rows(connection, ids, self.ns.key)}
        time, put = now(), PutThings()
        written = []
        for row in rows:
            row["described"] = row["deleted"] is not True if row["described"] is None else row["described"]
            values = _values(row, before.get(row["id"]), ITEM_FIELDS, time, put)
            if values is not None:
                written.append((row["id"], values))
        if not written:
            return put
        keys = item_keys(connection, self.ns, ids)
        add_items(connection, self.ns, keys, ids, time)
        changed = raise_catalogue(connection, self.ns)
        _WRITE_ITEM.run_many(connection, [(*values, changed, keys[item]) for item, values in written])
        put_words(connection, self.ns, {keys[item]: title_words(json.loads(values[0])) for item, values in written})
        return put


def _values(
    row: dict[str, Any], before: Any, fields: tuple[str, ...], time: int, put: PutThings
) -> tuple[Any, ...] | None:
    """Return what is written of a row, None where the store has the same, or something newer; counts which."""
    if before is None:
        put.new += 1
        usual = {"created": time, "updated": time}
        return tuple(usual.get(name, False) if row[name] is None else row[name] for name in fields)
    values = {name: getattr(before, name) if row[name] is None else row[name] for name in fields}
    content = [name for name in fields if name not in ("created", "updated")]
    same = all(values[name] == getattr(before, name) for name in content)
    if same or (row["updated"] is not None and row["updated"] < before.updated):
        put.known += 1
        return None
    put.changed += 1
    values["updated"] = time if row["updated"] in (None, before.updated) else row["updated"]
    return tuple(values[name] for name in fields)
