"""One progress callback for everything that takes long.

Any ``progress=`` argument takes a function of one `Progress`, or None for nothing. What it raises stops the work; a
``KeyboardInterrupt`` ends training cleanly with the best model so far. Without the argument a notebook shows a bar,
and nothing is shown elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

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


def automatic(_: Progress) -> None:
    """Show a bar in a notebook and nothing elsewhere: the default, which `palate.notebook.watched` replaces."""


def label(step: Progress) -> str:
    """Return what a step belongs to."""
    return f"{step.task}: {step.stage}" if step.task else step.stage


def as_test(record: Mapping[str, float]) -> dict[str, float]:
    """Return the figures of an epoch with those of a watched test part under their true name."""
    return {name.replace("validation", "test"): value for name, value in record.items()}


def watching_test(progress: ProgressCallback) -> ProgressCallback:
    """Return a callback that passes steps on by `as_test`: the part that training watches is the test part."""
    return lambda step: progress(replace(step, record=as_test(step.record)))


def figures(record: Mapping[str, float]) -> str:
    """Return the few figures of a training record that people watch: RMSE, clipped, or NDCG of lists."""
    names = {"train_rmse": "train", "validation_rmse": "validation", "test_rmse": "test", "best": "best"}
    names["validation_ndcg"] = "validation NDCG@10"
    return "  ".join(f"{word} {record[name]:.4f}" for name, word in names.items() if name in record)
