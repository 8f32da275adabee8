"""A version as a worker holds it: mapped files, and who of its users was forgotten since."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from palate.data.ids import Id, Ids
from palate.errors import ModelFileError, StoreError
from palate.files.prepared import load_prepared, prepare
from palate.models import Recommender
from palate.store.hashes import tombstone
from palate.store.locking import WriteLock
from palate.store.schema import tombstones
from palate.store.versions import folders
from palate.store.versions.candidates import Candidates, opened
from palate.store.versions.keeping import ACTIVE, Version, active, befores, listed, version_of

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

log = logging.getLogger(__name__)
LOCK, PATIENCE = ".prepare.lock", 900.0  # seconds; of five million items it takes one minute


@dataclass(frozen=True, eq=False)
class Loaded:
    """A version that answers; nothing of it ever changes.

    Attributes:
        number: the version's.
        key: the model's: "ials", …
        model: fitted; its arrays are mapped, and shared with all workers.
        trained: when its file was made, microseconds.
        newest_event: time of the newest event that it has learned from, where that is known.
        trained_to: key of the newest event of this log in it; None where it was trained elsewhere.
        forgotten: digests of the users whose rows in it may not be used.
        candidates: proposes items of a large catalogue; None where all are scored.
        error: why the active version is not this one, where it cannot be read; else None.
        ns: the namespace.
        secret: of the store, which keys the digests.
    """

    number: int
    key: str
    model: Recommender
    trained: int
    newest_event: int | None
    trained_to: int | None
    forgotten: frozenset[bytes]
    ns: Namespace
    secret: bytes = field(repr=False)
    candidates: Candidates | None = None
    error: ModelFileError | None = None

    def users_index(self, users: Sequence[str]) -> NDArray[np.int32]:
        """Return the position of each user, -1 where the model does not know them, or may not any more."""
        index = positions(self.model.users_, users)
        if self.forgotten:
            for at in np.flatnonzero(index >= 0).tolist():
                if self.is_forgotten(users[at]):
                    index[at] = -1
        return index

    def is_forgotten(self, user: str) -> bool:
        """Return whether a user was forgotten after the model was trained on their feedback."""
        return tombstone(self.secret, self.ns, "user", user) in self.forgotten

    def items_index(self, items: Sequence[str]) -> NDArray[np.int32]:
        """Return the position of each item, -1 where the model does not know it."""
        return positions(self.model.items_, items)


def positions(ids: Ids, texts: Sequence[str]) -> NDArray[np.int32]:
    """Return where ids given as text stand, -1 for an unknown one; "01" is not the 1 of a model of integers."""
    if ids.kind == "text":
        return ids.index(texts, on_unknown="mark")
    numbers = [_number(text) for text in texts]
    index = ids.index([0 if number is None else number for number in numbers], on_unknown="mark")
    index[[number is None for number in numbers]] = -1
    return index


def load(store: Store, ns: Namespace, number: int) -> Loaded:
    """Return a version, its arrays mapped.

    Raises:
        NotFoundError: the namespace has no such version.
        ModelFileError: its model file, or its graph of items, is damaged or gone.
        UnavailableError: the store cannot be read now.
    """
    with store.read() as conn:
        version = version_of(conn, ns, number)
        gone = _forgotten(conn, ns)
    folder = folders.folder_of(store, ns, number)
    model = _model(folder / folders.MODEL)
    graph = opened(folder, version.details.get("candidates"), model)
    facts: dict[str, Any] = {
        name: getattr(version, name) for name in ("number", "trained", "newest_event", "trained_to")
    }
    return Loaded(
        **facts,
        key=version.model,
        model=model,
        forgotten=_applying(model, gone),
        ns=ns,
        secret=store.secret,
        candidates=graph,
    )


def _model(path: Path) -> Recommender:
    """Return the model of a folder; what is derived of it is made anew where another Palate made it, or it is damaged.

    Raises:
        ModelFileError: the model file is damaged or gone.
    """
    try:
        return load_prepared(path)
    except ModelFileError as error:
        problem = error
    if not path.exists():
        raise problem
    try:
        with WriteLock(path.with_name(LOCK), PATIENCE).held():  # one worker does it, the others wait
            return _mended(path)
    except StoreError as error:
        raise problem from error  # the folder may not be written


def _mended(path: Path) -> Recommender:
    try:
        return load_prepared(path)  # another worker was quicker, or the files were just being rewritten
    except ModelFileError as error:
        log.warning("%s: what is derived of it is made anew: %s", path, error)
    prepare(path)
    return load_prepared(path)


def load_active(store: Store, ns: Namespace) -> Loaded | None:
    """Return the active version; where its files are damaged, the one that was active before, with ``error`` set.

    None where no version was ever active.

    Raises:
        ModelFileError: the files of all of them are damaged: the error of the active one.
        UnavailableError: the store cannot be read now.
    """
    every = {version.number: version for version in listed(store, ns)}
    latest = next((version for version in every.values() if version.state == ACTIVE), None)
    if latest is None:
        return None
    error: ModelFileError | None = None
    for number in (latest.number, *befores(every, latest)):
        try:
            return replace(load(store, ns, number), error=error)
        except ModelFileError as problem:
            log.error("namespace %s: model version %d cannot be loaded: %s", ns.name, number, problem)
            error = error or problem
    if error is None:
        raise TypeError("no version was tried")
    raise error


def renewed(store: Store, ns: Namespace, loaded: Loaded) -> Loaded:
    """Return the same version with the tombstones of this moment."""
    with store.read() as conn:
        gone = _forgotten(conn, ns)
    return replace(loaded, forgotten=_applying(loaded.model, gone))


def active_version(store: Store, ns: Namespace) -> Version | None:
    """Return which version is active, None for none."""
    with store.read() as conn:
        return active(conn, ns)


def _forgotten(conn: Connection, ns: Namespace) -> list[tuple[bytes, int]]:
    of_users = tombstones.c.namespace == ns.key, tombstones.c.side == "user"
    return [
        (bytes(digest), time)
        for digest, time in conn.execute(select(tombstones.c.digest, tombstones.c.time).where(*of_users))
    ]


def _applying(model: Recommender, gone: list[tuple[bytes, int]]) -> frozenset[bytes]:
    """Return the tombstones that are newer than what the model was trained on; all, where it does not say."""
    read = None if model.log_ is None else model.log_.read
    return frozenset(digest for digest, time in gone if read is None or time >= read)


def _number(text: str) -> Id | None:
    """Return the integer of 64 bits that a text writes in the one way that counts, None for another text."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 19 or str(int(text)) != text:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None
