"""What models of factors with priors by features keep, and the parts of a score that priors and biases make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from palate.data.features import Features
from palate.kernels import Factors
from palate.models.contract.explanation import Part
from palate.models.contract.factors import FactorModel
from palate.models.contract.learned import Array, Attribute, Learned, Learns, Shape, StoredEncoding
from palate.models.contract.learner import ScoreKind
from palate.models.ridge.rows import FixedSide, Prior, feature_names


@dataclass(frozen=True, eq=False)
class LearnedPriors(Learned):
    """Features of users and the weights of both sides' features; no rows where there are none.

    Attributes:
        user_features: (n_users, n_user_features).
        user_weights, item_weights: (n_features, n_factors).
        user_weights_biases, item_weights_biases: (n_features,).
        user_encoding, item_encoding: how the features were made; for `Features.from_table`.
    """

    user_features: Annotated[Array, Shape("n_users_with_features", "n_user_features")]
    user_weights: Annotated[Array, Shape("n_user_features", "n_factors")]
    user_weights_biases: Annotated[Array, Shape("n_user_features")]
    item_weights: Annotated[Array, Shape("n_item_features", "n_factors")]
    item_weights_biases: Annotated[Array, Shape("n_item_features")]
    user_encoding: StoredEncoding
    item_encoding: StoredEncoding

    @classmethod
    def of(
        cls,
        priors: tuple[Prior | None, Prior | None],
        features: tuple[Features | None, Features | None],
        n_factors: int,
        dtype: Any,
    ) -> Self:
        """Return the priors of users and items as they are kept."""
        empty = Prior(np.zeros((0, 0), dtype), np.zeros((0, n_factors), dtype), np.zeros(0, dtype))
        of_users, of_items = (prior or empty for prior in priors)
        weights = of_users.weights, of_users.weights_biases, of_items.weights, of_items.weights_biases
        return cls(of_users.features, *weights, *map(encoding_of, features))

    def of_users(self, features: Array | None) -> Prior | None:
        """Return the prior of users with these features."""
        return _prior(features, self.user_weights, self.user_weights_biases)

    def of_items(self, features: Array | None) -> Prior | None:
        """Return the prior of items with these features."""
        return _prior(features, self.item_weights, self.item_weights_biases)

    @property
    def user_names(self) -> list[str]:
        """The names of the users' features."""
        return feature_names(self.user_encoding)


class PriorModel(FactorModel):
    """A model of factors that keeps `LearnedPriors`."""

    user_weights_ = Attribute[Array]()
    user_weights_biases_ = Attribute[Array]()
    item_weights_ = Attribute[Array]()
    item_weights_biases_ = Attribute[Array]()


@dataclass(frozen=True, eq=False)
class RatingFactors(Learned):
    """Factors, biases and the mean of a model of ratings.

    Attributes:
        user_factors, item_factors: (n_users, n_factors), (n_items, n_factors).
        user_biases, item_biases: (n_users,), (n_items,).
        mean: 0 without biases.
        priors: of users and items by their features.
    """

    user_factors: Annotated[Array, Shape("n_users", "n_factors")]
    item_factors: Annotated[Array, Shape("n_items", "n_factors")]
    user_biases: Annotated[Array, Shape("n_users")]
    item_biases: Annotated[Array, Shape("n_items")]
    mean: float
    priors: LearnedPriors

    def factors(self) -> Factors:
        """Return what scores are made of."""
        return Factors(self.user_factors, self.item_factors, self.user_biases, self.item_biases, self.mean)

    def users_given(self, *, biases: bool) -> FixedSide:
        """Return what is fixed where items are folded in."""
        return FixedSide(self.user_factors, self.user_biases, mean=self.mean, biases=biases)

    def items_given(self, *, biases: bool) -> FixedSide:
        """Return what is fixed where users are folded in."""
        return FixedSide(self.item_factors, self.item_biases, mean=self.mean, biases=biases)


class RatingModel(PriorModel):
    """A model of ratings by factors and biases: base of `ALS` and `MatrixFactorization`."""

    score_kind: ClassVar[ScoreKind] = "rating"
    learned_ = Learns(RatingFactors)
    user_biases_ = Attribute[Array]()
    item_biases_ = Attribute[Array]()
    mean_ = Attribute[float]()

    def _factors(self) -> Factors:
        return self.learned_.factors()


def encoding_of(features: Features | None) -> list[Mapping[str, Any]]:
    """Return how features were made, as files hold it."""
    return [] if features is None else [dict(spec) for spec in features.encoding]


def _prior(features: Array | None, weights: Array, weights_biases: Array) -> Prior | None:
    if features is None:
        return None
    return Prior(np.ascontiguousarray(features, weights.dtype), weights, weights_biases)


def rating_parts(mean: float, item_bias: float) -> list[Part]:
    """Return the parts of a predicted rating that are the same for everybody."""
    parts = [Part("mean", "mean rating", mean)] if mean else []
    return [*parts, Part("item bias", "how the item is rated by all", float(item_bias))] if item_bias else parts


def prior_parts(prior: Prior | None, names: list[str], side: FixedSide, item: int) -> list[Part]:
    """Return the parts of the score of a row without cells: its prior mean, by feature."""
    if prior is None:
        return []
    by_feature = prior.weights.astype(np.float64) @ side.Q[item].astype(np.float64)
    if side.biases:
        by_feature = by_feature + prior.weights_biases
    return [
        Part("feature", name, float(x * w))
        for name, x, w in zip(names, prior.features[0], by_feature, strict=True)
        if x
    ]
