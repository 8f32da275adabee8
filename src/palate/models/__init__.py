"""All models by their key."""

from palate.models.base import ModelState, Recommender
from palate.models.mf import MatrixFactorization

MODELS: dict[str, type[Recommender]] = {cls.key: cls for cls in (MatrixFactorization,)}

__all__ = ["MODELS", "MatrixFactorization", "ModelState", "Recommender"]
