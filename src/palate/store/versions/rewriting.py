"""A version without some of its users: written beside its files, and put in their place by one rename."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from palate import files
from palate.atomic import sync_folder
from palate.errors import ModelFileError, ParameterError
from palate.files.forgetting import without_users
from palate.files.prepared import prepare, prepared_of
from palate.store.versions import folders
from palate.store.versions.keeping import ACTIVE, REMOVED, Version, listed, raise_changes, set_version, version_of
from palate.store.versions.loaded import load, positions

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store


def rewrite(store: Store, ns: Namespace, users: Sequence[str] | None = None) -> list[int]:
    """Rewrite the files of all versions that know one of these users; return their numbers.

    Workers that hold a version go on with the pages they have, and let them go when they load it anew: the counter of
    changes is raised. Call it with the tombstones written: until then they keep the users unknown.

    Args:
        store, ns: where.
        users: ids; None: of each version those to whom a tombstone applies. Whoever came again since stays in versions
            that were trained later, and a damaged version that is not active is removed: nobody can read who is in it.

    Raises:
        ModelFileError: a version's files are damaged, the first of them; the others were rewritten.
    """
    done, problem = [], None
    for version in listed(store, ns):
        try:
            if version.state != REMOVED and _without(store, ns, version, users):
                done.append(version.number)
        except ModelFileError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    return done


def forgotten_in(store: Store, ns: Namespace, number: int) -> list[str]:
    """Return the users of a version to whom a tombstone applies, as text: all of them are looked at.

    Raises:
        ModelFileError: its files are damaged.
    """
    loaded = load(store, ns, number)
    texts = [str(user) for user in loaded.model.users_.values] if loaded.forgotten else []
    return [user for user in texts if loaded.is_forgotten(user)]


def _without(store: Store, ns: Namespace, version: Version, users: Sequence[str] | None) -> bool:
    if users is not None:
        return _rewritten(store, ns, version, users)
    try:
        return _rewritten(store, ns, version, forgotten_in(store, ns, version.number))
    except ModelFileError:
        if version.state == ACTIVE:
            raise
        _removed(store, ns, version)
        return True


def _rewritten(store: Store, ns: Namespace, version: Version, users: Sequence[str]) -> bool:
    folder = folders.folder_of(store, ns, version.number)
    path, new = folder / folders.MODEL, folder / f"new-{folders.MODEL}"
    if not users:
        return False
    known = files.load(path).users_
    index = positions(known, users)
    ids = known.at(index[index >= 0]).to_list()
    if not ids:
        return False
    try:
        without_users(path, new, ids)
    except ParameterError:  # nobody would be left
        _removed(store, ns, version)
        return True
    before = prepared_of(path)
    prepare(new)  # under the name that its checksum gives, which the old one does not have
    digest, size = folders.digest_of(new), new.stat().st_size
    new.replace(path)
    sync_folder(folder)
    before.unlink(missing_ok=True)
    sync_folder(folder)
    with store.write() as conn:
        raise_changes(conn, ns)  # first, as `activate` does: whoever else writes details waits here
        now = version_of(conn, ns, version.number).details
        details = {**now, "bytes": size, "users": now["users"] - len(ids)}
        set_version(conn, ns, version.number, digest=digest, details=json.dumps(details))
    return True


def _removed(store: Store, ns: Namespace, version: Version) -> None:
    """Remove a version that knows nobody else; where it was active, lists are popular ones until there is a new one."""
    with store.write() as conn:
        raise_changes(conn, ns)
        set_version(conn, ns, version.number, state=REMOVED)
    folders.remove(folders.folder_of(store, ns, version.number))
