"""A store that is open: its transactions, its namespaces, and the counters that tell what changed."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from palate.errors import ConflictError, NotFoundError, ParameterError, StoreError
from palate.store import engine as engines
from palate.store.failures import explained
from palate.store.ids import checked_text
from palate.store.locking import WriteLock
from palate.store.prepared import Among, PreparedSQL
from palate.store.records import DEFAULT, Counters, IdKind, Namespace
from palate.store.schema import meta, namespaces, users
from palate.store.tombstones import apart
from palate.store.upgrading import make_or_check, new_namespace
from palate.store.writing import GroupCommit

_NAMESPACE = (namespaces.c.key, namespaces.c.name, namespaces.c.id_kind)
_OF_NAMESPACE = PreparedSQL(
    select(namespaces.c.changes, namespaces.c.catalogue).where(namespaces.c.key == bindparam("namespace")), "namespace"
)
_OF_USERS = Among(
    lambda among: select(users.c.id, users.c.counter, users.c.last_event, users.c.merged_into).where(
        users.c.namespace == bindparam("namespace"), among
    ),
    users.c.id,
    "namespace",
)
_OF_ACCOUNTS = Among(lambda among: select(users.c.key, users.c.counter, users.c.last_event).where(among), users.c.key)


def open_store(url: str, folder: str | Path | None = None, create: bool = True) -> Store:
    """Open a store; an absent SQLite file, or an empty PostgreSQL database, becomes a new one.

    Args:
        url: ``sqlite:///shop.db``, ``postgresql+psycopg://…``, or the path of a SQLite file.
        folder: for model files and tombstones; without it beside a SQLite file (``shop.db.files``), and of PostgreSQL
            in the working folder by the database's name (``shop.files``).
        create: make the store where nothing is.

    Raises:
        ParameterError: the URL names no store.
        StoreError: it is no store, or of another schema; names the command that upgrades it.
        UnavailableError: the database cannot be reached now.

    Whoever was forgotten since a backup from which the store was restored is forgotten again before this returns.
    """
    where = engines.parsed(url)
    lock = WriteLock(engines.lock_file(where))
    with explained(engines.said(where)):
        make_or_check(where, lock, create=create)
        store = Store(where, folder_of_store(where, folder), lock)
    _forget_again(store)
    return store


def _forget_again(store: Store) -> None:
    """Forget whoever a backup brought back, before anybody is answered."""
    try:
        if apart(store):
            from palate.store.forgetting import replay

            replay(store)
    except BaseException:
        store.close()
        raise


def folder_of_store(where: URL, folder: str | Path | None) -> Path:
    """Return where a store's model files and tombstones are.

    Args:
        where: its URL.
        folder: that was asked for; None for the one beside it.
    """
    file = engines.file_of(where)
    if folder is not None:
        return Path(folder).absolute()
    if file is None:
        return Path(f"{where.database}.files").absolute()
    return file.with_name(file.name + ".files")


class Store:
    """A store; made by `open_store`, closed by ``close`` or at the end of a ``with`` block.

    Attributes:
        url: without a password.
        engine: SQLAlchemy's.
        folder: of model files.
        secret: 32 bytes that sign cursors and key the hashes of tombstones.
        writer: the group commit, for feedback and lists.
    """

    def __init__(self, where: URL, folder: Path, lock: WriteLock) -> None:
        self.url, self.folder, self.lock = engines.said(where), folder, lock
        self.engine = engines.connect(where)
        self._reading, self._writing = engines.reading(self.engine), engines.writing(self.engine)
        self._process = os.getpid()
        self._closed = threading.Event()
        # the last connection to a SQLite file that closes checkpoints: this one, under the lock
        held = self.engine.connect() if lock.path is not None else None
        self.writer = GroupCommit(self)
        self._end = weakref.finalize(self, _close, self.engine, held, lock, self.writer, self._closed)
        with self.read() as connection:
            self.secret: bytes = connection.execute(select(meta.c.secret)).scalar_one()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Read in one transaction: everything is of one moment.

        Raises:
            UnavailableError: the database cannot be read now.
        """
        self._check_process()
        with explained(self.url), self._reading.connect() as connection:
            connection.begin()
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Write in one transaction, committed when the block ends well; one writer at a time.

        Raises:
            UnavailableError: the database cannot be written now; nothing was.
        """
        self._check_process()
        with explained(self.url), self.lock.held(), self._writing.begin() as connection:
            yield connection

    def _check_process(self) -> None:
        if self._closed.is_set():
            raise StoreError.of(self.url, "was closed")
        if os.getpid() != self._process:
            raise StoreError.of(self.url, "was opened before this process was forked: open it in each process")

    def namespace(self, name: str = DEFAULT) -> Namespace:
        """Return a namespace.

        Raises:
            NotFoundError: there is none of this name.
        """
        with self.read() as connection:
            row = connection.execute(select(*_NAMESPACE).where(namespaces.c.name == name)).one_or_none()
        if row is None:
            raise NotFoundError.unknown("no namespace", name, [ns.name for ns in self.namespaces()])
        return Namespace(*row)

    def namespaces(self) -> list[Namespace]:
        """Return all namespaces, by name."""
        with self.read() as connection:
            rows = connection.execute(select(*_NAMESPACE).order_by(namespaces.c.name)).all()
        return [Namespace(*row) for row in rows]

    def create_namespace(self, name: str, id_kind: IdKind = "text", kinds: Any = None) -> Namespace:
        """Make a namespace.

        Args:
            name: 1 to 64 bytes of text.
            id_kind: what ids of users and items are, "text" or "integer".
            kinds: event kinds, or a list of their fields as JSON holds them; None for the usual ones.

        Raises:
            ConflictError: there is one of this name.
        """
        checked_text(name, "name", 64)
        if id_kind not in ("text", "integer"):
            raise ParameterError.outside("id_kind", "'text' or 'integer'", id_kind)
        row = new_namespace(name, id_kind, kinds)
        with self.write() as connection:
            try:
                key = connection.execute(insert(namespaces).values(row).returning(namespaces.c.key)).scalar_one()
            except IntegrityError as error:
                raise ConflictError.of(f"namespace '{name}'", "is there already", value=name) from error
        return Namespace(key, name, id_kind)

    def counters(self, ns: Namespace, ids: Iterable[str]) -> Counters:
        """Return what tells that something changed, in one transaction.

        Args:
            ns: the namespace.
            ids: of the users asked about.
        """
        with self.read() as connection:
            ((changes, catalogue),) = _OF_NAMESPACE.tuples(connection, ns.key)
            rows = _OF_USERS.tuples(connection, ids, ns.key)
            accounts = {into for *_, into in rows if into is not None}  # of merged visitors
            theirs = {key: now for key, *now in _OF_ACCOUNTS.tuples(connection, accounts)} if accounts else {}
        counters = {user: tuple(theirs.get(into, own)) for user, *own, into in rows}
        return Counters(changes, catalogue, counters)

    def close(self) -> None:
        """Write what waits, and close all connections."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _close(
    engine: Engine, held: Connection | None, lock: WriteLock, writer: GroupCommit, closed: threading.Event
) -> None:
    writer.close()
    closed.set()
    with lock.held():
        if held is not None:
            held.close()
        engine.dispose()
