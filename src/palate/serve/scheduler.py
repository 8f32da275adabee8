"""`Scheduler`: starts what is due and what waits, in one worker of a service at a time, and watches how it ends.

Jobs run in processes of their own, one at a time. What a killed service, worker or job left open is found when somebody
looks next: a scheduled time that came to nothing is made up once.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from palate.errors import DataError, PalateError
from palate.locks import only_writer
from palate.serve import measures
from palate.serve.logs import log
from palate.store import jobs, schedules, working

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

SECONDS = 1.0  # between two looks
LOCK = "scheduler"  # file in the store's folder; whoever holds it looks
MODULES = {  # what each kind of job is run by: `python -m`, see `palate.store.working`
    "retrain": "palate.retraining",
    "off-policy": "palate.serve.off_policy",
}


@dataclass(frozen=True, slots=True)
class Child:
    """A job that runs in a process of ours."""

    ns: Namespace
    number: int
    kind: str
    process: subprocess.Popen[bytes]


class Scheduler:
    """A thread that starts jobs and watches them, unless another worker does. Ends at the end of its ``with`` block.

    Args:
        store: whose jobs.
        modules: what runs each kind of job; without them, `MODULES`.
        seconds: between two looks.
    """

    def __init__(self, store: Store, modules: Mapping[str, str] | None = None, *, seconds: float = SECONDS) -> None:
        self._store, self._seconds = store, seconds
        self._modules = MODULES if modules is None else modules
        self._child: Child | None = None
        self._lead = ExitStack()
        self._leads = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True, name="palate-scheduler")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        try:
            while not self._ended.is_set():
                self.round()
                self._ended.wait(self._seconds)
            self._end_child()
        finally:
            self._lead.close()

    def round(self) -> bool:
        """Look once, unless another worker leads; return whether this one does. What fails is tried again."""
        try:
            if not self._leads:
                self._take_lead()
            self._watch()
            jobs.bury(self._store)
            schedules.start_due(self._store)
            self._start()
        except DataError as error:
            code: str = error.code
            if code != "locked":
                log.exception("the scheduler failed")
        except (PalateError, OSError):
            log.exception("the scheduler failed")
        return self._leads

    def _take_lead(self) -> None:
        self._lead.enter_context(only_writer(self._store.folder / LOCK, "the scheduler of the service"))
        self._leads = True
        for kind in self._modules:
            measures.RUNNING.labels(kind).set(0)

    def _watch(self) -> None:
        """Take note of how a process ended."""
        child = self._child
        if child is None or child.process.poll() is None:
            return
        working.ended(self._store, child.ns, child.number, child.process)
        self._child = None
        with self._store.read() as conn:
            state = jobs.get(conn, child.ns, child.number).state
        measures.JOBS.labels(child.kind, state).inc()
        measures.RUNNING.labels(child.kind).set(0)
        log.info("job %d (%s) is %s", child.number, child.kind, state)

    def _start(self) -> None:
        """Start the process of the job that has waited longest."""
        if self._child is not None or (found := jobs.next_waiting(self._store, self._modules)) is None:
            return
        ns, job = found
        if not jobs.take(self._store, ns, job.number):
            return
        try:
            process = working.launch(self._store, ns, job.number, self._modules[job.kind])
        except OSError as error:
            jobs.lose(self._store, ns, job.number, f"no process can be started: {error.strerror}")
            raise
        self._child = Child(ns, job.number, job.kind, process)
        measures.RUNNING.labels(job.kind).set(1)
        log.info("job %d (%s) is process %d", job.number, job.kind, process.pid)

    def _end_child(self) -> None:
        """End the process that still runs: the service ends."""
        child = self._child
        if child is None:
            return
        working.kill(child.process)
        try:
            jobs.lose(self._store, child.ns, child.number, "the service ended, and its process with it")
        except PalateError as error:  # whoever looks next finds that it is gone
            log.warning("job %d cannot be written: %s", child.number, error.code)
        measures.RUNNING.labels(child.kind).set(0)
