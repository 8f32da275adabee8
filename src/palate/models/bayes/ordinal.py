"""The ordered probit: stars as slices of a latent rating (Albert & Chib 1993).

    y_n ~ N(s_n, sd_n^2)        r_n = k where c_(k-1) < y_n <= c_k,  c_0 = -inf, c_K = inf                           (1)

with s_n the score and alpha = 1: the cut points hold mean and scale. A draw takes the cut points first, the latent
ratings integrated out (drawn the other way round they would hardly move: Cowles 1996), by a Metropolis step on

    log p(c | s) = sum_n log(Phi((c_r - s_n) / sd_n) - Phi((c_(r-1) - s_n) / sd_n))                                  (2)

with a flat prior on ordered cut points, and then y_n from its normal distribution cut to the slice of its star.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from palate.sparse import Array

STEP = 2.4  # of the proposal, in standard deviations over the root of the dimension (Roberts, Gelman & Gilks 1997)
REFRESH = 25  # draws between two looks at the curvature of eq. 2, while the chain warms up
MOST_STARS = 50
SMALLEST = 1e-300


@dataclass
class Stars:
    """Cut points and latent ratings.

    Attributes:
        levels: (K,) the values that ratings take, ascending.
        index: (n,) which level each rating has.
        warm: for how many draws the proposal is still adapted.
        cuts: (K - 1,).
        latent: (n,) float32.
        accepted: share of proposals accepted.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("cuts", "latent", "accepted", "_root", "_draws")

    levels: Array
    index: Array
    warm: int
    cuts: Array = field(init=False)
    latent: Array = field(init=False)
    accepted: float = 0.0

    def __post_init__(self) -> None:
        shares = np.cumsum(np.bincount(self.index, minlength=len(self.levels)))[:-1] / len(self.index)
        self.cuts = ndtri(shares)
        edges = np.concatenate([[0.0], shares, [1.0]])
        self.latent = ndtri((edges[:-1] + edges[1:]) / 2)[self.index].astype(np.float32)
        self._root = np.zeros((len(self.cuts),) * 2)
        self._draws = 0

    def draw(self, scores: Array, sd: Array, rng: np.random.Generator) -> None:
        """Draw the cut points, then the latent ratings: scores and sd (n,)."""
        s = scores.astype(np.float64)
        if self._draws % REFRESH == 0 and self._draws <= self.warm:
            self._look_around(s, sd)
        self._draws += 1
        proposal = self.cuts + self._root @ rng.standard_normal(len(self.cuts))
        chance = np.log(rng.random())
        if (np.diff(proposal) > 0).all() and chance < self._log(proposal, s, sd) - self._log(self.cuts, s, sd):
            self.cuts = proposal
            self.accepted += 1 / (self.warm + 1) if self._draws <= self.warm else 0.0
        low, high = self._limits(self.cuts, s, sd)
        mirrored = low > 0  # the tail that double precision resolves
        low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
        below, above = ndtr(low), ndtr(high)
        z = np.clip(ndtri(below + rng.random(len(s)) * (above - below)), low, high)
        self.latent = (s + sd * np.where(mirrored, -z, z)).astype(np.float32)

    def _limits(self, cuts: Array, s: Array, sd: Array) -> tuple[Array, Array]:
        edges = np.concatenate([[-np.inf], cuts, [np.inf]])
        return (edges[self.index] - s) / sd, (edges[self.index + 1] - s) / sd

    def _log(self, cuts: Array, s: Array, sd: Array) -> float:
        """Return eq. 2."""
        low, high = self._limits(cuts, s, sd)
        mirrored = low > 0
        low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
        upper = log_ndtr(high)
        with np.errstate(divide="ignore"):
            return float((upper + np.log1p(-np.exp(np.minimum(log_ndtr(low) - upper, 0.0)))).sum())

    def _look_around(self, s: Array, sd: Array) -> None:
        """Take the inverse of the information of eq. 2, the sum of squares of each rating's slope, for the proposal."""
        low, high = self._limits(self.cuts, s, sd)
        slice_ = np.maximum(ndtr(high) - ndtr(low), SMALLEST)
        upper, lower = (np.exp(-np.square(limit) / 2) / np.sqrt(2 * np.pi) / sd / slice_ for limit in (high, low))
        K = len(self.levels)
        of = np.zeros((K + 1, K + 1))
        of[np.arange(K + 1), np.arange(K + 1)] += np.bincount(self.index + 1, upper**2, K + 1)
        of[np.arange(K + 1), np.arange(K + 1)] += np.bincount(self.index, lower**2, K + 1)
        cross = -np.bincount(self.index, upper * lower, K)
        of[np.arange(K), np.arange(1, K + 1)] += cross
        of[np.arange(1, K + 1), np.arange(K)] += cross
        information = of[1:K, 1:K]
        self._root = STEP / len(self.cuts) ** 0.5 * np.linalg.cholesky(np.linalg.inv(information))


def expected_latent(index: Array, cuts: Array, s: Array, sd: Array) -> Array:
    """Return the mean of N(s, sd^2) cut to each rating's slice, (n,): index (n,) the slices, from 0."""
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    low, high = (edges[index] - s) / sd, (edges[index + 1] - s) / sd
    mirrored = low > 0  # the tail that double precision resolves
    low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    share = np.maximum(ndtr(high) - ndtr(low), SMALLEST)
    z = np.clip((np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / np.sqrt(2 * np.pi) / share, low, high)
    latent: Array = s + sd * np.where(mirrored, -z, z)
    return latent


def star_probabilities(scores: Array, sd: Array, edges: Array) -> Array:
    """Return the probability of each star, (n, K), of N(score, sd^2) between K - 1 edges."""
    inner = ndtr((edges[None, :] - scores[:, None]) / sd[:, None])
    padded = np.concatenate([np.zeros((len(scores), 1)), inner, np.ones((len(scores), 1))], axis=1)
    return np.diff(padded, axis=1)
