"""Rows in pieces: the sums of `palate.kernels.ridge` over a part of a row's cells, and solutions of added sums.

What eq. 3 and 4 of `palate.kernels.ridge` sum over the cells of a row can be summed over parts of them, on as many
machines as there are parts, and added afterwards: one row of numbers a part,

    S, its upper triangle row by row     sum w q q'      k (k + 1) / 2 numbers
    s                                    sum x q         k
    a                                    sum w q         k
    z, y                                 sum w, sum w t  of ratings; 0 of clicks                                     (1)
    T                                    sum w t^2 of ratings, sum x of clicks: the loss of factors of zero
    n                                    how many cells

without the prior and o Q'Q, which are added once, when the row is solved. So are bits: parts that are added in the same
order give the same, and a row in one part gives what `palate.kernels.ridge` gives of its cells, to rounding.

Letters: sums (n_rows, width); as in `palate.kernels.ridge`.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any, NamedTuple

import numpy as np

from palate.kernels import Cells
from palate.kernels.compiling import njit
from palate.kernels.ridge import (
    ClickColumns,
    Equations,
    Penalties,
    PriorMeans,
    RatingColumns,
    add_clicks,
    add_ratings,
    begin_by_gram,
    bias_begun,
    equations_for,
    finish_clicks,
    finish_ratings,
    take_prior_mean,
)
from palate.kernels.simd.gradients import Limits, begin_row, inner, step

NUMBERS = 4  # z, y, T, n


class PieceSums(NamedTuple):
    """Eq. 1 of one row."""

    S: Any  # (k (k + 1) / 2,)
    s: Any  # (k,)
    a: Any  # (k,)
    rest: Any  # z, y, T, n


def width(k: int) -> int:
    """Return how many numbers eq. 1 has for each row."""
    return k * (k + 1) // 2 + 2 * k + NUMBERS


@njit(nogil=True, cache=True, inline="always")
def opened(row, k):
    """Return the parts of one row of sums."""
    S = k * (k + 1) // 2
    return PieceSums(row[:S], row[S : S + k], row[S + k : S + 2 * k], row[S + 2 * k :])


@njit(nogil=True, cache=True, inline="always")
def pack(equations: Equations, sums: PieceSums):
    """Copy S, s and a of equations into sums."""
    A, _, _ = equations
    S, s, a, _ = sums
    k, last = len(s), A.shape[1]
    at = 0
    for f in range(k):
        s[f], a[f] = A[last, f], A[last + 1, f]
        for g in range(f, k):
            S[at] = A[f, g]
            at += 1


@njit(nogil=True, cache=True, inline="always")
def unpack(sums: PieceSums, equations: Equations):
    """Add S, s and a of sums to equations."""
    A, _, _ = equations
    S, s, a, _ = sums
    k, last = len(s), A.shape[1]
    at = 0
    for f in range(k):
        A[last, f] += s[f]
        A[last + 1, f] += a[f]
        for g in range(f, k):
            A[f, g] += S[at]
            at += 1


def sum_ratings(cells: Cells, weights, side: RatingColumns, first, last, sums) -> None:
    """Write eq. 1 of the ratings of rows first … last - 1 into sums.

    weights: w of each cell, or None where all weigh 1.
    """
    _sum_ratings(cells, weights, side, equations_for(side.Q), first, last, sums)


@njit(nogil=True, cache=True, inline="always")
def squares_of(cells: Cells, weights, side: RatingColumns, u):
    """Return sum w t^2 over the cells of row u."""
    indptr, indices, values = cells
    total = 0.0
    for j in range(indptr[u], indptr[u + 1]):
        t = np.float64(values[j] - side.mean - side.c[indices[j]])
        square = t * t
        if weights is not None:
            square *= weights[j]
        total += square
    return total


@njit(nogil=True, cache=True)
def _sum_ratings(cells, weights, side, equations, first, last, sums):
    zero, k = side.Q.dtype.type(0), side.Q.shape[1]
    for u in range(first, last):
        equations.A[:] = 0
        z, y = add_ratings(cells, weights, side, equations, u, zero, zero)
        row = opened(sums[u], k)
        pack(equations, row)
        row.rest[0], row.rest[1] = z, y
        row.rest[2] = squares_of(cells, weights, side, u)
        row.rest[3] = cells.indptr[u + 1] - cells.indptr[u]


def sum_clicks(cells: Cells, side: ClickColumns, first, last, sums) -> None:
    """Write eq. 1 of the clicks of rows first … last - 1 into sums; G of the columns is not looked at."""
    _sum_clicks(cells, side, equations_for(side.Q), first, last, sums)


@njit(nogil=True, cache=True)
def _sum_clicks(cells, side, equations, first, last, sums):
    zero, k = side.Q.dtype.type(0), side.Q.shape[1]
    for u in range(first, last):
        equations.A[:] = 0
        add_clicks(cells, side, equations, u, zero)
        row = opened(sums[u], k)
        pack(equations, row)
        total = 0.0  # in float64, for a long row's loss is little beside it
        for j in range(cells.indptr[u], cells.indptr[u + 1]):
            total += side.o + cells.values[j]
        row.rest[0], row.rest[1] = 0, 0
        row.rest[2] = total
        row.rest[3] = cells.indptr[u + 1] - cells.indptr[u]


def solve_ratings(sums, penalties: Penalties, prior: PriorMeans | None, biases: bool, first, last, P, b, losses) -> int:
    """Write the minimum of eq. 1 of `palate.kernels.ridge` for rows first … last - 1 into P and b.

    Return the first row without one, or -1. A row without cells gets the mean of its prior.

    losses: (n_rows,) float64, the value at the minimum.
    """
    M, N = (None, None) if prior is None else prior
    failed: int = _solve_ratings(sums, penalties, M, N, biases, equations_for(P), first, last, P, b, losses)
    return failed


@njit(nogil=True, cache=True, error_model="numpy")
def _solve_ratings(sums, penalties, M, N, biases, equations, first, last, P, b, losses):
    l, h = penalties  # noqa: E741
    k = P.shape[1]
    for u in range(first, last):
        row = opened(sums[u], k)
        z, y, total = row.rest[0], row.rest[1], row.rest[2]
        losses[u] = 0
        if row.rest[3] == 0:
            take_prior_mean(P, M, u)
            b[u] = 0
            if N is not None:
                b[u] = N[u]
            continue
        equations.A[:] = 0
        unpack(row, equations)
        of_prior = bias_begun(h, N, biases, u)
        z, y = of_prior[0] + z, of_prior[1] + y
        solved, square = finish_ratings(equations, z, y, l, M, biases, u, P, b)
        if not solved:
            return u
        losses[u] = total - square
        if M is not None:
            for f in range(k):
                losses[u] += l[u] * M[u, f] * M[u, f]
        if biases:
            losses[u] -= np.float64(y) * np.float64(y) / np.float64(z)
            if N is not None:
                losses[u] += h[u] * N[u] * N[u]
    return -1


def solve_clicks(sums, G, l, M, first, last, P, losses) -> int:  # noqa: E741
    """Write the minimum of eq. 2 of `palate.kernels.ridge` for rows first … last - 1 into P.

    Return the first row without one, or -1. A row without cells gets the mean of its prior.

    G: as `palate.kernels.ridge.ClickColumns` has it; M: mean of each row's prior, or None.
    losses: (n_rows,) float64, the value at the minimum.
    """
    failed: int = _solve_clicks(sums, G, l, M, equations_for(P), first, last, P, losses)
    return failed


@njit(nogil=True, cache=True, error_model="numpy")
def _solve_clicks(sums, G, l, M, equations, first, last, P, losses):  # noqa: E741
    for u in range(first, last):
        row = opened(sums[u], P.shape[1])
        if row.rest[3] == 0:
            losses[u] = 0
            take_prior_mean(P, M, u)
            continue
        begin_by_gram(equations.A, G)
        unpack(row, equations)
        if not finish_clicks(equations, row.rest[2], l, M, u, P, losses):
            return u
    return -1


def improve_clicks(sums, G, penalties, M, limits: Limits, first, last, P, losses) -> None:
    """Take the steps of `palate.kernels.simd.gradients.improve_rows` from P for rows first … last - 1.

    G: the whole of o Q'Q, (k, k); M: mean of each row's prior, or None.
    losses: (n_rows,) float64, the value of eq. 2 of `palate.kernels.ridge` there where the steps end.
    """
    _improve_clicks(sums, G, penalties, M, limits, np.zeros(G.shape, P.dtype), first, last, P, losses)


@njit(nogil=True, cache=True, inline="always")
def whole_of(S, A):
    """Write the symmetric matrix whose upper triangle S has into A."""
    at = 0
    for f in range(len(A)):
        for g in range(f, len(A)):
            A[f, g] = A[g, f] = S[at]
            at += 1


@njit(nogil=True, cache=True, error_model="numpy")
def _improve_clicks(sums, G, penalties, M, limits, A, first, last, P, losses):
    k = len(G)
    x, residual, d, Ad = np.zeros(k, P.dtype), np.zeros(k, P.dtype), np.zeros(k, P.dtype), np.zeros(k, P.dtype)
    for u in range(first, last):
        row, l = opened(sums[u], k), penalties[u]  # noqa: E741
        if row.rest[3] == 0:
            losses[u] = 0
            take_prior_mean(P, M, u)
            continue
        for f in range(k):
            x[f] = P[u, f]
        whole_of(row.S, A)
        for f in range(k):
            residual[f] = row.s[f] - inner(A[f], x)
            Ad[f] = inner(G[f], x)
        right = inner(residual, residual)
        total, along = np.float64(row.rest[2]), np.float64(inner(row.s, x))
        losses[u] = begin_row(x, residual, Ad, l, M, u, total, along)
        for f in range(k):
            d[f] = residual[f]
            for g in range(k):
                A[f, g] += G[f, g]
            A[f, f] += l
        left = inner(residual, residual)
        limit = limits.tolerance * limits.tolerance * max(right, left)
        for _ in range(limits.steps):
            if not left > limit:
                break
            for f in range(k):
                Ad[f] = inner(A[f], d)
            fallen, left = step(x, residual, d, Ad, left, k)
            losses[u] -= fallen
        for f in range(k):
            P[u, f] = x[f]
