"""Ridge regressions of many rows on the same columns: the half sweep of alternating least squares.

For a row u with cells (i, r_ui) of weight w_ui, and the columns' factors q_i and biases c_i fixed, the row's bias b and
factors p are the minimum of

    sum_i w_ui (t_ui - b - p . q_i)^2 + l_u |p - m_u|^2 + h_u (b - n_u)^2           t_ui = r_ui - mean - c_i         (1)

for ratings (Zhou et al. 2008, section 3.1), and of

    sum_i (o + w_ui) (1 - p . q_i)^2 + sum_(i not in u) o (p . q_i)^2 + l_u |p - m_u|^2                              (2)

for clicks (Hu et al. 2008, eq. 3, with o for the weight of a cell without a click). m_u, n_u are the mean of the prior.
Both are (S + l_u I) p = s, and the minimum of (2) is sum_i x_ui + l_u |m_u|^2 - s' inv(S + l_u I) s:

    S = o Q'Q + sum_i w_ui q_i q_i'        s = sum_i x_ui q_i + l_u m_u                                              (3)
    x_ui = w_ui t_ui for (1), o + w_ui for (2);        o = 0 for (1)

and with a bias, a = sum_i w_ui q_i, z = h_u + sum_i w_ui, y = sum_i w_ui t_ui + h_u n_u, which is eliminated first:

    (S + l_u I - a a' / z) p = s - a y / z        b = (y - a . p) / z                                                (4)

Solved by Cholesky's factorization in blocks. Each row is solved by itself, its cells in the order given and by a fixed
order of operations: the same cells give the same bits, in training and in fold-in.

Letters: Q (n_columns, k), c (n_columns,), P (n_rows, k), b (n_rows,); A is padded to whole tiles, and only its upper
triangle has a meaning.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from palate.kernels import Cells
from palate.kernels.compiling import njit
from palate.kernels.simd.tile import ROWS, STEP_BYTES, add_tile, aligned

FIRST = np.int64(0)  # and so CELLS: functions would be compiled anew for each Python number they get
CELLS = np.int64(32)  # cells added to A at once: their factors stay in the innermost cache
PANEL = 8  # rows of A factorized before the rest is brought up to date; a multiple of ROWS
REORDER = {"contract", "reassoc", "nsz"}


class RatingColumns(NamedTuple):
    """The columns of eq. 1.

    What a row of ratings is solved against.
    """

    Q: Any  # (n_columns, k)
    c: Any  # (n_columns,)
    mean: Any
    biases: bool  # whether rows have one


class ClickColumns(NamedTuple):
    """The columns of eq. 2."""

    Q: Any  # (n_columns, k)
    G: Any  # o Q'Q of the columns with cells: here the upper triangle of a padded matrix
    o: Any  # weight of a cell without a click


class Penalties(NamedTuple):
    """Of each row's factors and bias."""

    l: Any  # noqa: E741 - (n_rows,)
    h: Any  # (n_rows,)


class PriorMeans(NamedTuple):
    """Of each row's prior."""

    M: Any  # (n_rows, k)
    N: Any  # (n_rows,)


class Equations(NamedTuple):
    """Of one row, to work in: A, with s and a of eq. 3 and 4 below S, for they are made by the same product."""

    A: Any  # (width + ROWS, width)
    W: Any  # (CELLS, width and a step): factors of some cells
    V: Any  # the same, weighted


@register_jitable  # called from Python too, where nothing is to be compiled for it
def padded(size: int, itemsize: int) -> Any:
    """Return the width that holds ``size`` numbers in whole tiles."""
    step = STEP_BYTES // itemsize
    return -(-size // step) * step


@njit(nogil=True, cache=True)
def add_products(V, W, A, n, first, size):
    """Add V'W of n rows to the upper triangle of A, from row and column ``first`` to ``size``; tile.py, eq. 1."""
    step = STEP_BYTES // A.itemsize
    for f in range(first, size, ROWS):
        for g in range(f // step * step, size, step):
            add_tile(V, W, A, n, f, g)


@njit(nogil=True, cache=True, fastmath={"contract"})
def factorize(A, V, size):
    """Replace the upper triangle of A by its Cholesky factor U, A = U'U; return whether A was positive definite.

    V (at least PANEL, width of A) is to work in.
    """
    width = A.shape[1]
    for first in range(0, size, PANEL):
        last = min(first + PANEL, size)
        for j in range(first, last):
            row = A[j]
            start = j // ROWS * ROWS  # whole vectors; what lies left of the diagonal has no meaning
            for above in range(first, j):
                other = A[above]
                factor = other[j]
                for g in range(start, width):
                    row[g] -= factor * other[g]
            if not row[j] > 0:
                return False
            scale = 1 / np.sqrt(row[j])
            for g in range(start, width):
                row[g] *= scale
        if last < size:
            for j in range(first, last):
                for g in range(last, width):
                    V[j - first, g] = -A[j, g]
            add_products(V, A[first:last], A, last - first, last, size)
    return True


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def substitute(U, x, size):
    """Replace x by inv(U'U) x, and return x' inv(U'U) x."""
    square = 0.0
    for j in range(size):
        row = U[j]
        value = x[j] / row[j]
        x[j] = value
        square += np.float64(value) * np.float64(value)
        for g in range(j + 1, size):
            x[g] -= row[g] * value
    for j in range(size - 1, -1, -1):
        row = U[j]
        value = x[j]
        for g in range(j + 1, size):
            value -= row[g] * x[g]
        x[j] = value / row[j]
    return square


@njit(nogil=True, cache=True)
def gather(columns, weights, start, stop, Q, W, V):
    """Copy the factors of some columns into W, and weighted into V; return what V then is, W where all weigh 1."""
    size = Q.shape[1]
    for j in range(stop - start):
        column = columns[start + j]
        for f in range(size):
            W[j, f] = Q[column, f]
    if weights is None:
        return W
    for j in range(stop - start):
        weight = weights[start + j]
        for f in range(size):
            V[j, f] = weight * W[j, f]
    return V


@njit(nogil=True, cache=True)
def eliminate(A, x, a, z, y, V, W):
    """Take the bias out of the equations: eq. 4, on the left."""
    size, one = len(x), np.int64(1)
    for f in range(size):
        V[0, f] = -a[f] / z
        W[0, f] = a[f]
        x[f] -= a[f] * (y / z)
    add_products(V, W, A, one, FIRST, size)


def solve_ratings(
    cells: Cells, weights, side: RatingColumns, penalties: Penalties, prior: PriorMeans | None, first, last, P, b
) -> int:
    """Write the minimum of eq. 1 for rows first … last - 1 into P and b; return the first without one, or -1.

    A row without cells gets the mean of its prior.
    weights: w of each cell, or None where all weigh 1; prior: None where it is zero.
    """
    M, N = (None, None) if prior is None else prior
    failed: int = _solve_ratings(cells, weights, side, penalties, M, N, equations_for(side.Q), first, last, P, b)
    return failed


def solve_clicks(cells: Cells, side: ClickColumns, l, M, first, last, P, losses) -> int:  # noqa: E741
    """Write the minimum of eq. 2 for rows first … last - 1 into P; return the first without one, or -1.

    A row without cells gets the mean of its prior: nothing is known of it, not even what it left alone.
    cells: their values are the confidence w; l: penalty of each row; M: mean of each, or None where it is zero.
    losses: (n_rows,) float64, the value at the minimum, the sum over all columns included.
    """
    failed: int = _solve_clicks(cells, side, l, M, equations_for(side.Q), first, last, P, losses)
    return failed


def equations_for(Q: Any) -> Equations:
    """Return the equations of one row on these columns, all zero."""
    width = padded(Q.shape[1], Q.itemsize)
    wider = width + STEP_BYTES // Q.itemsize
    return Equations(aligned(width + ROWS, width, Q), aligned(CELLS, wider, Q), aligned(CELLS, wider, Q))


@njit(nogil=True, cache=True)
def add_cells(U, W, A, n, size):
    """Add U'W of n cells to S in A, and below it to x and a: eq. 3."""
    add_products(U, W, A, n, FIRST, size)
    for g in range(0, size, STEP_BYTES // A.itemsize):
        add_tile(U, W, A, n, A.shape[1], g)


# What there is none of is None: Numba then compiles nothing of what it would take. What is inlined costs no
# compiling of its own; `palate.kernels.pieces` is made of the same.


@njit(nogil=True, cache=True, inline="always")
def add_ratings(cells: Cells, weights, side: RatingColumns, equations: Equations, u, z, y):
    """Add eq. 3's sums over the cells of row u to the equations; return z and y with those of eq. 4."""
    indptr, indices, values = cells
    Q, c, mean, _ = side
    A, W, V = equations
    size, width, one = Q.shape[1], A.shape[1], Q.dtype.type(1)
    for start in range(indptr[u], indptr[u + 1], CELLS):
        stop = min(start + CELLS, indptr[u + 1])
        U = gather(indices, weights, start, stop, Q, W, V)
        for j in range(stop - start):
            weight = one
            if weights is not None:
                weight = weights[start + j]
            pull = weight * (values[start + j] - mean - c[indices[start + j]])
            U[j, width], U[j, width + 1] = pull, weight
            z += weight
            y += pull
        add_cells(U, W, A, stop - start, size)
    return z, y


@njit(nogil=True, cache=True, inline="always")
def add_clicks(cells: Cells, side: ClickColumns, equations: Equations, u, total):
    """Add eq. 3's sums over the cells of row u to the equations; return the total with sum_i x_ui."""
    indptr, indices, weights = cells
    Q, _, o = side
    A, W, V = equations
    size, width = Q.shape[1], A.shape[1]
    for start in range(indptr[u], indptr[u + 1], CELLS):
        stop = min(start + CELLS, indptr[u + 1])
        gather(indices, weights, start, stop, Q, W, V)
        for j in range(stop - start):
            pull = o + weights[start + j]
            V[j, width], V[j, width + 1] = pull, weights[start + j]
            total += pull
        add_cells(V, W, A, stop - start, size)
    return total


@njit(nogil=True, cache=True, inline="always")
def take_prior_mean(P, M, u):
    """Make row u of P the mean of its prior."""
    P[u] = 0
    if M is not None:
        for f in range(P.shape[1]):
            P[u, f] = M[u, f]


@njit(nogil=True, cache=True, inline="always")
def add_prior(A, x, l, M, u):  # noqa: E741
    """Add what the prior of row u gives to S and s: eq. 3."""
    for f in range(len(x)):
        A[f, f] += l[u]
    if M is not None:
        for f in range(len(x)):
            x[f] += l[u] * M[u, f]


@njit(nogil=True, cache=True, inline="always")
def bias_begun(h, N, biases, u):
    """Return z and y of eq. 4 before any cell."""
    z, y = h[u], h.dtype.type(0)
    if N is not None and biases:
        y = h[u] * N[u]
    return z, y


@njit(nogil=True, cache=True, inline="always")
def finish_ratings(equations: Equations, z, y, l, M, biases, u, P, b):  # noqa: E741
    """Write the solution for row u's equations of cells into P and b; return whether there is one, and s' inv(…) s."""
    A, W, V = equations
    size, width = P.shape[1], A.shape[1]
    x, a = A[width, :size], A[width + 1, :size]
    add_prior(A, x, l, M, u)
    if biases:
        if not z > 0:
            return False, 0.0
        eliminate(A, x, a, z, y, V, W)
    if not factorize(A, V, size):
        return False, 0.0
    square = substitute(A, x, size)
    for f in range(size):
        P[u, f] = x[f]
    b[u] = 0
    if biases:
        for f in range(size):
            y -= a[f] * x[f]
        b[u] = y / z
    return True, square


@njit(nogil=True, cache=True, inline="always")
def finish_clicks(equations: Equations, total, l, M, u, P, losses):  # noqa: E741
    """Write the solution for row u's equations of cells into P, and its loss; return whether there is one."""
    A, _, V = equations
    size = P.shape[1]
    x = A[A.shape[1], :size]
    add_prior(A, x, l, M, u)
    if not factorize(A, V, size):
        return False
    square = substitute(A, x, size)
    for f in range(size):
        P[u, f] = x[f]
    losses[u] = total - square
    if M is not None:
        for f in range(size):
            losses[u] += l[u] * M[u, f] * M[u, f]
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _solve_ratings(cells, weights, side, penalties, M, N, equations, first, last, P, b):
    """Do what `solve_ratings` says; M, N: of the prior, or None; equations: as `equations_for` gives them."""
    for u in range(first, last):
        if cells.indptr[u] == cells.indptr[u + 1]:
            take_prior_mean(P, M, u)
            b[u] = 0
            if N is not None:
                b[u] = N[u]
            continue
        equations.A[:] = 0
        z, y = bias_begun(penalties.h, N, side.biases, u)
        z, y = add_ratings(cells, weights, side, equations, u, z, y)
        solved, _ = finish_ratings(equations, z, y, penalties.l, M, side.biases, u, P, b)
        if not solved:
            return u
    return -1


@njit(nogil=True, cache=True, inline="always")
def begin_by_gram(A, G):
    """Make A what eq. 3 begins with for clicks: the upper triangle of o Q'Q, and zeros below."""
    A[:] = 0
    for f in range(len(G)):
        for g in range(A.shape[1]):
            A[f, g] = G[f, g]


@njit(nogil=True, cache=True, error_model="numpy")
def _solve_clicks(cells, side, l, M, equations, first, last, P, losses):  # noqa: E741
    """Do what `solve_clicks` says; equations: as `equations_for` gives them."""
    for u in range(first, last):
        if cells.indptr[u] == cells.indptr[u + 1]:
            losses[u] = 0
            take_prior_mean(P, M, u)
            continue
        begin_by_gram(equations.A, side.G)
        total = add_clicks(cells, side, equations, u, side.Q.dtype.type(0))
        if not finish_clicks(equations, total, l, M, u, P, losses):
            return u
    return -1


def gram_part(Q, first, last, G):
    """Write Q'Q of rows first … last - 1 into the upper triangle of G (padded), in index order."""
    _gram_part(Q, first, last, G, aligned(CELLS, G.shape[1], Q))


@njit(nogil=True, cache=True)
def _gram_part(Q, first, last, G, W):
    """Do what `gram_part` says; W: (CELLS, width of G) to work in, zeros."""
    size = Q.shape[1]
    G[:] = 0
    for start in range(first, last, CELLS):
        n = min(start + CELLS, last) - start
        for j in range(n):
            for f in range(size):
                W[j, f] = Q[start + j, f]
        add_products(W, W, G, n, FIRST, size)
