"""The schema of a store: made where nothing is, checked at opening, and brought to the newest by `upgrade` alone.

Alembic's migrations run in one transaction, under the lock of writers. Before them a SQLite file is copied by SQLite's
backup API; of a PostgreSQL database somebody has to say that there is a backup.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, insert, inspect, select, text

from palate import atomic
from palate.errors import NotFoundError, ParameterError, Remedy, Set, StoreError
from palate.store import engine as engines
from palate.store import popular
from palate.store.failures import explained
from palate.store.kinds import Kinds, kinds_from
from palate.store.locking import WriteLock
from palate.store.records import DEFAULT, IdKind, Namespace
from palate.store.schema import NEWEST, meta, namespaces
from palate.store.times import now

MIGRATIONS = Path(__file__).parent / "migrations"
_ALEMBIC = threading.Lock()


def upgrade(url: str, backed_up: bool = False) -> tuple[int, int]:
    """Bring a store to the newest schema, and return the schema before and after.

    Args:
        url: of the store.
        backed_up: there is a backup; needed for PostgreSQL. SQLite's file is copied to ``<file>.schema<N>.backup``.

    Raises:
        StoreError: it is no store, or made by a newer Palate.
        ParameterError: PostgreSQL, and ``backed_up`` is not said.
        UnavailableError: it cannot be reached, or is locked.
    """
    where = engines.parsed(url)
    lock = WriteLock(engines.lock_file(where))
    _must_be_there(where)
    with explained(engines.said(where)), lock.held(), _alone(where) as connection:
        schema = _schema_of_store(where, connection)
        if schema < NEWEST:
            _keep_copy(where, schema, backed_up)
            migrate(connection, NEWEST)
            for row in connection.execute(select(namespaces.c.key, namespaces.c.name, namespaces.c.id_kind)).all():
                popular.recount(connection, Namespace(*row))  # by the kinds of each
            _check_references(where, connection)
    return schema, NEWEST


def make_or_check(where: URL, lock: WriteLock, create: bool) -> None:
    """Make a store where nothing is, and refuse one of another schema.

    Raises:
        NotFoundError: nothing is there, and ``create`` is false.
        StoreError: it is no store, or of another schema.
    """
    file = engines.file_of(where)
    if file is not None and _is_nothing(file):
        if not create:
            _must_be_there(where)
        with lock.held():
            if _is_nothing(file):  # nobody was quicker
                _make_file(file)
    with lock.held(), engines.once(where) as engine, engine.connect() as connection:
        schema = schema_of(connection)
    if schema == 0 and file is None and create:
        schema = _make_tables(where)
    _refuse_other(where, schema)


def _is_nothing(file: Path) -> bool:
    return not file.exists() or (file.is_file() and file.stat().st_size == 0)


def _must_be_there(where: URL) -> None:
    file = engines.file_of(where)
    if file is not None and _is_nothing(file):
        raise NotFoundError.of(file, "is not there: `palate serve --store` and `palate store import` make a new store")


def _make_file(file: Path) -> None:
    """Make a store under another name, so that no half one is ever seen, and rename it."""
    temporary = file.with_name(f".palate-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with closing(sqlite3.connect(temporary)) as plain:
            plain.execute("PRAGMA journal_mode=WAL")  # stays with the file
        with _alone(URL.create("sqlite", database=str(temporary))) as connection:
            make(connection)
        temporary.replace(file)
        atomic.sync_folder(file.parent)
    except OSError as error:
        raise StoreError.of_disk("cannot make the store", file, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _make_tables(where: URL) -> int:
    """Make a store in an empty database of PostgreSQL, unless another process just did."""
    with _alone(where) as connection:
        schema = schema_of(connection)
        if schema == 0:
            make(connection)
    return schema or NEWEST


def make(connection: Connection) -> None:
    """Make a store of the newest schema in an empty database: its tables, its secret, its first namespace."""
    migrate(connection, NEWEST)
    row = {"key": 1, "secret": secrets.token_bytes(32), "keys_changes": 0, "created": now()}
    connection.execute(insert(meta).values(row))
    connection.execute(insert(namespaces).values(new_namespace(DEFAULT, "text")))


def new_namespace(name: str, id_kind: IdKind, kinds: Any = None) -> dict[str, Any]:
    """Return the row of a new namespace."""
    counters = {"changes": 0, "catalogue": 0, "created": now()}
    said = "{}" if kinds is None else (kinds if isinstance(kinds, Kinds) else kinds_from(kinds)).to_json()
    return {"name": name, "id_kind": id_kind, "kinds": said, "settings": "{}", **counters}


def migrate(connection: Connection, schema: int) -> None:
    """Run migrations up to a schema in the transaction of a connection; Alembic does one at a time in a process."""
    from alembic import command  # hardly ever needed, and slow to import
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, str(schema))


def schema_of(connection: Connection) -> int:
    """Return the schema of a store, 0 of an empty database, -1 of one that is something else's."""
    if connection.dialect.name == "sqlite":
        names = set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars())
    else:
        names = set(inspect(connection).get_table_names())
    if not {"alembic_version", "meta", "namespaces"} <= names:
        return -1 if names else 0
    said = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return int(said) if said is not None and said.isascii() and said.isdigit() else -1


def _schema_of_store(where: URL, connection: Connection) -> int:
    """Return the schema of a store that may be upgraded.

    Raises:
        StoreError: it is none, or newer than this Palate.
    """
    schema = schema_of(connection)
    if schema < 1 or schema > NEWEST:
        _refuse_other(where, schema)
    return schema


def _refuse_other(where: URL, schema: int) -> None:
    store = engines.said(where)
    if schema < 1:
        raise StoreError.of(store, "is a database, and no store of Palate")
    if schema > NEWEST:
        raise StoreError.of(store, f"has schema {schema}, and this Palate knows {NEWEST}: install a newer Palate")
    if schema < NEWEST:
        raise StoreError.of(
            store,
            f"has schema {schema}, and this Palate needs {NEWEST}",
            Remedy(f": stop the service, then type `palate store upgrade {store}`"),
        )


def _keep_copy(where: URL, schema: int, backed_up: bool) -> None:
    """Copy a SQLite store beside it, whole or not at all; ask for a backup of PostgreSQL."""
    file = engines.file_of(where)
    if file is None:
        if not backed_up:
            raise ParameterError(
                f"{engines.said(where)} is upgraded in place: make a backup (pg_dump)",
                Remedy(", then say ", Set("backed_up", True)),
                subject="backed_up",
            )
        return
    copy = file.with_name(f"{file.name}.schema{schema}.backup")
    with (
        atomic.replacing(copy) as target,
        closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target.name)) as new,
    ):
        old.backup(new)


@contextmanager
def _alone(where: URL) -> Iterator[Connection]:
    """Yield a connection in a transaction that no other writer of this store shares."""
    with engines.once(where) as engine, engines.writing(engine).begin() as connection:
        if connection.dialect.name != "sqlite":
            connection.execute(text("SET LOCAL lock_timeout = '30s'"))
        yield connection


def _check_references(where: URL, connection: Connection) -> None:
    """See that tables which were made anew in SQLite still point at rows that are there."""
    if connection.dialect.name == "sqlite" and (bad := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
        raise StoreError.of(engines.said(where), f"was not upgraded: {len(bad)} rows point at rows that are not there")
