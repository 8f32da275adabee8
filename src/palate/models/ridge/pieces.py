"""Rows that are too long for one task, in pieces: sums over each piece's cells, and solutions of the added sums.

A piece is what `palate.sparse.Rows` has of a row in one place. Its sums are one row of `width` numbers of the factors'
type (`palate.kernels.pieces`, eq. 1); add those of a row's pieces with ``+``, always in the same order, and solve.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from palate.kernels import given, pieces, ridge
from palate.models.ridge.click_sweeps import ClickSettings, whole_of
from palate.models.ridge.rows import FixedSide, Prior, row_ranges
from palate.models.ridge.sums import padded_square
from palate.models.ridge.sweeps import check_solved, penalties_of
from palate.models.ridge.weighing import Weighing
from palate.parallel import Workers
from palate.sparse import Array, Rows


def width(k: int) -> int:
    """Return how many numbers a row's sums are."""
    return pieces.width(k)


def rating_sums(rows: Rows, side: FixedSide, workers: Workers) -> Array:
    """Return the sums of pieces of ratings, (n_rows, width).

    Args:
        rows: one piece a row; with the ratings' sample weights, where they have some.
        side: the columns' factors and biases, and the mean.
        workers: threads.
    """
    dtype = side.Q.dtype.type
    Q, c, weights = given(side.Q, side.c, None if rows.weights is None else rows.weights.astype(dtype))
    columns = ridge.RatingColumns(Q, c, dtype(side.mean), side.biases)
    return _summed(partial(pieces.sum_ratings, rows.cells, weights, columns), rows, side.Q, workers)


def click_sums(rows: Rows, Q: Array, weighing: Weighing, workers: Workers) -> Array:
    """Return the sums of pieces of clicks, (n_rows, width).

    Args:
        rows: one piece a row; values are how much each click counts.
        Q: (n_columns, k) factors of the columns.
        weighing: what clicks weigh.
        workers: threads.
    """
    dtype = Q.dtype.type
    columns = ridge.ClickColumns(*given(Q, np.zeros((0, 0), dtype), dtype(weighing.unobserved_weight)))
    cells = rows.cells_with(weighing.of_cells(rows).astype(dtype))
    return _summed(partial(pieces.sum_clicks, cells, columns), rows, Q, workers)


def _summed(call: partial[None], rows: Rows, Q: Array, workers: Workers) -> Array:
    sums = np.zeros((rows.n_rows, width(Q.shape[1])), Q.dtype)
    workers.run([partial(call, first, last, sums) for first, last in row_ranges(rows, workers, 1)])
    return sums


def solve_ratings(
    sums: Array, biases: bool, weights: Array, regs: tuple[float, float], prior: Prior | None, workers: Workers
) -> tuple[Array, Array, Array]:
    """Return factors, biases and losses of rows from their sums.

    Args:
        sums: (n_rows, width) of whole rows.
        biases: whether rows have one.
        weights, regs, prior: as `palate.models.ridge.sweeps.half_sweep` takes them.
        workers: threads.

    Returns:
        P (n_rows, k), b (n_rows,) and, float64, the rows' part of the objective: squared errors and their penalties.

    Raises:
        ParameterError: a row's equations cannot be solved.
    """
    P, (l, h) = _empty(sums), (p.astype(sums.dtype) for p in penalties_of(weights, regs))  # noqa: E741
    b, losses = np.zeros(len(P), P.dtype), np.zeros(len(P))
    means = None if prior is None else ridge.PriorMeans(*given(*prior.means()))
    (read,), penalties = given(sums), ridge.Penalties(*given(l, h))
    call = partial(pieces.solve_ratings, read, penalties, means, biases)
    failed = workers.run([partial(call, u, u + 1, P, b, losses) for u in range(len(P))])
    check_solved(max(failed, default=-1), regs, P.dtype)
    return P, b, losses


def solve_clicks(
    sums: Array,
    G: Array,
    penalties: Array,
    prior: Prior | None,
    start: Array | None,
    settings: ClickSettings,
    workers: Workers,
) -> tuple[Array, Array]:
    """Return factors and losses of rows from their sums, as `palate.models.ridge.click_sweeps.half_sweep` does.

    Args:
        sums: (n_rows, width) of whole rows.
        G, penalties, prior, start, settings: as there.
        workers: threads.

    Raises:
        DivergenceError: a row's equations cannot be solved.
    """
    P, dtype = _empty(sums), sums.dtype.type
    losses = np.zeros(len(P))
    l, M = penalties.astype(dtype), None if prior is None else prior.means()[0]  # noqa: E741
    if settings.factorizes(start, P.shape[1]):
        call = partial(pieces.solve_clicks, *given(sums, padded_square(G), l, M))
        failed = workers.run([partial(call, u, u + 1, P, losses) for u in range(len(P))])
        settings.check(0.0 if max(failed, default=-1) < 0 else np.inf, dtype)
        return P, losses
    if start is not None:
        P[:] = start
    read, whole, l, M = given(sums, whole_of(G), l, M)  # noqa: E741
    steps = partial(pieces.improve_clicks, read, whole, l, M, settings.limits(start, dtype))
    workers.run([partial(steps, u, u + 1, P, losses) for u in range(len(P))])
    return P, losses


def _empty(sums: Array) -> Array:
    """Return zeros (n_rows, k), of the k that sums are of."""
    k = round((2 * sums.shape[1] + (2.5**2 - 2 * pieces.NUMBERS)) ** 0.5 - 2.5)
    if width(k) != sums.shape[1]:
        raise ValueError(f"no number of factors has sums of {sums.shape[1]} numbers")
    return np.zeros((len(sums), k), sums.dtype)
