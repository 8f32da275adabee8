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

Factors are padded to whole vectors. With features the penalties are of the distance from rows' sums of features, M and
m of one side.

Ratings are grouped by block: block g holds ratings ptr[g]:ptr[g + 1].
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any, NamedTuple

import numpy as np

from palate.kernels import Factors
from palate.kernels.compiling import njit
from palate.kernels.simd.steps import add_row, fetch_row, product, step_pair

# Sums may be reordered so that they vectorise; NaN and infinity keep their meaning, for divergence must be seen.
REORDER = {"contract", "reassoc", "nsz"}
AHEAD = 4  # ratings: a column's factors are asked for so long before they are needed


class Means(NamedTuple):
    """What the penalties of one side pull to: its rows' sums of features."""

    M: Any  # (n_rows, width)
    m: Any  # (n_rows,)


class Ratings(NamedTuple):
    """Ratings one after the other."""

    rows: Any  # (n,)
    cols: Any  # (n,)
    vals: Any  # (n,)


class Steps(NamedTuple):
    """Rates, doubled, and what is left of a row after its penalty: max(0, 1 - rate * penalty)."""

    rate: Any
    shrink: Any
    rate_biases: Any
    shrink_biases: Any


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
def shuffle(ratings: Ratings, start, stop, key):
    """Shuffle ratings start:stop in place (Fisher & Yates), the same way for the same key."""
    rows, cols, vals = ratings
    for n in range(stop - 1, start, -1):
        m = start + below(key + np.uint64(n), n - start + 1)
        rows[n], rows[m] = rows[m], rows[n]
        cols[n], cols[m] = cols[m], cols[n]
        vals[n], vals[m] = vals[m], vals[n]


@njit(nogil=True, cache=True, fastmath=REORDER)
def descend(factors: Factors, of_users: Means | None, of_items: Means | None, ratings: Ratings, steps: Steps):
    """Apply eq. 2 for each rating in turn and return the sum of the squared errors met on the way.

    of_users, of_items: None where penalties pull to zero: nothing of it is then compiled.
    """
    P, Q, b, c, mean = factors
    rows, cols, vals = ratings
    if of_users is not None:
        M, m = of_users
    if of_items is not None:
        N, o = of_items
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
        if of_users is not None:
            add_row(P, u, M, P.dtype.type(pull))
            b[u] += pull_b * m[u]
        if of_items is not None:
            add_row(Q, i, N, P.dtype.type(pull))
            c[i] += pull_b * o[i]
    return loss


@njit(nogil=True, cache=True)
def descend_blocks(
    factors: Factors,
    of_users: Means | None,
    of_items: Means | None,
    ratings: Ratings,
    ptr,
    blocks,
    key,
    steps: Steps,
    losses,
):
    """Descend the given blocks, one after the other; losses[g] gets block g's loss.

    A block alone is shuffled; of several, each begins at a rating drawn by the key: random bits of this epoch.
    """
    rows, cols, vals = ratings
    for g in blocks:
        start, stop = ptr[g], ptr[g + 1]
        middle = start
        if len(ptr) == 2:
            shuffle(ratings, start, stop, mix(key))
        else:
            middle += below(key + np.uint64(g), stop - start)
        losses[g] = 0
        for second in range(2):  # one call: LLVM would copy `descend` to each
            first, last = (start, middle) if second else (middle, stop)
            part = Ratings(rows[first:last], cols[first:last], vals[first:last])
            losses[g] += descend(factors, of_users, of_items, part, steps)


@njit(nogil=True, cache=True, fastmath=REORDER)
def squared_errors(factors: Factors, ratings: Ratings, low, high):
    """Return the sums of squared errors of the raw scores, and of the scores clipped to [low, high]."""
    P, Q, b, c, mean = factors
    rows, cols, vals = ratings
    raw = 0.0
    clipped = 0.0
    for n in range(len(vals)):
        s = mean + b[rows[n]] + c[cols[n]] + product(P, rows[n], Q, cols[n])
        raw += (vals[n] - s) ** 2
        clipped += (vals[n] - min(max(s, low), high)) ** 2
    return raw, clipped
