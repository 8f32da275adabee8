"""Small made-up data with a known structure, by explicit seeds."""

from __future__ import annotations

import numpy as np

from palate.data.interactions import Interactions
from palate.testing.made import interactions, low_rank

__all__ = ["communities", "interactions", "low_rank"]


def communities(n_users=1500, n_items=1200, n_groups=30, each=15, own=200, seed=0) -> Interactions:
    """Return few clicks a user, most on items of the user's own group, popular ones first: sparse, as shops are."""
    rng = np.random.default_rng(seed)
    of_item, popularity = rng.integers(n_groups, size=n_items), np.arange(1, n_items + 1) ** -0.6
    cells = []
    for user in range(n_users):
        weights = popularity * np.where(of_item == rng.integers(n_groups), own, 1)
        cells += [(user, item) for item in rng.choice(n_items, each, replace=False, p=weights / weights.sum())]
    return interactions(*zip(*cells, strict=True))
