"""Add, activate, roll back, list and remove model versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, func, select, update

from palate import files
from palate.errors import ConflictError, ModelFileError, NotFoundError, PalateError
from palate.files.parquet_parts import is_folder_of_model
from palate.files.prepared import load_prepared, prepare
from palate.models import MODELS, Recommender
from palate.store import scenarios, uncounted
from palate.store.schema import namespaces, versions
from palate.store.times import now
from palate.store.versions import candidates, folders
from palate.store.versions.checking import check_ids, origin_of

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

READY, ACTIVE, RETIRED, FAILED, REMOVED = "ready", "active", "retired", "failed", "removed"
KEPT = 5  # versions whose files are kept


@dataclass(frozen=True, slots=True)
class Version:
    """A row of the list of versions; times in microseconds.

    Attributes:
        number: 1, 2, … in a namespace, never used again.
        model: the model's key: "ials", …
        state: "ready", "active", "retired" (it was active), "failed" (its files are damaged) or "removed" (they are
            gone).
        trained: when its file was made.
        newest_event: time of the newest event that it has learned from, where that is known.
        trained_to: key of the newest event of this log in it; None where it was trained elsewhere.
        activated: when it last became active.
        digest: SHA-256 of the model file.
        details: "users", "items", "bytes"; "candidates", of the graph of its items; "before", the version that was
            active when this one was activated; "error"; "verdict" of the gate, and the "job" that trained it.
    """

    number: int
    model: str
    state: str
    trained: int
    newest_event: int | None
    trained_to: int | None
    activated: int | None
    digest: bytes
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: RowMapping) -> Version:
        """Return the version of a row."""
        plain = {name: row[name] for name in cls.__slots__ if name != "details"}
        return cls(**plain, details=json.loads(row["details"]))


def add(
    store: Store,
    ns: Namespace,
    path: str | Path,
    *,
    many: int = candidates.MANY,
    details: Mapping[str, Any] | None = None,
) -> int:
    """Copy a model file into the store as a new version, and return its number; what is not whole is never listed.

    Args:
        store: the store.
        ns: whose version it becomes.
        path: what `palate.save` wrote, or Spark: a folder of partitioned Parquet becomes one file.
        many: from how many items on a graph of them is built, which finds candidates (extra ``ann``).
        details: what else is kept with it, such as a "verdict" (`palate.retraining`); it is there with the version.

    Raises:
        ModelFileError: the file is missing, damaged or hostile, or its ids are none of the namespace's.
        UnavailableError: the store cannot be written now.
    """
    path = Path(path)
    try:
        parent = folders.folder_of_all(store, ns)
        with folders.new_folder(parent) as folder:
            digest = _copied(path, folder / folders.MODEL)
            model = _checked(folder, path, ns)
            graph = candidates.build(model, folder, many)
            row = _row_of(store, ns, model, path, {"candidates": graph} if graph else {}) | {"digest": digest}
            row["details"] = json.dumps({**row["details"], **(details or {})})
            return _listed_as(store, ns, folder, row)
    except FileNotFoundError:
        raise ModelFileError(f"there is no model file {path}", code="not_found", subject=path) from None
    except OSError as error:
        raise ModelFileError.of_disk("cannot copy the model file", path, error) from error


def _copied(path: Path, target: Path) -> bytes:
    """Copy a model file, or write one of a folder; return its SHA-256."""
    if not is_folder_of_model(path):
        return folders.copy_synced(path, target)
    files.save(files.load(path), target)
    return folders.digest_of(target)


def activate(store: Store, ns: Namespace, number: int) -> Version:
    """Make a version the one that answers, after its files were read and checked once more; return it.

    Workers see it by the namespace's counter of changes, and go over to it when they have loaded it.

    Raises:
        NotFoundError: the namespace has no such version.
        ConflictError: its files were removed, or the gate refused it and nobody has overruled that.
        ModelFileError: its files are damaged; it is marked as failed, and the version that is active stays so.
    """
    return _activated(store, ns, number, back=False)


def roll_back(store: Store, ns: Namespace) -> Version:
    """Activate the version that was active before, and return it; again, the one before that.

    Raises:
        NotFoundError: no version is active, or none was before.
        ModelFileError: the files of all that were active before are damaged.
    """
    every = {version.number: version for version in listed(store, ns)}
    latest = next((version for version in every.values() if version.state == ACTIVE), None)
    problem: PalateError = NotFoundError.of(
        f"namespace '{ns.name}'", "has no version that was active before: there is nothing to roll back to"
    )
    for number in befores(every, latest):
        try:
            return _activated(store, ns, number, back=True)
        except ModelFileError as error:
            problem = error
    raise problem


def _activated(store: Store, ns: Namespace, number: int, *, back: bool) -> Version:
    """Check and activate a version; one gone back to keeps what was active before it, so that one can go on back."""
    with store.read() as conn:
        wanted = version_of(conn, ns, number)
    if wanted.state == REMOVED:
        raise ConflictError.of(f"version {number}", "was removed to save room: add its model file again", value=number)
    if not back and is_refused(wanted):
        raise ConflictError.of(
            f"version {number}",
            f"was refused by the gate ({wanted.details['verdict']['why']}): whoever lets it answer overrules that by "
            f"name, as in palate versions overrule {number} --by NAME",
            value=number,
        )
    try:
        wanted = check(store, ns, wanted)
    except ModelFileError as error:
        _fail(store, ns, wanted, error)
        raise
    with store.write() as conn:
        raise_changes(conn, ns)  # first: where two processes activate, the second waits here
        before = active(conn, ns)
        if before is not None and before.number != number:
            set_version(conn, ns, before.number, state=RETIRED)
            wanted = wanted if back else _with(wanted, before=before.number)
        details = {name: value for name, value in wanted.details.items() if name != "error"}
        set_version(conn, ns, number, state=ACTIVE, activated=now(), details=json.dumps(details))
        return version_of(conn, ns, number)


def is_refused(version: Version) -> bool:
    """Return whether the gate refused a version, and nobody has overruled that."""
    verdict = version.details.get("verdict")
    return verdict is not None and verdict["decision"] == "refused" and not verdict.get("overruled_by")


def listed(store: Store, ns: Namespace) -> list[Version]:
    """Return all versions of a namespace, the newest first."""
    with store.read() as conn:
        return _rows(conn, ns)


def prune(store: Store, ns: Namespace, keep: int = KEPT) -> list[int]:
    """Remove the files of versions older than the newest ``keep``; return their numbers, which stay listed.

    The active version, those that presets name, those by whose draws lists are still to be counted, and the one that a
    call of `roll_back` activates, always keep theirs.
    """
    with store.write() as conn:
        every = {version.number: version for version in _rows(conn, ns)}
        latest = active(conn, ns)
        whole = [number for number, version in every.items() if version.state != REMOVED]
        kept = {*whole[: max(keep, 0)], *befores(every, latest)[:1], *([] if latest is None else [latest.number])}
        kept |= named_by_presets(conn, ns) | uncounted.waited_for(conn, ns)
        gone = [number for number in whole if number not in kept]
        for number in gone:
            set_version(conn, ns, number, state=REMOVED)
    for number in gone:
        folders.remove(folders.folder_of(store, ns, number))
    folders.remove_leftovers(folders.folder_of_all(store, ns))
    return gone


def check(store: Store, ns: Namespace, version: Version) -> Version:
    """Read all that a version is made of; refuse a damaged model file, and make anew what is derived of a whole one.

    Returns:
        the version, with the details of what was made anew.

    Raises:
        ModelFileError: says what is damaged.
    """
    folder = folders.folder_of(store, ns, version.number)
    path, graph = folder / folders.MODEL, version.details.get("candidates")
    try:
        model = load_prepared(path)
    except ModelFileError:
        model = prepare(path)  # another Palate made it, or it alone is damaged
    try:
        candidates.opened(folder, graph, model)
    except ModelFileError:
        return _with(version, candidates=candidates.build(model, folder, 0))
    return version


def befores(every: Mapping[int, Version], latest: Version | None) -> list[int]:
    """Return the versions that were active before one, the latest first, as far as their files are there."""
    found: list[int] = []
    at = latest
    while at is not None:
        before = at.details.get("before")
        at = None if before in found or latest is None or before == latest.number else every.get(before or 0)
        if at is not None:
            found.append(at.number)
    return [number for number in found if every[number].state not in (REMOVED, FAILED)]


def active(conn: Connection, ns: Namespace) -> Version | None:
    """Return the active version, None where there is none."""
    row = conn.execute(select(versions).where(_of(ns), versions.c.state == ACTIVE)).mappings().first()
    return None if row is None else Version.of(row)


def version_of(conn: Connection, ns: Namespace, number: int) -> Version:
    """Return a version.

    Raises:
        NotFoundError: the namespace has none of this number.
    """
    at = number if type(number) is int and 0 < number < 2**31 else 0
    row = conn.execute(select(versions).where(_of(ns), versions.c.number == at)).mappings().first()
    if row is None:
        raise NotFoundError.of(f"namespace '{ns.name}'", f"has no model version {number!r:.60}", value=number)
    return Version.of(row)


def wanted_by(conn: Connection, ns: Namespace, model: int | str | None) -> int | None:
    """Return the number of the version that a preset's ``model`` means: None for None, the active one.

    Args:
        conn, ns: where.
        model: a number, or the key of a model, of which the newest version counts that is whole.

    Raises:
        NotFoundError: there is none, or its files are gone or damaged.
    """
    if model is None:
        return None
    if isinstance(model, int):
        found = version_of(conn, ns, model)
        if found.state in (REMOVED, FAILED):
            raise NotFoundError.of(f"model version {model}", f"is {found.state}: name another", value=model)
        return found.number
    whole = versions.c.state.not_in((REMOVED, FAILED))
    newest = select(func.max(versions.c.number)).where(_of(ns), versions.c.model == model, whole)
    number = conn.execute(newest).scalar() if model in MODELS else None
    if number is None:
        raise NotFoundError.of(f"namespace '{ns.name}'", f"has no version of the model '{model}'", value=model)
    return int(number)


def named_by_presets(conn: Connection, ns: Namespace) -> set[int]:
    """Return the versions that scenarios name."""
    found: set[int | None] = set()
    for one in scenarios.listed(conn, ns):
        with suppress(NotFoundError):
            found.add(wanted_by(conn, ns, one.preset.model if one.preset else None))
    return {number for number in found if number is not None}


def raise_changes(conn: Connection, ns: Namespace) -> None:
    """Tell all workers that something of the namespace changed; a second writer waits here."""
    conn.execute(update(namespaces).where(namespaces.c.key == ns.key).values(changes=namespaces.c.changes + 1))


def _of(ns: Namespace) -> Any:
    return versions.c.namespace == ns.key


def _rows(conn: Connection, ns: Namespace) -> list[Version]:
    rows = conn.execute(select(versions).where(_of(ns)).order_by(versions.c.number.desc())).mappings()
    return [Version.of(row) for row in rows]


def set_version(conn: Connection, ns: Namespace, number: int, **values: Any) -> None:
    """Write columns of a version's row."""
    conn.execute(update(versions).where(_of(ns), versions.c.number == number).values(**values))


def _with(version: Version, **details: Any) -> Version:
    plain = {name: getattr(version, name) for name in Version.__slots__}
    return Version(**{**plain, "details": {**version.details, **details}})


def _checked(folder: Path, path: Path, ns: Namespace) -> Recommender:
    """Return the model of a copied file; what is wrong with it is told of the file that was given."""
    copy = folder / folders.MODEL
    try:
        model = prepare(copy)
        check_ids(model, ns)
    except ModelFileError as error:
        raise error.renamed(str(copy), str(path)) from None
    return model


def _row_of(store: Store, ns: Namespace, model: Recommender, path: Path, more: Mapping[str, Any]) -> dict[str, Any]:
    origin = origin_of(store, ns, model)
    details: dict[str, Any] = {"users": len(model.users_), "items": len(model.items_), "bytes": path.stat().st_size}
    return {
        "namespace": ns.key,
        "model": model.key,
        "state": READY,
        "trained": path.stat().st_mtime_ns // 1000,
        "newest_event": origin.newest_event,
        "trained_to": origin.trained_to,
        "details": {**details, **more},
    }


def _listed_as(store: Store, ns: Namespace, folder: Path, row: Mapping[str, Any]) -> int:
    """Give a whole folder the next number, and list it."""
    with store.write() as conn:
        raise_changes(conn, ns)  # first: where two processes add, the second waits here
        newest = conn.execute(select(func.max(versions.c.number)).where(_of(ns))).scalar() or 0
        number = max(newest, folders.highest(folder.parent)) + 1
        folders.place(folder, folder.parent / str(number))
        conn.execute(versions.insert().values(number=number, **row))
    return number


def _fail(store: Store, ns: Namespace, version: Version, error: ModelFileError) -> None:
    """Mark a version whose files are damaged; the active one stays active, for workers hold it in memory."""
    state = ACTIVE if version.state == ACTIVE else FAILED
    with store.write() as conn:
        set_version(
            conn, ns, version.number, state=state, details=json.dumps(dict(_with(version, error=str(error)).details))
        )
