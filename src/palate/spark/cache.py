"""A folder that compiled kernels can be written to, chosen before Numba is imported.

An executor often runs as a user without a home, from packages that cannot be written to: Numba then refuses to load
any kernel that is to be kept. Such a process gets a folder of this user's in the temporary directory. Each process
there holds the lock of a folder of its own while it lives. Elsewhere processes share a folder, in which
`palate.kernels.compiling` lets several write at once.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import IO

VARIABLE = "NUMBA_CACHE_DIR"
SLOTS = 1024  # processes of one user on one machine
_held: list[IO[str]] = []  # the lock of this process's folder, until it ends


def ensure_kernel_cache() -> Path | None:
    """Choose a folder where Numba would find none; return it, or None where nothing needed to be chosen.

    Raises:
        OSError: the temporary directory cannot be written to either.
    """
    if any(writable(place) for place in _usual()):
        return None
    folder = _own_slot(_private(Path(tempfile.gettempdir())))
    os.environ[VARIABLE] = str(folder)
    if "numba" in sys.modules:  # it has read the variable already
        sys.modules["numba"].config.CACHE_DIR = str(folder)
    return folder


def kernel_place() -> Path:
    """Return the first folder that Numba can write kernels to.

    Raises:
        OSError: there is none.
    """
    ensure_kernel_cache()
    return next(place for place in _usual() if writable(place))


def writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, which is made where it is not there; as Numba asks."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _usual() -> list[Path]:
    """Return the folders that Numba tries for a module of this package, in its order."""
    from platformdirs import user_cache_dir

    chosen = os.environ.get(VARIABLE)
    package = Path(__file__).resolve().parent.parent / "kernels" / "__pycache__"
    return [*([Path(chosen)] if chosen else []), package, Path(user_cache_dir("numba", appauthor=False))]


def _private(temporary: Path) -> Path:
    """Return this user's folder in the temporary directory: kernels are loaded as code, so nobody else may write there.

    Raises:
        PermissionError: the folder is another user's, or open to others.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = temporary / f"palate-kernels-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if os.name == "posix" and (folder.is_symlink() or found.st_uid != user or found.st_mode & 0o022):
        raise PermissionError(f"{folder} is not this user's alone: remove it, or set {VARIABLE} to another folder")
    return folder


def _own_slot(folder: Path) -> Path:
    """Return the first folder within that no living process holds, and hold it."""
    for slot in range(SLOTS):
        lock = (folder / f"{slot}.lock").open("w")
        if _locked(lock):
            _held.append(lock)
            place = folder / str(slot)
            place.mkdir(exist_ok=True)
            return place
        lock.close()
    raise PermissionError(f"{folder} has {SLOTS} folders in use: set {VARIABLE} to another one")


def _locked(file: IO[str]) -> bool:
    """Return whether this process has now the lock of a file; Windows has no such locks, and shares."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
