"""All models by their key."""

from palate.models.bayes.model import BayesianMF
from palate.models.contract.base import Recommender
from palate.models.contract.registry import MODELS
from palate.models.contract.state import ModelState
from palate.models.items.ease import EASE
from palate.models.items.knn import ItemKNN, RP3beta
from palate.models.items.popularity import Popularity
from palate.models.ridge.als import ALS
from palate.models.ridge.baseline import Baseline
from palate.models.ridge.ials import ImplicitALS
from palate.models.sgd.bpr import BPR
from palate.models.sgd.mf import MatrixFactorization
from palate.models.sgd.warp import WARP

MODELS.update(
    (cls.key, cls)
    for cls in (
        Popularity,
        Baseline,
        MatrixFactorization,
        ALS,
        BayesianMF,
        ImplicitALS,
        BPR,
        WARP,
        EASE,
        ItemKNN,
        RP3beta,
    )
)

__all__ = [
    "ALS",
    "BPR",
    "EASE",
    "MODELS",
    "WARP",
    "Baseline",
    "BayesianMF",
    "ImplicitALS",
    "ItemKNN",
    "MatrixFactorization",
    "ModelState",
    "Popularity",
    "RP3beta",
    "Recommender",
]
