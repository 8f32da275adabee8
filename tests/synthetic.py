"""Small made-up data with a known structure, by explicit seeds."""

from __future__ import annotations

import numpy as np

from palate.data.interactions import Interactions


def interactions(users, items, values=None, times=None, **options) -> Interactions:
    """Return checked interactions of these columns."""
    table = {"user": list(users), "item": list(items)}
    if values is not None:
        table["rating"] = [float(v) for v in values]
    if times is not None:
        table["time"] = [int(t) for t in times]
    return Interactions.from_table(table, **options)


def low_rank(n_users=40, n_items=30, n=600, rank=3, noise=0.3, seed=0, rating_range=(1.0, 5.0)) -> Interactions:
    """Return n ratings of a low-rank matrix with biases and noise, every user and item rated; ids from 100 and 1000."""
    rng = np.random.default_rng(seed)
    truth = 3 + rng.normal(0, 0.4, (n_users, 1)) + rng.normal(0, 0.4, n_items)
    truth = truth + rng.normal(0, 0.6, (n_users, rank)) @ rng.normal(0, 0.6, (rank, n_items))
    must = [(u, u % n_items) for u in range(n_users)] + [(i % n_users, i) for i in range(n_items)]
    cells = list(dict.fromkeys(must + [divmod(int(x), n_items) for x in rng.permutation(n_users * n_items)]))[:n]
    u, i = np.array(cells)[rng.permutation(len(cells))].T
    values = np.clip(truth[u, i] + rng.normal(0, noise, len(u)), *rating_range)
    return interactions(u + 100, i + 1000, values, times=rng.integers(0, 10**6, len(u)), rating_range=rating_range)


def communities(n_users=1500, n_items=1200, n_groups=30, each=15, own=200, seed=0) -> Interactions:
    """Return few clicks a user, most on items of the user's own group, popular ones first: sparse, as shops are."""
    rng = np.random.default_rng(seed)
    of_item, popularity = rng.integers(n_groups, size=n_items), np.arange(1, n_items + 1) ** -0.6
    cells = []
    for user in range(n_users):
        weights = popularity * np.where(of_item == rng.integers(n_groups), own, 1)
        cells += [(user, item) for item in rng.choice(n_items, each, replace=False, p=weights / weights.sum())]
    return interactions(*zip(*cells, strict=True))
