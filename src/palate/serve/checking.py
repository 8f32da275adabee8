"""`findings`: what is wrong with a service's settings, its store, its models and its machine, before it starts.

Nothing is changed: a store that is not there is not made, and one of an older schema is not upgraded.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import URL, func, select, text

from palate import files
from palate.errors import NotFoundError, PalateError, ParameterError, StoreError, UnavailableError, nearest
from palate.parallel import default_threads
from palate.serve.access import is_loopback
from palate.serve.listening import listen
from palate.serve.settings import Settings
from palate.store import durability
from palate.store import engine as engines
from palate.store.failures import explained
from palate.store.schema import events, keys
from palate.store.store import folder_of_store, open_store
from palate.store.upgrading import schema_of
from palate.store.versions.checking import check_ids
from palate.store.versions.figures import read_figures

if TYPE_CHECKING:
    from palate.models import Recommender
    from palate.store.store import Store

Level = Literal["fine", "warning", "error"]
GB: Final = 10**9
ROOM: Final = GB  # bytes of disk below which somebody should know
NO_ROOM: Final = GB // 20  # below which a store soon refuses feedback
DAY: Final = 24 * 3600
LONG_AGO: Final = 1_767_225_600  # the start of 2026: a clock before it was never set
APART: Final = 5.0  # seconds between our clock and the database's
# what a service takes beside the files of its models: a little more than docs/operations.md's table measured
BASE_MB, WORKER_MB = 230, 175
OTHERS: Final = frozenset({"PALATE_DATA", "PALATE_CACHE"})  # variables of all commands
MEMORY: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/proc/meminfo"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: "fine", "warning" (it serves, and somebody should know) or "error" (it would not start, or lose data).
        what: what was found.
        do: what to do about it; nothing where all is well.
    """

    level: Level
    what: str
    do: str = ""


def findings(settings: Settings, models: Sequence[Path] = ()) -> list[Finding]:
    """Return what a service with these settings and model files would meet, the gravest first.

    Args:
        settings: of the service.
        models: files that would become versions.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        partial(_address, settings),
        partial(_store, settings),
        partial(_folder, settings),
        *(partial(_model, settings, path) for path in models),
        partial(_figures, settings),
        partial(_who_may_ask, settings),
        partial(_machine, settings, models),
        _environment,
    ]
    found = [one for check in checks for one in check()]
    return sorted(found, key=lambda one: ("error", "warning", "fine").index(one.level))


def _address(settings: Settings) -> Iterator[Finding]:
    try:
        listen(settings.host, settings.port).close()
    except ParameterError as error:
        yield Finding("error", str(error), "end what listens there, or say another --port or --host")
    else:
        yield Finding("fine", f"port {settings.port} of {settings.host} is free")


def _store(settings: Settings) -> Iterator[Finding]:
    """Look into the store; what its errors say names the fix."""
    try:
        where = engines.parsed(settings.store)
    except ParameterError as error:
        yield Finding("error", str(error), "say --store, or PALATE_STORE")
        return
    try:
        if _is_empty_database(where):
            yield Finding("fine", f"{engines.said(where)} is empty: the service makes its tables")
            return
        with open_store(settings.store, settings.folder, create=False) as store:
            yield from _opened(store, settings)
    except NotFoundError:
        yield _new_store(where)
    except UnavailableError as error:
        yield Finding("error", str(error), "start the database, or mend the address, and look again")
    except StoreError as error:
        yield Finding("error", str(error), "see docs/operations.md, Backup and Upgrade")


def _is_empty_database(where: URL) -> bool:
    """Return whether a server's database has nothing in it yet; a file is another matter."""
    if engines.file_of(where) is not None:
        return False
    with explained(engines.said(where)), engines.once(where) as engine, engine.connect() as conn:
        return schema_of(conn) == 0


def _new_store(where: URL) -> Finding:
    said, file = engines.said(where), engines.file_of(where)
    if file is not None and not file.parent.is_dir():
        return Finding("error", f"{said}: its folder {file.parent} is not there", f"mkdir -p {file.parent}")
    if file is not None and not _can_write(file.parent):
        return Finding("error", f"{said} is not there, and its folder cannot be written", "let this user write into it")
    return Finding("fine", f"{said} is not there yet: the service makes it")


def _opened(store: Store, settings: Settings) -> Iterator[Finding]:
    """Look into a store that opens."""
    if refused := _cannot_write(store):
        yield Finding("error", f"{store.url} can be read and not written", refused)
    else:
        yield Finding("fine", f"{store.url} is there, of this schema, and can be written")
    for doubt in durability.doubts(store):
        yield Finding("warning", doubt, "see docs/security.md, Acknowledged means committed")
    yield from _clock(store)
    yield from _keys(store, settings)


def _cannot_write(store: Store) -> str:
    """Return why a store cannot be written; nothing is written to find out, but SQLite's lock is taken."""
    with store.write() as conn:
        if store.engine.dialect.name == "sqlite":
            return ""
        if conn.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
            return "this is a replica: name the primary"
        granted = text("SELECT has_table_privilege('events', 'INSERT') AND has_table_privilege('lists', 'INSERT')")
        return "" if conn.execute(granted).scalar_one() else "grant this user INSERT, UPDATE and DELETE on its tables"


def _clock(store: Store) -> Iterator[Finding]:
    now = time.time()
    with store.read() as conn:
        newest = (conn.execute(select(func.max(events.c.received))).scalar() or 0) / 1e6
        theirs = now
        if store.engine.dialect.name != "sqlite":
            theirs = float(conn.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    if now < LONG_AGO or newest > now + DAY or abs(theirs - now) > APART:
        about = max((LONG_AGO - now, newest - now, abs(theirs - now)))
        yield Finding("warning", f"the clock of this machine is wrong by {about:,.0f} s at least", "let NTP set it")


def _keys(store: Store, settings: Settings) -> Iterator[Finding]:
    with store.read() as conn:
        some = conn.execute(select(keys.c.key).where(keys.c.revoked.is_(None)).limit(1)).first() is not None
    if some or is_loopback(settings.host):
        yield Finding("fine", "keys: " + ("there are some" if some else "none, and this machine alone may ask"))
        return
    asks = "the API answers nobody" if settings.page == "off" else "the API answers nobody, only the page works"
    yield Finding(
        "warning",
        f"no key was made, and {settings.host} lets other machines in: {asks}",
        "palate keys create --store … --role admin --name NAME",
    )


def _folder(settings: Settings) -> Iterator[Finding]:
    """Look at the folder of models and tombstones, and at the room on its disk."""
    try:
        folder = folder_of_store(engines.parsed(settings.store), settings.folder)
    except ParameterError:
        return  # no store: it was said
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir() or not _can_write(there):
        yield Finding("error", f"the folder {folder} cannot be written", f"let this user write into {there}")
        return
    free = shutil.disk_usage(there).free
    level: Level = "error" if free < NO_ROOM else "warning" if free < ROOM else "fine"
    yield Finding(level, f"the disk of {folder} has {free / GB:,.1f} GB left", "" if level == "fine" else "make room")


def _can_write(folder: Path) -> bool:
    """Return whether a file can be made in a folder; asking for rights would not see a read-only file system."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _model(settings: Settings, path: Path) -> Iterator[Finding]:
    """Read a model as the service would, and ask whether the namespace takes its ids."""
    try:
        model = files.load(path)
        _check_against(settings, model)
    except PalateError as error:
        yield Finding("error", f"{path}: {error}", "train it anew, or name another file")
        return
    except OSError as error:
        yield Finding("error", f"{path} cannot be read: {error.strerror}", "name another file, or mend its rights")
        return
    yield Finding("fine", f"{path} is a model: {model.key}, {len(model.items_):,} items")
    yield from _candidates(settings, len(model.items_))


def _check_against(settings: Settings, model: Recommender) -> None:
    """Refuse ids that the namespace cannot have; where there is no store yet, it will take these."""
    try:
        with open_store(settings.store, settings.folder, create=False) as store:
            known = {one.name: one for one in store.namespaces()}
    except PalateError:
        return  # said already, of the store
    if settings.namespace in known:
        check_ids(model, known[settings.namespace])


def _figures(settings: Settings) -> Iterator[Finding]:
    """Read what was measured of models as the service would."""
    if settings.figures is None:
        return
    try:
        measured = read_figures(settings.figures)
    except PalateError as error:
        yield Finding("error", str(error), "name another file with --figures, or none")
    else:
        yield Finding("fine", f"{settings.figures} has figures of {', '.join(measured)}")


def _candidates(settings: Settings, n_items: int) -> Iterator[Finding]:
    from importlib.util import find_spec

    from palate.store.versions.candidates import MANY

    if n_items >= (settings.candidates_from or MANY) and find_spec("usearch") is None:
        yield Finding(
            "warning",
            f"with {n_items:,} items each list is ranked in full: the extra 'ann' is missing",
            "pip install 'palate[ann]'",
        )


def _environment() -> Iterator[Finding]:
    """Look for variables that are meant for the service and name no setting of it: nothing else would tell."""
    known = {f"PALATE_{name.upper()}" for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.upper().startswith("PALATE_") and name.upper() not in known | OTHERS:
            near = nearest(name, known)
            fix = "docs/operations.md lists them" if near is None else f"did you mean {near}?"
            yield Finding("warning", f"the environment's {name} is no setting of the service", fix)


def _who_may_ask(settings: Settings) -> Iterator[Finding]:
    """Look at what is open to whom."""
    if is_loopback(settings.host) or settings.page == "off":
        return
    if settings.page == "demo":
        yield Finding(
            "warning",
            f"--page demo on {settings.host}: whoever reaches it sees every user's lists",
            "--page visitors, unless the data are public",
        )
    if not settings.trust_proxy:
        yield Finding(
            "warning",
            "the page's cookies go in the clear: nothing says that TLS stands in front",
            "put a proxy with TLS in front, and say --trust-proxy and --allow-host NAME",
        )


def _machine(settings: Settings, models: Sequence[Path]) -> Iterator[Finding]:
    cores = default_threads()
    if settings.workers > cores:
        yield Finding("warning", f"{settings.workers} workers share {cores} cores", f"--workers {cores}")
    needed = memory_of(settings.workers, sum(_size(path) for path in models))
    there = memory_there()
    words = f"about {needed / GB:.1f} GB of memory are needed"
    if there is not None and needed > there:
        yield Finding("warning", f"{words}, and {there / GB:.1f} GB are there", "fewer --workers, or more memory")
    else:
        yield Finding("fine", words + ("" if there is None else f"; {there / GB:.1f} GB are there"))


def _size(path: Path) -> int:
    if path.is_dir():  # of partitioned Parquet
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size if path.exists() else 0


def memory_of(workers: int, model_bytes: int) -> int:
    """Return the bytes that a service takes: its workers map one copy of the models' files.

    Args:
        workers: processes.
        model_bytes: of all model files.
    """
    return (BASE_MB + WORKER_MB * workers) * 10**6 + model_bytes


def memory_there() -> int | None:
    """Return the bytes that this process may still have: the container's limit or the machine's; None if unknown."""
    limit, machine = (one.read_text() if one.exists() else "" for one in MEMORY)
    known = [int(limit)] if limit.strip().isdecimal() else []
    known += [int(line.split()[1]) * 1024 for line in machine.splitlines() if line.startswith("MemAvailable:")]
    return min(known, default=None)


def ready(found: Sequence[Finding]) -> bool:
    """Return whether nothing of it stops the service."""
    return all(one.level != "error" for one in found)
