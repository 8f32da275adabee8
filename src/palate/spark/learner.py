"""`SparkLearner`: what a model has learned but its factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from palate.errors import ParameterError
from palate.models import ALS, ImplicitALS
from palate.models.contract.learned import Course
from palate.models.ridge.als import ALSLearned
from palate.models.ridge.ials import ClickFactors
from palate.models.ridge.priors import LearnedPriors
from palate.spark.kinds import BothWeights, Clicks, RatingKind
from palate.spark.prepared import SideName
from palate.sparse import Array

if TYPE_CHECKING:
    from palate.spark.trained import Trained

SIDES: tuple[SideName, SideName] = ("user", "item")
Encodings = tuple[list[Any], list[Any]]


@dataclass(frozen=True, eq=False)
class SparkLearner:
    """All that a model has learned but its factors: small, and without a session, so that tasks can have it.

    Attributes:
        model: unfitted, with its parameters.
        kind: the settings that were used.
        n_factors, seed: as they were used.
        history: one record an epoch.
        priors: weights of the features of users and of items, or None.
        gram: o Q'Q of the items, the upper triangle, of a model of clicks.
        encodings: of the features of users and of items.
    """

    model: ALS | ImplicitALS
    kind: RatingKind | Clicks
    n_factors: int
    seed: int
    history: list[dict[str, float]]
    priors: BothWeights
    gram: Array | None
    encodings: Encodings

    @classmethod
    def of(cls, trained: Trained) -> SparkLearner:
        """Return that of a trained model.

        Raises:
            ParameterError: of a model whose draws the driver holds.
        """
        if trained.model.key == "bayes":
            raise ParameterError.of(
                "BayesianMF", "does this on one machine: trained.collect() brings it there", code="not_offered"
            )
        features = [trained.prepared.features(side) for side in SIDES]
        encodings = [[] if each is None else list(each["encoding"]) for each in features]
        kind = cast("RatingKind | Clicks", trained.kind)
        state = trained.model, kind, trained.n_factors, trained.seed, trained.history, trained.priors
        return cls(*state, trained.gram, (encodings[0], encodings[1]))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the factors."""
        return np.dtype(self.model.dtype)

    def learned(self, users: tuple[Array, Array], items: tuple[Array, Array], user_features: Array | None) -> Any:
        """Return what one machine's model has learned.

        Args:
            users, items: factors and biases.
            user_features: (n_users, n_features), or None.
        """
        k, dtype = self.n_factors, self.dtype
        empty = np.zeros((0, k), dtype), np.zeros(0, dtype)
        (W, w), (V, v) = (empty if prior is None else prior for prior in self.priors)
        known = np.zeros((0, 0), dtype) if user_features is None else user_features.astype(dtype)
        priors = LearnedPriors(known, W, w, V, v, *self.encodings)
        n_epochs = len(self.history)
        interrupted = n_epochs < self.model.n_epochs
        course = Course(history=self.history, best_epoch=n_epochs, interrupted=interrupted, seed=self.seed)
        (P, b), (Q, c) = users, items
        if isinstance(self.kind, Clicks):
            of_clicks, how = self.kind, self.kind.settings.weighing
            used = k, how.alpha, how.unobserved_weight, how.reg, of_clicks.shrinkage, of_clicks.typical
            gram = np.zeros((k, k), dtype) if self.gram is None else self.gram
            return ClickFactors(P, Q, gram, of_clicks.n_warm[1], *used, priors, course)
        on, scale = self.kind.settings, self.kind.scale
        return ALSLearned(P, Q, b, c, on.mean, priors, course, on.reg, on.reg_users, on.reg_items, scale)
