"""What models of factors and biases share: scores, likeness, features, and what another fit begins with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import Factors
from palate.models.contract.base import Recommender
from palate.models.contract.learned import Array, Attribute
from palate.models.contract.learner import WarmStart
from palate.models.contract.person import Group
from palate.models.contract.scoring import FactorScorer, nearest
from palate.sparse import Rows
from palate.topk import ItemSide


class Factored(Recommender):
    """score = mean + b_u + c_i + p_u . q_i, of users folded in, too."""

    @abstractmethod
    def _factors(self) -> Factors:
        """Return P (n_users, k), Q (n_items, k), b, c and mean."""

    @abstractmethod
    def _fold(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        """Return factors and biases of users by these rows and their features."""

    def _scorer(self) -> FactorScorer:
        return self._derived("scorer", lambda: FactorScorer.of(self._factors()))

    def _scorer_for(self, rows: Rows, features: Array | None) -> FactorScorer:
        return FactorScorer(*self._fold(rows, features), self._among)

    @property
    def _among(self) -> ItemSide:
        """The items as the scorer of the users of training has them."""
        return self._scorer().among

    def _mean_of(self, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64] | None:
        scorer = self._scorer()
        b, c, mean = scorer.b, scorer.among.c, scorer.among.mean
        if not (b.any() or c.any()):
            return None
        of_users, of_items = (np.where(at >= 0, side[at], 0.0) for at, side in ((user_index, b), (item_index, c)))
        return np.asarray(mean + of_users + of_items)


class FactorModel(Factored):
    """A model of factors that takes features, and can go on from another fit; chance plays a part."""

    user_factors_ = Attribute[Array]()
    item_factors_ = Attribute[Array]()
    user_features_ = Attribute[Array]()
    user_encoding_ = Attribute[list[Mapping[str, Any]]]()
    item_encoding_ = Attribute[list[Mapping[str, Any]]]()
    seed_ = Attribute[int]()

    def _items_like(self, index: NDArray[np.int32], n: int) -> tuple[Array, Array]:
        return self._scorer().nearest(index, n, self.item_order.places, self.n_threads)

    def _users_like(self, group: Group, n: int) -> tuple[Array, Array]:
        known, scorer = group.ranker is self.ranker, group.ranker.scorer
        if not isinstance(scorer, FactorScorer):
            raise TypeError("a ranker of another model")
        factors, wanted = scorer.P if known else self._users_as_folded(), scorer.P[group.users]
        itself = group.users if known else np.full(len(group.users), -1, np.int32)
        return nearest(factors, wanted, itself, n, self._places_of_users(), self.n_threads)

    def _users_as_folded(self) -> Array:
        """Return the factors of the users of training that those of people folded in are like, (n_users, k)."""
        factors: Array = self._factors().P
        return factors

    def _encoding(self, side: str) -> list[Mapping[str, Any]]:
        return self.user_encoding_ if side == "user" else self.item_encoding_

    def _stored_features(self, user: int) -> Array | None:
        stored = self.user_features_
        return stored[user : user + 1] if stored.shape[1] else None

    def _warm_start(self) -> WarmStart:
        return WarmStart(self.users_, self.items_, *self._factors())
