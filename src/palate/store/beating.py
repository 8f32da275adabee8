"""`Beating`: a thread that says every few seconds that a job still runs here, and hears whether it is to stop."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy import select, update

from palate.errors import PalateError
from palate.store.schema import jobs
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.store import Store

log = logging.getLogger(__name__)
LISTEN_SECONDS, BEAT_SECONDS = 1.0, 10.0


class Beating:
    """Beats for one job until the end of its ``with`` block.

    Args:
        store, number: which job.
        when_asked: called once when somebody asks it to stop.
    """

    def __init__(self, store: Store, number: int, when_asked: Callable[[], None]) -> None:
        self._store, self._number, self._when_asked = store, number, when_asked
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True, name="palate-beat")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        last, asked = time.monotonic(), False
        while not self._ended.wait(LISTEN_SECONDS):
            try:
                if not asked and self._is_asked():
                    asked = True
                    self._when_asked()
                if time.monotonic() - last >= BEAT_SECONDS:
                    self.beat()
                    last = time.monotonic()
            except PalateError as error:  # the next beat may come through; a minute without any is too long
                log.warning("job %d cannot say that it runs: %s", self._number, error.code)

    def beat(self) -> None:
        """Write that the job runs."""
        with self._store.write() as conn:
            conn.execute(update(jobs).where(jobs.c.key == self._number, jobs.c.state == "running").values(beat=now()))

    def _is_asked(self) -> bool:
        with self._store.read() as conn:
            details = conn.execute(select(jobs.c.details).where(jobs.c.key == self._number)).scalar()
        return bool(details and json.loads(details).get("cancel_asked"))
