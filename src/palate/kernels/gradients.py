"""Conjugate gradients on the rows of implicit alternating least squares, where factors are too many to factorize.

The system is that of `palate.kernels.ridge`, eq. 3, never formed: with x the row's factors so far, and

    r = s - (S + l I) x,   S x = (o Q'Q) x + sum_i w_i q_i (q_i . x)                                                 (1)

each step costs O(cells k + k^2) (Takacs, Pilaszy & Tikk 2011; Hestenes & Stiefel 1952). A row stops early where the
residual is ``tolerance`` of the right side. The cells of a row are taken in the order given.

Letters: as in `palate.kernels.ridge`; G the whole of o Q'Q, (k, k).
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import numpy as np
from numba import njit

REORDER = {"contract", "reassoc", "nsz"}


@njit(nogil=True, cache=True, fastmath=REORDER)
def dot(x, y):
    """Return the inner product."""
    s = x.dtype.type(0)
    for f in range(len(x)):
        s += x[f] * y[f]
    return s


@njit(nogil=True, cache=True, fastmath=REORDER)
def apply(W, weights, n, G, l, x, out):  # noqa: E741
    """Write (S + l I) x into out: eq. 1."""
    k = len(x)
    for f in range(k):
        out[f] = l * x[f]
    for f in range(0, k - 3, 4):
        g0, g1, g2, g3 = G[f], G[f + 1], G[f + 2], G[f + 3]
        x0, x1, x2, x3 = x[f], x[f + 1], x[f + 2], x[f + 3]
        for g in range(k):
            out[g] += x0 * g0[g] + x1 * g1[g] + x2 * g2[g] + x3 * g3[g]
    for f in range(k // 4 * 4, k):
        row, factor = G[f], x[f]
        for g in range(k):
            out[g] += factor * row[g]
    full = n // 4 * 4
    for j in range(0, full, 4):
        w0, w1, w2, w3 = W[j], W[j + 1], W[j + 2], W[j + 3]
        s0 = s1 = s2 = s3 = x.dtype.type(0)
        for f in range(k):
            s0 += w0[f] * x[f]
            s1 += w1[f] * x[f]
            s2 += w2[f] * x[f]
            s3 += w3[f] * x[f]
        s0, s1, s2, s3 = s0 * weights[j], s1 * weights[j + 1], s2 * weights[j + 2], s3 * weights[j + 3]
        for f in range(k):
            out[f] += s0 * w0[f] + s1 * w1[f] + s2 * w2[f] + s3 * w3[f]
    for j in range(full, n):
        w = W[j]
        s = weights[j] * dot(w, x)
        for f in range(k):
            out[f] += s * w[f]


@njit(nogil=True, cache=True, fastmath=REORDER)
def improve_rows(cells, side, o, penalties, prior, steps, tolerance, first, last, P, losses):
    """Take at most ``steps`` steps from P for rows first … last - 1.

    cells: (indptr, indices, weights), weights the confidence of each click; side: (Q, G); prior: (n_rows, k) its mean,
    or without rows where it is zero; losses: (n_rows,) float64, the value of eq. 2 there where the steps end.
    """
    indptr, indices, weights = cells
    Q, G = side
    k = Q.shape[1]
    longest = 1
    for u in range(first, last):
        longest = max(longest, indptr[u + 1] - indptr[u])
    W = np.empty((longest, k), Q.dtype)
    s, r, d, Sd = (np.empty(k, Q.dtype), np.empty(k, Q.dtype), np.empty(k, Q.dtype), np.empty(k, Q.dtype))
    for u in range(first, last):
        start, n = indptr[u], indptr[u + 1] - indptr[u]
        x = P[u]
        if n == 0 and len(prior) == 0:
            x[:] = 0
            losses[u] = 0
            continue
        part = weights[start : start + n]
        s[:] = 0
        total = 0.0
        for j in range(n):
            w, q = W[j], Q[indices[start + j]]
            pull = o + part[j]
            total += pull
            for f in range(k):
                w[f] = q[f]
                s[f] += pull * q[f]
        if len(prior):
            for f in range(k):
                s[f] += penalties[u] * prior[u, f]
                total += penalties[u] * prior[u, f] * prior[u, f]
        apply(W, part, n, G, penalties[u], x, r)
        for f in range(k):
            r[f] = s[f] - r[f]
            d[f] = r[f]
        left, limit = dot(r, r), tolerance * tolerance * dot(s, s)
        for _ in range(steps):
            if not left > limit:
                break
            apply(W, part, n, G, penalties[u], d, Sd)
            length = left / dot(d, Sd)
            for f in range(k):
                x[f] += length * d[f]
                r[f] -= length * Sd[f]
            now = dot(r, r)
            turn = now / left
            for f in range(k):
                d[f] = r[f] + turn * d[f]
            left = now
        for f in range(k):  # x' (S + l I) x - 2 s' x, with (S + l I) x = s - r
            total -= np.float64(x[f]) * np.float64(s[f] + r[f])
        losses[u] = total
