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

What there is none of is None: Numba then compiles nothing of what it would take.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import math
from typing import Any, NamedTuple

import numpy as np

from palate.kernels import Cells
from palate.kernels.compiling import njit
from palate.kernels.sgd import AHEAD, below, mix
from palate.kernels.simd.steps import add_row, difference_product, fetch_row, product, step_one, step_triple

YES = np.bool_(True)  # of Numba's type: functions are compiled anew for each Python truth they get
STREAMS = 4  # draws side by side that share no user
TRIES = 20  # items looked at until one is no click of the user's; then the draw is left out
SPARSE = 16  # bits of the filter for each click of a block: one in 16 of the others passes, and is looked up
SMALLEST = 1e-200  # product of probabilities before its logarithm is taken
FARTHEST = 500.0  # difference of scores: beyond it exp has no finite value


class PairTerms(NamedTuple):
    """What is learned: the terms of a pair's score, factors padded to whole vectors."""

    P: Any  # (n_users, width)
    Q: Any  # (n_items, width)
    c: Any  # (n_items,)


class ItemMeans(NamedTuple):
    """What the penalties of items pull to."""

    N: Any  # (n_items, width)
    o: Any  # (n_items,)


class Scaled(NamedTuple):
    """Clicks of users; number n of user u is drawn scale[u] values[n] times on average."""

    indptr: Any  # (n_users + 1,)
    indices: Any  # (n,)
    values: Any  # (n,)
    scale: Any  # (n_users,)


class Grouped(NamedTuple):
    """Clicks grouped by block, and how often each is drawn."""

    rows: Any  # (n,)
    cols: Any  # (n,)
    times: Any  # (n,)
    ptr: Any  # (n_blocks + 1,) where the blocks begin, or a row of it for each block of users


class Draws(NamedTuple):
    """Clicks of one block one after the other, and random bits for their negatives."""

    users: Any  # (n,)
    items: Any  # (n,)
    key: Any


class Clicked(NamedTuple):
    """What users clicked: their whole rows, and `filter_of` the clicks of the block."""

    indptr: Any  # (n_users + 1,)
    indices: Any  # (n_clicks,)
    bits: Any
    shift: Any


class Pool(NamedTuple):
    """The items that negatives come from."""

    items: Any  # (n,)
    popularity: Any  # (n,) running sum of what each item's clicks count
    popular: Any  # whether negatives are drawn by popularity, not uniformly


class Adaptive(NamedTuple):
    """Orders of the items by each factor, as `arrange` writes them; negatives have ranks of this mean in them."""

    orders: Any  # (k, n_items)
    deviations: Any  # (k,)
    mean_rank: Any  # as a share of the items


class Warp(NamedTuple):
    """What WARP has beside BPR."""

    ranks: Any  # L(r), (n + 1,), n the items of the whole catalogue
    most_draws: Any


class PairSteps(NamedTuple):
    """The rate, and each penalty as max(0, 1 - rate penalty); whether items stay as they are."""

    rate: Any
    of_users: Any
    of_items: Any
    of_negatives: Any
    rate_biases: Any
    of_biases: Any
    held: Any


class Blocks(NamedTuple):
    """Blocks to pass over, row block x n + column block; losses[g] gets loss and draws of block g."""

    numbers: Any
    ends: Any  # (n + 1,) where the blocks of items begin
    key: Any
    losses: Any  # (n * n, 2)


class Passes(NamedTuple):
    """Passes over newcomers' clicks: of each the rate, and the penalty as max(0, 1 - rate penalty)."""

    steps: Any  # (n_passes, 2)
    key: Any


class Trace(NamedTuple):
    """Of each draw the click, the negative, the step (0: none) and what the penalty leaves; or of no element."""

    clicks: Any  # (n,)
    negatives: Any  # (n,)
    moves: Any  # (n,)
    less: Any  # (n,)


@njit(nogil=True, cache=True)
def share(key):
    """Return a number from 0 to 1, 1 left out, of a counter."""
    return np.float64(mix(key) >> np.uint64(11)) * 2.0**-53


@njit(nogil=True, cache=True)
def group_clicks(clicks: Scaled, users, block_of, key, start, out: Grouped):
    """Write the clicks of some users, grouped by the block of the item, from ``start`` on, and how often each is drawn.

    Of click number n of user u the mean is scale[u] values[n]: the whole part, and one more by chance.
    """
    indptr, indices, values, scale = clicks
    rows, cols, times, ptr = out
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
def drawn(rows, cols, times, key, shuffled):
    """Return users and items of the draws of one block: in random order, or dealt from STREAMS parts of it in turn.

    Blocks are grouped by user, and drawn anew every epoch: dealt, a user's factors stay near, and neighbours do not
    wait for each other.
    """
    n = 0
    for t in times:
        n += t
    us, them = np.empty(n, np.int32), np.empty(n, np.int32)
    length = -(-n // STREAMS)
    whole = n - (length - 1) * STREAMS if n else 0  # parts that are not one shorter
    part, at = 0, 0
    for c in range(len(rows)):
        for _ in range(times[c]):
            place_of = at * STREAMS + part
            us[place_of], them[place_of] = rows[c], cols[c]
            at += 1
            if at == length - (part >= whole):
                part, at = part + 1, 0
    if shuffled:
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
def has(indices, low, high, j):
    """Return whether an item stands among sorted ones, from low to high."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if indices[middle] < j:
            low = middle + 1
        else:
            high = middle
    return low < end and indices[low] == j


@njit(nogil=True, cache=True)
def chosen(sums, value):
    """Return the place of the first of ascending sums above a value."""
    low, high = 0, len(sums)
    while low < high:
        middle = (low + high) // 2
        if sums[middle] > value:
            high = middle
        else:
            low = middle + 1
    return low


@njit(nogil=True, cache=True)
def arrange(Q, items, ends, first, last, orders, deviations):
    """Write the items of each block by ascending factor, for factors first … last - 1, and those' deviations over all.

    ends: (n_blocks + 1,), where the blocks of items begin; orders: (k, n_items); deviations: (k,), standard deviations.
    """
    values = np.empty(len(items), Q.dtype)
    for f in range(first, last):
        for n in range(len(items)):
            values[n] = Q[items[n], f]
        deviations[f] = values.std()
        for b in range(len(ends) - 1):
            start, stop = ends[b], ends[b + 1]
            order = np.argsort(values[start:stop])
            for n in range(stop - start):
                orders[f, start + n] = items[start + order[n]]


@njit(nogil=True, cache=True)
def of_block(adaptive: Adaptive | None, start, stop):
    """Return the orders of a block's items and deviations of its own, or None where negatives are not adaptive."""
    if adaptive is None:
        return None
    orders, deviations, mean_rank = adaptive
    return Adaptive(orders[:, start:stop], deviations.copy(), mean_rank)


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


@njit(nogil=True, cache=True, error_model="numpy")
def descend_draws(
    model: PairTerms,
    of_users,
    of_items: ItemMeans | None,
    draws: Draws,
    known: Clicked,
    pool: Pool,
    adaptive: Adaptive | None,
    warp: Warp | None,
    steps: PairSteps,
    trace: Trace,
):
    """Apply eq. 3 for each draw in turn, and return the sum of the losses met on the way.

    All stands in one loop: arrays handed on to functions are counted at every call, which took most of the time.

    of_users: M, or None. adaptive: orders are written anew now and then unless items are held. warp: None for BPR.
    trace: asked by its length, for None would compile all of this twice.
    """
    P, Q, c = model
    us, them, key = draws
    indptr, indices, bits, shift = known
    items, popularity, popular = pool
    most_draws = np.int64(1)
    if warp is not None:
        ranks, most_draws = warp
    if of_items is not None:
        N, o = of_items
    rate, less_u, less_i, less_j, rate_b, less_b, held = steps
    _, negatives, moves, _ = trace
    one, number = P.dtype.type(1), P.dtype.type
    n_pool = len(items)
    every = 1 + int(n_pool * math.log2(n_pool))
    loss, chance = 0.0, 1.0
    for n in range(len(us)):
        if adaptive is not None:
            orders, deviations, mean_rank = adaptive
            if not held and n % every == every - 1:
                arrange(Q, items, np.array([0, n_pool]), 0, len(deviations), orders, deviations)
        if n + AHEAD < len(us):
            fetch_row(P, us[n + AHEAD])
            fetch_row(Q, them[n + AHEAD])
        u, i = np.int64(us[n]), np.int64(them[n])  # functions of rows are compiled for one kind of number
        first, last = indptr[u], indptr[u + 1]
        counter = mix(key + np.uint64(n))
        score, x, g = 0.0, 0.0, 0.0
        if warp is not None:
            score = np.float64(product(P, u, Q, i) + c[i])
        negative = -1
        for t in range(1, most_draws + 1):
            j = -1
            for _ in range(TRIES):
                counter += np.uint64(2)
                if adaptive is not None:
                    met = adapted(P, u, orders, deviations, mean_rank, counter)
                elif popular:
                    met = items[chosen(popularity, share(counter) * popularity[-1])]
                else:
                    met = items[below(counter, n_pool)]
                h = place(u, met, shift)
                if (bits[h >> np.uint64(6)] >> (h & np.uint64(63))) & np.uint64(1) and has(indices, first, last, met):
                    continue
                j = met
                break
            if j < 0:
                break
            if warp is None:
                x = np.float64(difference_product(P, u, Q, i, j) + c[i] - c[j])
                e = math.exp(-(FARTHEST if x > FARTHEST else -FARTHEST if x < -FARTHEST else x))
                g = e / (1 + e)
                chance *= 1 / (1 + e)  # the sum of logarithms is that of a product
                if chance < SMALLEST:
                    loss -= math.log(chance)
                    chance = 1.0
                negative = j
                break
            x = score - np.float64(product(P, u, Q, j) + c[j])
            if x < 1:
                n_others = (len(ranks) - 1 - (last - first)) // t
                g = ranks[n_others if n_others > 1 else 1]
                loss += g * (1 - x)
                negative = j
                break
        if negative < 0:
            continue
        j = negative
        step = number(rate * g)
        if len(moves):
            negatives[n], moves[n] = j, step
        if held:
            step_one(P, u, Q, i, j, less_u, step)
        else:
            step_triple(P, u, Q, i, j, (less_u, less_i, less_j), step)
            step = number(rate_b * g)
            c[i] = less_b * c[i] + step
            c[j] = less_b * c[j] - step
            if of_items is not None:
                add_row(Q, i, N, one - less_i)
                add_row(Q, j, N, one - less_j)
                c[i] += (one - less_b) * o[i]
                c[j] += (one - less_b) * o[j]
        if of_users is not None:
            add_row(P, u, of_users, one - less_u)
    return loss - math.log(chance)


@njit(nogil=True, cache=True)
def rank_blocks(
    model: PairTerms,
    of_users,
    of_items: ItemMeans | None,
    clicks: Cells,
    grouped: Grouped,
    pool: Pool,
    adaptive: Adaptive | None,
    warp: Warp | None,
    steps: PairSteps,
    blocks: Blocks,
):
    """Apply `descend_draws` to blocks.

    of_users: M, or None. clicks: of all users, values not looked at. grouped, pool, adaptive: by block of items.
    """
    rows, cols, times, ptr = grouped
    numbers, ends, key, losses = blocks
    n_blocks = len(ends) - 1
    trace = Trace(np.zeros(0, np.int64), np.zeros(0, np.int64), model.c[:0], model.c[:0])
    for g in numbers:
        a, b = g // n_blocks, g % n_blocks
        start, stop = ptr[a, b], ptr[a, b + 1]
        if start == stop:
            continue
        turn = mix(key + np.uint64(g))
        us, them = drawn(rows[start:stop], cols[start:stop], times[start:stop], mix(turn), n_blocks == 1)
        bits, shift = filter_of(rows[start:stop], cols[start:stop])
        draws, known = Draws(us, them, turn), Clicked(clicks.indptr, clicks.indices, bits, shift)
        begin, end = ends[b], ends[b + 1]
        own = Pool(pool.items[begin:end], pool.popularity[begin:end], pool.popular)
        orders = of_block(adaptive, begin, end)
        losses[g, 0] = descend_draws(model, of_users, of_items, draws, known, own, orders, warp, steps, trace)
        losses[g, 1] = len(us)


@njit(nogil=True, cache=True)
def fold_rows(
    model: PairTerms,
    means,
    clicks: Scaled,
    pool: Pool,
    adaptive: Adaptive | None,
    warp: Warp | None,
    passes: Passes,
    first,
    last,
    trace: Trace,
):
    """Write the factors of users first … last - 1 into P: eq. 3 with the items as they are, from the users' means on.

    The chance of a draw depends on its number in the row alone, so that equal rows get equal factors.
    means: M, or None. pool: all items. trace: of one user, asked by its length.
    """
    P = model.P
    indptr, indices, values, scale = clicks
    one = P.dtype.type(1)
    places, negatives, moves, less = trace
    order = of_block(adaptive, np.int64(0), np.int64(len(pool.items)))
    for u in range(first, last):
        if means is not None:
            for f in range(P.shape[1]):
                P[u, f] = means[u, f]
        start, stop = indptr[u], indptr[u + 1]
        own, row = np.empty(stop - start, np.int32), np.empty(stop - start, np.int32)
        times, cols = np.empty(stop - start, np.int32), np.empty(stop - start, np.int32)
        for n in range(stop - start):
            own[n], row[n], cols[n] = n, u, indices[start + n]
        bits, shift = filter_of(row, cols)
        known = Clicked(indptr, indices, bits, shift)
        at = 0
        for epoch in range(len(passes.steps)):
            turn = mix(passes.key + np.uint64(epoch))
            for n in range(len(row)):
                times[n] = np.int32(scale[u] * values[start + n] + share(turn + np.uint64(n)))
            us, clicked = drawn(row, own, times, mix(turn), YES)
            them = np.empty(len(clicked), np.int32)
            for n in range(len(clicked)):
                them[n] = cols[clicked[n]]
            some = at + len(us) if len(places) else at
            part = Trace(places[at:some], negatives[at:some], moves[at:some], less[at:some])
            rate, shrink = passes.steps[epoch, 0], passes.steps[epoch, 1]
            steps = PairSteps(rate, shrink, one, one, one, one, YES)
            descend_draws(model, means, None, Draws(us, them, turn), known, pool, order, warp, steps, part)
            if len(places):
                for n in range(len(us)):
                    less[at + n], places[at + n] = shrink, clicked[n]
                at = some
