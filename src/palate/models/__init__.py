"""All models by their key: one line below registers a model, and its place is that in every list of models."""

from typing import Any

from palate.models.contract.base import Recommender as Recommender
from palate.models.contract.registry import MODELS as MODELS
from palate.models.contract.state import ModelState as ModelState

# isort: off
from palate.models.items.popularity import Popularity as Popularity
from palate.models.ridge.baseline import Baseline as Baseline
from palate.models.sgd.mf import MatrixFactorization as MatrixFactorization
from palate.models.ridge.als import ALS as ALS
from palate.models.bayes.model import BayesianMF as BayesianMF
from palate.models.ridge.ials import ImplicitALS as ImplicitALS
from palate.models.sgd.bpr import BPR as BPR
from palate.models.sgd.warp import WARP as WARP
from palate.models.items.ease import EASE as EASE
from palate.models.items.knn import ItemKNN as ItemKNN
from palate.models.items.knn import RP3beta as RP3beta
from palate.models.items.graph import GraphFilter as GraphFilter
from palate.models.blend.model import Blend as Blend
# isort: on


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Recommender) and "key" in vars(value)


MODELS.update({cls.key: cls for cls in list(globals().values()) if _is_model(cls)})
__all__ = sorted({"MODELS", "ModelState", "Recommender", *(cls.__name__ for cls in MODELS.values())})
