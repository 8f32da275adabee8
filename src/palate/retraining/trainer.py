"""`retrain`: a job from the log to a version that answers, or to a reason why it does not."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from palate import files
from palate.data.dataset import Dataset
from palate.errors import ModelFileError
from palate.evaluation.jobs import peak_megabytes
from palate.models import MODELS, Recommender
from palate.progress import DONE, Progress, ProgressCallback
from palate.retraining import leftovers
from palate.retraining.checks import check_finite, faults, looked_at
from palate.retraining.gate import Gate
from palate.retraining.memory import estimated
from palate.retraining.settings import Retraining, settings_of
from palate.retraining.verdict import Verdict
from palate.store import versions
from palate.store.jobs import Run, StopAskedError
from palate.store.rule import View, view_of
from palate.store.source import dataset

if TYPE_CHECKING:
    from palate.store.versions import Loaded

log = logging.getLogger(__name__)
EVERY = 1.0  # seconds between two steps that are written


def retrain(run: Run) -> None:
    """Train a model on the log, judge it, and let it answer where it passes.

    What the job is to do stands in its details (`palate.retraining.Retraining`). What came of it does afterwards:
    "memory", "version", "verdict", "activated", "seconds".

    Args:
        run: the job, which is running here.

    Raises:
        ParameterError: the settings are wrong, or the memory is not there.
        DataError: the log has nothing to learn from, or the gate cannot measure the two models.
        DivergenceError: training left the finite numbers.
        ModelFileError: the new version cannot be written, or not be read again.
        StopAskedError: somebody asked the job to stop; nothing was activated.
    """
    begun = time.monotonic()
    done = _Work.of(run).run()
    run.note(**done, seconds=round(time.monotonic() - begun, 1))


@dataclass(frozen=True, eq=False)
class _Work:
    run_: Run
    settings: Retraining
    active: int | None  # the version that was made active last, whether it can be read or not
    running: Loaded | None  # the one that answers
    candidate: Recommender

    @classmethod
    def of(cls, run: Run) -> _Work:
        settings = Retraining.of(run.details)
        active, running = _active(run), _answering(run)
        return cls(run, settings, active, running, settings.candidate(None if running is None else running.model))

    def run(self) -> dict[str, Any]:
        """Do all of it, and return what came of it."""
        self._check_memory()
        whole = self._read(view_of(self.candidate))
        verdict = self._judged(whole)
        model = self._fitted(whole)
        check_finite(model)
        verdict = self._looked_at(verdict, model, whole)
        number = self._added(model, verdict)
        done = {"version": number, "verdict": verdict.as_dict(), "peak_mb": peak_megabytes(), "activated": False}
        self.run_.note(**done)
        if verdict.decision == "refused":
            return self._end(done, f"version {number} is kept, and does not answer: {verdict.why}")
        if not self.settings.activate:
            return self._end(done, f"version {number} is kept for whoever activates it: {verdict.why}")
        return self._activated(done, number, verdict)

    # -- the steps, in order ------------------------------------------------------------------------------------------

    def _check_memory(self) -> None:
        models = [self.candidate]
        if self.running is not None:
            models.append(MODELS[self.running.key](**settings_of(self.running.model)))
        need = estimated(self.run_.store, self.run_.ns, models)
        self.run_.note(memory={"needed": need.needed, "free": need.free})
        need.check(self.candidate)
        free = "" if need.free is None else f", and {need.free / 1e9:,.2f} GB are free"
        self.run_.step(0.02, f"{need.events:,} events; about {need.needed / 1e9:,.2f} GB will be needed{free}")

    def _read(self, view: View) -> Dataset:
        whole = dataset(self.run_.store, self.run_.ns, view)
        data = whole.interactions
        self.run_.step(0.06, f"{len(data):,} rows of {data.n_users:,} users and {data.n_items:,} items to learn from")
        return whole

    def _judged(self, whole: Dataset) -> Verdict:
        gate = Gate(self.run_.store, self.run_.ns, self.settings.rule, self.running)
        with self._steps(0.06, 0.5) as progress:
            verdict = gate.judge(self.candidate, whole, progress)
        self.run_.step(0.5, f"{verdict.decision}: {verdict.why}")
        return verdict

    def _fitted(self, whole: Dataset) -> Recommender:
        start = self._start()
        model = type(self.candidate)(**self.candidate.get_params())
        with self._steps(0.5, 0.85) as progress:
            model.fit(whole, start=start, progress=progress)
        on = "" if start is None or self.running is None else f", going on from version {self.running.number}"
        self.run_.step(0.85, f"{model!r} learned from everything{on}")
        return model

    def _start(self) -> Any:
        """Return the fitted model to go on from, or None."""
        if self.running is None or not self.settings.goes_on(self.candidate):
            return None
        there, own = self.running.model, self.candidate.get_params().get("n_factors")
        same = there.key == self.candidate.key and own in (None, there.get_params().get("n_factors"))
        return there if same else None

    def _looked_at(self, verdict: Verdict, model: Recommender, whole: Dataset) -> Verdict:
        log_ = whole if self.running is None else self._log_of(self.running.model, whole)
        found = looked_at(model, self.running, log_)
        bad = faults(found, self.settings.rule)
        self.run_.step(0.9, "; ".join(bad) if bad else "finite, and its lists are like the running ones")
        if not bad:
            return replace(verdict, checks=found)
        why = "; ".join([*([verdict.why] if verdict.decision == "refused" else []), *bad])
        return replace(verdict, checks=found, decision="refused", why=why)

    def _log_of(self, model: Recommender, whole: Dataset) -> Dataset:
        if view_of(model) == view_of(self.candidate):
            return whole
        return dataset(self.run_.store, self.run_.ns, view_of(model))

    def _added(self, model: Recommender, verdict: Verdict) -> int:
        """Write the model as a new version, whole or not at all, and return its number."""
        store, ns = self.run_.store, self.run_.ns
        with leftovers.folder(store, ns) as folder:
            path = folder / "model.safetensors"
            files.save(model, path)
            number = versions.add(store, ns, path, details={"verdict": verdict.as_dict(), "job": self.run_.number})
        gone = versions.forgotten_in(store, ns, number)
        if gone:  # while it was trained
            versions.rewrite(store, ns, gone)
        self.run_.step(0.96, f"written as version {number}")
        return number

    def _activated(self, done: dict[str, Any], number: int, verdict: Verdict) -> dict[str, Any]:
        store, ns = self.run_.store, self.run_.ns
        now = _active(self.run_)
        if now != self.active:
            told = "none answers now" if now is None else f"version {now} was activated meanwhile"
            return self._end(done, f"version {number} passed, but {told}: activate it if it is wanted")
        versions.activate(store, ns, number)
        gone = versions.prune(store, ns, self.settings.keep)
        removed = f"; the files of {', '.join(map(str, gone))} were removed" if gone else ""
        return self._end({**done, "activated": True}, f"version {number} answers: {verdict.why}{removed}")

    # -- telling ------------------------------------------------------------------------------------------------------

    def _end(self, done: dict[str, Any], line: str) -> dict[str, Any]:
        self.run_.step(1.0, line)
        return done

    @contextmanager
    def _steps(self, first: float, last: float) -> Iterator[ProgressCallback]:
        """Give a callback that writes steps between two figures; a training that is to stop is interrupted."""
        stopped: list[StopAskedError] = []
        try:
            yield _stepping(self.run_, first, last, stopped)
        except KeyboardInterrupt:
            if stopped:
                raise stopped[0] from None
            raise
        if stopped:
            raise stopped[0]


def _stepping(run: Run, first: float, last: float, stopped: list[StopAskedError]) -> ProgressCallback:
    """Return a callback; an error would count as the failure of one of the models, hence the interrupt."""
    written, tasks = time.monotonic(), 0

    def step(at: Progress) -> None:
        nonlocal written, tasks
        tasks += at.stage == DONE
        if time.monotonic() - written < EVERY:
            return
        written = time.monotonic()
        part = min(at.step / at.total, 1.0) if at.total and at.stage != DONE else 0.0
        share = min(tasks + part, 2.0) / 2 if at.task or tasks else part
        try:
            run.step(first + share * (last - first))
        except StopAskedError as error:
            stopped.append(error)
            raise KeyboardInterrupt from None

    return step


def _active(run: Run) -> int | None:
    version = versions.active_version(run.store, run.ns)
    return None if version is None else version.number


def _answering(run: Run) -> Loaded | None:
    """Return the version that answers; one that cannot be read is no model to go by, and its place can be taken."""
    try:
        return versions.load_active(run.store, run.ns)
    except ModelFileError as error:
        log.warning("the active version cannot be read, and nothing is compared with it: %s", error)
        return None
