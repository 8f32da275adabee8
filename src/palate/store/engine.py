"""Connections to a store: which database a URL names, how it is set, and how its transactions begin."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.pool import NullPool

from palate.errors import ParameterError, Remedy, StoreError

BUSY = 10_000  # milliseconds that SQLite waits for a program that knows nothing of our lock
PATIENCE = 10  # seconds to wait for a connection
CONNECTIONS = 20  # at most, of one process
WRITES = "palate_writes"  # execution option: this connection begins write transactions
LOCK = 0x70616C617465  # "palate": PostgreSQL's advisory lock of a store's writers
_LOCK_AND_SYNC = (  # a commit waits for the disk, whatever the server's default
    f"SELECT pg_advisory_xact_lock({LOCK}), set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)"
)
SETTINGS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": BUSY}


def parsed(url: str) -> URL:
    """Return the URL of a store: sqlite:///FILE, postgresql+psycopg://…, or the path of a SQLite file alone.

    Raises:
        ParameterError: it names neither a SQLite file nor a PostgreSQL database.
    """
    try:
        where = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (exc.ArgumentError, ValueError) as error:
        raise _no_store(url) from error
    name = where.get_backend_name()
    if name in ("postgresql", "postgres"):
        return where.set(drivername="postgresql+psycopg")
    if name != "sqlite" or where.database in (None, "", ":memory:") or where.query:
        raise _no_store(url)
    return where


def _no_store(url: str) -> ParameterError:
    hint = Remedy(": write sqlite:///shop.db (a file) or postgresql+psycopg://USER@HOST/DATABASE")
    return ParameterError("this URL names no store", hint, subject="store")  # not the URL: it may hold a password


def said(url: URL) -> str:
    """Return a URL as messages show it, without its password."""
    shown = {name: "***" if "password" in name else value for name, value in url.query.items()}
    return url.set(query=shown).render_as_string(hide_password=True)


def file_of(url: URL) -> Path | None:
    """Return the file of a SQLite store, None for PostgreSQL."""
    return Path(str(url.database)).absolute() if url.get_backend_name() == "sqlite" else None


def lock_file(url: URL) -> Path | None:
    """Return the file whose lock the writers of a SQLite store hold."""
    file = file_of(url)
    return None if file is None else file.with_name(file.name + ".lock")


def connect(url: URL) -> Engine:
    """Return an engine whose connections keep what is committed, also where the power fails.

    SQLite: write-ahead log, synchronous=FULL, foreign keys, deleted bytes overwritten, asserted for each connection.
    PostgreSQL: pinged before use, so that a restart of the server is noticed by nobody.
    """
    options: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": PATIENCE}
    file = file_of(url)
    if file is None:
        engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10}, **options)
        event.listen(engine, "connect", _set_on_postgres)
        event.listen(engine, "begin", _begin_on_postgres)
        return engine
    engine = create_engine(url.set(database=str(file)), connect_args={"isolation_level": None}, **options)
    event.listen(engine, "connect", _set)
    event.listen(engine, "begin", _begin_on_sqlite)
    return engine


@contextmanager
def once(url: URL) -> Iterator[Engine]:
    """Return an engine that reads or changes a schema: nothing is set, and foreign keys are not checked."""
    engine = create_engine(url, poolclass=NullPool)
    if file_of(url) is not None:
        event.listen(engine, "connect", _manual)
        event.listen(engine, "begin", _begin_on_sqlite)
    else:
        event.listen(engine, "begin", _begin_on_postgres)
    try:
        yield engine
    finally:
        engine.dispose()


def writing(engine: Engine) -> Engine:
    """Return an engine whose transactions are those of a writer."""
    return engine.execution_options(**{WRITES: True})


def reading(engine: Engine) -> Engine:
    """Return an engine whose transactions see one moment, and write nothing."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _manual(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY}")


def _set(connection: sqlite3.Connection, _: object) -> None:
    """Set a new connection of SQLite, and see that the database took it."""
    cursor = connection.cursor()
    for name, value in SETTINGS.items():
        cursor.execute(f"PRAGMA {name}={value}")
        (now,) = cursor.execute(f"PRAGMA {name}").fetchone()
        if now != value:
            raise StoreError.of("the SQLite store", f"does not take the setting {name}={value}: it stays at {now}")
    cursor.execute("PRAGMA cache_size=-16000")  # 16 MB
    cursor.execute("PRAGMA wal_autocheckpoint=4000")  # pages: what is written often is copied into the file once
    cursor.close()


def _set_on_postgres(connection: Any, _: object) -> None:
    """Let a new connection of PostgreSQL find a handful of ids by the index, not by a pass over a table still small.

    Its planner takes a disk that turns for granted (4); a group commit then spends more on reading than on writing.
    """
    connection.execute("SET random_page_cost = 1.1")
    connection.commit()


def _begin_on_sqlite(connection: Connection) -> None:
    """Begin a transaction of SQLite ourselves: Python's driver would begin one before the first write alone."""
    writes = connection.get_execution_options().get(WRITES)
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_on_postgres(connection: Connection) -> None:
    """Let writers follow one another, as in SQLite, so that events are committed in the order of their keys."""
    if connection.get_execution_options().get(WRITES):
        connection.exec_driver_sql(_LOCK_AND_SYNC)
