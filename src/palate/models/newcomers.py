"""Users that a model meets after training, and what is like what: the parts that need no model, only arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.data.interactions import Interactions, Rows, check_interactions
from palate.errors import ParameterError
from palate.topk import topk


@dataclass(frozen=True, eq=False)
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


def rows_of(interactions: Interactions, items: Ids) -> Rows:
    """Return rows of any users by position in ``items``, sorted by it.

    Raises:
        DataError: interactions is none.
        UnknownIdError: an item that training did not know.
    """
    check_interactions("interactions", interactions)
    used, place = np.unique(interactions.item_index, return_inverse=True)
    index = items.index(interactions.items.at(used))[place]
    order = np.lexsort((index, interactions.user_index))
    counts = np.bincount(interactions.user_index, minlength=interactions.n_users)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Rows(indptr, index[order].astype(np.int32), interactions.values[order])


def nearest(
    name: str, factors: NDArray[Any], index: NDArray[np.int32], n: int, n_threads: int | None
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the n rows of highest cosine for each row asked for, itself left out.

    Args:
        name: of the model's class, for the message.
        factors: (rows, k).
        index: (m,) rows asked for.
        n: how many.
        n_threads: threads, None for all cores.

    Raises:
        ParameterError: there are no factors.
    """
    if not factors.shape[1]:
        raise ParameterError(f"{name} has no factors, and so no likeness; a model such as als or mf has")
    lengths = np.sqrt(np.square(factors, dtype=np.float64).sum(axis=1))
    unit = factors / np.where(lengths > 0, lengths, 1)[:, None]
    nothing = np.zeros(len(unit))
    itself = np.arange(len(unit) + 1, dtype=np.int64), np.arange(len(unit), dtype=np.int32)
    parts = (unit, unit, nothing, nothing, 0.0)
    return topk(parts, index, min(n, len(unit)), excluded=[itself], n_threads=n_threads)
