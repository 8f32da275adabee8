"""Who was forgotten: keyed hashes and times, in the store and in a file beside it.

A tombstone stands for an id without being it. Whatever is older than it and comes back (a row in a model, in a restored
backup, in an import, an event that is sent again) is dropped; what comes later of the same id is somebody new.

The file ``tombstones.jsonl`` in the store's folder repeats those of the table, one JSON object a line: a database that
was restored from an older backup learns of them when it is opened (`palate.store.forgetting.replay`). Keep it out of
the backup of the database, or restore the newest one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from palate.atomic import sync_folder
from palate.errors import StoreError, UnavailableError
from palate.store.hashes import tombstone
from palate.store.prepared import PreparedSQL
from palate.store.records import Namespace
from palate.store.schema import meta, tombstones

if TYPE_CHECKING:
    from palate.store.store import Store

NAME = "tombstones.jsonl"
_NEWEST = PreparedSQL(
    select(func.max(tombstones.c.time)).where(
        tombstones.c.namespace == bindparam("namespace"), tombstones.c.side == bindparam("side")
    ),
    "namespace",
    "side",
)
USER = "user"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One that was forgotten.

    Attributes:
        namespace: its name.
        side: "user".
        digest: `palate.store.hashes.tombstone` of the id.
        time: microseconds; what is older is dropped.
    """

    namespace: str
    side: str
    digest: bytes
    time: int

    def line(self) -> str:
        """Return the line of the file."""
        fields = {"namespace": self.namespace, "side": self.side, "digest": self.digest.hex(), "time": self.time}
        return json.dumps(fields) + "\n"


def forgotten(conn: Connection, ns: Namespace, side: str = USER) -> dict[bytes, int]:
    """Return the digests of a namespace's forgotten ids, and when each was."""
    query = select(tombstones.c.digest, tombstones.c.time)
    query = query.where(tombstones.c.namespace == ns.key, tombstones.c.side == side)
    return {bytes(digest): time for digest, time in conn.execute(query)}


def times_of(conn: Connection, ns: Namespace, ids: Iterable[str], side: str = USER) -> dict[str, int]:
    """Return when each of these ids was forgotten, of those that were."""
    if not _newest(conn, ns, side):
        return {}
    buried, secret = forgotten(conn, ns, side), secret_of(conn)
    found = ((id_, buried.get(tombstone(secret, ns, side, id_))) for id_ in ids)
    return {id_: time for id_, time in found if time is not None}


def too_old(conn: Connection, ns: Namespace, times: Iterable[tuple[str, int]], side: str = USER) -> set[str]:
    """Return those ids of (id, time of what comes in) who were forgotten since.

    Costs one short query where nothing that comes in is older than the newest tombstone: the usual case.
    """
    newest = _newest(conn, ns, side)
    old = [(id_, time) for id_, time in times if time <= newest]
    forgotten_at = times_of(conn, ns, {id_ for id_, _ in old}, side) if old else {}
    return {id_ for id_, time in old if time <= forgotten_at.get(id_, -1)}


def bury(conn: Connection, ns: Namespace, stones: Iterable[Tombstone]) -> None:
    """Write tombstones in the caller's transaction; of one that is there the later time stays."""
    rows = [{"namespace": ns.key, "side": one.side, "digest": one.digest, "time": one.time} for one in stones]
    if rows:
        conn.execute(_BURY[conn.dialect.name], rows)


def secret_of(conn: Connection) -> bytes:
    """Return the secret of the store, which keys the digests."""
    return bytes(conn.execute(select(meta.c.secret)).scalar_one())


def file_of(store: Store) -> Path:
    """Return the file that repeats the tombstones."""
    return store.folder / NAME


def append(store: Store, stones: Iterable[Tombstone]) -> None:
    """Add tombstones to the file, in a write transaction; they, and its name, are on the disk when this returns.

    Raises:
        UnavailableError: the file cannot be written.
    """
    path, lines = file_of(store), "".join(one.line() for one in stones)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            _cut_to_whole_lines(path)
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise UnavailableError.of_disk("cannot keep who was forgotten in", path, error) from error


def _cut_to_whole_lines(path: Path) -> None:
    """Cut what a write that was cut short left: nobody was told that it is there."""
    written = path.read_bytes()
    if not written.endswith(b"\n") and written:
        os.truncate(path, written.rfind(b"\n") + 1)


def in_file(store: Store) -> dict[tuple[str, str, bytes], int]:
    """Return (namespace, side, digest) and the latest time of each tombstone in the file.

    A last line without its end, as a write that was cut short leaves it, is left out: nobody was told that it is there.

    Raises:
        StoreError: another line cannot be read.
    """
    try:
        lines = file_of(store).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return {}
    found: dict[tuple[str, str, bytes], int] = {}
    for number, line in enumerate(lines, 1):
        one = _parsed(store, line, number)
        of = one.namespace, one.side, one.digest
        found[of] = max(one.time, found.get(of, 0))
    return found


def apart(store: Store) -> list[tuple[Namespace, dict[bytes, int], list[Tombstone]]]:
    """Return, for each namespace where they differ, what the file has and the table lacks, and the reverse.

    Raises:
        StoreError: the file is damaged.
    """
    in_all, found = in_file(store), []
    for ns in store.namespaces():
        with store.read() as conn:
            buried = forgotten(conn, ns)
        times = {digest: time for (name, side, digest), time in in_all.items() if (name, side) == (ns.name, USER)}
        new = {digest: time for digest, time in times.items() if time > buried.get(digest, 0)}
        lost = [digest for digest, time in buried.items() if time > times.get(digest, 0)]
        if new or lost:
            found.append((ns, new, [Tombstone(ns.name, USER, digest, buried[digest]) for digest in lost]))
    return found


def _parsed(store: Store, line: bytes, number: int) -> Tombstone:
    try:
        fields: Mapping[str, Any] = json.loads(line)
        digest = bytes.fromhex(fields["digest"])
        return Tombstone(str(fields["namespace"]), str(fields["side"]), digest, int(fields["time"]))
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f"{file_of(store)}, line {number}: is no tombstone: restore the file from its newest copy, or remove the "
            "line where nobody's data was restored from a backup",
            code="damaged",
            subject=file_of(store),
            rows=[number],
        ) from None


def _newest(conn: Connection, ns: Namespace, side: str) -> int:
    ((newest,),) = _NEWEST.tuples(conn, ns.key, side)
    return newest or 0


def _bury(database: Any) -> Any:
    put = database.insert(tombstones)
    newer = put.excluded.time > tombstones.c.time
    return put.on_conflict_do_update(
        index_elements=["namespace", "side", "digest"], set_={"time": put.excluded.time}, where=newer
    )


_BURY = {"sqlite": _bury(sqlite), "postgresql": _bury(postgresql)}
