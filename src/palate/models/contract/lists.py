"""Lists as the index level has them, and the order of popularity, which decides where scores are equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.models.contract.state import Rated
from palate.parallel import once
from palate.sparse import Rows


@dataclass(frozen=True, eq=False)
class Lists:
    """The best items of some users.

    Attributes:
        items: (m, n) positions, -1 where fewer are left.
        scores: (m, n), NaN beside -1.
        popular: (m,) whether the list is the popular one.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float64]
    popular: NDArray[np.bool_]

    @classmethod
    def empty(cls, m: int, n: int) -> Lists:
        """Return room for m lists of n, popular ones without items so far."""
        return cls(np.full((m, n), -1, np.int32), np.full((m, n), np.nan), np.ones(m, bool))

    def put(self, at: NDArray[np.intp], lists: Lists) -> None:
        """Write some users' lists."""
        self.items[at], self.scores[at], self.popular[at] = lists.items, lists.scores, lists.popular


@dataclass(frozen=True, eq=False)
class ItemOrder:
    """The items of a model in the order of popularity, sorted at first use.

    Attributes:
        rated: how they were rated, or the rows that tell it; None where it is not known: they then stand by their ids.
        items: their ids.
    """

    rated: Rated | Rows | None
    items: Ids

    @property
    def known(self) -> bool:
        """Whether it is known how items were rated; else all keys are equal."""
        return self.rated is not None

    @once
    def order(self) -> NDArray[np.int32]:
        """Positions, (n_items,): most rated first, then highest mean value, then the caller's id."""
        counts, means = self._counted
        return np.lexsort((places_of_ids(self.items), -means, -counts)).astype(np.int32)

    @once
    def places(self) -> NDArray[np.int32]:
        """Where each item stands in the order, (n_items,)."""
        return inverse(self.order)

    @property
    def counts(self) -> NDArray[Any]:
        """How many rows each item has, (n_items,)."""
        return self._counted[0]

    @once
    def keys(self) -> NDArray[np.float64]:
        """Larger for more popular, (n_items,); equal where only the ids tell two items apart."""
        counts, means = (figures[self.order] for figures in self._counted)
        steps = (np.diff(counts) != 0) | (np.diff(means) != 0)
        keys = np.empty(len(counts))
        keys[self.order] = -np.concatenate([np.zeros(min(1, len(counts))), np.cumsum(steps)])
        return keys

    @once
    def _counted(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """How many rows each item has, and the mean of their values."""
        n_items, rated = len(self.items), self.rated
        if rated is None:
            return np.zeros(n_items), np.zeros(n_items)
        if isinstance(rated, Rows):
            rated = Rated.of(rated.indices, rated.values, n_items)
        return rated.counts, rated.means


def places_of_ids(ids: Ids) -> NDArray[np.int32]:
    """Return where each id stands when they are sorted, (n,) int32."""
    return inverse(ids.sorted_positions())


def inverse(order: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return where each position stands in an order."""
    places = np.empty(len(order), np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return places
