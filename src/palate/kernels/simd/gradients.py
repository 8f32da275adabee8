"""Conjugate gradients on the rows of implicit alternating least squares, where factors are too many to factorize.

The system is that of `palate.kernels.ridge`, eq. 3, never formed: with x the row's factors so far, and

    r = s - (S + l I) x,   S x = (o Q'Q) x + sum_i w_i q_i (q_i . x)                                                 (1)

each step costs O(cells k + k^2) (Takacs, Pilaszy & Tikk 2011; Hestenes & Stiefel 1952). A row stops early where the
residual is ``tolerance`` of the right side. The cells of a row are taken in the order given.

Letters: as in `palate.kernels.ridge`; G the whole of o Q'Q, (k, k).
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import NamedTuple

import numpy as np

from palate.kernels import Cells
from palate.kernels.compiling import njit
from palate.kernels.ridge import REORDER, ClickColumns
from palate.kernels.simd.tile import ROWS, STEP_BYTES, add_rows, add_tile, aligned, dots


class Limits(NamedTuple):
    """When a row's steps end.

    After so many, or where its residual is this much of the right side.
    """

    steps: int
    tolerance: float


@njit(nogil=True, cache=True, fastmath=REORDER)
def inner(x, y):
    """Return the inner product."""
    s = x.dtype.type(0)
    for f in range(len(x)):
        s += x[f] * y[f]
    return s


@njit(nogil=True, cache=True)
def by_gram(G, X, V, out):
    """Write X G into out, for ROWS rows at once: G is read once for all of them."""
    for r in range(ROWS):
        for f in range(len(G)):
            V[f, r] = X[r, f]
    out[:] = 0
    for g in range(0, G.shape[1], STEP_BYTES // G.itemsize):
        add_tile(V, G, out, len(G), 0, g)


@njit(nogil=True, cache=True)
def add_cells(W, weights, start, stop, x, four, out):
    """Add sum_j w_j q_j (q_j . x) to out, for whole fours of cells."""
    for j in range(start, stop, 4):
        dots(W, j, x, four)
        for n in range(4):
            four[n] *= weights[j + n]
        add_rows(W, j, four, out)


@njit(nogil=True, cache=True)
def first_residual(cells: Cells, side: ClickColumns, u, W, weights, start, x, four, r):
    """Gather a row's cells into W and weights from ``start`` on, filled up to whole fours; add s - (S - o Q'Q) x to r.

    Return where the cells end, sum_j x_uj and s . x, for the part of s that cells make.
    """
    indptr, indices, confidence = cells
    Q, _, o = side
    total, along = 0.0, 0.0
    at = start
    for c in range(indptr[u], indptr[u + 1], 4):
        for n in range(4):
            w = W[at + n]
            if c + n < indptr[u + 1]:
                q = Q[indices[c + n]]
                for f in range(len(q)):
                    w[f] = q[f]
                weights[at + n] = confidence[c + n]
            else:
                w[:] = 0
                weights[at + n] = 0
        dots(W, at, x, four)
        for n in range(4):
            if c + n < indptr[u + 1]:
                pull = o + weights[at + n]
                total += pull
                along += pull * four[n]
                four[n] = pull - weights[at + n] * four[n]
            else:
                four[n] = 0
        add_rows(W, at, four, r)
        at += 4
    return at, total, along


@njit(nogil=True, cache=True, inline="always")
def begin_row(x, residual, Gx, l, M, u, total, along):  # noqa: E741
    """Take l x and o Q'Q x from the residual of row u, and add its prior's l m; return the row's loss at x.

    total, along: sum_j x_uj and s . x of its cells.
    """
    for f in range(len(Gx)):
        mean = x.dtype.type(0)
        if M is not None:
            mean = M[u, f]
        total += l * mean * mean
        along += l * mean * x[f]
        residual[f] += l * (mean - x[f]) - Gx[f]
    return total - along - inner(x, residual)  # x' A x - 2 s' x, with A x = s - r


@njit(nogil=True, cache=True, error_model="numpy")
def step(x, residual, d, Sd, left, k):
    """Take one step of conjugate gradients; return by how much the loss fell, and the residual's square."""
    length = left / inner(d, Sd)
    for f in range(k):
        x[f] += length * d[f]
        residual[f] -= length * Sd[f]
    now = inner(residual, residual)
    turn = now / left
    for f in range(k):
        d[f] = residual[f] + turn * d[f]
    return np.float64(length) * np.float64(left), now


@njit(nogil=True, cache=True, error_model="numpy")
def improve_rows(cells: Cells, side: ClickColumns, penalties, M, limits: Limits, first, last, P, losses):
    """Take steps from P for rows first … last - 1.

    ROWS rows are taken together, so that Q'Q is read once for all of them; each has the bits it would have alone.

    cells: their values are the confidence of each click; side: its G is whole, (k, width), the columns beyond k zero.
    M: (n_rows, k) means of the prior, or None where they are zero.
    losses: (n_rows,) float64, the value of eq. 2 there where the steps end.
    """
    indptr = cells.indptr
    Q, G, _ = side
    steps, tolerance = limits
    k, width = G.shape
    longest = np.int64(0)
    for u in range(first, last, ROWS):
        longest = max(longest, indptr[min(u + ROWS, last)] - indptr[u] + 4 * ROWS)
    W, weights = aligned(longest, width, Q), np.zeros(longest, Q.dtype)
    X, R, D, S = aligned(ROWS, width, Q), aligned(ROWS, width, Q), aligned(ROWS, width, Q), aligned(ROWS, width, Q)
    V = aligned(k, ROWS, Q)
    four = np.zeros(4, Q.dtype)
    ends, left, limit = np.zeros(ROWS + 1, np.int64), np.zeros(ROWS, Q.dtype), np.zeros(ROWS, Q.dtype)
    for block in range(first, last, ROWS):
        n = min(ROWS, last - block)
        for r in range(n):
            for f in range(k):
                X[r, f] = P[block + r, f]
        X[n:] = 0
        by_gram(G, X, V, S)
        for r in range(n):
            u = block + r
            residual, x, l = R[r], X[r], penalties[u]  # noqa: E741
            residual[:] = 0
            ends[r + 1], total, along = first_residual(cells, side, u, W, weights, ends[r], x, four, residual)
            square = inner(residual, residual)
            losses[u] = begin_row(x, residual, S[r, :k], l, M, u, total, along)
            if indptr[u + 1] == indptr[u]:  # nothing is known of the row: the mean of its prior
                for f in range(k):
                    x[f] = 0
                    if M is not None:
                        x[f] = M[u, f]
                residual[:] = 0
                losses[u] = 0
            left[r] = inner(residual, residual)
            limit[r] = tolerance * tolerance * max(square, left[r])
            for f in range(width):
                D[r, f] = residual[f]
        D[n:] = 0
        for _ in range(steps):
            open_yet = False
            for r in range(n):
                open_yet |= left[r] > limit[r]
            if not open_yet:
                break
            by_gram(G, D, V, S)
            for r in range(n):
                if not left[r] > limit[r]:
                    continue
                x, residual, d, Sd = X[r], R[r], D[r], S[r]
                l = penalties[block + r]  # noqa: E741
                for f in range(k):
                    Sd[f] += l * d[f]
                add_cells(W, weights, ends[r], ends[r + 1], d, four, Sd)
                fallen, left[r] = step(x, residual, d, Sd, left[r], k)
                losses[block + r] -= fallen
        for r in range(n):
            for f in range(k):
                P[block + r, f] = X[r, f]
