"""One cache of compiled kernels for all processes of tests: what one compiles, the others load.

Numba's own is not made for several that write at once: two that add to an index at the same time take the same
number, and one then finds the other's code under its own types. So a process holds a function's lock while it looks
the function up and compiles it, and another that needs it meanwhile waits. The commands that tests start know nothing
of locks; they have a copy for each worker, which is given what the worker has compiled or loaded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CACHES = Path(__file__).resolve().parent.parent / ".pytest_cache" / "numba"


@contextmanager
def locked(path: Path, held: set[Path]) -> Iterator[None]:
    """Hold a lock that no other process holds; a second time within the first it is held already."""
    if path in held:
        yield
        return
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        held.add(path)
        try:
            yield
        finally:
            held.discard(path)


def copied(shared: Path, own: Path, function: str) -> None:
    """Copy a function's newer files: the old index goes first, and the new one comes when its data are there."""
    index, there = shared / f"{function}.nbi", own / f"{function}.nbi"
    if not index.exists() or (there.exists() and there.stat().st_mtime_ns == index.stat().st_mtime_ns):
        return
    own.mkdir(parents=True, exist_ok=True)
    there.unlink(missing_ok=True)
    for path in (*shared.glob(f"{function}.*.nbc"), index):
        shutil.copy2(path, own / f"{path.name}.new")
        (own / f"{path.name}.new").replace(own / path.name)


def share(shared: Path, own: Path | None = None) -> None:
    """Let this process compile into a cache that others compile into, too; copy what it has to a folder of its own."""
    from numba import config
    from numba.core import compiler_lock, dispatcher

    config.CACHE_DIR = str(shared)
    compile_one: Callable[..., Any] = dispatcher.Dispatcher.compile
    held: set[Path] = set()

    def compile_once(self: Any, sig: Any) -> Any:
        folder = self._cache.cache_path
        if folder is None:  # a function that is not to be cached
            return compile_one(self, sig)
        folder, function = Path(folder), self._cache._impl.filename_base
        # Numba's own lock first, as threads take it: who holds a function's lock waits for no thread of this process.
        # Two processes cannot wait for each other: a function's lock is held while those it calls are compiled, never
        # the other way round.
        with compiler_lock.global_compiler_lock, locked(folder / f"{function}.lock", held):
            found = compile_one(self, sig)
            if own is not None:
                copied(folder, own / folder.name, function)
            return found

    dispatcher.Dispatcher.compile = compile_once


if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["NUMBA_CACHE_DIR"] = str(CACHES / worker)  # of the commands that tests start; Numba reads it first
    if os.name == "posix":  # elsewhere there are no such locks, and each worker compiles for itself
        share(CACHES / "shared", CACHES / worker)
