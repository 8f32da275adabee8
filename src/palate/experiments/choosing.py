"""Lists by chance, and exactly how probable they were.

The candidates are the first places of an order, numbered from 0 as they stand in it. With probability ``share`` chance
takes part, else the list is the order itself; where it does, all orders of the candidates are equally probable with
probability ``uniform``. The propensity of an item at a place is the probability that it stands there, over all of this:

    P(i at r) = share ((1 - uniform) p(i at r) + uniform / m) + (1 - share) [the order has i at r]                   (1)

with m candidates. p is of the policy: softmax draws orders of Plackett and Luce with logits utility / temperature
(`palate.kernels.chance`); Thompson sampling picks one of the draws that a Bayesian model keeps, each as probable as
any other, and p is the share of draws that put i at r.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.experiments.explore import Explore
from palate.kernels import chance, given
from palate.models.contract.abilities import ScoresInDraws

SHARE, UNIFORM, DRAW, ARRIVALS = range(4)  # numbers of a seed's random numbers, and the first of many
ALIKE = 1e-9  # scores that differ by less, relative to the largest, are equal but for rounding
ORDER, EQUAL = "order", "uniform"


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """What chance made of candidates.

    Attributes:
        order: (m,) candidates, the first place first.
        by: "order" (chance took no part), "uniform", "softmax" or "thompson".
        draw: which of the model's draws; -1 for none.
    """

    order: NDArray[np.int64]
    by: str
    draw: int = -1


class ListPolicy(ABC):
    """Makes lists of candidates by chance. Final classes say how their own part draws, and how probably.

    Attributes:
        explore: what was set.
        m: how many candidates there are.
    """

    explore: Explore

    @property
    @abstractmethod
    def m(self) -> int:
        """How many candidates there are."""

    @abstractmethod
    def _order(self, key: np.uint64) -> Drawn:
        """Return an order of the policy's own part."""

    @abstractmethod
    def _places(self, candidates: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the p of eq. 1 for each candidate and place."""

    @abstractmethod
    def _log_list(self, candidates: NDArray[np.int64]) -> float:
        """Return the logarithm of how probably the own part has these at the first places, in this order."""

    def draw(self, seed: int) -> Drawn:
        """Return a list; the same seed gives the same."""
        key = np.uint64(seed)
        if chance.share(key, SHARE) >= self.explore.share:
            return Drawn(np.arange(self.m), ORDER)
        if chance.share(key, UNIFORM) < self._uniform:
            return Drawn(arrived(np.zeros(self.m), key), EQUAL)
        return self._order(key)

    def propensities(self, candidates: Sequence[int] | NDArray[Any], places: Any) -> NDArray[np.float64]:
        """Return the probability of each of these candidates at its place, eq. 1.

        Args:
            candidates: (k,) all different.
            places: (k,) of each, from 1.
        """
        candidates, places = np.asarray(candidates, np.int64), np.asarray(places, np.int64)
        if not len(candidates):
            return np.zeros(0)
        own = (1 - self._uniform) * self._places(candidates, places) + self._uniform / self.m
        propensities: NDArray[np.float64] = self.explore.share * own + (1 - self.explore.share) * (
            candidates == places - 1
        )
        return propensities

    def log_probability(self, candidates: Sequence[int] | NDArray[Any]) -> float:
        """Return the logarithm of the probability that the first places are these, in this order."""
        candidates = np.asarray(candidates, np.int64)
        orders = math.lgamma(self.m + 1) - math.lgamma(self.m - len(candidates) + 1)
        is_order = bool((candidates == np.arange(len(candidates))).all())
        share, uniform = self.explore.share, self._uniform
        parts = [share * (1 - uniform), share * uniform, (1 - share) * is_order]
        logs = [self._log_list(candidates), -orders, 0.0]
        return float(np.logaddexp.reduce([math.log(p) + own for p, own in zip(parts, logs, strict=True) if p > 0]))

    @property
    def _uniform(self) -> float:
        return self.explore.uniform or 0.0


@dataclass(frozen=True, eq=False)
class Fixed(ListPolicy):
    """The order itself, always.

    Attributes:
        count: how many candidates there are.
        explore: what was set: "none".
    """

    count: int
    explore: Explore

    @property
    def m(self) -> int:
        """How many candidates there are."""
        return self.count

    def _order(self, key: np.uint64) -> Drawn:
        return Drawn(np.arange(self.m), ORDER)

    def _places(self, candidates: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(candidates == places - 1, np.float64)

    def _log_list(self, candidates: NDArray[np.int64]) -> float:
        return 0.0 if (candidates == np.arange(len(candidates))).all() else -math.inf


@dataclass(frozen=True, eq=False)
class Softmax(ListPolicy):
    """Orders of Plackett and Luce by utilities.

    Attributes:
        utilities: (m,) as `utilities` makes them.
        explore: its temperature divides them.
    """

    utilities: NDArray[np.float64]
    explore: Explore

    @property
    def m(self) -> int:
        """How many candidates there are."""
        return len(self.utilities)

    @property
    def logits(self) -> NDArray[np.float64]:
        """The logarithms of the weights, (m,)."""
        return self.utilities / self.explore.temperature

    def _order(self, key: np.uint64) -> Drawn:
        return Drawn(arrived(self.logits, key), "softmax")

    def _places(self, candidates: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        out = np.empty(len(candidates))
        v, items, at = given(self.logits, candidates, places)
        chance.take_places(v, items, at, out)
        return out

    def _log_list(self, candidates: NDArray[np.int64]) -> float:
        v, items = given(self.logits, candidates)
        return float(chance.log_order(v, items))


@dataclass(frozen=True, eq=False)
class Thompson(ListPolicy):
    """The order of one of the kept draws, each as probable as any other.

    Attributes:
        offsets: (m,) added to the scores of each draw: 0, or what boosts and diversity make of a score.
        draws: the scores.
        explore: what was set.
    """

    offsets: NDArray[np.float64]
    draws: ScoresInDraws
    explore: Explore

    @property
    def m(self) -> int:
        """How many candidates there are."""
        return len(self.offsets)

    def _order(self, key: np.uint64) -> Drawn:
        return self.by_draw(min(int(chance.share(key, DRAW) * self.draws.n_draws), self.draws.n_draws - 1))

    def by_draw(self, draw: int) -> Drawn:
        """Return the order of one draw; of equal scores the first candidate comes first."""
        return Drawn(np.argsort(-(self.draws.of(draw) + self.offsets), kind="stable"), "thompson", draw)

    def _places(self, candidates: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        out = np.empty(len(candidates), np.int64)
        S, items, at = given(self._scores, candidates, places)
        chance.count_places(S, items, at, out)
        return out / self.draws.n_draws

    def _log_list(self, candidates: NDArray[np.int64]) -> float:
        S, items = given(self._scores, candidates)
        count = int(chance.count_lists(S, items))
        return math.log(count / self.draws.n_draws) if count else -math.inf

    @cached_property
    def _scores(self) -> NDArray[np.float64]:
        return self.draws.every() + self.offsets


def utilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what softmax draws by: scores in standard deviations about their mean, so that temperatures transfer.

    The r-th largest score goes to the r-th place, for diversity and shares of new items order otherwise than scores.
    Where some have no score, they are read off between the others; where fewer than two have one, ranks are the scores.

    Args:
        scores: (m,) of the candidates in their order; NaN where there is none.
    """
    values = by_place(scores)
    spread = values[0] - values[-1] if len(values) else 0.0
    if spread <= ALIKE * np.abs(values).max(initial=0):
        return np.zeros(len(values))
    shares = (values - values[-1]) / spread
    standard: NDArray[np.float64] = ((shares - shares.mean()) / shares.std()).astype(np.float32).astype(np.float64)
    return standard


def by_place(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores in descending order, as `utilities` gives them to places."""
    m, finite = len(scores), -np.sort(-scores[np.isfinite(scores)])
    if len(finite) == m and m:
        return finite
    if len(finite) < 2:
        return np.arange(m, 0.0, -1.0)
    return np.interp(np.linspace(0, len(finite) - 1, m), np.arange(len(finite)), finite)


def arrived(logits: NDArray[np.float64], key: np.uint64) -> NDArray[np.int64]:
    """Return an order of Plackett and Luce."""
    keys = np.empty(len(logits))
    (v,) = given(logits)
    chance.arrivals(v, key, ARRIVALS, keys)
    return np.argsort(-keys, kind="stable")
