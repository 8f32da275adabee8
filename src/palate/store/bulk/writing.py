"""Chunks of events into the store, each in one transaction: a chunk is in it as a whole, or not at all.

An import that was stopped is typed again: what is there already is known by its ids, and counted as known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import IntegrityError

from palate.data.checking import Fault
from palate.errors import ConflictError
from palate.store.bulk.events import CONFLICT, Events
from palate.store.prepared import Among
from palate.store.records import UNDO, Namespace
from palate.store.rows import (
    EVENT_COLUMNS,
    INSERT_EVENT,
    add_items,
    add_users,
    item_keys,
    next_keys,
    raise_users,
    user_keys,
)
from palate.store.schema import events, items, users
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.store import Store

CHUNK = 20_000  # rows of a transaction: others wait for the write lock about half a second
_THERE = Among(
    lambda among: (
        select(
            *(events.c.event_id, events.c.key, users.c.id, items.c.id, events.c.kind, events.c.value, events.c.time),
            *(events.c.list_id, events.c.place, events.c.withdraws),
        )
        .select_from(events.join(users, users.c.key == events.c.user).outerjoin(items, items.c.key == events.c.item))
        .where(events.c.namespace == bindparam("namespace"), among)
    ),
    events.c.event_id,
    "namespace",
)
THERE = {
    "event_id": pl.String(),
    "key": pl.Int64(),
    "user_there": pl.String(),
    "item_there": pl.String(),
    "kind_there": pl.String(),
    "value_there": pl.Float64(),
    "time_there": pl.Int64(),
    "list_there": pl.Binary(),
    "place_there": pl.Int64(),
    "undone_there": pl.Int64(),
}


@dataclass
class Written:
    """What became of the events of a file.

    Attributes:
        new: events that were written.
        known: events that were there already, or stood twice in the file.
    """

    new: int = 0
    known: int = 0


def there(connection: Connection, ns: Namespace, ids: pl.Series) -> pl.DataFrame:
    """Return what the store has of these event ids."""
    rows = _THERE.rows(connection, ids.drop_nulls().unique().to_list(), ns.key)
    return pl.DataFrame([tuple(row) for row in rows], schema=THERE, orient="row")


def conflicts(connection: Connection, ns: Namespace, made: Events) -> list[Fault]:
    """Return the rows whose event id is another event's in the store, and undos of what is nowhere."""
    frame, faults = made.frame, []
    known = there(connection, ns, pl.concat([frame["event_id"], frame["withdraws"]]))
    other = _others(connection, ns, frame, known)
    if len(other):
        rows = np.sort(other["row"].to_numpy()).astype(np.intp)
        faults.append(Fault("invalid", "event_id", CONFLICT, rows, repr(other["event_id"][0])))
    return faults + _vain_undos(frame, known, _accounts(connection, ns, frame.filter(kind=UNDO)["user"]))


def _others(connection: Connection, ns: Namespace, rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose event id has another content in the store."""
    both = rows.join(known, on="event_id", how="inner", maintain_order="left")
    undone = known.select(withdraws="event_id", undone="key")
    both = both.join(undone, on="withdraws", how="left", maintain_order="left")
    user = both["user"].replace(_accounts(connection, ns, both["user"]))
    said = [pl.col(name).eq_missing(pl.col(f"{name}_there")) for name in ("user", "item", "kind", "value", "place")]
    time = pl.col("time").is_null() | (pl.col("time") == pl.col("time_there"))
    lists = pl.col("list_id").eq_missing(pl.col("list_there").bin.encode("hex"))
    undos = pl.col("undone").eq_missing(pl.col("undone_there"))
    return both.with_columns(user=user).filter(~pl.all_horizontal(*said, time, lists, undos))


def _accounts(connection: Connection, ns: Namespace, ids: pl.Series) -> dict[str, str]:
    """Return the account of each visitor that was merged into one: events of theirs are the account's."""
    account = users.alias("account")
    query = (
        select(users.c.id, account.c.id)
        .select_from(users.join(account, account.c.key == users.c.merged_into))
        .where(users.c.namespace == ns.key)
    )
    merged = dict(map(tuple, connection.execute(query).all()))
    return {one: merged[one] for one in ids.unique().to_list() if one in merged} if merged else {}


def _vain_undos(frame: pl.DataFrame, known: pl.DataFrame, accounts: dict[str, str]) -> list[Fault]:
    """Return the undos of an event that no row above and no row of the store has, or that is another person's."""
    undos = frame.filter(kind=UNDO).select("row", "user", "withdraws")
    if not len(undos):
        return []
    in_file = frame.filter(pl.col("kind") != UNDO).select("event_id", owner="user", above="row")
    in_store = known.filter(pl.col("kind_there") != UNDO).select("event_id", stored="user_there")
    found = undos.join(in_file, left_on="withdraws", right_on="event_id", how="left", maintain_order="left")
    found = found.join(in_store, left_on="withdraws", right_on="event_id", how="left", maintain_order="left")
    mine = (pl.col("owner") == pl.col("user")) & (pl.col("above") < pl.col("row"))
    stored = pl.col("stored") == pl.col("user").replace(accounts)
    vain = found.filter(~(mine.fill_null(value=False) | stored.fill_null(value=False)))
    if not len(vain):
        return []
    what = "is no event of this user above it in the file, or in the store"
    return [Fault("invalid", "withdraws", what, vain["row"].to_numpy().astype(np.intp), repr(vain["withdraws"][0]))]


class EventWriter:
    """Writes the events of one import.

    Args:
        store, ns: where to.
    """

    def __init__(self, store: Store, ns: Namespace) -> None:
        self.store, self.ns = store, ns
        with store.read() as connection:
            query = select(events.c.key).where(events.c.namespace == ns.key).limit(1)
            self.fresh = connection.execute(query).first() is None  # nothing to look up, as long as nobody else writes

    def write(self, chunk: pl.DataFrame) -> Written:
        """Write a chunk in one transaction.

        Raises:
            ConflictError: somebody wrote another event under an id of the chunk since the file was checked.
            UnavailableError: the store cannot be written now; nothing of the chunk was.
        """
        try:
            with self.store.write() as connection:
                return self._write(connection, chunk)
        except IntegrityError:
            if not self.fresh:
                raise
            self.fresh = False  # others write, too
            return self.write(chunk)

    def _write(self, connection: Connection, chunk: pl.DataFrame) -> Written:
        known = pl.DataFrame(schema=THERE)
        if not self.fresh or chunk["withdraws"].null_count() < len(chunk):
            known = there(connection, self.ns, pl.concat([chunk["event_id"], chunk["withdraws"]]))
        new = chunk.join(known, on="event_id", how="anti", maintain_order="left") if len(known) else chunk
        if len(known):
            self._check(connection, chunk, known)
        if len(new):
            self._insert(connection, new, known)
        return Written(len(new), len(chunk) - len(new))

    def _check(self, connection: Connection, chunk: pl.DataFrame, known: pl.DataFrame) -> None:
        other = _others(connection, self.ns, chunk, known)
        if len(other):
            words = "was written by somebody else since the file was checked: import the file again"
            raise ConflictError.of(f"event '{other['event_id'][0]}'", words, value=other["event_id"][0])

    def _insert(self, connection: Connection, new: pl.DataFrame, known: pl.DataFrame) -> None:
        time = now()
        people = new["user"].unique(maintain_order=True).to_list()
        goods = new["item"].drop_nulls().unique(maintain_order=True).to_list()
        user_of = user_keys(connection, self.ns, people)
        add_users(connection, self.ns, user_of, people, time)
        item_of = item_keys(connection, self.ns, goods)
        add_items(connection, self.ns, item_of, goods, time)
        keys = pl.Series("key", next_keys(connection, len(new)), dtype=pl.Int64)
        undone = dict(zip(known["event_id"], known["key"], strict=True))
        if new["withdraws"].null_count() < len(new):
            undone |= dict(zip(new["event_id"], keys, strict=True))
        rows = new.with_columns(
            keys,
            pl.lit(self.ns.key).alias("namespace"),
            _replaced("user", user_of),
            _replaced("item", item_of),
            _replaced("withdraws", undone),
            pl.col("time").fill_null(time),
            pl.col("received").fill_null(time),
            pl.col("list_id").str.decode("hex"),
        )
        put(connection, rows.select(EVENT_COLUMNS))
        newest = rows.group_by("user").agg(pl.col("key").max()).select("key", "user")
        raise_users(connection, newest.rows())


def _replaced(name: str, keys: dict[Any, int]) -> pl.Expr:
    column = pl.col(name)
    if not keys:
        return pl.lit(None, pl.Int64).alias(name)
    return column.replace_strict(list(keys), list(keys.values()), default=None, return_dtype=pl.Int64)


def put(connection: Connection, rows: pl.DataFrame) -> None:
    """Write whole rows of events: PostgreSQL takes them by COPY, which asks no plan for each."""
    if connection.dialect.name == "sqlite":
        INSERT_EVENT.run_many(connection, rows.rows())
        return
    names = ", ".join(f'"{name}"' for name in rows.columns)
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY events ({names}) FROM STDIN") as copy:
        for row in rows.iter_rows():
            copy.write_row(row)
