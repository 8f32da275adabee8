"""Users that a model meets after training: their rows by position of the model's items, and their factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.data.interactions import Interactions, Rows, check_interactions
from palate.notebook import card


@dataclass(frozen=True, eq=False, repr=False)
class Newcomers:
    """Users folded into a model: `Recommender.fold_in`.

    Attributes:
        users: their ids.
        factors: (n_users, n_factors).
        biases: (n_users,).
        rows: what they gave, by position of the model's items: left out of their lists.
    """

    users: Ids
    factors: NDArray[Any]
    biases: NDArray[Any]
    rows: Rows

    def __repr__(self) -> str:
        n_rows, n_factors = len(self.rows.indices), self.factors.shape[1]
        return f"Newcomers({len(self.users):,} users with {n_rows:,} rows, {n_factors} factors)"

    def _repr_html_(self) -> str:
        counts = {"users": len(self.users), "rows": len(self.rows.indices), "factors": self.factors.shape[1]}
        return card("Newcomers, folded in", [(name, f"{n:,}") for name, n in counts.items()])


def rows_of(interactions: Interactions, items: Ids) -> Rows:
    """Return rows of any users by position in ``items``, sorted by it.

    Raises:
        DataError: interactions is none.
        UnknownIdError: an item that training did not know.
    """
    check_interactions("interactions", interactions)
    if interactions.items is items or interactions.items == items:
        return interactions.by_user()
    used, place = np.unique(interactions.item_index, return_inverse=True)
    whole = len(used) == len(interactions.items)
    index = items.index(interactions.items.values if whole else interactions.items.at(used))[place]
    order = np.lexsort((index, interactions.user_index))
    counts = np.bincount(interactions.user_index, minlength=interactions.n_users)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    weights = None if interactions.weights is None else interactions.weights[order]
    return Rows(indptr, index[order].astype(np.int32), interactions.values[order], weights)


def one_row(rows: Rows, user: int) -> Rows:
    """Return one user's cells as compressed rows of a single row."""
    cells = slice(int(rows.indptr[user]), int(rows.indptr[user + 1]))
    weights = None if rows.weights is None else rows.weights[cells]
    indices, values = rows.indices[cells], rows.values[cells]
    return Rows(np.array([0, len(indices)], np.int64), indices, values, weights)
