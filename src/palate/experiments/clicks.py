"""The click model that estimates of another policy rest on, and one that is fitted to what was seen.

Stated: items are judged by their place, and independently. A person who is shown a list clicks item a at place k with
a probability that depends on the person, the item and the place, and on nothing else that stands in the list:

    E[r_ik | person, list] = mu(person_i, a, k).                                                              (1)

So the probability of item a at place k is all that an estimate needs of a policy. A person who stops at the first click
(a cascade) breaks (1): what stands above then changes what is clicked below.

Fitted: the simplest model of that kind, examination times attraction (Richardson, Dominowska & Ragno 2007; Craswell,
Zoeter, Taylor & Ramsey 2008), for counts:

    r_ik ~ Poisson(theta_k gamma_a),   gamma_a ~ Gamma(s g, s) with mean g,   theta_1 = 1.                    (2)

Its two halves are maximised in turn: theta_k = sum r / sum gamma over the showings at place k, and
gamma_a = (sum r + s g) / (sum theta + s) over the showings of item a. Estimates use it only to lower their spread: they
stay right under (1) where (2) is wrong. It is never asked about people whom it was fitted to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SWEEPS = 20
STRENGTH = 20.0  # s of eq. 2, in showings
FOLDS = 5

STATED = (
    "Items are judged by their place, and independently: whether a person clicks depends on the person, the item and "
    "its place, and on nothing else in the list."
)


@dataclass(frozen=True, eq=False, slots=True)
class ClickModel:
    """Eq. 2.

    Attributes:
        examination: (n_places,) theta, 1 at the first place that was shown.
        attraction: (n_items,) gamma.
    """

    examination: NDArray[np.float64]
    attraction: NDArray[np.float64]

    def expected(self, place: NDArray[Any], item: NDArray[Any]) -> NDArray[np.float64]:
        """Return the clicks expected of items, by index, at places, from 1."""
        expected: NDArray[np.float64] = self.examination[place - 1] * self.attraction[item]
        return expected


def fitted(place: NDArray[Any], item: NDArray[Any], reward: NDArray[Any], n_places: int, n_items: int) -> ClickModel:
    """Return the click model of showings.

    Args:
        place: of each showing, from 1.
        item: its index; one that was never shown has the mean attraction.
        reward: what came of it.
        n_places, n_items: of the model.
    """
    at = place - 1
    seen = np.bincount(at, minlength=n_places)
    by_place = np.bincount(at, reward, n_places)
    by_item = np.bincount(item, reward, n_items)
    theta, gamma = np.ones(n_places), np.full(n_items, reward.mean() if len(reward) else 0.0)
    for _ in range(SWEEPS):
        theta = _over(by_place, np.bincount(at, gamma[item], n_places))
        first = theta[np.flatnonzero(seen)[0]] if seen.any() else 1.0
        theta = theta / first if first > 0 else np.ones(n_places)
        shown = np.bincount(item, theta[at], n_items)
        mean = reward.sum() / shown.sum() if shown.sum() else 0.0
        gamma = (by_item + STRENGTH * mean) / (shown + STRENGTH)
    return ClickModel(theta, gamma)


def _over(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return a / b, and 1 where b is 0: nothing is known there."""
    return np.asarray(np.divide(a, b, out=np.ones(len(a)), where=b > 0))


def folds(person: NDArray[Any], n_folds: int = FOLDS, random_state: int = 0) -> NDArray[np.int64]:
    """Return a fold for each list, (n_lists,): all lists of one person are in one."""
    _, index = np.unique(person, return_inverse=True)
    dealt = np.random.default_rng(random_state).permutation(int(index.max(initial=-1)) + 1) % n_folds
    fold: NDArray[np.int64] = dealt[index]
    return fold


def crossfitted(
    fold: NDArray[np.int64],
    place: NDArray[Any],
    item: NDArray[Any],
    reward: NDArray[Any],
    n_places: int,
    n_items: int,
    n_folds: int = FOLDS,
) -> list[ClickModel]:
    """Return a model for each fold, fitted to the showings of all others; ``fold`` is that of each showing."""
    out = []
    for own in range(n_folds):
        rest = fold != own
        out.append(fitted(place[rest], item[rest], reward[rest], n_places, n_items))
    return out
