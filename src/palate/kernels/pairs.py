"""Stochastic gradient descent on pairwise ranking losses, over blocks.

A draw is a click (u, i) and an item j that u did not click; with s_ui = c_i + p_u . q_i and x = s_ui - s_uj it adds

    BPR    -log sigma(x)                                                                                             (1)
    WARP   L(n / t) max(0, 1 - x)        L(r) = 1 + 1/2 + … + 1/r                                                    (2)

and (of_users |p_u|^2 + of_items |q_i|^2 + of_negatives |q_j|^2 + of_biases (c_i^2 + c_j^2)) / 2 to the objective (BPR-
Opt of Rendle et al. 2009, section 4.1; eq. 4 and algorithm 1 of Weston, Bengio & Usunier 2011). WARP draws items until
one has x < 1, the t-th, and n / t estimates the rank of i among the n items that u did not click. The step, of the old
values, with g = sigma(-x) or L(n / t):

    p_u += rate (g (q_i - q_j) - of_users p_u)          c_i += rate (g - of_biases c_i)                              (3)
    q_i += rate (g p_u - of_items q_i)                  c_j += rate (-g - of_biases c_j)
    q_j += rate (-g p_u - of_negatives q_j)

Penalties pull towards the means M, N, o of rows by their features, where there are some, else towards zero.

Negatives come from the block's own items: uniform, by popularity, or adaptive (Rendle & Freudenthaler 2014, section 4):
a factor f by |p_uf| times its deviation over the items, then the item of rank r in its order, r geometric. Blocks share
no user and no item, and are drawn anew every epoch: so is who meets whom (Gemulla et al. 2011 for the rounds).

Letters: P (n_users, width), Q (n_items, width), padded to whole vectors; c (n_items,); clicks as compressed rows.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import math

import numpy as np
from numba import njit

from palate.kernels.sgd import below, mix
from palate.kernels.steps import add_row, difference_product, product, step_one, step_triple

UNIFORM, POPULAR, ADAPTIVE = 0, 1, 2
TRIES = 20  # items looked at until one is no click of the user's; then the draw is left out
SPARSE = 16  # bits of the filter for each click of a block: one in 16 of the others passes, and is looked up
SMALLEST = 1e-200  # product of probabilities before its logarithm is taken
FARTHEST = 500.0  # difference of scores: beyond it exp has no finite value


@njit(nogil=True, cache=True)
def share(key):
    """Return a number from 0 to 1, 1 left out, of a counter."""
    return np.float64(mix(key) >> np.uint64(11)) * 2.0**-53


@njit(nogil=True, cache=True)
def group_clicks(cells, scale, users, block_of, key, start, draws, ptr):
    """Write the clicks of some users, grouped by the block of the item, from ``start`` on, and how often each is drawn.

    Of click number n of user u the mean is scale[u] values[n]: the whole part, and one more by chance.

    cells: (indptr, indices, values); block_of: (n_items,); draws: (rows, cols, times); ptr: (n_blocks + 1,) is written.
    """
    indptr, indices, values = cells
    rows, cols, times = draws
    ptr[:] = 0
    for u in users:
        for n in range(indptr[u], indptr[u + 1]):
            ptr[block_of[indices[n]] + 1] += 1
    ptr[0] = start
    for b in range(1, len(ptr)):
        ptr[b] += ptr[b - 1]
    at = ptr[:-1].copy()
    for u in users:
        for n in range(indptr[u], indptr[u + 1]):
            b = block_of[indices[n]]
            rows[at[b]], cols[at[b]] = u, indices[n]
            times[at[b]] = np.int32(scale[u] * values[n] + share(key + np.uint64(n)))
            at[b] += 1


@njit(nogil=True, cache=True)
def drawn(rows, cols, times, key):
    """Return users and items of the draws of one block, in random order."""
    n = 0
    for t in times:
        n += t
    us, them = np.empty(n, np.int32), np.empty(n, np.int32)
    at = 0
    for c in range(len(rows)):
        for _ in range(times[c]):
            us[at], them[at] = rows[c], cols[c]
            at += 1
    for a in range(n - 1, 0, -1):
        b = below(key + np.uint64(a), a + 1)
        us[a], us[b] = us[b], us[a]
        them[a], them[b] = them[b], them[a]
    return us, them


@njit(nogil=True, cache=True)
def place(u, i, shift):
    """Return the bit of the filter that a pair sets."""
    return ((np.uint64(u) << np.uint64(32) | np.uint64(i)) * np.uint64(0x9E3779B97F4A7C15)) >> shift


@njit(nogil=True, cache=True)
def filter_of(rows, cols):
    """Return a bit for each of many places, set where a click of the block falls, and the shift that finds places."""
    size = 6
    while 1 << size < SPARSE * len(rows):
        size += 1
    bits, shift = np.zeros(1 << (size - 6), np.uint64), np.uint64(64 - size)
    for n in range(len(rows)):
        h = place(rows[n], cols[n], shift)
        bits[h >> np.uint64(6)] |= np.uint64(1) << (h & np.uint64(63))
    return bits, shift


@njit(nogil=True, cache=True)
def clicked(cells, bits, shift, u, j):
    """Return whether the user's whole row has the item; most are known by the filter to be none."""
    h = place(u, j, shift)
    if not (bits[h >> np.uint64(6)] >> (h & np.uint64(63))) & np.uint64(1):
        return False
    indptr, indices = cells
    low, high = indptr[u], indptr[u + 1]
    while low < high:
        middle = (low + high) // 2
        if indices[middle] < j:
            low = middle + 1
        else:
            high = middle
    return low < indptr[u + 1] and indices[low] == j


@njit(nogil=True, cache=True)
def arrange(Q, items, orders, deviations):
    """Write the items by ascending factor, for each factor, and the factors' standard deviations over them."""
    values = np.empty(len(items), Q.dtype)
    for f in range(len(deviations)):
        for n in range(len(items)):
            values[n] = Q[items[n], f]
        orders[f] = items[np.argsort(values)]
        deviations[f] = values.std()


@njit(nogil=True, cache=True)
def adapted(P, u, orders, deviations, mean_rank, key):
    """Return an item that the user's factors score high: a rank of one factor's order."""
    p = P[u]
    total = 0.0
    for f in range(len(deviations)):
        total += abs(p[f]) * deviations[f]
    left = share(key) * total
    f = 0
    while f < len(deviations) - 1:
        left -= abs(p[f]) * deviations[f]
        if left < 0:
            break
        f += 1
    n = orders.shape[1]
    rank = np.int64(-math.log(1 - share(key + np.uint64(1))) * mean_rank * n) % n
    return orders[f, n - 1 - rank] if p[f] > 0 else orders[f, rank]


@njit(nogil=True, cache=True)
def negative(P, u, pool, rule, key):
    """Return an item of the pool, as the rule says.

    pool: (items, popularity, orders, deviations), popularity the running sum of how often each was clicked.
    rule: (warp, kind, most_draws, mean_rank).
    """
    items, popularity, orders, deviations = pool
    kind = rule[1]
    if kind == ADAPTIVE:
        return adapted(P, u, orders, deviations, rule[3], key)
    if kind == POPULAR:
        return items[np.searchsorted(popularity, share(key) * popularity[-1], side="right")]
    return items[below(key, len(items))]


@njit(nogil=True, cache=True)
def unclicked(P, u, cells, seen, pool, rule, key):
    """Return an item that the user did not click, or -1 where none was met in TRIES."""
    for n in range(TRIES):
        j = negative(P, u, pool, rule, key + np.uint64(2 * n))
        if not clicked(cells, seen[0], seen[1], u, j):
            return j
    return -1


@njit(nogil=True, cache=True, error_model="numpy")
def bpr(P, u, Q, i, c, cells, seen, pool, rule, key):
    """Return j (-1: none), g of eq. 3 and sigma(x)."""
    j = unclicked(P, u, cells, seen, pool, rule, key)
    if j < 0:
        return j, 0.0, 1.0
    x = np.float64(difference_product(P, u, Q, i, j) + c[i] - c[j])
    e = math.exp(-min(max(x, -FARTHEST), FARTHEST))
    sigma = 1 / (1 + e)
    return j, e * sigma, sigma


@njit(nogil=True, cache=True)
def warp(P, u, Q, i, c, cells, seen, pool, rule, ranks, n_items, key):
    """Return j (-1: none that violates the margin), g of eq. 3 and the loss of eq. 2.

    ranks: L(r), (n_items + 1,); n_items: of the whole catalogue.
    """
    score = product(P, u, Q, i) + c[i]
    n = n_items - (cells[0][u + 1] - cells[0][u])
    for t in range(1, rule[2] + 1):
        j = unclicked(P, u, cells, seen, pool, rule, key + np.uint64(2 * TRIES * t))
        if j < 0:
            return j, 0.0, 0.0
        x = np.float64(score - product(P, u, Q, j) - c[j])
        if x < 1:
            g = ranks[max(1, n // t)]
            return j, g, g * (1 - x)
    return -1, 0.0, 0.0


@njit(nogil=True, cache=True)
def rank_block(factors, means, cells, draws, pool, rule, ranks, n_items, key, steps):
    """Apply eq. 3 for each draw of a block, and return the sum of the losses met on the way and the number of draws.

    factors: (P, Q, c); means: (M, N, o), without rows where there are none; cells: (indptr, indices) of all clicks.
    draws: (rows, cols, times) of the block; pool: (items, popularity) of the block.
    steps: (rate, of_users, of_items, of_negatives, rate_biases, of_biases), each penalty as max(0, 1 - rate penalty).
    """
    P, Q, c = factors
    M, N, o = means
    rate, less_u, less_i, less_j, rate_b, less_b = steps
    one = P.dtype.type(1)
    us, them = drawn(draws[0], draws[1], draws[2], mix(key))
    seen = filter_of(draws[0], draws[1])
    items = pool[0]
    adaptive = rule[1] == ADAPTIVE
    k = P.shape[1] if adaptive else 0
    orders, deviations = np.empty((k, len(items)), np.int32), np.empty(k)
    every = 1 + int(len(items) * math.log2(len(items)))
    whole = items, pool[1], orders, deviations
    loss, chance = 0.0, 1.0
    for n in range(len(us)):
        if adaptive and n % every == 0:
            arrange(Q, items, orders, deviations)
        u, i = us[n], them[n]
        counter = mix(key + np.uint64(n))
        if rule[0]:
            j, g, met = warp(P, u, Q, i, c, cells, seen, whole, rule, ranks, n_items, counter)
            loss += met
        else:
            j, g, sigma = bpr(P, u, Q, i, c, cells, seen, whole, rule, counter)
            chance *= sigma  # the sum of logarithms is that of a product
            if chance < SMALLEST:
                loss -= math.log(chance)
                chance = 1.0
        if j < 0:
            continue
        step = P.dtype.type(rate * g)
        step_triple(P, u, Q, i, j, (less_u, less_i, less_j), step)
        step = P.dtype.type(rate_b * g)
        c[i] = less_b * c[i] + step
        c[j] = less_b * c[j] - step
        if len(M):
            add_row(P, u, M, one - less_u)
        if len(N):
            add_row(Q, i, N, one - less_i)
            add_row(Q, j, N, one - less_j)
            c[i] += (one - less_b) * o[i]
            c[j] += (one - less_b) * o[j]
    return loss - math.log(chance), len(us)


@njit(nogil=True, cache=True)
def rank_blocks(factors, means, cells, draws, ptr, pools, rule, ranks, blocks, key, steps, losses):
    """Apply `rank_block` to blocks (row block x n + column block); losses[g] gets loss and draws of block g.

    pools: (items, popularity, item_ptr), grouped by column block.
    """
    rows, cols, times = draws
    items, popularity, item_ptr = pools
    n_blocks = len(item_ptr) - 1
    for g in blocks:
        start, stop = ptr[g // n_blocks, g % n_blocks], ptr[g // n_blocks, g % n_blocks + 1]
        first, last = item_ptr[g % n_blocks], item_ptr[g % n_blocks + 1]
        if start == stop:
            continue
        part = rows[start:stop], cols[start:stop], times[start:stop]
        pool = items[first:last], popularity[first:last]
        losses[g, 0], losses[g, 1] = rank_block(
            factors, means, cells, part, pool, rule, ranks, len(items), mix(key + np.uint64(g)), steps
        )


@njit(nogil=True, cache=True)
def fold_rows(sides, cells, scale, pool, rule, ranks, key, steps, first, last, P, told):
    """Write the factors of users first … last - 1: eq. 3 with the items as they are, from the users' means on.

    Each click of user u is drawn scale[u] times its value on average in each pass; the chance of a draw depends on its
    number in the row alone, so that equal rows get equal factors.
    sides: (Q, c, M); cells: (indptr, indices, values); pool: (items, popularity, orders, deviations) of all items.
    steps: (n_passes, 2), the rate and the penalty as max(0, 1 - rate penalty).
    told: (click, j, step, left) of each step that was taken, to be written for one user, or without elements.
    """
    Q, c, M = sides
    indptr, indices, values = cells
    one = P.dtype.type(1)
    everything = indptr, indices
    clicks, negatives, moves, left = told
    for u in range(first, last):
        if len(M):
            P[u] = M[u]
        row = np.full(indptr[u + 1] - indptr[u], u, np.int32)
        own = np.arange(indptr[u], indptr[u + 1]).astype(np.int32)
        times = np.empty(len(row), np.int32)
        seen = filter_of(row, indices[indptr[u] : indptr[u + 1]])
        at = 0
        for epoch in range(len(steps)):
            rate, less = steps[epoch, 0], steps[epoch, 1]
            turn = mix(key + np.uint64(epoch))
            for n in range(len(row)):
                times[n] = np.int32(scale[u] * values[own[n]] + share(turn + np.uint64(n)))
            _, chosen = drawn(row, own, times, mix(turn))
            for n in range(len(chosen)):
                i = indices[chosen[n]]
                counter = mix(turn + np.uint64(n))
                if rule[0]:
                    j, g, _ = warp(P, u, Q, i, c, everything, seen, pool, rule, ranks, len(pool[0]), counter)
                else:
                    j, g, _ = bpr(P, u, Q, i, c, everything, seen, pool, rule, counter)
                if j < 0:
                    continue
                step = P.dtype.type(rate * g)
                step_one(P, u, Q, i, j, less, step)
                if len(M):
                    add_row(P, u, M, one - less)
                if len(clicks):
                    clicks[at], negatives[at], moves[at], left[at] = chosen[n] - indptr[u], j, step, less
                    at += 1
