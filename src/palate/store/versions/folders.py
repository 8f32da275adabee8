"""The folder of a version: written whole or not at all, and its path made of numbers alone."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from palate.atomic import DAY, sync_folder
from palate.errors import ModelFileError

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

MODEL = "model.safetensors"
PIECE = 1 << 20  # bytes copied at once


def folder_of_all(store: Store, ns: Namespace) -> Path:
    """Return the folder of a namespace's versions, made where it is not there; its name is on the disk then."""
    folder = store.folder / "models" / str(int(ns.key))
    missing = [made for made in (folder, *folder.parents) if not made.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        sync_folder(made.parent)
    return folder


def folder_of(store: Store, ns: Namespace, number: int) -> Path:
    """Return the folder of a version; a number is all that its name is made of."""
    return store.folder / "models" / str(int(ns.key)) / str(int(number))


def highest(folder: Path) -> int:
    """Return the highest number that a folder of versions holds, 0 for none."""
    return max((int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()), default=0)


@contextmanager
def new_folder(parent: Path) -> Iterator[Path]:
    """Make a folder of a name that no version has, and remove it at the end unless it was renamed."""
    folder = parent / f".new-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place(folder: Path, at: Path) -> None:
    """Give a whole folder its name; its files, and the names of both, are on the disk afterwards."""
    sync_folder(folder)
    folder.rename(at)
    sync_folder(at.parent)


def copy_synced(source: Path, target: Path) -> bytes:
    """Copy a file, its bytes on the disk when this returns; return their SHA-256.

    Raises:
        ModelFileError: the source is no ordinary file.
        OSError: it cannot be read, or the copy not be written.
    """
    digest = hashlib.sha256()
    if not stat.S_ISREG(source.stat().st_mode):  # a pipe would be waited for
        raise ModelFileError(f"{source} is refused: it is not an ordinary file", subject=source)
    with source.open("rb") as given, target.open("xb") as copy:
        while piece := given.read(PIECE):
            digest.update(piece)
            copy.write(piece)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.digest()


def digest_of(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def remove(folder: Path) -> None:
    """Remove a version's folder: first its name, so that it is never half there; workers keep the pages they hold."""
    if not folder.is_dir():
        return
    aside = folder.with_name(f".old-{os.getpid()}-{secrets.token_hex(4)}")
    folder.rename(aside)
    shutil.rmtree(aside)


def remove_leftovers(parent: Path) -> None:
    """Remove what processes that were killed a day ago left behind."""
    for entry in parent.glob(".*-*-*"):
        if time.time() - entry.stat().st_mtime > DAY:
            shutil.rmtree(entry, ignore_errors=True)
