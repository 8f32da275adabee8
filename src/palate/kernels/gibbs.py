"""Draws of many rows of a Bayesian factorization given the other side: block Gibbs sampling (BPMF, Macau).

For a row u with cells (i, y_ui) of weight w_ui, the other side's z_i = [q_i, 1] fixed, x_u = [p_u, b_u] has the prior
N(m_u, inv(L)) and the likelihood y_ui ~ N(x_u . z_i, 1 / w_ui), so that it is normal (Salakhutdinov & Mnih 2008, eq. 11
to 13, with a mean of its own for each row as in Simm et al. 2017, eq. 3):

    A_u = L + sum_i w_ui z_i z_i'        s_u = L m_u + sum_i w_ui y_ui z_i        x_u ~ N(inv(A_u) s_u, inv(A_u))    (1)

With A_u = U'U (Cholesky), the mean is inv(U) inv(U') s_u, and for a draw inv(U) e is added, e being standard normal.
y_ui is the rating less all that is not of this row: the mean, the other side's bias, offsets.

The right-hand side is one more column of A_u: the same product sums it, and the factorization turns it into inv(U')
s_u. The products are those of `palate.kernels.simd.tile`; LANES rows are then factorized side by side, one in each lane
of a vector, for a single small matrix would leave most of the vector empty. Every row sees its cells in the order given
and a fixed order of operations; its draw depends on nothing but its own cells, prior and normal numbers.

Letters: D = n_factors + 1; X, M, E (n_rows, D) the rows [factors, bias], their prior means and standard normal numbers;
L (D, D).
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any, NamedTuple

import numpy as np

from palate.kernels import Cells
from palate.kernels.compiling import njit
from palate.kernels.ridge import CELLS, FIRST, add_products, padded
from palate.kernels.simd.steps import product
from palate.kernels.simd.tile import ROWS, STEP_BYTES, add_tile, aligned, copy_row, scale_lanes, subtract_lanes

LANES = 16  # rows factorized at once: the numbers of one vector


class PaddedRows(NamedTuple):
    """Rows [q_i, c_i] of one side, as `padded_apart` gives them."""

    Q: Any  # (n, width)
    c: Any  # (n,)


class PaddedColumns(NamedTuple):
    """The other side: its rows, and h of its noise.

    Rows as `padded_apart` gives them.
    """

    Q: Any  # (n_columns, width)
    c: Any  # (n_columns,)
    h: Any  # (n_columns,)


class Noise(NamedTuple):
    """The precision of a cell, w_ui = scale g_u h_i, less h."""

    g: Any  # (n_rows,)
    scale: Any


class RowPrior(NamedTuple):
    """Of the rows: L m_u, and L."""

    LM: Any  # (n_rows, D)
    L: Any  # (D, D)


@njit(nogil=True, cache=True)
def padded_apart(X):
    """Return rows [q_i, c_i] as `draw_rows` takes them: q_i padded with zeros to whole vectors, and c_i apart."""
    n, k = len(X), X.shape[1] - 1
    Q = aligned(n, padded(k, X.itemsize), X)
    c = np.empty(n, X.dtype)
    for i in range(n):
        c[i] = X[i, k]
        for f in range(k):
            Q[i, f] = X[i, f]
    return PaddedRows(Q, c)


@njit(nogil=True, cache=True)
def gather(cells: Cells, start, stop, other: PaddedColumns, base, W, V, at):
    """Copy q_i of some cells into W, and w q_i into V with w y and w behind it; return the sums of w and of w y."""
    _, indices, targets = cells
    Q, c, h = other
    total, pulls = Q.dtype.type(0), Q.dtype.type(0)
    for j in range(stop - start):
        i = indices[start + j]
        weight = base * h[i]
        copy_row(Q, i, weight, W, V, j)
        pull = weight * (targets[start + j] - c[i])
        V[j, at], V[j, at + 1] = pull, weight
        total += weight
        pulls += pull
    return total, pulls


@njit(nogil=True, cache=True, error_model="numpy")
def factorize_lanes(F, D):
    """Replace the upper triangles in F by their Cholesky factors U, and column D by inv(U') of it.

    U's diagonal is left inverted: it is only divided by. F: flat, of D rows of D + 2 vectors of LANES numbers.
    """
    for j in range(D):
        top = j * (D + 2)
        diagonal = F[(top + j) * LANES : (top + j + 1) * LANES]
        for lane in range(LANES):
            diagonal[lane] = 1 / np.sqrt(diagonal[lane])
        scale_lanes(F, top + j + 1, top + j, D - j)
        for g in range(j + 1, D):
            subtract_lanes(F, g * (D + 2) + g, top + g, top + g, D + 1 - g, 1)


@njit(nogil=True, cache=True)
def substitute_lanes(F, D, at):
    """Replace the D vectors of F from ``at`` on by inv(U) of them; F begins with what `factorize_lanes` left."""
    for j in range(D - 1, -1, -1):
        scale_lanes(F, at + j, j * (D + 3), 1)
        subtract_lanes(F, at, at + j, j, j, D + 2)


@njit(nogil=True, cache=True, error_model="numpy")
def draw_rows(cells: Cells, other: PaddedColumns, noise: Noise, prior: RowPrior, E, first, last, X, means):
    """Write a draw of eq. 1 for rows first … last - 1 into X, and its mean into means.

    cells: their values are the ratings less all but the two rows' parts; E: (n_rows, D) standard normal numbers.
    """
    indptr = cells.indptr
    Q = other.Q
    g, scale = noise
    LM, L = prior
    D, width = L.shape[1], Q.shape[1]
    k, step = D - 1, STEP_BYTES // Q.itemsize
    A = aligned(max(width, -(-k // ROWS) * ROWS) + ROWS, width, Q)  # below it sum w y q and sum w q: the same product
    W, V = aligned(CELLS, width + step, Q), aligned(CELLS, width + step, Q)
    s, a = A[len(A) - ROWS], A[len(A) - ROWS + 1]
    F = aligned(np.int64(1), (D * (D + 2) + 2 * D) * LANES, Q)[0]
    B = F[: D * (D + 2) * LANES].reshape((D, D + 2, LANES))
    x, y = F[D * (D + 2) * LANES :][: D * LANES].reshape((D, LANES)), F[D * (D + 3) * LANES :].reshape((D, LANES))
    for block in range(first, last, LANES):
        n = min(LANES, last - block)
        for lane in range(n):
            u = block + lane
            A[:] = 0
            total, pulls = Q.dtype.type(0), Q.dtype.type(0)
            for start in range(indptr[u], indptr[u + 1], CELLS):
                stop = min(start + CELLS, indptr[u + 1])
                sums = gather(cells, start, stop, other, scale * g[u], W, V, len(A) - ROWS)
                total += sums[0]
                pulls += sums[1]
                add_products(V, W, A, stop - start, FIRST, k)
                for f in range(0, k, step):
                    add_tile(V, W, A, stop - start, len(A) - ROWS, f)
            for f in range(k):
                row, own = A[f], L[f]
                lanes = F[(f * (D + 2) + f) * LANES + lane :]  # flat: a third faster than B[f, i, lane]
                for i in range(k - f):
                    lanes[i * LANES] = row[f + i] + own[f + i]
                lanes[(k - f) * LANES] = a[f] + own[k]
                lanes[(D - f) * LANES] = s[f] + LM[u, f]
            B[k, k, lane] = total + L[k, k]
            B[k, D, lane] = pulls + LM[u, k]
        for lane in range(n, LANES):  # idle lanes: any solvable equations
            for f in range(D):
                for i in range(f, D + 1):
                    B[f, i, lane] = B[f, i, 0]
        factorize_lanes(F, D)
        for f in range(D):
            for lane in range(LANES):
                x[f, lane] = B[f, D, lane]
                y[f, lane] = B[f, D, lane]
            for lane in range(n):
                y[f, lane] += E[block + lane, f]
        substitute_lanes(F, D, D * (D + 2))
        substitute_lanes(F, D, D * (D + 3))
        for f in range(D):
            for lane in range(n):
                means[block + lane, f] = x[f, lane]
                X[block + lane, f] = y[f, lane]


@njit(nogil=True, cache=True, error_model="numpy")
def shrinkages(cells: Cells, Q, h, noise: Noise, L, first, last, K):
    """Write K_u = inv(A_u) L of rows first … last - 1 (n_rows, D, D): how far a row follows its prior mean; eq. 1.

    cells: their values are not looked at; Q (n_columns, D), h (n_columns,) the other side's rows and its noise.
    """
    indptr, indices, _ = cells
    g, scale = noise
    D = Q.shape[1]
    A, z = np.empty((D, D), Q.dtype), np.ones(D, Q.dtype)
    for u in range(first, last):
        for f in range(D):
            for j in range(D):
                A[f, j] = K[u, f, j] = L[f, j]
        for n in range(indptr[u], indptr[u + 1]):
            i = indices[n]
            w, q = scale * g[u] * h[i], Q[i]
            for f in range(D - 1):
                z[f] = q[f]
            for f in range(D):
                row, pull = A[f], w * z[f]
                for j in range(D):
                    row[j] += pull * z[j]
        eliminate(A, K[u])


@njit(nogil=True, cache=True, error_model="numpy")
def eliminate(A, X):
    """Replace X by inv(A) X, A symmetric positive definite (Gauss-Jordan, which needs no pivots there), and spend A."""
    D = len(A)
    for j in range(D):
        inverse = 1 / A[j, j]
        for f in range(j + 1, D):
            A[j, f] *= inverse
        for f in range(D):
            X[j, f] *= inverse
        for i in range(D):
            if i != j:
                times = A[i, j]
                for f in range(j + 1, D):
                    A[i, f] -= times * A[j, f]
                for f in range(D):
                    X[i, f] -= times * X[j, f]


@njit(nogil=True, cache=True)
def residuals(cells: Cells, rows: PaddedRows, columns: PaddedRows, first, last, out):
    """Write what is left of the targets of rows first … last - 1: y_ui - b_u - c_i - p_u . q_i."""
    indptr, indices, targets = cells
    P, b = rows
    Q, c = columns
    for u in range(first, last):
        for n in range(indptr[u], indptr[u + 1]):
            i = indices[n]
            out[n] = targets[n] - (product(P, u, Q, i) + (b[u] + c[i]))


@njit(nogil=True, cache=True)
def sums_of_errors(cells: Cells, h, first, last, out):
    """Write the sums of h, h e, h e^2, e and e^2 over the cells of rows first … last - 1: (n_rows, 5) float64.

    cells: their values are the errors e; h (n_columns,) weighs each.
    """
    indptr, indices, errors = cells
    for u in range(first, last):
        a, b, c, d, s = 0.0, 0.0, 0.0, 0.0, 0.0
        for n in range(indptr[u], indptr[u + 1]):
            weight, error = np.float64(h[indices[n]]), np.float64(errors[n])
            a += weight
            b += weight * error
            c += weight * error * error
            d += error
            s += error * error
        out[u, 0], out[u, 1], out[u, 2], out[u, 3], out[u, 4] = a, b, c, d, s


@njit(nogil=True, cache=True)
def column_sums(cells: Cells, g, first, last, out):
    """Add g_u e^2 of the cells of rows first … last - 1 to their columns in out (n_columns,) float64, in order."""
    indptr, indices, errors = cells
    for u in range(first, last):
        weight = np.float64(g[u])
        for n in range(indptr[u], indptr[u + 1]):
            error = np.float64(errors[n])
            out[indices[n]] += weight * error * error


@njit(nogil=True, cache=True)
def draw_weights(columns: Cells, scales, ridge, E, R, B):
    """Draw the weights of sparse features one column after the other, R = T - X B kept up to date.

    X_uj = scales[u] where row u has feature j, and given all other columns, with d_j = sum_u X_uj^2,

        b_j ~ N( (X_j' R + d_j b_j) / (d_j + ridge), I / (d_j + ridge) )                                             (2)

    columns: the rows of each feature, values not looked at. Numbers are in coordinates where rows' noise is I.
    E: (n_features, width) standard normal numbers; R (n_rows, width); B (n_features, width).
    """
    indptr, indices, _ = columns
    width = R.shape[1]
    pull = np.empty(width, R.dtype)
    for j in range(len(B)):
        b, e = B[j], E[j]
        pull[:] = 0
        d = R.dtype.type(0)
        for n in range(indptr[j], indptr[j + 1]):
            u = indices[n]
            x, row = scales[u], R[u]
            d += x * x
            for f in range(width):
                pull[f] += x * row[f]
        shrunk = 1 / (d + ridge)
        root = np.sqrt(shrunk)
        for f in range(width):
            new = (pull[f] + d * b[f]) * shrunk + e[f] * root
            pull[f] = b[f] - new
            b[f] = new
        for n in range(indptr[j], indptr[j + 1]):
            u = indices[n]
            x, row = scales[u], R[u]
            for f in range(width):
                row[f] += x * pull[f]
