"""One progress callback for everything that takes long.

Any ``progress=`` argument takes a function of one `Progress`. What it raises stops the work; a
``KeyboardInterrupt`` ends training cleanly with the best model so far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

DONE = "done"  # the stage that ends a task


@dataclass(frozen=True)
class Progress:
    """One step of a long task.

    Attributes:
        stage: what is being done, for example ``"training"``; `DONE` where a task has ended.
        step: steps finished, from 1.
        total: steps at most; fewer where work stops early.
        record: figures of this step, for example ``{"loss": 0.91, "validation_rmse": 0.94}``.
        task: which of several tasks side by side this is a step of, "" where there is one.
    """

    stage: str
    step: int
    total: int
    record: Mapping[str, float] = field(default_factory=dict)
    task: str = ""


ProgressCallback = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Report nothing."""
