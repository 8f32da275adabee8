"""One process at a time works into an output: a lock that the system lets go of when its holder ends, however it ends.

The lock is of an open file (flock of POSIX; locking of Windows), and not the file itself: what a killed process leaves
behind holds nobody up. The file says who holds it, for the one who comes second.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from palate.errors import DataError, Remedy, Set

log = logging.getLogger(__name__)

NAME = ".palate.lock"
HELD = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)
FAR = 1 << 30  # Windows locks bytes, and nobody may read them: one far behind what the file says


@contextmanager
def only_writer(output: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder, or of a file, while the block runs.

    Args:
        output: a folder that is there, or a file that may come.
        what: is done there, such as "a search", for whoever comes second.

    Raises:
        DataError: another process holds it: names process, machine and time.
        OSError: the file of the lock cannot be made.
    """
    path = output / NAME if output.is_dir() else output.with_name(f".{output.name}.lock")
    handle = _held(path, output)
    try:
        facts = {"process": os.getpid(), "machine": socket.gethostname(), "since": _now(), "what": what}
        os.truncate(handle, 0)
        os.write(handle, json.dumps(facts).encode())
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file; a lock that is not held holds nobody up
            path.unlink()
        os.close(handle)


def _held(path: Path, output: Path) -> int:
    """Return the open file of the lock, locked: of the one that stands there now, and no other process just removed."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            take(handle, path)
        except OSError as error:
            who = _holder(path)
            os.close(handle)
            if error.errno not in HELD:
                raise
            raise DataError(
                f"{output} is being written by {who}: wait until it ends, or end it",
                Remedy(", or choose another place with ", Set("out", "…")),
                code="locked",
                subject=output,
            ) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)


def take(handle: int, path: Path) -> None:
    """Lock an open file, without waiting.

    Raises:
        OSError: somebody else has it (`HELD`); a file system without locks is told in a warning.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            raise
        log.warning("%s cannot be locked (%s): see to it that no second process writes there", path.parent, error)


def release(handle: int) -> None:
    """Unlock a file that `take` locked."""
    with suppress(OSError):
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_UN)


def _holder(path: Path) -> str:
    """Return who holds a lock, in words."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return f"process {facts['process']} on {facts['machine']}, {facts['what']}, since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process, which has just begun"


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
