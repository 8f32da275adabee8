"""How differently people judge items: of each the entropy of its ratings.

    H_i = - sum_v p_iv log p_iv                                                                                     (1)

p_iv is the share of those who rated item i who gave it v. Of clicks, which have one value, v is whether a user had it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.models import Recommender

MOST_LEVELS = 20  # values told apart; more are put into as many ranges of equal width


def entropies(model: Recommender) -> NDArray[np.float64]:
    """Return eq. 1 of each item, (n_items,)."""
    counts = np.asarray(model.item_order.counts, np.float64)
    seen = model.seen_
    if seen is None or not len(seen.values) or seen.values.min() == seen.values.max():
        return _entropy_of_having(counts, len(model.users_))
    levels = _levels(seen.values)
    n_levels = int(levels.max()) + 1
    table = np.bincount(seen.indices.astype(np.int64) * n_levels + levels, minlength=len(counts) * n_levels)
    shares = table.reshape(len(counts), n_levels) / np.maximum(counts, 1)[:, None]
    return np.asarray(_entropy(shares).sum(axis=1))


def _levels(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return a number for each value, those of equal ones equal."""
    distinct = np.unique(values)
    if len(distinct) <= MOST_LEVELS:
        return np.searchsorted(distinct, values)
    edges = np.linspace(distinct[0], distinct[-1], MOST_LEVELS + 1)[1:-1]
    return np.searchsorted(edges, values, side="right")


def _entropy_of_having(counts: NDArray[np.float64], n_users: int) -> NDArray[np.float64]:
    share = np.clip(counts / max(n_users, 1), 0, 1)
    return np.asarray(_entropy(share) + _entropy(1 - share))


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return -shares * np.log(np.where(shares > 0, shares, 1.0))
