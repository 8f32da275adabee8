"""`Chores`: what a service does now and then, in one of its workers at a time: what is kept too long is deleted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from palate.errors import DataError, PalateError
from palate.locks import only_writer
from palate.serve import measures
from palate.serve.logs import log

SECONDS = 3600.0  # between two rounds
FIRST_SECONDS = 60.0  # before the first: a service that is started anew every hour cleans, too
LOCK = "chores"  # file in the store's folder; whoever holds it does the round


class Chores:
    """A thread that does a job every hour, unless another worker is at it. Ends at the end of its ``with`` block.

    Args:
        folder: of the store's files, which all workers share.
        job: what is done.
        seconds: between two rounds.
        first: before the first round.
        lock: name of the file; whoever holds it does the round.
        what: the job is, for the log.
        tell: is told "done" or "failed" of each round.
    """

    def __init__(
        self,
        folder: Path,
        job: Callable[[], object],
        *,
        seconds: float = SECONDS,
        first: float = FIRST_SECONDS,
        lock: str = LOCK,
        what: str = "the cleaning of the store",
        tell: Callable[[str], None] = lambda result: measures.CHORES.labels(result).inc(),
    ) -> None:
        self._lock, self._job, self._seconds, self._first = folder / lock, job, seconds, first
        self._what, self._tell = what, tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"palate-{lock}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        wait = self._first
        while not self._ended.wait(wait):
            self.round()
            wait = self._seconds

    def round(self) -> bool:
        """Do the job once, unless another worker does it now; return whether it was done.

        What fails is logged and counted, and tried again in the next round.
        """
        try:
            with only_writer(self._lock, self._what):
                self._job()
        except DataError as error:
            code: str = error.code
            if code == "locked":
                return False
            log.exception("%s failed", self._what)
        except (PalateError, OSError):
            log.exception("%s failed", self._what)
        else:
            self._tell("done")
            return True
        self._tell("failed")
        return False
