"""Made-up data with a known structure, by explicit seeds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from palate.data.interactions import Interactions


def interactions(
    users: Iterable[Any],
    items: Iterable[Any],
    values: Iterable[Any] | None = None,
    times: Iterable[Any] | None = None,
    **options: Any,
) -> Interactions:
    """Return checked interactions of these columns."""
    table = {"user": list(users), "item": list(items)}
    if values is not None:
        table["rating"] = [float(v) for v in values]
    if times is not None:
        table["time"] = [int(t) for t in times]
    return Interactions.from_table(table, **options)


def low_rank(
    n_users: int = 40,
    n_items: int = 30,
    n: int = 600,
    rank: int = 3,
    noise: float = 0.3,
    seed: int = 0,
    rating_range: tuple[float, float] = (1.0, 5.0),
) -> Interactions:
    """Return n ratings of a low-rank matrix with biases and noise, every user and item rated; ids from 100 and 1000."""
    rng = np.random.default_rng(seed)
    truth = 3 + rng.normal(0, 0.4, (n_users, 1)) + rng.normal(0, 0.4, n_items)
    truth = truth + rng.normal(0, 0.6, (n_users, rank)) @ rng.normal(0, 0.6, (rank, n_items))
    must = [(u, u % n_items) for u in range(n_users)] + [(i % n_users, i) for i in range(n_items)]
    cells = list(dict.fromkeys(must + [divmod(int(x), n_items) for x in rng.permutation(n_users * n_items)]))[:n]
    u, i = np.array(cells)[rng.permutation(len(cells))].T
    values = np.clip(truth[u, i] + rng.normal(0, noise, len(u)), *rating_range)
    return interactions(u + 100, i + 1000, values, times=rng.integers(0, 10**6, len(u)), rating_range=rating_range)


def checkerboard(n: int = 20, *, dislikes: bool) -> Interactions:
    """Return ratings of 5 where user and item are of one colour, all but one: it is the one right answer, item u + 2.

    Args:
        n: users and items, from 0.
        dislikes: whether cells of two colours stand there, too, with ratings of 1.
    """
    cells = [(u, i) for u in range(n) for i in range(n) if (u + i) % 2 == 0 and i != (u + 2) % n]
    cells += [(u, i) for u in range(n) for i in range(n) if (u + i) % 2 and dislikes]
    users, items = zip(*cells, strict=True)
    return interactions(users, items, [5.0 if (u + i) % 2 == 0 else 1.0 for u, i in cells])
