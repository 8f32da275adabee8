"""Half sweeps of `ImplicitALS`: rows of clicks on fixed columns, exactly or by a few conjugate gradients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from palate.errors import DivergenceError
from palate.kernels import given, ridge
from palate.kernels.simd import gradients
from palate.models.ridge.rows import FixedSide, Prior, row_ranges, solve
from palate.models.ridge.sums import gram, padded_square
from palate.models.ridge.weighing import Weighing
from palate.parallel import GRAIN, Workers
from palate.sparse import Array, Rows

MOST_EXACT = 512  # factors; a factorization costs their cube
TOLERANCE = 1e-6  # of the right side, where factors are more
MOST_STEPS = 200


@dataclass(frozen=True)
class ClickSettings:
    """How rows are solved.

    Attributes:
        weighing: what clicks, other cells and penalties weigh.
        cg_steps: conjugate gradients of a row from where it was; 0 solves it exactly.
    """

    weighing: Weighing
    cg_steps: int

    def exact(self, start: Array | None) -> bool:
        """Return whether rows that start there are solved to the end."""
        return self.cg_steps == 0 or start is None

    def factorizes(self, start: Array | None, k: int) -> bool:
        """Return whether they are solved by Cholesky's factorization."""
        return self.exact(start) and k <= MOST_EXACT

    def limits(self, start: Array | None, dtype: Any) -> gradients.Limits:
        """Return when their steps end."""
        if self.exact(start):
            return gradients.Limits(MOST_STEPS, dtype(TOLERANCE))
        return gradients.Limits(self.cg_steps, dtype(float(np.finfo(dtype).eps)))

    def check(self, figure: float, dtype: Any, epoch: int = 0) -> None:
        """Refuse weights with which a figure is none, or a row cannot be solved.

        Raises:
            DivergenceError: says which weights they are.
        """
        if not np.isfinite(figure):
            where = f" in epoch {epoch}" if epoch else ""
            raise DivergenceError(
                f"the equations of a row cannot be solved in {np.dtype(dtype)}{where}: reg={self.weighing.reg:g} is "
                f"too small for these clicks with alpha={self.weighing.alpha:g}; take a larger one, or dtype='float64'",
                subject="reg",
            )


def half_sweep(
    rows: Rows,
    Q: Array,
    G: Array,
    penalties: Array,
    prior: Prior | None,
    start: Array | None,
    settings: ClickSettings,
    workers: Workers,
) -> tuple[Array, Array]:
    """Return the factors of rows of clicks and their losses, (n_rows, k) and (n_rows,) float64.

    Args:
        rows: clicks by row; their values are how much each counts.
        Q: (n_columns, k) factors of the columns: of those that the rows have clicks in, at least.
        G: (k, k), the upper triangle of o Q'Q of all columns with clicks.
        penalties: l of each row.
        prior: mean of the rows, or None for zero.
        start: the rows' factors so far, or None to solve exactly.
        settings: how.
        workers: threads.

    Raises:
        DivergenceError: a row's equations cannot be solved.
    """
    dtype, k, o = Q.dtype.type, Q.shape[1], settings.weighing.unobserved_weight
    weights = settings.weighing.of_cells(rows)
    if settings.factorizes(start, k):
        side = FixedSide(Q, np.zeros(0, dtype), 0.0, o, padded_square(G))
        P, _, losses, failed = solve(rows, weights, side, (penalties, np.zeros_like(penalties)), prior, workers)
        settings.check(0.0 if failed < 0 else np.inf, dtype)
        return P, losses
    P = np.zeros((rows.n_rows, k), dtype) if start is None else start.copy()
    losses = np.zeros(len(P))
    whole = padded_square(whole_of(G))[:k]
    l, M = given(penalties.astype(dtype), None if prior is None else prior.means()[0])  # noqa: E741
    clicks = ridge.ClickColumns(*given(Q, whole, dtype(o)))
    limits = settings.limits(start, dtype)
    call = partial(gradients.improve_rows, rows.cells_with(weights.astype(dtype)), clicks, l, M, limits)
    workers.run([partial(call, first, last, P, losses) for first, last in row_ranges(rows, workers, GRAIN.solved)])
    return P, losses


def gram_of_warm(Q: Array, warm: Array, unobserved: float, workers: Workers) -> Array:
    """Return the upper triangle of o Q'Q of the columns with clicks, which a mask tells."""
    return gram(Q if warm.all() else Q[warm], unobserved, workers)


def whole_of(G: Array) -> Array:
    """Return the symmetric matrix with this upper triangle."""
    return np.asarray(G + np.triu(G, 1).T)


def rows_penalty(X: Array, penalties: Array, prior: Prior | None) -> float:
    """Return the penalty of rows of factors."""
    mean = 0.0 if prior is None else prior.means()[0]
    return float((penalties * np.square(X - mean, dtype=np.float64).sum(axis=1)).sum())


def weights_penalty(prior: Prior | None, reg_features: float) -> float:
    """Return the penalty of the weights of one side's features."""
    return 0.0 if prior is None else reg_features * float(np.square(prior.weights, dtype=np.float64).sum())
