"""The time that a choice of models may take: what may still begin, and what has to stop."""

from __future__ import annotations

import math
from collections.abc import Callable

from palate.parallel import check_threads
from palate.progress import Progress, ProgressCallback

NOTICED = 4.0  # seconds: of shorter fits the most is compiling, which says nothing of the machine's pace
CORES = 2  # of the machine that estimates are of
LONGEST = 3600.0  # seconds of a fit that is tried where no budget says more


class OutOfTime(Exception):  # noqa: N818  no fault of anybody: it ends a fit that would leave no time for the last one
    """A fit came to the end of the time that it had."""


class Budget:
    """Seconds by a clock, or none.

    Args:
        seconds: in all, or None for no limit; then the clock decides nothing.
        clock: gives seconds.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float]) -> None:
        self.seconds, self.clock, self.begun = seconds, clock, clock()
        self.pace = 1.0 if seconds is None else max(1.0, CORES / check_threads(None))

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return math.inf if self.seconds is None else self.seconds - (self.clock() - self.begun)

    def expected(self, seconds: float) -> float:
        """Return how long what is estimated takes on this machine, as far as it is known."""
        return self.pace * seconds

    def saw(self, estimated: float, took: float) -> None:
        """Take note of how long a fit took: later ones are expected to be as much slower."""
        if self.seconds is not None and estimated >= NOTICED:
            self.pace = max(self.pace, took / estimated)

    def stopping(self, progress: ProgressCallback, within: float) -> ProgressCallback:
        """Return a callback that ends the work after so many seconds, at its next step.

        Raises:
            OutOfTime: by the callback.
        """
        if self.seconds is None:
            return progress
        until = self.clock() + within

        def step_or_stop(step: Progress) -> None:
            progress(step)
            if self.clock() > until:
                raise OutOfTime

        return step_or_stop
