"""Forget a person: every row, then every byte.

1. `forget`, one transaction: the person's events (and with them their ids, by which a retry is known), lists and pages,
   attributes, counters, and the visitors that were merged into them; counts a day lose their events; a tombstone is
   written, into the file beside the store as well. When it is committed nothing answers with them any more: workers see
   by the namespace's counter of changes that somebody is gone, and leave them out of the models that they hold.
2. `scrub`: kept model files are written anew without them, and the bytes that deleting leaves behind are removed.
   SQLite overwrites what is deleted (``secure_delete``), but its pages keep older copies of rows that they have moved:
   VACUUM writes the file anew, and a checkpoint empties the write-ahead log. PostgreSQL: VACUUM frees the rows, FULL
   writes the tables anew; its archived log and base backups keep what they hold until they expire.

A scrub that did not come to its end (a full disk, a kill) is a job that waits, and the next cleaning does it.
"""

from __future__ import annotations

import glob
import logging
import threading
import time as clock
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, delete, exists, select, update

from palate.errors import ConflictError, PalateError, Remedy, UnavailableError
from palate.store import jobs, popular, versions
from palate.store.checking import AHEAD
from palate.store.engine import BUSY
from palate.store.failures import explained
from palate.store.hashes import tombstone
from palate.store.ids import canonical
from palate.store.records import Namespace
from palate.store.schema import WAITS, events, list_pages, lists, namespaces, users
from palate.store.times import now as time_now
from palate.store.tombstones import USER, Tombstone, apart, append, bury
from palate.terminal import command

if TYPE_CHECKING:
    from palate.store.store import Store

log = logging.getLogger(__name__)

SCRUB = "scrub"  # kind of the job
QUICK = 256_000_000  # bytes of a file of SQLite that a service writes anew by itself
TRIES, PATIENCE, NAP = 40, 50, 0.05  # to empty SQLite's log, which a reader of an older state holds up for a moment
_SCRUBBING = threading.Lock()
TABLES = ("users", "events", "lists", "list_pages")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting took away; it names nobody.

    Attributes:
        users: rows of users, merged visitors with them; 0 where the store knew none of these ids.
        events, lists: rows.
        models: kept model files that were written anew.
        scrubbed: no byte is left in what the store writes; else a job waits for the next cleaning.
    """

    users: int
    events: int
    lists: int
    models: int = 0
    scrubbed: bool = False


def forget(store: Store, ns: Namespace, user: str | Iterable[str], *, scrub_now: bool = True) -> Forgotten:
    """Forget all about a person, or several; when this returns it is committed, and no list is made of them any more.

    An id that the store does not know is forgotten as well: a model or a backup may know it.

    Args:
        store, ns: where.
        user: id, or ids.
        scrub_now: also remove the bytes left in files, which takes as long as writing the store and the models anew;
            else the next cleaning does it.

    Raises:
        ParameterError: an id is none of this namespace.
        UnavailableError: the store, or the file of tombstones, cannot be written now: nobody was forgotten.
    """
    wanted = [canonical(ns, id_, "user") for id_ in ([user] if isinstance(user, str) else user)]
    with store.write() as conn:
        time = time_now()
        known = _known(conn, ns, wanted)
        stones = [_stone(store, ns, id_, time) for id_ in dict.fromkeys([*wanted, *known.values()])]
        counted = _delete_all(conn, ns, list(known))
        _after(conn, ns, stones)
        append(store, stones)  # last: what is in the file alone is forgotten when the store is opened next
    models = scrub(store) if scrub_now else None
    return Forgotten(len(known), *counted, models or 0, models is not None)


def replay(store: Store) -> int:
    """Forget again whoever the file of tombstones knows and the store does not: it was restored from a backup.

    Called when a store is opened, before anything is answered. A file that lost some is given those of the table.

    Returns:
        How many tombstones were new to the store.

    Raises:
        StoreError: the file is damaged.
        UnavailableError: the store cannot be written now.
    """
    count = 0
    for ns, new, lost in apart(store):
        if new:
            _forget_older(store, ns, new)
            count += len(new)
        if lost:  # with the folder
            with store.write():
                append(store, lost)
    if count:
        log.warning("%s was restored from a backup: %d people were forgotten again", store.url, count)
    return count


def scrub(store: Store, *, full: bool = False, most: int | None = None) -> int | None:
    """Remove what forgetting left in files, where a job waits for it; return how many model files were written anew.

    Args:
        store: where.
        full: write the database anew also where nobody was forgotten; on PostgreSQL with VACUUM FULL, which keeps
            everybody out of its tables meanwhile.
        most: bytes of a file of SQLite that is written anew: nobody else writes meanwhile, for a second or so for each
            100 MB. A larger one waits for `palate store clean`. None: of any size.

    Returns:
        None where it could not be ended: the job waits, the log says why. With ``most`` also where another thread of
        this process is at it, which takes the job with it.
    """
    if not _SCRUBBING.acquire(blocking=most is None):
        return None
    try:
        models = 0
        while (waiting := _waiting(store)) or full:
            models += sum(len(versions.rewrite(store, ns)) for ns in {ns.key: ns for ns, _ in waiting}.values())
            _check_size(store, most)
            compact(store, full=full)
            full = False
            for ns, number in waiting:
                with suppress(ConflictError), jobs.running(store, ns, number):  # another process ended it meanwhile
                    pass
        return models
    except PalateError as error:
        log.warning("bytes of people who were forgotten are still in files: %s", error)
        return None
    finally:
        _SCRUBBING.release()


def _waiting(store: Store) -> list[tuple[Namespace, int]]:
    """Return the jobs that wait, and those that a process began and did not end."""
    every = store.namespaces()
    with store.read() as conn:
        return [(ns, job.number) for ns in every for job in jobs.listed(conn, ns, SCRUB, jobs.OPEN)]


def copies(store: Store) -> list[Path]:
    """Return copies of a SQLite store that an upgrade left beside it: they hold whoever was forgotten since."""
    if store.engine.dialect.name != "sqlite":
        return []
    file = Path(str(store.engine.url.database))
    return sorted(file.parent.glob(f"{glob.escape(file.name)}.schema*.backup"))


def _check_size(store: Store, most: int | None) -> None:
    """Empty the log of SQLite alone where its file is too large to be written anew now.

    Raises:
        UnavailableError: it is.
    """
    if most is None or store.engine.dialect.name != "sqlite":
        return
    size = Path(str(store.engine.url.database)).stat().st_size
    if size > most:
        empty_log(store)
        raise UnavailableError.of(
            store.url,
            f"has {size / 1e6:,.0f} MB, and nobody could write while it is written anew: do it at a quiet hour",
            Remedy(f", with `{command('palate', 'store', 'clean', '--store', store.url)}`"),
        )


def compact(store: Store, *, full: bool = False) -> None:
    """Write the database anew, without what deleted rows left in its pages and its log.

    Raises:
        UnavailableError: readers held an older state for too long.
    """
    if store.engine.dialect.name == "sqlite":
        with store.lock.held():
            _run_alone(store, ["VACUUM"])
        empty_log(store)
    else:
        words = "FULL, ANALYZE" if full else "ANALYZE"
        _run_alone(store, [*(f"VACUUM ({words}) {table}" for table in TABLES), *(["CHECKPOINT"] if full else [])])


def empty_log(store: Store) -> None:
    """Move SQLite's write-ahead log into its file and cut it to nothing, under the lock of writers.

    Raises:
        UnavailableError: readers held an older state for too long.
    """
    for _ in range(TRIES):
        with store.lock.held():  # not between two tries: whoever rates goes on
            ((busy, *_),) = _run_alone(store, ["PRAGMA wal_checkpoint(TRUNCATE)"], wait=PATIENCE)
        if not busy:
            return
        clock.sleep(NAP)
    raise UnavailableError.of(store.url, "is read all the time, so that its log cannot be emptied: try again")


def _known(conn: Connection, ns: Namespace, wanted: Iterable[str]) -> dict[int, str]:
    """Return keys and ids of the rows of these people: visitors merged into them first, their own after."""
    own: dict[int, str] = {}
    visitors: dict[int, str] = {}
    for id_ in wanted:
        row = conn.execute(select(users.c.key).where(users.c.namespace == ns.key, users.c.id == id_)).first()
        if row is not None:
            own[row.key] = id_
            merged = select(users.c.key, users.c.id).where(users.c.namespace == ns.key, users.c.merged_into == row.key)
            visitors |= dict(map(tuple, conn.execute(merged)))
    return {**visitors, **{key: id_ for key, id_ in own.items() if key not in visitors}}


def _delete_all(conn: Connection, ns: Namespace, keys: list[int], until: int | None = None) -> tuple[int, int]:
    """Delete what the store has of some users, up to a time where one is given; return (events, lists)."""
    n_events = n_lists = 0
    for key in keys:
        old_events = [events.c.user == key, *([] if until is None else [_received_by(until)])]
        old_lists = [lists.c.user == key, *([] if until is None else [lists.c.time <= until])]
        popular.take_back(conn, ns, _counting(conn, old_events))
        conn.execute(delete(list_pages).where(list_pages.c.list.in_(select(lists.c.key).where(*old_lists))))
        n_lists += conn.execute(delete(lists).where(*old_lists)).rowcount
        n_events += conn.execute(delete(events).where(*old_events)).rowcount
        if until is None:
            conn.execute(delete(users).where(users.c.key == key))
    return n_events, n_lists


def _received_by(until: int) -> ColumnElement[bool]:
    """Return the condition that an event was received by a time; one that waits was received up to a day before."""
    waited = (events.c.received == events.c.time + WAITS) & (events.c.time <= until + AHEAD)
    return (events.c.received <= until) | waited


def _counting(conn: Connection, of: Sequence[ColumnElement[bool]]) -> list[popular.Happened]:
    """Return the events that are counted a day: all but undos and what they withdrew."""
    undo = events.alias("undo")
    query = select(events.c.item, events.c.kind, events.c.value, events.c.time)
    query = query.where(*of, events.c.item.is_not(None), ~exists().where(undo.c.withdraws == events.c.key))
    return [(item, kind, value, time) for item, kind, value, time in conn.execute(query)]


def _after(conn: Connection, ns: Namespace, stones: list[Tombstone]) -> None:
    """Write tombstones, tell the workers, and leave the job that removes the bytes."""
    bury(conn, ns, stones)
    conn.execute(update(namespaces).where(namespaces.c.key == ns.key).values(changes=namespaces.c.changes + 1))
    jobs.add(conn, ns, SCRUB)


def _stone(store: Store, ns: Namespace, id_: str, time: int) -> Tombstone:
    return Tombstone(ns.name, USER, tombstone(store.secret, ns, USER, id_), time)


def _forget_older(store: Store, ns: Namespace, stones: dict[bytes, int]) -> None:
    """Forget what the store has of forgotten people from before they were; what came after stays."""
    with store.write() as conn:
        rows = conn.execute(select(users.c.key, users.c.id).where(users.c.namespace == ns.key)).all()
        for key, id_ in rows:
            time = stones.get(tombstone(store.secret, ns, USER, id_))
            if time is not None:
                _forget_until(conn, ns, key, time)
        _after(conn, ns, [Tombstone(ns.name, USER, digest, time) for digest, time in stones.items()])


def _forget_until(conn: Connection, ns: Namespace, key: int, time: int) -> None:
    _delete_all(conn, ns, [key], until=time)
    came_back = select(events.c.key).where(events.c.user == key).limit(1)
    updated = conn.execute(select(users.c.updated).where(users.c.key == key)).scalar_one()
    if updated <= time and conn.execute(came_back).first() is None:
        listed = select(lists.c.key).where(lists.c.user == key).limit(1)
        if conn.execute(listed).first() is None:
            merged = [row.key for row in conn.execute(select(users.c.key).where(users.c.merged_into == key))]
            _delete_all(conn, ns, [*merged, key])
            return
    emptied = {"attributes": "{}"} if updated <= time else {}
    conn.execute(update(users).where(users.c.key == key).values(counter=users.c.counter + 1, **emptied))


def _run_alone(store: Store, statements: list[str], wait: int = BUSY) -> list[tuple[int, ...]]:
    """Run statements that no transaction may hold, and return the rows of the last one.

    Args:
        store, statements: what is run where.
        wait: milliseconds that SQLite waits for others.
    """
    rows: list[tuple[int, ...]] = []
    with explained(store.url):
        if store.engine.dialect.name == "sqlite":
            with closing(store.engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
                cursor.execute(f"PRAGMA busy_timeout={wait}")
                try:
                    for statement in statements:
                        rows = cursor.execute(statement).fetchall()
                finally:  # the connection goes back to the pool
                    cursor.execute(f"PRAGMA busy_timeout={BUSY}")
            return rows
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            for statement in statements:
                conn.exec_driver_sql(statement)
    return rows
