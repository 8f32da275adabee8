"""Data at the door: reading, checking, ids, MovieLens, splits, and the card of a data set (`palate.data.card.card`).

The names of ``__all__`` are imported when they are first used, so that the package itself costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palate.data.dataset import Dataset
    from palate.data.ids import Ids
    from palate.data.interactions import Interactions
    from palate.data.reading.ratings import read_ratings
    from palate.data.sources.loading import load_dataset
    from palate.data.sources.movielens import load_movielens
    from palate.data.splits.making import split

_HOME = {
    "Dataset": "dataset",
    "Ids": "ids",
    "Interactions": "interactions",
    "load_dataset": "sources.loading",
    "load_movielens": "sources.movielens",
    "read_ratings": "reading.ratings",
    "split": "splits.making",
}

__all__ = ["Dataset", "Ids", "Interactions", "load_dataset", "load_movielens", "read_ratings", "split"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'palate.data' has no attribute '{name}'")
    return getattr(import_module(f"palate.data.{_HOME[name]}"), name)
