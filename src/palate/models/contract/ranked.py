"""What a fitted model answers in positions: its ranker, made once, and what it lists and scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.models.contract.abilities import ScoresPeople, cannot, check_supports
from palate.models.contract.learner import Learner
from palate.models.contract.lists import ItemOrder, Lists, places_of_ids
from palate.models.contract.ranker import Ranker
from palate.models.contract.scoring import Scorer
from palate.models.contract.state import Rated
from palate.parallel import kept
from palate.sparse import Rows

T = TypeVar("T")


class Ranked(Learner):
    """Lists and scores by position; the final classes say how they score."""

    @abstractmethod
    def _scorer(self) -> Scorer:
        """Return what scores the users of training; asked once a fit, by `ranker`."""

    @property
    def ranker(self) -> Ranker:
        """What lists and scores the users of training, by position; made once a fit.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        return self._derived("ranker", lambda: Ranker(self._scorer, self._order(), self.seen_))

    def ranker_of(self, rows: Rows, features: NDArray[Any] | None = None) -> Ranker:
        """Return what lists and scores people by their rows alone, in the items' positions.

        Args:
            rows: one a person.
            features: (n, n_features) of them, or None.

        Raises:
            ParameterError: the model knows nothing of people by their rows alone.
        """
        self._check_fitted()
        if not isinstance(self, ScoresPeople):
            raise cannot(self, "recommend_for")
        scorer = self._scorer_for(rows, features)
        return Ranker(lambda: scorer, self.ranker.popular, rows)

    @property
    def lists_its_users(self) -> bool:
        """Whether the model lists the users of its training; some need training rows for it, and were fitted without.

        Raises:
            NotFittedError: before ``fit``.
        """
        try:
            return self.ranker.scorer is not None
        except ParameterError as error:
            if error.code != "no_history":
                raise
            return False

    @property
    def item_order(self) -> ItemOrder:
        """The items in the order of popularity, by the rows of training.

        Raises:
            NotFittedError: before ``fit``.
        """
        return self.ranker.popular

    def lists_index(
        self,
        user_index: NDArray[Any],
        n: int,
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
    ) -> Lists:
        """Return the best n items of each user, and whose list is the popular one (`palate.models.contract.lists`).

        Args:
            user_index: (m,) positions of users.
            n: how many; at least 1.
            excluded: rows over all users of items to leave out.
            allowed: (n_items,) items to choose from, or None for all.

        Raises:
            NotFittedError: before ``fit``.
        """
        users = np.asarray(user_index, np.int32)
        return self.ranker.lists(users, n, excluded=excluded, allowed=allowed, n_threads=self.n_threads)

    def rank_index(
        self,
        user_index: NDArray[Any],
        n: int,
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return items and scores of `lists_index`: (m, n) each, -1 and NaN where fewer are left.

        Raises:
            NotFittedError: before ``fit``.
        """
        lists = self.lists_index(user_index, n, excluded=excluded, allowed=allowed)
        return lists.items, lists.scores

    def ranking_keys(
        self,
        user_index: NDArray[Any],
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """Return what `lists_index` orders all items by, (m, n_items): larger is better, equal is a tie.

        The raw score or, where the user's list is the popular one, a key of popularity; -inf where an item is left out.
        Give a few users at a time. The parameters are those of `lists_index`.

        Raises:
            NotFittedError: before ``fit``.
        """
        users = np.asarray(user_index, np.int32)
        return self.ranker.keys(users, excluded=excluded, allowed=allowed)

    def score_index(self, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64]:
        """Return the raw score of each pair of positions, (n,) each: what `rank_index` orders by.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        return self.ranker.scorer.pairs(user_index, item_index)

    def score_rows(self, user_index: NDArray[Any]) -> NDArray[np.float64]:
        """Return the raw scores of all items for these users, (m, n_items): give a few users at a time.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        return self.ranker.scorer.of_all(np.asarray(user_index, np.int32))

    def _order(self) -> ItemOrder:
        return self._derived("order", lambda: ItemOrder(self._popularity(), self.items_))

    def _popularity(self) -> Rated | Rows | None:
        return self.rated_ if self.seen_ is None else self.seen_

    def _places_of_users(self) -> NDArray[np.int32]:
        return self._derived("places of users", lambda: places_of_ids(self.users_))

    def _derived(self, name: str, compute: Callable[[], T]) -> T:
        """Return what is derived of this fit, computed at its first use and kept until the next fit."""
        of_fit: dict[str, Any] | None = self.__dict__.get("_of_fit")
        if of_fit is None or of_fit["learned"] is not self.learned_:  # each fit makes a new one
            of_fit = self.__dict__["_of_fit"] = {"learned": self.learned_}
        return kept(of_fit, name, compute)

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is derived out of copies and pickles: it is made again at its first use."""
        return {name: value for name, value in self.__dict__.items() if name != "_of_fit"}

    def _check_can(self, ability: str) -> None:
        self._check_fitted()
        check_supports(self, ability, "use recommend" if ability == "predict" else "")
