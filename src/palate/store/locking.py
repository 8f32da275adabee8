"""One writer at a time, over all processes that have a SQLite store open.

SQLite before 3.51.3 can corrupt its write-ahead log where two connections write and checkpoint at the same instant.
Whatever writes, checkpoints, or closes the last connection (which checkpoints) therefore holds one lock: of a file
beside the store, so that it ends with the process that held it, and of a mutex inside the process.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palate import locks
from palate.errors import StoreError, UnavailableError

PATIENCE = 10.0  # seconds to wait for another writer
FIRST_NAP, LONGEST_NAP = 0.0002, 0.005  # seconds between two tries


class WriteLock:
    """The lock of one store; ``path`` is the file that is locked, None where the database has a lock of its own.

    Args:
        path: beside the store; made where it is absent, and left there.
        patience: seconds to wait for another writer.
    """

    def __init__(self, path: Path | None, patience: float = PATIENCE) -> None:
        self.path, self.patience = path, patience
        self._mutex = threading.RLock()
        self._depth = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock while the block runs; a thread that has it may take it again.

        Raises:
            UnavailableError: somebody else held it for longer than the patience.
        """
        if self.path is None:
            yield
            return
        if not self._mutex.acquire(timeout=self.patience):
            raise self._busy()
        try:
            if self._depth:
                yield
                return
            with self._file_locked(self.path):
                self._depth = 1
                try:
                    yield
                finally:
                    self._depth = 0
        finally:
            self._mutex.release()

    @contextmanager
    def _file_locked(self, path: Path) -> Iterator[None]:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except OSError as error:
            raise StoreError.of_disk("cannot lock the store by", path, error) from error
        try:
            self._wait(handle, path)
            yield
        finally:
            locks.release(handle)  # not by closing alone: a fork may have a copy of the handle
            os.close(handle)

    def _wait(self, handle: int, path: Path) -> None:
        end, nap = time.monotonic() + self.patience, FIRST_NAP
        while True:
            try:
                return locks.take(handle, path)
            except OSError as error:
                if time.monotonic() > end:
                    raise self._busy() from error
            time.sleep(nap)
            nap = min(1.5 * nap, LONGEST_NAP)

    def _busy(self) -> UnavailableError:
        return UnavailableError.of(
            self.path,
            f"is locked by another writer for more than {self.patience:g} seconds: try again",
            code="unavailable",
        )
