"""Generated data of the sizes that people ask about: long tails of users and items, and tastes to be found."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from palate.data.ids import Ids
from palate.data.interactions import Interactions

GROUPS = 60  # of tastes


@lru_cache(maxsize=2)
def clicks(n: int, n_users: int, n_items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return about n different (user, item) pairs: users of long and short rows, popular items, and shared tastes."""
    rng = np.random.default_rng(seed)
    lengths = rng.lognormal(0, 1, n_users)
    lengths = np.maximum(2, lengths * (1.5 * n / lengths.sum())).astype(np.int64)
    user = np.repeat(np.arange(n_users), lengths)
    popularity = 1 / (np.arange(n_items) + 30.0)
    popularity /= popularity.sum()
    item = rng.choice(n_items, len(user), p=popularity)
    group = rng.integers(0, GROUPS, n_users)[user]
    own = rng.random(len(user)) < 0.6  # a click of the user's own taste: an item of the group's, about as popular
    item[own] = np.minimum(item[own] // GROUPS * GROUPS + group[own], n_items - 1)
    pairs = np.unique(user * n_items + item)
    pairs = np.sort(rng.permutation(pairs)[:n])
    return (pairs // n_items).astype(np.int32), (pairs % n_items).astype(np.int32)


def ratings(n: int, n_users: int, n_items: int, seed: int = 0) -> Interactions:
    """Return about n ratings from 1 to 5 by a low-rank model with biases and noise."""
    user, item = clicks(n, n_users, n_items, seed)
    rng = np.random.default_rng([seed, 1])
    b, c = rng.normal(0, 0.4, n_users), rng.normal(0, 0.4, n_items)
    P, Q = rng.normal(0, 0.35, (n_users, 10)), rng.normal(0, 0.35, (n_items, 10))
    values = np.empty(len(user), np.float32)
    for part in np.array_split(np.arange(len(user)), max(1, len(user) // 1_000_000)):
        u, i = user[part], item[part]
        truth = 3.5 + b[u] + c[i] + np.einsum("nk,nk->n", P[u], Q[i]) + rng.normal(0, 0.8, len(part))
        values[part] = np.clip(np.round(truth * 2) / 2, 0.5, 5)
    return interactions(user, item, values, n_users, n_items)


def interactions(
    user: np.ndarray, item: np.ndarray, values: np.ndarray | None, n_users: int, n_items: int
) -> Interactions:
    """Return arrays of positions as interactions."""
    values = np.ones(len(user), np.float32) if values is None else values
    return Interactions(user, item, values, None, Ids(range(n_users), "user"), Ids(range(n_items), "item"))
