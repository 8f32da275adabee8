"""The folder that a trainer writes its model into, and those that killed trainers left behind."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from palate.atomic import replacing
from palate.store import owners
from palate.store.versions.folders import folder_of_all

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

OWNER = "owner"  # a file that says whose the folder is


@contextmanager
def folder(store: Store, ns: Namespace) -> Iterator[Path]:
    """Make a folder beside the versions, gone at the end; what trainers that were killed here left goes first."""
    parent = folder_of_all(store, ns)
    _sweep(parent)
    made = parent / f".retrain-{os.getpid()}-{secrets.token_hex(4)}"
    made.mkdir()
    try:
        with replacing(made / OWNER) as file:
            file.write(owners.here().encode())
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove what processes left that are gone for certain; what is another machine's goes after a day (`prune`)."""
    for entry in parent.glob(".retrain-*-*"):
        owner = entry / OWNER
        if owner.is_file() and owners.is_gone(owner.read_text(encoding="utf-8")):
            shutil.rmtree(entry, ignore_errors=True)
