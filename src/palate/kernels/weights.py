"""Scores of a user's whole row by weights from item to item: EASE's product of a sparse row and a matrix.

    s_ui = a_i + sum_j x_uj B_ji        over the user's own items j                                                  (1)

where the user has any; else all are 0.

Products are rounded to float32, summed in float64 and rounded once more: the sum's order, which is that of the items'
numbers, leaves no trace, and scores that are equal stay equal however items are numbered. A row has the same bits alone
and in any batch.

Letters: x compressed rows; B (n_items, n_items), or its compressed rows; a (n_items,), or empty for none;
S (m, n_items).
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import numpy as np

from palate.kernels import Cells
from palate.kernels.compiling import njit


@njit(nogil=True, cache=True)
def begin(a, any_item, s):
    """Write what eq. 1 begins with."""
    if any_item and len(a):
        for i in range(len(s)):  # to assign the row would compile NumPy's message on shapes
            s[i] = a[i]
    else:
        s[:] = 0


@njit(nogil=True, cache=True)
def scores(x: Cells, B, a, users, S):
    """Write eq. 1 for these users; four items are added at a time, one after the other."""
    indptr, indices, values = x
    s = np.empty(S.shape[1])
    for r in range(len(users)):
        first, last = indptr[users[r]], indptr[users[r] + 1]
        begin(a, last > first, s)
        full = first + (last - first) // 4 * 4
        for c in range(first, full, 4):
            b0, b1, b2, b3 = B[indices[c]], B[indices[c + 1]], B[indices[c + 2]], B[indices[c + 3]]
            x0, x1, x2, x3 = values[c], values[c + 1], values[c + 2], values[c + 3]
            for i in range(len(s)):
                s[i] = (((s[i] + x0 * b0[i]) + x1 * b1[i]) + x2 * b2[i]) + x3 * b3[i]
        for c in range(full, last):
            b, factor = B[indices[c]], values[c]
            for i in range(len(s)):
                s[i] += factor * b[i]
        for i in range(len(s)):
            S[r, i] = s[i]


@njit(nogil=True, cache=True)
def scores_sparse(x: Cells, B: Cells, a, users, S):
    """Write eq. 1 for these users, B given by compressed rows."""
    indptr, indices, values = x
    starts, columns, weights = B
    s = np.empty(S.shape[1])
    for r in range(len(users)):
        first, last = indptr[users[r]], indptr[users[r] + 1]
        begin(a, last > first, s)
        for c in range(first, last):
            j, factor = indices[c], values[c]
            for p in range(starts[j], starts[j + 1]):
                s[columns[p]] += factor * weights[p]
        for i in range(len(s)):
            S[r, i] = s[i]


@njit(nogil=True, cache=True)
def co_occurrences(by_item: Cells, by_user: Cells, first, last, G):
    """Write rows first … last - 1 of G = X'X, X given by compressed columns and by compressed rows."""
    starts, users, values = by_item
    indptr, items, counts = by_user
    for i in range(first, last):
        row = G[i]
        row[:] = 0
        for c in range(starts[i], starts[i + 1]):
            u, x = users[c], values[c]
            for d in range(indptr[u], indptr[u + 1]):
                row[items[d]] += x * counts[d]


@njit(nogil=True, cache=True)
def ease_weights(P, diagonal, first, last):
    """Turn the lower triangle of P = inv(G) into B_ij = - P_ij / P_jj, the diagonal 0, for rows first … last - 1.

    Rows below ``last`` and columns left of it are written: pairs (i, j), j < i, with i from first to last - 1.
    """
    block = 32
    for left in range(0, last, block):
        for i in range(max(first, left), last):
            for j in range(left, min(left + block, i)):
                p = P[i, j]
                P[i, j] = -p / diagonal[j]
                P[j, i] = -p / diagonal[i]
    for i in range(first, last):
        P[i, i] = 0
