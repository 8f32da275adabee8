"""Palate: recommendations people can trust, from a log of ratings or clicks.

The public names are those of ``__all__``; each is imported when it is first used, so that ``import palate`` is fast.
So are its packages, such as ``palate.plots``, and ``palate.__version__``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palate import data as data
    from palate import errors as errors
    from palate import evaluation as evaluation
    from palate import files as files
    from palate import metrics as metrics
    from palate import models as models
    from palate import plots as plots
    from palate import progress as progress
    from palate import report as report
    from palate import tuning as tuning
    from palate.data.dataset import Dataset
    from palate.data.features import Features
    from palate.data.interactions import Interactions
    from palate.data.reading.ratings import read_ratings
    from palate.data.sources.loading import load_dataset, load_split
    from palate.data.sources.movielens import load_movielens
    from palate.data.splits.file import load_splits
    from palate.data.splits.fixed import fixed_split
    from palate.data.splits.making import make_splits, save_splits, split
    from palate.errors import PalateError
    from palate.evaluation import Comparison, compare, cross_validate, evaluate, evaluate_splits, measure
    from palate.files import export, import_folder, load, save
    from palate.models import (
        ALS,
        BPR,
        EASE,
        MODELS,
        WARP,
        Baseline,
        BayesianMF,
        Blend,
        GraphFilter,
        ImplicitALS,
        ItemKNN,
        MatrixFactorization,
        Popularity,
        RP3beta,
    )
    from palate.progress import Progress
    from palate.report import write_report
    from palate.tuning import auto, tune
    from palate.warming import warm

    __version__: str

_PACKAGES = ("data", "errors", "evaluation", "files", "metrics", "models", "plots", "progress", "report", "tuning")

_HOME = {
    "ALS": "palate.models",
    "BPR": "palate.models",
    "EASE": "palate.models",
    "MODELS": "palate.models",
    "Baseline": "palate.models",
    "BayesianMF": "palate.models",
    "Blend": "palate.models",
    "Comparison": "palate.evaluation",
    "Dataset": "palate.data.dataset",
    "Features": "palate.data.features",
    "GraphFilter": "palate.models",
    "ImplicitALS": "palate.models",
    "Interactions": "palate.data.interactions",
    "ItemKNN": "palate.models",
    "MatrixFactorization": "palate.models",
    "PalateError": "palate.errors",
    "Popularity": "palate.models",
    "Progress": "palate.progress",
    "RP3beta": "palate.models",
    "WARP": "palate.models",
    "auto": "palate.tuning",
    "compare": "palate.evaluation",
    "cross_validate": "palate.evaluation",
    "evaluate": "palate.evaluation",
    "evaluate_splits": "palate.evaluation",
    "export": "palate.files",
    "fixed_split": "palate.data.splits.fixed",
    "import_folder": "palate.files",
    "load": "palate.files",
    "load_dataset": "palate.data.sources.loading",
    "load_movielens": "palate.data.sources.movielens",
    "load_split": "palate.data.sources.loading",
    "load_splits": "palate.data.splits.file",
    "make_splits": "palate.data.splits.making",
    "measure": "palate.evaluation",
    "read_ratings": "palate.data.reading.ratings",
    "save": "palate.files",
    "save_splits": "palate.data.splits.making",
    "split": "palate.data.splits.making",
    "tune": "palate.tuning",
    "warm": "palate.warming",
    "write_report": "palate.report",
}

__all__ = [
    "ALS",
    "BPR",
    "EASE",
    "MODELS",
    "WARP",
    "Baseline",
    "BayesianMF",
    "Blend",
    "Comparison",
    "Dataset",
    "Features",
    "GraphFilter",
    "ImplicitALS",
    "Interactions",
    "ItemKNN",
    "MatrixFactorization",
    "PalateError",
    "Popularity",
    "Progress",
    "RP3beta",
    "auto",
    "compare",
    "cross_validate",
    "evaluate",
    "evaluate_splits",
    "export",
    "fixed_split",
    "import_folder",
    "load",
    "load_dataset",
    "load_movielens",
    "load_split",
    "load_splits",
    "make_splits",
    "measure",
    "read_ratings",
    "save",
    "save_splits",
    "split",
    "tune",
    "warm",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"palate.{name}")
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("palate")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'palate' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES, "__version__"])
