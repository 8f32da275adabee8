"""A weighted sum of several models' scores, each standardised within the person's row.

    z_pi = (x_pi - m_p) / d_p        m_p, d_p: mean and standard deviation of x_p over all items                     (1)
    s_i = sum_p w_p z_pi / sum_p w_p        over the parts p whose scores are not all equal                          (2)

A part whose scores are all equal says nothing of the person: it adds 0, and its weight goes to the others. Where all
parts are such, all scores are 0. Sums over items go in a given order, that of popularity, so that they do not depend on
how items are numbered; a row has the same bits alone and in any batch.

Letters: X (m, n_items) scores of one part; order (n_items,) the items as they are summed; m, d (m,); w the part's
weight; T (m, n_items) float64 and W (m,) the numerator and denominator of eq. 2 so far; S (m, n_items) float32.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from palate.kernels.compiling import njit


@njit(nogil=True, cache=True)
def moments(X, order, m, d):
    """Write mean and standard deviation of each row; a deviation of 0 where all are equal."""
    for r in range(X.shape[0]):
        x = X[r]
        low = high = x[order[0]]
        total = 0.0
        for i in order:
            total += x[i]
            low, high = min(low, x[i]), max(high, x[i])
        m[r] = total / len(order)
        squares = 0.0
        for i in order:
            squares += (x[i] - m[r]) ** 2
        d[r] = (squares / len(order)) ** 0.5 if low < high else 0.0


@njit(nogil=True, cache=True)
def add(X, m, d, w, T, W):
    """Add a part to eq. 2."""
    for r in range(X.shape[0]):
        if d[r] > 0:
            W[r] += w
            for i in range(X.shape[1]):
                T[r, i] += w * ((X[r, i] - m[r]) / d[r])


@njit(nogil=True, cache=True)
def divide(T, W, S):
    """Write eq. 2, rounded once."""
    for r in range(T.shape[0]):
        for i in range(T.shape[1]):
            S[r, i] = T[r, i] / W[r] if W[r] > 0 else 0.0
