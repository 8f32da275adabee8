"""Sums over blocks that a half sweep ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from palate.kernels import Factors, given, sgd
from palate.models.ridge.rows import FixedSide, Prior, gram
from palate.parallel import GRAIN, Workers, chunks
from palate.sparse import Array, Rows


def tree_sum(parts: Sequence[Array]) -> Array:
    """Return the sum of arrays, neighbours first."""
    parts = list(parts)
    while len(parts) > 1:
        parts = [parts[i] + parts[i + 1] if i + 1 < len(parts) else parts[i] for i in range(0, len(parts), 2)]
    return parts[0]


@dataclass(frozen=True, eq=False)
class FeatureSums:
    """F'DF and F'DX, side by side."""

    of_factors: Array
    of_biases: Array


def feature_sums(X: Array, biases: Array, features: Array, row_weights: Array) -> FeatureSums:
    """Return the sums of a block."""
    F = features.astype(np.float64)

    def sums(weights: Array, Y: Array) -> Array:
        FD = F.T * weights
        return np.column_stack([FD @ F, FD @ Y.astype(np.float64)])

    return FeatureSums(sums(row_weights, X), sums(row_weights > 0, biases))


def prior_weights(sums: FeatureSums, reg: float, dtype: Any) -> tuple[Array, Array]:
    """Return the weights."""
    d = len(sums.of_factors)
    ridge = reg * np.eye(d)
    W, w = (np.linalg.solve(S[:, :d] + ridge, S[:, d:]).astype(dtype) for S in (sums.of_factors, sums.of_biases))
    return W, w[:, 0]


def rating_errors(
    rows: Rows, P: Array, b: Array, side: FixedSide, limits: tuple[float, float], workers: Workers
) -> tuple[float, float, float, float]:
    """Return number, squares, clipped squares, weighted squares."""
    factors = Factors(*given(P, side.Q, b, side.c, P.dtype.type(side.mean)))
    users, items, values = given(rows.row_of_cells(), rows.indices, rows.values)
    low, high = map(P.dtype.type, limits)
    parts = [sgd.Ratings(users[c], items[c], values[c]) for c in chunks(len(values), GRAIN.errors)]
    sums = workers.run([partial(sgd.squared_errors, factors, part, low, high) for part in parts])
    raw, clipped = np.sum(sums, axis=0) if sums else (0.0, 0.0)
    return float(len(values)), float(raw), float(clipped), float(raw)


def power_weights(counts: Array, exponent: float) -> Array:
    """Return w of rows."""
    return np.asarray(counts**exponent * (counts > 0))


def rows_penalty(X: Array, biases: Array, prior: Prior | None, weights: Array, regs: tuple[float, float]) -> float:
    """Return the rows' part of the penalty."""
    means = (0.0, 0.0) if prior is None else prior.means()
    of_factors = regs[0] * weights * np.square(X - means[0], dtype=np.float64).sum(axis=1)
    of_biases = regs[1] * (weights > 0) * np.square(biases - means[1], dtype=np.float64)
    return float((of_factors + of_biases).sum())


def weights_penalty(prior: Any, regs: tuple[float, float], reg_features: float) -> float:
    """Return the weights' part."""
    if prior is None:
        return 0.0
    squares = [float(np.square(w, dtype=np.float64).sum()) for w in (prior.weights, prior.weights_biases)]
    return reg_features * (regs[0] * squares[0] + regs[1] * squares[1])


def gram_sum(Q: Array, workers: Workers) -> Array:
    """Return the upper triangle."""
    return gram(Q, 1.0, workers)
