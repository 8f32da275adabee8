"""Lists drawn by chance: orders of Plackett and Luce, and how probable it is that an item takes a place.

With weights w_j = exp(v_j), sum 1, each place goes to one of the items left, in proportion to their weights (Plackett
1975, Luce 1959):

    P(order) = prod_r w_(r) / sum_(s >= r) w_(s)                                                                     (1)

So do the items arrive where each has its own clock, T_j exponential with rate w_j; with v_j + G_j, G_j standard Gumbel,
descending they come in the same order (Yellott 1977). Item i takes place r where r - 1 others come before it:

    P(i at r) = int w_i exp(-w_i t) P(N_i(t) = r - 1) dt,   N_i(t) = sum_(j != i) Bernoulli(1 - exp(-w_j t))         (2)

The first place is w_i itself. For the others t = exp(x), and the trapezoidal rule in x, whose error falls
exponentially with its step (Trefethen & Weideman 2014); all terms are positive. The counts N_i are built by adding an
item at a time: those that are not asked about once, those that are from the front and from the back.

Letters: v (m,) logits, r places from 1, K items asked about.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import math

import numpy as np

from palate.kernels.compiling import njit
from palate.kernels.sgd import mix

STEP = 0.35  # of x: errors of 1e-7
BLOCK = 16  # values of x together: vectors
BEFORE = 11.0  # below log(1 / sum of weights) nobody has come: two come before exp(-11) with probability 3e-10
AFTER = 4.1  # exp(-exp(4.1)) = 1e-26
LONG_BEFORE = 45.0  # exp(-45) = 3e-20


@njit(nogil=True, cache=True)
def share(key, n):
    """Return random number n of a key, above 0 and below 1."""
    return (np.float64(mix(key + np.uint64(n)) >> np.uint64(11)) + 0.5) * 2.0**-53


@njit(nogil=True, cache=True)
def arrivals(v, key, first, keys):
    """Write v_j + G_j: descending they are an order of eq. 1. Random numbers of the key from ``first`` on."""
    for j in range(len(v)):
        keys[j] = v[j] - math.log(-math.log(share(key, first + j)))


@njit(nogil=True, cache=True)
def log_sum(v):
    """Return log sum_j exp(v_j)."""
    highest = v.max()
    total = 0.0
    for j in range(len(v)):
        total += math.exp(v[j] - highest)
    return highest + math.log(total)


@njit(nogil=True, cache=True)
def log_order(v, items):
    """Return the logarithm of eq. 1 for the first places of an order, which these items take."""
    left, rest, out = np.ones(len(v), np.bool_), np.empty(len(v)), 0.0
    for item in items:
        n = 0
        for j in range(len(v)):
            if left[j]:
                rest[n] = v[j]
                n += 1
        out += v[item] - log_sum(rest[:n])
        left[item] = False
    return out


@njit(nogil=True, cache=True)
def come(v, x, rate, p, stay):
    """Write w t, 1 - exp(-w t) and exp(-w t) for the block of x from this one on; return whether any is above 0."""
    if x + STEP * BLOCK + v < -LONG_BEFORE:
        return False
    first, times = math.exp(min(x + v, 100.0)), math.exp(STEP)
    for b in range(BLOCK):
        rate[b] = first
        first *= times
    for b in range(BLOCK):
        stay[b] = math.exp(-rate[b])
    for b in range(BLOCK):
        small = rate[b] * (1 - rate[b] * (0.5 - rate[b] / 6))
        p[b] = small if rate[b] < 1e-3 else 1 - stay[b]
    return True


@njit(nogil=True, cache=True)
def begin(q):
    """Make the counts q (n, BLOCK) those of nobody. A loop compiles sooner than a slice."""
    for c in range(len(q)):
        for b in range(BLOCK):
            q[c, b] = 1.0 if c == 0 else 0.0


@njit(nogil=True, cache=True)
def copy(q, out):
    """Write the counts q once more."""
    for c in range(len(q)):
        for b in range(BLOCK):
            out[c, b] = q[c, b]


@njit(nogil=True, cache=True)
def add(q, p, stay):
    """Add an item to the counts q (n, BLOCK): q_c = P(N = c)."""
    for c in range(len(q) - 1, 0, -1):
        for b in range(len(p)):
            q[c, b] = q[c, b] * stay[b] + q[c - 1, b] * p[b]
    for b in range(len(p)):
        q[0, b] *= stay[b]


@njit(nogil=True, cache=True)
def last_x(v, most):
    """Return the x behind which nobody takes a place up to ``most``: even the smallest weights have come."""
    left = v.copy()
    for _ in range(most - 1):
        left[left.argmax()] = -np.inf
    return AFTER - log_sum(left)


@njit(nogil=True, cache=True)
def take_places(v, items, places, out):
    """Write the probability of eq. 2 that each of these items takes its place. The items all differ."""
    m, K, most, total = len(v), len(items), places.max(), log_sum(v)
    v = v - total
    asked = np.zeros(m, np.bool_)
    for k in range(K):
        asked[items[k]] = True
        out[k] = 0.0
    before, after = np.empty((K + 1, most, BLOCK)), np.empty((most, BLOCK))
    rate, p, stay = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    x, end = -BEFORE, last_x(v, most)
    while x < end and most > 1:
        begin(before[0])
        begin(after)
        for j in range(m):
            if not asked[j] and come(v[j], x, rate, p, stay):
                add(before[0], p, stay)
        for k in range(K):
            copy(before[k], before[k + 1])
            if come(v[items[k]], x, rate, p, stay):
                add(before[k + 1], p, stay)
        for k in range(K - 1, -1, -1):
            if come(v[items[k]], x, rate, p, stay):
                out[k] += STEP * density(before[k], after, places[k] - 1, rate, stay)
                add(after, p, stay)
        x += STEP * BLOCK
    for k in range(K):
        if places[k] == 1:
            out[k] = math.exp(v[items[k]])


@njit(nogil=True, cache=True)
def density(before, after, n, rate, stay):
    """Return the sum over a block of the integrand of eq. 2 in x, of an item with n others before it."""
    total = 0.0
    for b in range(BLOCK):
        count = 0.0
        for c in range(n + 1):
            count += before[c, b] * after[n - c, b]
        total += count * stay[b] * rate[b]
    return total


@njit(nogil=True, cache=True)
def scores_in_draws(x, Z, means, items, chosen, out):
    """Write mean_s + b_s + c_is + p_s . q_is of the chosen draws s (K,) and items i (m,) into out (K, m).

    x: (K, D) rows [p_s, b_s] of the chosen draws; Z: (n_items, n_draws, D) rows [q_is, c_is]; means: (n_draws,).
    """
    k = x.shape[1] - 1
    for n in range(len(items)):
        for row in range(len(chosen)):
            z = Z[items[n], chosen[row]]
            total = np.float64(means[chosen[row]]) + x[row, k] + z[k]
            for f in range(k):
                total += x[row, f] * z[f]
            out[row, n] = total


@njit(nogil=True, cache=True)
def place_of(scores, i):
    """Return how many come before item i by scores (m,), the first of equals first."""
    own, before = scores[i], 0
    for j in range(i):
        before += scores[j] >= own
    for j in range(i + 1, len(scores)):
        before += scores[j] > own
    return before


@njit(nogil=True, cache=True)
def count_places(S, items, places, out):
    """Write how many rows of scores S (n, m) put each of these items at its place."""
    out[:] = 0
    for row in range(len(S)):
        for k in range(len(items)):
            out[k] += place_of(S[row], items[k]) == places[k] - 1


@njit(nogil=True, cache=True)
def count_lists(S, items):
    """Return how many rows of scores S (n, m) have these items at the first places, in this order."""
    same = 0
    for row in range(len(S)):
        k = 0
        while k < len(items) and place_of(S[row], items[k]) == k:
            k += 1
        same += k == len(items)
    return same
