"""What a rating may be: a mixture of normal distributions, one for each kept draw; or stars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from palate.errors import ParameterError
from palate.kernels import mixture as kernel
from palate.metrics.distribution import crps_stars
from palate.models.bayes.ordinal import star_probabilities
from palate.parallel import GRAIN, Workers, chunks, single_blas_thread
from palate.sparse import Array


@dataclass(frozen=True, eq=False)
class Predictive:
    """The distributions of some ratings.

    Attributes:
        means, sds: (n, n_parts) of the parts of the mixtures: the score in each draw, and the noise around it; in the
            unit of the latent rating where there are cut points.
        cuts: (n_kept, n_levels - 1) cut points of the ordinal likelihood, or no columns.
        levels: (n_levels,) the values that a rating can take; half way between them the mixture is cut into stars.
        n_threads: threads, None for all cores.
    """

    means: Array
    sds: Array
    cuts: Array
    levels: Array
    n_threads: int | None = None

    @property
    def is_ordinal(self) -> bool:
        """Whether ratings are stars and nothing between."""
        return bool(self.cuts.shape[1])

    @cached_property
    def probabilities(self) -> Array:
        """The probability of each level, (n, n_levels), mean over the draws."""
        if self.is_ordinal:
            total = np.zeros((len(self.means), len(self.levels)))
            for s in range(self.means.shape[1]):
                total += star_probabilities(self.means[:, s], self.sds[:, s], self.cuts[s])
            return np.asarray(total / self.means.shape[1])
        edges = (self.levels[1:] + self.levels[:-1]) / 2
        inner = self.cdf(np.broadcast_to(edges, (len(self.means), len(edges))))
        return np.asarray(np.diff(inner, axis=1, prepend=0.0, append=1.0))

    def cdf(self, points: Array) -> Array:
        """Return the probability of at most each point, (n, q) for points (n, q)."""
        if self.is_ordinal:
            reached = self.levels[None, None, :] <= np.asarray(points)[:, :, None]
            below: Array = (self.probabilities[:, None, :] * reached).sum(axis=2)
            return below
        return self._run(kernel.cdfs, np.ascontiguousarray(points, np.float64), (len(self.means), points.shape[1]))

    def mean(self) -> Array:
        """Return the expected rating, (n,): of the draws, users' own chance included."""
        if self.is_ordinal:
            return self._expected(self.levels)
        return np.asarray(self.means.mean(axis=1))

    def std(self) -> Array:
        """Return the standard deviation of the rating, (n,): what is not known, and noise."""
        if self.is_ordinal:
            spread: Array = np.sqrt(self._expected(self.levels**2) - self.mean() ** 2)
            return spread
        return np.asarray(np.sqrt(self.means.var(axis=1) + (self.sds**2).mean(axis=1)))

    def interval(self, level: float) -> tuple[Array, Array]:
        """Return the central interval that holds ``level`` of the probability, (n,) and (n,).

        Raises:
            ParameterError: level does not lie between 0 and 1.
        """
        if not isinstance(level, int | float) or not 0 < level < 1:
            raise ParameterError.outside("level", "a number between 0 and 1", level)
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        if self.is_ordinal:
            below = np.cumsum(self.probabilities, axis=1)
            low, high = (self.levels[np.argmax(below >= t - 1e-12, axis=1)] for t in tails)
            return low, high
        ends = self._run(kernel.quantiles, tails, (len(self.means), 2))
        return ends[:, 0], ends[:, 1]

    def crps(self, truth: Array) -> Array:
        """Return the continuous ranked probability score of each rating, (n,)."""
        if self.is_ordinal:
            scores: Array = crps_stars(truth, self.probabilities, self.levels)
            return scores
        return self._run(kernel.crps, np.ascontiguousarray(truth, np.float64), (len(self.means),))

    def _expected(self, of_levels: Array) -> Array:
        with single_blas_thread():
            expected: Array = self.probabilities @ of_levels
        return expected

    def _run(self, call: Any, given: Array, shape: tuple[int, ...]) -> Array:
        out = np.empty(shape)
        with Workers(self.n_threads) as workers:
            workers.run(
                [
                    partial(call, self.means, self.sds, given, p.start, p.stop, out)
                    for p in chunks(len(self.means), GRAIN.mixed)
                ]
            )
        return out
