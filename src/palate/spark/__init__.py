"""The same models on Apache Spark: ratings that one machine cannot hold.

The public names are those of ``__all__``; each is imported when it is first used, for executors need few of them.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from palate.spark.cache import ensure_kernel_cache

if TYPE_CHECKING:
    from palate.spark.comparing import compare
    from palate.spark.evaluating import evaluate
    from palate.spark.newcomers import fold_in
    from palate.spark.prepared import Prepared
    from palate.spark.preparing import prepare
    from palate.spark.recommend import recommend_all
    from palate.spark.session import open_session
    from palate.spark.similar import similar_items
    from palate.spark.splits import make_splits, split
    from palate.spark.trained import Trained
    from palate.spark.training import train

with suppress(OSError):  # where no folder can be had, `executors.check` tells it, and Numba refuses to load kernels
    ensure_kernel_cache()

_HOME = {
    "Prepared": "prepared",
    "Trained": "trained",
    "compare": "comparing",
    "evaluate": "evaluating",
    "fold_in": "newcomers",
    "make_splits": "splits",
    "open_session": "session",
    "prepare": "preparing",
    "recommend_all": "recommend",
    "similar_items": "similar",
    "split": "splits",
    "train": "training",
}

__all__ = [
    "Prepared",
    "Trained",
    "compare",
    "evaluate",
    "fold_in",
    "make_splits",
    "open_session",
    "prepare",
    "recommend_all",
    "similar_items",
    "split",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'palate.spark' has no attribute '{name}'")
    value = getattr(import_module(f"palate.spark.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
