"""Stochastic gradient descent on squared error, over blocks.

The prediction is eq. 4 of Koren, Bell & Volinsky 2009, the objective their eq. 5 with a penalty of its own for biases;
the steps, unnumbered there, follow from it.

Objective, one term for each rating n = (u, i, r):

    (r - s)^2 + reg (|p_u|^2 + |q_i|^2) + reg_biases (b_u^2 + c_i^2),    s = mean + b_u + c_i + p_u . q_i      (1)

Step, from the old values of both rows, with e = r - s (the factor 2 is the square's):

    p_u += 2 rate (e q_i - reg p_u)          b_u += 2 rate (e - reg_biases b_u)                                (2)
    q_i += 2 rate (e p_u - reg q_i)          c_i += 2 rate (e - reg_biases c_i)

so a row's penalty grows with its number of ratings. Blocks that share no row and no column can run at the same time
(Gemulla et al. 2011); a block's factors are few enough to stay in the cache while its ratings pass.

With features the penalties are of the distance from rows' sums of features, (M, N, m, n).

Letters: P (n_users, width), Q (n_items, width), padded to whole vectors; b (n_users,), c (n_items,); ratings as rows,
cols, vals (n,), grouped by block: block g holds ratings ptr[g]:ptr[g + 1].
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import numpy as np
from numba import njit

from palate.kernels.simd.steps import add_row, fetch_row, product, step_pair

# Sums may be reordered so that they vectorise; NaN and infinity keep their meaning, for divergence must be seen.
REORDER = {"contract", "reassoc", "nsz"}
AHEAD = 4  # ratings: a column's factors are asked for so long before they are needed


@njit(nogil=True, cache=True)
def mix(x):
    """Return the next 64 random bits for a counter: the finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    x = np.uint64(x) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(nogil=True, cache=True)
def below(key, n):
    """Return a whole number below n, of a counter; 0 for n = 0."""
    return np.int64(((mix(key) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@njit(nogil=True, cache=True)
def shuffle(rows, cols, vals, start, stop, key):
    """Shuffle ratings start:stop in place (Fisher & Yates), the same way for the same key."""
    for n in range(stop - 1, start, -1):
        m = start + below(key + np.uint64(n), n - start + 1)
        rows[n], rows[m] = rows[m], rows[n]
        cols[n], cols[m] = cols[m], cols[n]
        vals[n], vals[m] = vals[m], vals[n]


@njit(nogil=True, cache=True, fastmath=REORDER)
def descend(factors, means, mean, rows, cols, vals, steps):
    """Apply eq. 2 for each rating in turn and return the sum of the squared errors met on the way.

    factors: (P, Q, b, c); means: (M, N, m, n) that penalties pull to, without rows where those are zero.
    steps: (rate_factors, shrink_factors, rate_biases, shrink_biases), rates doubled,
        shrink = max(0, 1 - rate * penalty).
    """
    P, Q, b, c = factors
    M, N, m, o = means
    rate, shrink, rate_b, shrink_b = steps
    pull, pull_b = 1 - shrink, 1 - shrink_b
    loss = 0.0
    for n in range(len(vals)):
        if n + AHEAD < len(vals):
            fetch_row(Q, cols[n + AHEAD])
            fetch_row(P, rows[n + AHEAD])
        u = rows[n]
        i = cols[n]
        e = step_pair(P, u, Q, i, vals[n], mean + b[u] + c[i], shrink, rate)
        loss += e * e
        b[u] = shrink_b * b[u] + rate_b * e
        c[i] = shrink_b * c[i] + rate_b * e
        if len(M):
            add_row(P, u, M, P.dtype.type(pull))
            b[u] += pull_b * m[u]
        if len(N):
            add_row(Q, i, N, P.dtype.type(pull))
            c[i] += pull_b * o[i]
    return loss


@njit(nogil=True, cache=True)
def descend_blocks(factors, means, mean, ratings, ptr, blocks, key, steps, losses):
    """Descend the given blocks, one after the other; losses[g] gets block g's loss.

    A block alone is shuffled; of several, each begins at a rating drawn by the key.
    ratings: (rows, cols, vals); key: random bits of this epoch.
    """
    rows, cols, vals = ratings
    for g in blocks:
        start, stop = ptr[g], ptr[g + 1]
        middle = start
        if len(ptr) == 2:
            shuffle(rows, cols, vals, start, stop, mix(key))
        else:
            middle += below(key + np.uint64(g), stop - start)
        losses[g] = 0
        for second in range(2):  # one call: LLVM would copy `descend` to each
            first, last = (start, middle) if second else (middle, stop)
            losses[g] += descend(factors, means, mean, rows[first:last], cols[first:last], vals[first:last], steps)


@njit(nogil=True, cache=True, fastmath=REORDER)
def squared_errors(factors, mean, rows, cols, vals, low, high):
    """Return the sums of squared errors of the raw scores, and of the scores clipped to [low, high]."""
    P, Q, b, c = factors
    raw = 0.0
    clipped = 0.0
    for n in range(len(vals)):
        s = mean + b[rows[n]] + c[cols[n]] + product(P, rows[n], Q, cols[n])
        raw += (vals[n] - s) ** 2
        clipped += (vals[n] - min(max(s, low), high)) ** 2
    return raw, clipped
