"""Write a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` when the block ends well.

    The new bytes stand under a temporary name in the same folder until they are on the disk. Until the rename the old
    file is untouched; an error or Ctrl-C removes the temporary file (a killed process leaves it: ``.palate-*.tmp``).
    A symbolic link keeps pointing where it did: its target is replaced.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".palate-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # gone already where the rename was done
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened, and a rename needs no second sync
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
