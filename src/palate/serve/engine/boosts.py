"""Boosts: a condition lifts the items that meet it by a factor.

    s' = a + (s - a) f  where s >= a,   a + (s - a) / f  below                                                       (1)

f is the product of the factors of all conditions that an item meets, a is the lowest rating for models of ratings, and
0 for others. So a factor above 1 lifts each item that meets its condition, one below 1 lowers it, whatever the sign of
its score, and two requests with the same boosts give an item the same score. A popular list is boosted by its counts.

The best of all is found exactly: items of each product of factors are ranked apart, and then merged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def lifted(scores: NDArray[np.float64], factors: Any, base: float) -> NDArray[np.float64]:
    """Return scores by eq. 1."""
    above = scores - base
    lifts: NDArray[np.float64] = base + np.where(above >= 0, above * factors, above / factors)
    return lifts


def factors_of(masks: list[tuple[NDArray[np.bool_], float]], n: int) -> NDArray[np.float64]:
    """Return the product of the factors that each of n items gets."""
    factors = np.ones(n)
    for mask, factor in masks:
        factors[mask] *= factor
    return factors
