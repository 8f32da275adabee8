"""Palate: recommendations people can trust, from a log of ratings or clicks.

The public names are those of ``__all__``; each is imported when it is first used, so that ``import palate`` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palate.data.dataset import Dataset
    from palate.data.interactions import Interactions
    from palate.data.movielens import load_movielens
    from palate.data.reading import read_ratings
    from palate.data.splits import make_splits, split
    from palate.errors import PalateError
    from palate.evaluation import evaluate, evaluate_splits
    from palate.files import export, import_folder, load, save
    from palate.models import MODELS, MatrixFactorization
    from palate.progress import Progress

_HOME = {
    "MODELS": "palate.models",
    "Dataset": "palate.data.dataset",
    "Interactions": "palate.data.interactions",
    "MatrixFactorization": "palate.models",
    "PalateError": "palate.errors",
    "Progress": "palate.progress",
    "evaluate": "palate.evaluation",
    "evaluate_splits": "palate.evaluation",
    "export": "palate.files",
    "import_folder": "palate.files",
    "load": "palate.files",
    "load_movielens": "palate.data.movielens",
    "make_splits": "palate.data.splits",
    "read_ratings": "palate.data.reading",
    "save": "palate.files",
    "split": "palate.data.splits",
}

__all__ = [
    "MODELS",
    "Dataset",
    "Interactions",
    "MatrixFactorization",
    "PalateError",
    "Progress",
    "evaluate",
    "evaluate_splits",
    "export",
    "import_folder",
    "load",
    "load_movielens",
    "make_splits",
    "read_ratings",
    "save",
    "split",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'palate' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
