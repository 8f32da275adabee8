"""The normal prior of one side's rows: its hyperparameters, drawn given the rows or sums over blocks of them.

Equations are numbered as in `palate.models.bayes.model`; D = n_factors + 1, a row is [factors, bias].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg

from palate.sparse import Array


@dataclass(frozen=True)
class Hyper:
    """Constants of the priors of one side, eq. 3 and 4: see `BayesianMF`."""

    wishart_scale: float = 1.0
    wishart_df: float = 0.0
    mean_strength: float = 1.0
    ridge_shape: float = 1e-3
    ridge_rate: float = 1e-3

    def ridge(self, n: int, spread: float, rng: np.random.Generator) -> float:
        """Draw lambda_g of a group of n weights whose squares in units of their noise sum up to ``spread``; eq. 3."""
        return float(rng.standard_gamma(self.ridge_shape + n / 2)) / (self.ridge_rate + spread / 2)


class RowSums(NamedTuple):
    """What eq. 4 takes from rows with cells, each less what its features give.

    Attributes:
        n: how many there are.
        mean: (D,).
        scatter: (D, D), the sum of products of what they differ from it by.
    """

    n: int
    mean: Array
    scatter: Array


def row_sums(R: Array) -> RowSums:
    """Return the sums of rows (n, D) float64, which are spent."""
    if not len(R):
        return RowSums(0, np.zeros(R.shape[1]), np.zeros((R.shape[1],) * 2))
    mean = R.mean(axis=0)
    R -= mean
    return RowSums(len(R), mean, R.T @ R)


def joined(parts: Sequence[RowSums]) -> RowSums:
    """Return the sums of all rows from those of parts of them, one after the other (Chan, Golub & LeVeque 1983)."""
    total = parts[0]
    for part in parts[1:]:
        n = total.n + part.n
        if not part.n or not total.n:
            total = part if part.n else total
            continue
        apart = part.mean - total.mean
        between = np.outer(apart, apart) * (total.n * part.n / n)
        total = RowSums(n, total.mean + apart * (part.n / n), total.scatter + part.scatter + between)
    return total


class GroupSums(NamedTuple):
    """What eq. 4 takes from a group of features.

    Attributes:
        n: how many weights each number of a row has.
        scatter: (D, D), lambda_g B'B.
    """

    n: int
    scatter: Array


def draw_prior(
    rows: RowSums, groups: Sequence[GroupSums], hyper: Hyper, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return draws of m (D,) and Lambda (D, D) given rows and weights: eq. 4."""
    n, rbar, scatter = rows
    S = hyper.wishart_scale * np.eye(len(rbar)) + scatter
    S += (n * hyper.mean_strength / (n + hyper.mean_strength)) * np.outer(rbar, rbar)
    for group in groups:
        S += group.scatter
    df = len(rbar) + hyper.wishart_df + n + sum(group.n for group in groups)
    L, noise = draw_wishart(df, S, rng)
    strength = n + hyper.mean_strength
    return n * rbar / strength + noise / np.sqrt(strength), L


def draw_wishart(df: float, S: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a draw L of W(df, inv(S)) by Bartlett's decomposition, and inv(H)' z of L = H H', z standard normal."""
    D = len(S)
    A = np.tril(rng.standard_normal((D, D)), -1)
    A[np.diag_indices(D)] = np.sqrt(rng.chisquare(df - np.arange(D)))
    U = upper_root(S)
    half = linalg.solve_triangular(U, A, check_finite=False)  # inv(S) = inv(U) inv(U)'
    L: Array = half @ half.T
    z = linalg.solve_triangular(A, rng.standard_normal(D), trans="T", lower=True, check_finite=False)
    return L, U.T @ z


def upper_root(S: Array) -> Array:
    """Return U of S = U'U.

    Raises:
        LinAlgError: S is not positive definite, or not finite: the chain has left the numbers.
    """
    if not np.isfinite(S).all():
        raise linalg.LinAlgError("a precision is not finite")
    U: Array = linalg.cholesky(S, check_finite=False)
    return U
