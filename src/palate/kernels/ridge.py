"""Ridge regressions of many rows on the same columns: the half sweep of alternating least squares.

For a row u with cells (i, r_ui), n_u of them, and the columns' factors q_i and biases c_i fixed (Zhou et al. 2008,
section 3.1; the bias b_u is one more coefficient, of the constant 1):

    y_i = [1, q_i],   t_ui = r_ui - mean - c_i,   x_u = [b_u, p_u]
    A_u = sum_i y_i y_i' + w_u diag(reg_biases, reg, …, reg)                                                         (1)
    x_u = inv(A_u) sum_i y_i t_ui                                                                                    (2)

w_u is n_u (weighted lambda, their eq. 4) or 1. (2) is solved by Cholesky's factorization. Each row is solved by itself,
its cells in the order given and by a fixed order of operations: the same cells give the same bits, in training and in
fold-in.

Letters: X (n_rows, k + 1) and Y (n_columns, k + 1), the bias first; indptr, indices, values compressed rows.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import numpy as np
from numba import njit

CELLS = 8  # cells added to A at once: A is read and written once for all of them
REORDER = {"contract", "reassoc", "nsz"}


@njit(nogil=True, cache=True, fastmath=REORDER)
def add_cells(A, rhs, W, t):
    """Add CELLS rows W (CELLS, k + 1) with targets t to the lower triangle of A, eq. 1, and to the right side."""
    size = len(rhs)
    f = 0
    while f < size:
        other = min(f + 1, size - 1)  # two rows of A at once; the last alone where their number is odd
        a0, a1, a2, a3 = W[0, f], W[1, f], W[2, f], W[3, f]
        a4, a5, a6, a7 = W[4, f], W[5, f], W[6, f], W[7, f]
        b0, b1, b2, b3 = W[0, other], W[1, other], W[2, other], W[3, other]
        b4, b5, b6, b7 = W[4, other], W[5, other], W[6, other], W[7, other]
        one, two = A[f], A[other]
        if other == f:
            for g in range(f + 1):
                one[g] += (
                    a0 * W[0, g] + a1 * W[1, g] + a2 * W[2, g] + a3 * W[3, g]
                    + a4 * W[4, g] + a5 * W[5, g] + a6 * W[6, g] + a7 * W[7, g]
                )  # fmt: skip
        else:
            for g in range(f + 2):
                w0, w1, w2, w3 = W[0, g], W[1, g], W[2, g], W[3, g]
                w4, w5, w6, w7 = W[4, g], W[5, g], W[6, g], W[7, g]
                one[g] += a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3 + a4 * w4 + a5 * w5 + a6 * w6 + a7 * w7
                two[g] += b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3 + b4 * w4 + b5 * w5 + b6 * w6 + b7 * w7
            rhs[other] += b0 * t[0] + b1 * t[1] + b2 * t[2] + b3 * t[3] + b4 * t[4] + b5 * t[5] + b6 * t[6] + b7 * t[7]
        rhs[f] += a0 * t[0] + a1 * t[1] + a2 * t[2] + a3 * t[3] + a4 * t[4] + a5 * t[5] + a6 * t[6] + a7 * t[7]
        f += 2


@njit(nogil=True, cache=True, fastmath=REORDER)
def solve(A, x):
    """Replace x by inv(A) x and return whether A was positive definite.

    A is given by its lower triangle, and replaced by its Cholesky factor.
    """
    size = len(x)
    for i in range(size):
        row = A[i]
        for j in range(i):
            other = A[j]
            s = row[j]
            for g in range(j):
                s -= row[g] * other[g]
            row[j] = s / other[j]
        s = row[i]
        for g in range(i):
            s -= row[g] * row[g]
        if not s > 0:
            return False
        row[i] = np.sqrt(s)
        s = x[i]
        for g in range(i):
            s -= row[g] * x[g]
        x[i] = s / row[i]
    for i in range(size - 1, -1, -1):
        x[i] /= A[i, i]
        for g in range(i):
            x[g] -= A[i, g] * x[i]
    return True


@njit(nogil=True, cache=True)
def solve_rows(indptr, indices, values, Y, mean, penalties, first, last, X):
    """Write eq. 2 for rows first … last - 1 into X and return the first that could not be solved, or -1.

    A row without cells gets zeros; one whose A is not positive definite ends the work.
    penalties: (reg, reg_biases, weighted) as numbers; weighted is 1 for w_u = n_u, else 0. A negative reg_biases
        leaves the bias at zero.
    """
    reg, reg_biases, weighted = penalties
    size = Y.shape[1]
    A = np.zeros((size, size), Y.dtype)
    W = np.zeros((CELLS, size), Y.dtype)
    t = np.zeros(CELLS, Y.dtype)
    start_of_bias = Y.dtype.type(1.0) if reg_biases >= 0 else Y.dtype.type(0.0)
    for u in range(first, last):
        x = X[u]
        x[:] = 0
        n = indptr[u + 1] - indptr[u]
        if n == 0:
            continue
        A[:] = 0
        for start in range(indptr[u], indptr[u + 1], CELLS):
            stop = min(start + CELLS, indptr[u + 1])
            for j in range(CELLS):
                if start + j < stop:
                    y = Y[indices[start + j]]
                    w = W[j]
                    for f in range(1, size):
                        w[f] = y[f]
                    w[0] = start_of_bias
                    t[j] = values[start + j] - mean - y[0]
                else:
                    W[j] = 0
                    t[j] = 0
            add_cells(A, x, W, t)
        weight = n if weighted else 1
        for f in range(1, size):
            A[f, f] += reg * weight
        A[0, 0] += reg_biases * weight if reg_biases >= 0 else 1
        if not solve(A, x):
            return u
    return -1
