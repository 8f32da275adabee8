"""EASE where people are fewer than items: the ridge regressions solved between users, and scores by them.

With X (n_users, n_items), a penalty d_j of each item, and the identity of Woodbury (1950),

    P = inv(X'X + diag(d)) = diag(1/d) - diag(1/d) X' W X diag(1/d)        W = inv(I + K)        K = X diag(1/d) X'  (1)

    P_ii = 1/d_i - x_i' W x_i / d_i^2        B_ji = -P_ji / P_ii = h_j (x_j' W x_i) g_i        j != i                (2)

x_i being columns of X, h = 1/d and g = 1/(d_i P_ii). For a row x of one user, known or not,

    s_i = a_i + g_i (X_:i' W z) - x_i (g_i - 1)        z = X diag(h) x                                               (3)

the last term being what j = i has added. Sums are taken in float64 in the order of cells.

Letters: by_item, by_user the compressed columns and rows of X; W (n_users, n_users); a (n_items,), or empty for none.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any, NamedTuple

import numpy as np

from palate.kernels import Cells
from palate.kernels.compiling import njit
from palate.kernels.weights import begin


class Dual(NamedTuple):
    """What eq. 2 makes weights of."""

    by_item: Cells
    W: Any  # (n_users, n_users)
    h: Any  # (n_items,)
    g: Any  # (n_items,)
    a: Any  # (n_items,) or empty


@njit(nogil=True, cache=True)
def products(by_user: Cells, by_item: Cells, h, constant, first, last, K):
    """Write rows first … last - 1 of K of eq. 1, a constant added to each."""
    indptr, items, values = by_user
    starts, users, others = by_item
    row = np.empty(len(K))
    for u in range(first, last):
        row[:] = constant
        for c in range(indptr[u], indptr[u + 1]):
            j = items[c]
            x = values[c] * h[j]
            for d in range(starts[j], starts[j + 1]):
                row[users[d]] += x * others[d]
        for v in range(len(row)):
            K[u, v] = row[v]


@njit(nogil=True, cache=True)
def squares(by_item: Cells, W, first, last, out):
    """Write x_i' W x_i of items first … last - 1."""
    starts, users, values = by_item
    for i in range(first, last):
        total = 0.0
        for c in range(starts[i], starts[i + 1]):
            row, part = W[users[c]], 0.0
            for d in range(starts[i], starts[i + 1]):
                part += row[users[d]] * values[d]
            total += values[c] * part
        out[i] = total


@njit(nogil=True, cache=True)
def scores(x: Cells, dual: Dual, rows, S):
    """Write eq. 3 for these rows of x."""
    indptr, indices, values = x
    (starts, users, others), W, _, g, a = dual
    n_users, n_items = len(W), S.shape[1]
    z, y, s = np.zeros(n_users), np.empty(n_users), np.empty(n_items)
    for r in range(len(rows)):
        first, last = indptr[rows[r]], indptr[rows[r] + 1]
        begin(a, last > first, s)
        if last > first:
            y[:] = 0
            met = neighbors(x, dual, first, last, z)
            add_rows(W, z, met, y)
            for i in range(n_items):
                total = 0.0
                for c in range(starts[i], starts[i + 1]):
                    total += y[users[c]] * others[c]
                s[i] += g[i] * total
            for c in range(first, last):
                i = indices[c]
                s[i] -= values[c] * (g[i] - 1)
        for i in range(n_items):  # to assign the row would compile NumPy's message on shapes
            S[r, i] = s[i]


@njit(nogil=True, cache=True)
def neighbors(x: Cells, dual: Dual, first, last, z):
    """Add z of eq. 3 for the cells first … last - 1 of x, and return the users where it is not 0, ascending."""
    _, indices, values = x
    starts, users, others = dual.by_item
    for c in range(first, last):
        j = indices[c]
        factor = values[c] * dual.h[j]
        for d in range(starts[j], starts[j + 1]):
            z[users[d]] += factor * others[d]
    return np.flatnonzero(z)


@njit(nogil=True, cache=True)
def add_rows(W, z, met, y):
    """Add z W to y, four rows at a time, one after the other; z is 0 afterwards."""
    full = len(met) // 4 * 4
    for m in range(0, full, 4):
        u0, u1, u2, u3 = met[m], met[m + 1], met[m + 2], met[m + 3]
        r0, r1, r2, r3 = W[u0], W[u1], W[u2], W[u3]
        z0, z1, z2, z3 = z[u0], z[u1], z[u2], z[u3]
        for v in range(len(y)):
            y[v] = (((y[v] + z0 * r0[v]) + z1 * r1[v]) + z2 * r2[v]) + z3 * r3[v]
    for m in range(full, len(met)):
        row, factor = W[met[m]], z[met[m]]
        for v in range(len(y)):
            y[v] += factor * row[v]
    for m in range(len(met)):
        z[met[m]] = 0
