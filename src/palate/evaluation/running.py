"""Many jobs, one after the other here or side by side in processes; each finished row is kept at once."""

from __future__ import annotations

import multiprocessing
import queue
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from palate.data.dataset import Dataset
from palate.errors import PalateError
from palate.evaluation.jobs import Job, Outcome, peak_megabytes, run
from palate.progress import DONE, Progress, ProgressCallback

POLL = 0.2  # seconds between two looks at the processes


@dataclass(frozen=True)
class Failure:
    """A job that gave no row: the model's label, the fold from 0, and the error's text."""

    model: str
    fold: int
    error: str


Outcomes = list[Outcome | Failure]


def run_all(
    jobs: Sequence[Job], dataset: Dataset, folder: Path | None, n_processes: int | None, progress: ProgressCallback
) -> Outcomes:
    """Return a row or a failure for each job, in their order; rows that stand in the folder are not run again.

    Args:
        jobs: what to run.
        dataset: what their splits are of.
        folder: where finished rows are kept, or None.
        n_processes: side by side, each job in a process of its own; None runs them here, one after the other.
        progress: called by every job with its name as ``task``, and with task "" as jobs are finished.

    Raises:
        KeyboardInterrupt: Ctrl-C; rows finished until then are kept.
    """
    results: dict[int, Outcome | Failure] = {}
    for number, job in enumerate(jobs):
        kept = None if folder is None else Outcome.open(folder, job.digest)
        if kept is not None:
            results[number] = kept
    waiting = [number for number in range(len(jobs)) if number not in results]

    def keep(number: int, result: Outcome | Failure) -> None:
        results[number] = result
        if folder is not None and isinstance(result, Outcome):
            result.save(folder, jobs[number].digest)
        progress(Progress(DONE, 1, 1, task=jobs[number].task))
        progress(Progress("runs finished", len(results), len(jobs)))

    if n_processes is None:
        for number in waiting:
            keep(number, _run_here(jobs[number], dataset, progress))
    elif waiting:
        _Pool(jobs, dataset, keep, progress).run(waiting, n_processes)
    return [results[number] for number in range(len(jobs))]


def _run_here(job: Job, dataset: Dataset, progress: ProgressCallback) -> Outcome | Failure:
    try:
        return run(job, dataset, partial(_named, progress, job.task))
    except PalateError as error:
        return Failure(job.label, job.fold, str(error))


def _named(progress: ProgressCallback, task: str, step: Progress) -> None:
    progress(replace(step, task=task))


class _Pool:
    """Processes of one job each: what one holds, or how it dies, is no other's affair."""

    def __init__(self, jobs: Sequence[Job], dataset: Dataset, keep: Any, progress: ProgressCallback) -> None:
        self.jobs, self.dataset, self.keep, self.progress = jobs, dataset, keep, progress
        self.context = multiprocessing.get_context("spawn")
        self.messages: Any = self.context.Queue()
        self.running: dict[int, Any] = {}

    def run(self, waiting: Sequence[int], n_processes: int) -> None:
        ahead = list(waiting)
        try:
            while ahead or self.running:
                while ahead and len(self.running) < n_processes:
                    self._start(ahead.pop(0))
                self._take(POLL)
        finally:
            for process in self.running.values():
                process.terminate()
                process.join()
            self.messages.close()

    def _start(self, number: int) -> None:
        arguments = (self.messages, number, self.jobs[number], self.dataset)
        process = self.context.Process(target=_child, args=arguments, daemon=True)
        process.start()
        self.running[number] = process

    def _take(self, seconds: float) -> None:
        """Take one message; without any, look for processes that died before they could send theirs."""
        try:
            number, message = self.messages.get(timeout=seconds)
        except queue.Empty:
            for number, process in list(self.running.items()):
                if process.exitcode is not None and self.messages.empty():
                    self._finish(number, Failure(self.jobs[number].label, self.jobs[number].fold, _death(process)))
            return
        if isinstance(message, Progress):
            self.progress(message)
        elif number in self.running:
            self._finish(number, message)

    def _finish(self, number: int, result: Outcome | Failure) -> None:
        process = self.running.pop(number)
        process.join()
        self.keep(number, result)


def _child(messages: Any, number: int, job: Job, dataset: Dataset) -> None:
    """Run one job in this process and send its steps and its result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children itself
    result = _run_here(job, dataset, lambda step: messages.put((number, step)))
    if isinstance(result, Outcome):
        result.figures["peak_mb"] = peak_megabytes()
    messages.put((number, result))


def _death(process: Any) -> str:
    if process.exitcode < 0:
        name = signal.Signals(-process.exitcode).name
        return f"its process was ended by the system ({name}), most likely for want of memory; run fewer side by side"
    return f"its process ended with exit code {process.exitcode}; the traceback stands above"
