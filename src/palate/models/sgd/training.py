"""The training loop of SGD models: epochs, early stopping, a second training on all data, Ctrl-C."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from palate.data.interactions import Interactions
from palate.models.contract.learned import Course, History
from palate.models.contract.learner import Training
from palate.parallel import Workers
from palate.progress import Progress, ProgressCallback
from palate.sparse import Array

log = logging.getLogger(__name__)


FEWEST_TO_HOLD_OUT = 20  # rows; with fewer there is nothing to learn from a validation part


@dataclass(frozen=True, eq=False, kw_only=True)
class SGDCourse(Course):
    """The course of a training by SGD.

    Attributes:
        refit_history: one record an epoch of the second training, on all data.
    """

    refit_history: History


def scheduled(learning_rate: float, schedule: str, epoch: int, n_epochs: int) -> float:
    """Return the learning rate of an epoch, from 1 on: constant, or falling to 0 in equal steps."""
    return learning_rate * (1 - (epoch - 1) / n_epochs if schedule == "linear" else 1)


class Epochs(Protocol):
    """What trains an epoch."""

    def __call__(self, epoch: int, workers: Workers) -> dict[str, float]:
        """Train one epoch and return its record; raise where training diverges."""


E = TypeVar("E", bound=Epochs)


@dataclass
class TrainingRun(Generic[E]):
    """One training run: what it starts from, what it watches, and what it leaves.

    Attributes:
        arrays: changed in place while training; at the end those of the best epoch, where one is watched.
        one_epoch: trains one epoch and returns its record; raises where training diverges.
        watched: the figure of a record to be lowest, or None where all epochs run; with a minus before it, highest.
        stage: what the progress calls it.
        has_begun: whether the arrays explain anything yet; patience counts from the first epoch where they do.
        history: one record an epoch.
    """

    arrays: tuple[Array, ...]
    one_epoch: E
    watched: str | None
    stage: str
    has_begun: Callable[[], bool] = lambda: True
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    first_epoch: int = 0
    interrupted: bool = False

    def train(self, n_epochs: int, patience: int, workers: Workers, progress: ProgressCallback) -> None:
        """Train until n_epochs, or patience epochs after the best and the first one in which learning had begun.

        Ctrl-C ends it after the best epoch so far.
        """
        best = self.arrays
        lowest = np.inf
        try:
            for epoch in range(1, n_epochs + 1):
                started = time.perf_counter()
                record = self.one_epoch(epoch, workers)
                record["seconds"] = time.perf_counter() - started
                self.history.append(record)
                figure = self._figure(record)
                if self.watched is None or figure < lowest:
                    copies = tuple(array.copy() for array in self.arrays)  # whole before they are named the best
                    best, self.best_epoch, lowest = copies, epoch, figure
                progress(Progress(self.stage, epoch, n_epochs, record))
                if self.watched is not None and self._is_over(epoch, patience):
                    break
        except KeyboardInterrupt:
            if not self.best_epoch:
                raise
            self.interrupted = True
        for source, target in zip(best, self.arrays, strict=True):
            np.copyto(target, source)

    def _is_over(self, epoch: int, patience: int) -> bool:
        """Return whether patience ends.

        Before learning has begun a figure that gets worse says nothing, and afterwards it may have to come down a long
        way before it is the best: then it is at least better than so many epochs ago.
        """
        if not self.first_epoch and self.has_begun():
            self.first_epoch = epoch
        if not self.first_epoch or epoch - max(self.best_epoch, self.first_epoch) < patience:
            return False
        now, before = (self._figure(self.history[at]) for at in (-1, -1 - patience))
        return not now < before

    def _figure(self, record: dict[str, float]) -> float:
        if self.watched is None:
            return 0.0
        figure = record[self.watched.removeprefix("-")]
        return -figure if self.watched.startswith("-") else figure


RunOf = Callable[[Interactions, Interactions | None, str], TrainingRun[E]]


@dataclass(frozen=True)
class TrainedBySGD(Generic[E]):
    """The run that chose the epoch, and the second one on all data, where the first left some out."""

    run: TrainingRun[E]
    refit: TrainingRun[E] | None

    @property
    def final(self) -> TrainingRun[E]:
        """The run whose arrays are the model's."""
        return self.refit or self.run

    def course(self, seed: int) -> SGDCourse:
        """Return what all SGD models keep of their training."""
        return SGDCourse(
            history=self.run.history,
            refit_history=self.refit.history if self.refit else [],
            best_epoch=self.run.best_epoch,
            epoch_chosen_on="none" if self.run.watched is None else "validation",
            interrupted=self.run.interrupted,
            seed=seed,
        )


def trained(
    training: Training, run_of: RunOf[E], held_out: Array | None, n_epochs: int, patience: int, workers: Workers
) -> TrainedBySGD[E]:
    """Return the runs of a fit: one alone or, where rows are held out to choose the epoch, a second on all data.

    Args:
        training: data, a validation part to watch, and whom to tell.
        run_of: (data, what to watch, the stage's name) -> a run from the start.
        held_out: which rows to choose the epoch by, or None.
        n_epochs, patience: as `Run.train`.
        workers: threads.
    """
    data, progress = training.data, training.progress
    if held_out is None:
        run = run_of(data, training.validation, "training")
        run.train(n_epochs, patience, workers, progress)
        _say_interrupted(run, "")
        return TrainedBySGD(run, None)
    rest = np.ones(len(data), bool)
    rest[held_out] = False
    run = run_of(data.take(np.flatnonzero(rest)), data.take(held_out), "training")
    run.train(n_epochs, patience, workers, progress)
    refit = None
    if not run.interrupted:
        try:
            refit = run_of(data, None, "training on all data")
            refit.train(run.best_epoch, patience, workers, progress)
            run.interrupted = refit.interrupted
        except KeyboardInterrupt:
            run.interrupted = True
    if run.interrupted:
        refit = None
        _say_interrupted(run, f", learned without the {len(held_out):,} rows held out")
    return TrainedBySGD(run, refit)


def rows_held_out(data: Interactions, fraction: float, seed: int) -> Array | None:
    """Return rows to choose the epoch by, or None where there are too few."""
    n = round(fraction * len(data))
    if not n or len(data) < FEWEST_TO_HOLD_OUT:
        return None
    return np.random.default_rng([seed, 4]).permutation(len(data))[:n]


def _say_interrupted(run: TrainingRun[Any], remark: str) -> None:
    if run.interrupted:
        log.warning("training interrupted: keeping the best so far, of epoch %d%s", run.best_epoch, remark)


def warn_of_first_epoch(run: TrainingRun[Any]) -> None:
    """Log a warning where the first epoch was the best: factors learned nothing that holds for other ratings."""
    if run.best_epoch == 1 < len(run.history) and not run.interrupted:
        log.warning(
            "the first of %d epochs was the best on validation data: next to nothing was learned beyond mean and "
            "biases; where there should be more, try a higher learning_rate, more ratings, or als",
            len(run.history),
        )
