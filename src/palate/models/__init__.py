"""All models by their key."""

from palate.models.base import ModelState, Recommender
from palate.models.baseline import Baseline
from palate.models.mf import MatrixFactorization
from palate.models.popularity import Popularity

MODELS: dict[str, type[Recommender]] = {cls.key: cls for cls in (Popularity, Baseline, MatrixFactorization)}

__all__ = ["MODELS", "Baseline", "MatrixFactorization", "ModelState", "Popularity", "Recommender"]
