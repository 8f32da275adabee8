"""Write a file whole or not at all: the one door through which Palate writes to paths that users name."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

DAY = 24 * 3600.0  # seconds after which a temporary file counts as left over by a killed process
TEMPORARY = re.compile(r"\.palate-\d+-[0-9a-f]{8}\.tmp")

_KINDS = (
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` when the block ends well.

    The new bytes stand under a temporary name in the same folder until they are on the disk. Until the rename the old
    file is untouched; an error or Ctrl-C removes the temporary file. A killed process leaves it (``.palate-*.tmp``),
    and the first save into the folder a day later removes it. A symbolic link keeps pointing where it did: its target
    is replaced. Only a regular file is ever replaced.

    Raises:
        OSError: the file cannot be written, or ``path`` is a folder, a device, a pipe or a socket.
    """
    check_target(path)
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".palate-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        check_target(path)  # again: a rename asks nothing
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # gone already where the rename was done
    _remove_leftovers(path.parent)
    sync_folder(path.parent)


def check_target(path: Path) -> None:
    """Refuse to write over anything but a regular file; a path where nothing is, is well.

    Raises:
        OSError: the path, or what a symbolic link there points to, is a folder, a device, a pipe or a socket.
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "the name of a file cannot hold the character NUL")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file in it", str(path))
    if not stat.S_ISREG(mode):
        kind = next((word for is_kind, word in _KINDS if is_kind(mode)), "no regular file")
        raise OSError(errno.EINVAL, f"it is {kind}; only a regular file is replaced", str(path))


def _remove_leftovers(folder: Path) -> None:
    """Remove our own temporary files that are older than a day; no link is followed, no other user's file touched."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if TEMPORARY.fullmatch(entry.name) and _is_leftover(entry):
                with suppress(OSError):  # another save was quicker
                    Path(entry.path).unlink()


def _is_leftover(entry: os.DirEntry[str]) -> bool:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return is_ours and stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > DAY


def sync_folder(folder: Path) -> None:
    """Let the names in a folder be on the disk, too."""
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened, and a rename needs no second sync
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
