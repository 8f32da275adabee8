"""Chunks of events into the store, each in one transaction: a chunk is in it as a whole, or not at all.

An import that was stopped is typed again: what is there already is known by its ids, and counted as known.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from palate.errors import ConflictError
from palate.store import popular
from palate.store.bulk.comparing import FIELDS, key_of, others, there
from palate.store.kinds import kinds_of
from palate.store.records import Namespace
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
from palate.store.rule import Log
from palate.store.schema import events
from palate.store.times import now
from palate.store.tombstones import times_of

if TYPE_CHECKING:
    from palate.store.store import Store

CHUNK = 20_000  # rows of a transaction: others wait for the write lock about half a second


@dataclass
class WrittenEvents:
    """What became of the events of a file.

    Attributes:
        new: events that were written.
        known: events that were there already, or stood twice in the file.
        forgotten: events left out, because they are older than their user's wish to be forgotten.
    """

    new: int = 0
    known: int = 0
    forgotten: int = 0


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

    def write(self, chunk: pl.DataFrame) -> WrittenEvents:
        """Write a chunk in one transaction.

        Raises:
            ConflictError: somebody wrote another event under an id of the chunk since the file was checked.
            UnavailableError: the store cannot be written now; nothing of the chunk was.
        """
        try:
            with self.store.write() as connection:
                return self._write(connection, chunk)
        except (IntegrityError, sqlite3.IntegrityError):
            if not self.fresh:
                raise
            self.fresh = False  # others write, too
            return self.write(chunk)

    def _write(self, connection: Connection, chunk: pl.DataFrame) -> WrittenEvents:
        known = pl.DataFrame(schema=FIELDS)
        if not self.fresh or chunk["withdraws"].null_count() < len(chunk):
            known = there(connection, self.ns, chunk["event_id"], chunk["withdraws"])
            self._check(others(connection, self.ns, chunk, known))
        new = chunk.join(known, on="event_id", how="anti", maintain_order="left") if len(known) else chunk
        undone = dict(zip(known["event_id"], known["key"], strict=True))
        living = _living(connection, self.ns, new, undone)
        if len(living):
            self._insert(connection, living, undone)
        return WrittenEvents(len(living), len(chunk) - len(new), len(new) - len(living))

    def _check(self, other: pl.DataFrame) -> None:
        if len(other):
            words = "was written by somebody else since the file was checked: import the file again"
            raise ConflictError.of(f"event '{other['event_id'][0]}'", words, value=other["event_id"][0])

    def _insert(self, connection: Connection, new: pl.DataFrame, undone: dict[str, int]) -> None:
        time = now()
        people = new["user"].unique(maintain_order=True).to_list()
        goods = new["item"].drop_nulls().unique(maintain_order=True).to_list()
        user_of = user_keys(connection, self.ns, people)
        add_users(connection, self.ns, user_of, people, time)
        item_of = item_keys(connection, self.ns, goods)
        add_items(connection, self.ns, item_of, goods, time)
        keys = pl.Series("key", next_keys(connection, len(new)), dtype=pl.Int64)
        if new["withdraws"].null_count() < len(new):
            undone = undone | dict(zip(new["event_id"], keys, strict=True))
        rows = new.with_columns(
            keys,
            pl.lit(self.ns.key).alias("namespace"),
            key_of("user", user_of),
            key_of("item", item_of),
            key_of("withdraws", undone),
            pl.col("time").fill_null(time),
            pl.col("received").fill_null(time),
            pl.col("list_id").str.decode("hex"),
        )
        put(connection, rows.select(EVENT_COLUMNS))
        newest = rows.group_by("user", maintain_order=True).agg(pl.col("key").max()).select("key", "user")
        raise_users(connection, newest.rows())
        popular.record_log(
            connection, self.ns, _log(connection, self.ns, rows), rows["withdraws"].drop_nulls().to_list()
        )


def _living(connection: Connection, ns: Namespace, rows: pl.DataFrame, undone: dict[str, int]) -> pl.DataFrame:
    """Return the rows of nobody who was forgotten since they happened; of one without a time that is taken to be so."""
    gone = times_of(connection, ns, rows["user"].unique().to_list())
    if not gone:
        return rows
    until = pl.col("user").replace_strict(gone, default=None, return_dtype=pl.Int64)
    living = rows.filter(until.is_null() | (pl.col("time").fill_null(0) > until))
    targets = pl.Series([*undone, *living["event_id"]], dtype=pl.String).implode()
    return living.filter(pl.col("withdraws").is_null() | pl.col("withdraws").is_in(targets))


def _log(connection: Connection, ns: Namespace, rows: pl.DataFrame) -> Log:
    """Return the events among rows whose kind counts, as columns."""
    codes = kinds_of(connection, ns).codes
    known = rows.filter(pl.col("kind").is_in(list(codes)))
    kind = known["kind"].replace_strict(codes, return_dtype=pl.Int32)
    value = known["value"].fill_null(float("nan"))
    return Log(*(column.to_numpy() for column in (known["user"], known["item"], kind, value, known["time"])))


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
