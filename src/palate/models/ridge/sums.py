"""Sums over rows that half sweeps need: each of one block of rows, added over blocks in a fixed order.

One machine has one block. Sums of several are added by `tree_sum`, so that the bits depend on the blocks alone, and not
on who made them or when they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from palate.errors import ParameterError
from palate.kernels import Factors, given, ridge, sgd
from palate.kernels.simd.tile import ROWS
from palate.models.ridge.rows import FixedSide, Prior
from palate.parallel import GRAIN, Workers, chunks
from palate.sparse import Array, Rows
from palate.topk import score_pairs


def tree_sum(parts: Sequence[Array]) -> Array:
    """Return the sum of arrays of one shape: neighbours first, then neighbours' sums, to the end.

    Raises:
        ValueError: there are none.
    """
    if not len(parts):
        raise ValueError("there is nothing to add")
    level = list(parts)
    while len(level) > 1:
        pairs = [level[n] + level[n + 1] for n in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]


def gram_sum(Q: Array, workers: Workers) -> Array:
    """Return the upper triangle of Q'Q, (k, k); summed in an order of the data alone."""
    k = Q.shape[1]
    parts = chunks(len(Q), GRAIN.gram)
    sums = [padded_square(np.zeros((k, k), Q.dtype)) for _ in range(max(1, len(parts)))]
    (read,) = given(Q)
    workers.run([partial(ridge.gram_part, read, p.start, p.stop, sums[n]) for n, p in enumerate(parts)])
    total = np.zeros_like(sums[0])
    for part in sums:
        total += part
    upper: Array = np.triu(total[:k, :k])
    return upper


def gram(Q: Array, weight: float, workers: Workers) -> Array:
    """Return the upper triangle of weight Q'Q, (k, k)."""
    weighted: Array = gram_sum(Q, workers) * Q.dtype.type(weight)
    return weighted


def padded_square(G: Array) -> Array:
    """Return a square matrix with zeros around it that fill whole tiles."""
    k = len(G)
    width = int(ridge.padded(k, G.itemsize))
    out = np.zeros((max(width, -(-k // int(ROWS)) * int(ROWS)), width), G.dtype)
    out[:k, :k] = G
    return out


class FeatureSums(NamedTuple):
    """What the regressions of factors and of biases on features take from rows, float64; D as in `prior_weights`.

    Attributes:
        of_factors: (n_features, n_features + k), F' D F and F' D X.
        of_biases: (n_features, n_features + 1), the same for biases.
    """

    of_factors: Array
    of_biases: Array


def feature_sums(X: Array, biases: Array, features: Array, row_weights: Array) -> FeatureSums:
    """Return the sums of these rows.

    Args:
        X: (n_rows, k) factors.
        biases: (n_rows,).
        features: (n_rows, n_features).
        row_weights: (n_rows,) as the rows' penalties weigh; 0 for rows that are no part of the objective.
    """
    F = features.astype(np.float64)

    def sums(weights: Array, Y: Array) -> Array:
        FD = F.T * weights
        return np.column_stack([FD @ F, FD @ Y.astype(np.float64)])

    return FeatureSums(sums(row_weights, X), sums(row_weights > 0, biases))


def prior_weights(sums: FeatureSums, reg: float) -> tuple[Array, Array]:
    """Return the ridge regressions of factors and of biases on features, (n_features, k) and (n_features,) float64.

    W = inv(F' D F + reg I) F' D X, D = diag(row weights) for factors, 1 for the biases of rows that have a weight; the
    minimum of the objective over W with X fixed.

    Raises:
        ParameterError: features repeat each other, and no penalty tells their weights apart.
    """

    def solution(both: Array) -> Array:
        n = len(both)
        try:
            return np.linalg.solve(both[:, :n] + reg * np.eye(n), both[:, n:])
        except np.linalg.LinAlgError:
            raise ParameterError(
                "the features repeat each other, and their weights are not determined without a penalty: take a "
                "larger reg_features, and a reg above 0",
                subject="reg_features",
            ) from None

    return solution(sums.of_factors), solution(sums.of_biases)[:, 0]


def prior_of(X: Array, biases: Array, features: Array | None, row_weights: Array, reg: float) -> Prior | None:
    """Return the prior of rows by their features (`prior_weights`), or None without features."""
    if features is None:
        return None
    W, w = prior_weights(feature_sums(X, biases, features, row_weights), reg)
    return Prior(features.astype(X.dtype), W.astype(X.dtype), w.astype(X.dtype))


class Errors(NamedTuple):
    """Squared errors of ratings, added up.

    Attributes:
        n: how many ratings.
        squares, clipped: of the raw scores and of the clipped ones.
        weighted: of the raw scores, by sample weights.
    """

    n: float
    squares: float
    clipped: float
    weighted: float


def rating_errors(
    rows: Rows, P: Array, b: Array, side: FixedSide, limits: tuple[float, float], workers: Workers
) -> Errors:
    """Return the squared errors of rows of ratings.

    Args:
        rows: ratings by row, and their weights.
        P, b: (n_rows, k), (n_rows,) of the rows.
        side: the columns' factors, biases and the mean.
        limits: lowest and highest rating.
        workers: threads.
    """
    dtype = P.dtype.type
    factors = Factors(*given(P, side.Q, b, side.c, dtype(side.mean)))
    row, columns, values = given(rows.row_of_cells(), rows.indices, rows.values)
    call, (low, high) = partial(sgd.squared_errors, factors), map(dtype, limits)
    parts = [sgd.Ratings(row[c], columns[c], values[c]) for c in chunks(len(values), GRAIN.errors)]
    sums = workers.run([partial(call, part, low, high) for part in parts])
    squares, clipped = np.sum(sums, axis=0) if sums else (0.0, 0.0)
    weighted = squares
    if rows.weights is not None:
        weighted = (rows.weights * (values - score_pairs(factors, row, columns)) ** 2).sum()
    return Errors(float(len(values)), float(squares), float(clipped), float(weighted))
