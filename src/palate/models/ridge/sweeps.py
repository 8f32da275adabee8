"""Sweeps of `ALS`: the settings as they are used, factors and biases between two sweeps, and the sweep itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from palate.data.interactions import Interactions
from palate.errors import ParameterError
from palate.kernels import Factors
from palate.models.ridge.biases import BiasFit
from palate.models.ridge.rows import FixedSide, Prior, solve, started
from palate.models.ridge.sums import prior_of
from palate.parallel import Workers
from palate.sparse import Array, Rows

Pair = tuple[Array, Array]
Priors = tuple[Prior | None, Prior | None]


@dataclass(frozen=True)
class ALSSettings:
    """What the objective has in numbers, in the ratings' own unit.

    Attributes:
        mean: as in the objective, rounded as the factors are.
        reg, reg_users, reg_items: penalties of factors and of both sides' biases.
        reg_exponent, reg_features: as the model's.
        biases: whether rows have one.
    """

    mean: float
    reg: float
    reg_users: float
    reg_items: float
    reg_exponent: float
    reg_features: float
    biases: bool


@dataclass(frozen=True, eq=False)
class Solution:
    """Factors and biases after a sweep, and the means that their penalties draw them to."""

    P: Array
    Q: Array
    b: Array
    c: Array
    priors: Priors = (None, None)

    @classmethod
    def start(cls, data: Interactions, n_factors: int, init_scale: float, seed: int, dtype: Any) -> Solution:
        """Return random factors of users and zeros."""
        P = started((data.n_users, n_factors), init_scale, np.random.default_rng([seed, 0]), dtype)
        Q = np.zeros((data.n_items, n_factors), dtype)
        return cls(P, Q, np.zeros(data.n_users, dtype), np.zeros(data.n_items, dtype))

    @classmethod
    def without_factors(cls, fit: BiasFit, dtype: Any, *, biases: bool) -> Solution:
        """Return the biases alone, or zeros."""
        b, c = (x.astype(dtype) * biases for x in (fit.users, fit.items))
        return cls(np.zeros((len(b), 0), dtype), np.zeros((len(c), 0), dtype), b, c)

    def factors(self, mean: float) -> Factors:
        """Return what scores are made of."""
        return Factors(self.P, self.Q, self.b, self.c, self.P.dtype.type(mean))


@dataclass(frozen=True, eq=False)
class RatingSweeps:
    """Half sweeps over the items and then the users of a training part.

    Attributes:
        rows: ratings by user and by item.
        weights: w of both sides' rows.
        features: of both sides.
    """

    rows: tuple[Rows, Rows]
    weights: Pair
    features: tuple[Array | None, Array | None]
    settings: ALSSettings
    workers: Workers

    @classmethod
    def of(
        cls, data: Interactions, features: tuple[Array | None, Array | None], settings: ALSSettings, workers: Workers
    ) -> RatingSweeps:
        """Return the sweeps over these ratings."""
        rows = data.by_user(), data.by_item()
        of_users, of_items = (row_weights(side, settings.reg_exponent) for side in rows)
        return cls(rows, (of_users, of_items), features, settings, workers)

    def next(self, now: Solution) -> Solution:
        """Return the solution after one more sweep."""
        on, side = self.settings, partial(FixedSide, mean=self.settings.mean, biases=self.settings.biases)
        of_items = prior_of(now.Q, now.c, self.features[1], self.weights[1], on.reg_features)
        regs = on.reg, on.reg_items
        Q, c = half_sweep(self.rows[1], side(now.P, now.b), self.weights[1], regs, of_items, self.workers)
        of_users = prior_of(now.P, now.b, self.features[0], self.weights[0], on.reg_features)
        P, b = half_sweep(self.rows[0], side(Q, c), self.weights[0], (on.reg, on.reg_users), of_users, self.workers)
        return Solution(P, Q, b, c, (of_users, of_items))

    def penalty(self, now: Solution) -> float:
        """Return the part of the objective that is not of the ratings."""
        on, sides, total = self.settings, ((now.P, now.b), (now.Q, now.c)), 0.0
        for n, reg_biases in enumerate((on.reg_users, on.reg_items)):
            regs = on.reg, reg_biases
            of_rows = rows_penalty(*sides[n], now.priors[n], self.weights[n], regs)
            total += of_rows + weights_penalty(now.priors[n], regs, on.reg_features)
        return total


def half_sweep(
    rows: Rows, side: FixedSide, weights: Array, regs: tuple[float, float], prior: Prior | None, workers: Workers
) -> Pair:
    """Return factors and biases of all rows of one side; eq. 2 of the model.

    Args:
        rows: ratings by row.
        side: what is fixed.
        weights: w of each row.
        regs: penalties of factors and of biases.
        prior: mean of the rows, or None for zero.
        workers: threads.

    Raises:
        ParameterError: a row's equations cannot be solved.
    """
    P, b, _, failed = solve(rows, rows.weights, side, penalties_of(weights, regs), prior, workers)
    check_solved(failed, regs, P.dtype)
    return P, b


def penalties_of(weights: Array, regs: tuple[float, float]) -> Pair:
    """Return the penalties of each row's factors and of its bias."""
    return regs[0] * weights, regs[1] * (weights > 0)


def check_solved(failed: int, regs: tuple[float, float], dtype: Any) -> None:
    """Refuse penalties with which a row, if not -1, could not be solved.

    Raises:
        ParameterError: says which.
    """
    if failed >= 0:
        raise ParameterError(
            f"reg={regs[0]:g} and reg_biases={regs[1]:g} are too small for these ratings in {dtype}: a row's "
            "equations cannot be solved; take larger ones, or dtype='float64'",
            subject="reg",
        )


def row_weights(rows: Rows, exponent: float) -> Array:
    """Return w of each row; 0 for one without ratings, which is no part of the objective."""
    counts = rows.sizes.astype(np.float64)
    if rows.weights is not None:
        counts = np.diff(np.concatenate([[0.0], np.cumsum(rows.weights, dtype=np.float64)])[rows.indptr])
    return power_weights(counts, exponent)


def power_weights(counts: Array, exponent: float) -> Array:
    """Return w of rows by how many ratings they have, or by the sums of their weights; float64."""
    weights: Array = counts**exponent * (counts > 0)
    return weights


def rows_penalty(X: Array, biases: Array, prior: Prior | None, weights: Array, regs: tuple[float, float]) -> float:
    """Return the part of the objective that these rows of factors and biases make by themselves."""
    means = (0.0, 0.0) if prior is None else prior.means()
    of_factors = regs[0] * weights * np.square(X - means[0], dtype=np.float64).sum(axis=1)
    of_biases = regs[1] * (weights > 0) * np.square(biases - means[1], dtype=np.float64)
    return float((of_factors + of_biases).sum())


def weights_penalty(prior: Prior | None, regs: tuple[float, float], reg_features: float) -> float:
    """Return the part of the objective that the weights of one side's features make."""
    if prior is None:
        return 0.0
    squares = [float(np.square(w, dtype=np.float64).sum()) for w in (prior.weights, prior.weights_biases)]
    return reg_features * (regs[0] * squares[0] + regs[1] * squares[1])
