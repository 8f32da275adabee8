"""All models by their key."""

from palate.models.als import ALS
from palate.models.base import Recommender
from palate.models.baseline import Baseline
from palate.models.bayes import BayesianMF
from palate.models.bpr import BPR
from palate.models.ease import EASE
from palate.models.ials import ImplicitALS
from palate.models.knn import ItemKNN, RP3beta
from palate.models.mf import MatrixFactorization
from palate.models.popularity import Popularity
from palate.models.state import ModelState
from palate.models.warp import WARP

MODELS: dict[str, type[Recommender]] = {
    cls.key: cls
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
}

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
