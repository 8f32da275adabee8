"""The largest similarities of each item, one row of the item-to-item matrix at a time.

With X (n_users, n_items) the values, w a weight of each user, a and b of each item,

    C_ij = sum_u w_u x_ui x_uj        s_ij = C_ij / (1 / (a_j b_i) + shrinkage)        j != i                        (1)

and of each row i the n largest s_ij above 0 are kept. ItemKNN has a = b = 1 / |x_i| (cosine), RP3beta powers of the
degrees (`palate.models.items.knn`). A row costs one pass over the cells of its users, and needs n_items numbers: no
square matrix is ever held. Equal similarities keep the smaller j.

Few items can be among the n largest: of items dealt into groups, n groups have a largest of at least some v, so n items
reach v, and those below it are never looked at one by one.

Letters: by_item, by_user the compressed columns and rows of X.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any, NamedTuple

import numpy as np

from palate.kernels import Cells
from palate.kernels.compiling import njit
from palate.kernels.order import nth_largest, sort_pairs
from palate.kernels.simd.tile import above, lowest_bit

LESS = np.float32(1 - 1e-6)  # a bound in single precision is never too high
SAFE = 1e-30, 1e30  # within these, numbers in single precision are that near
DENSE = 16  # cells that an item's users have, times this: from as many as there are items on, all are looked through
GROUPS = 4  # times n, rounded up to a multiple of 64: how many groups items are dealt into


class Weights(NamedTuple):
    """What eq. 1 weighs users and items by, float64."""

    w: Any  # (n_users,)
    a: Any  # (n_items,)
    b: Any  # (n_items,)


class Largest(NamedTuple):
    """The largest of each row: as many as ``counts`` says, from where ``starts`` says; what lies beyond is not written.

    A row has room for n of them, or for as many as it can have where those are fewer.
    """

    starts: Any  # (n_items + 1,)
    indices: Any  # (n_room,)
    values: Any  # (n_room,)
    counts: Any  # (n_items,)


@njit(nogil=True, cache=True)
def largest_similarities(by_item: Cells, by_user: Cells, weights: Weights, shrinkage, first, last, out: Largest):
    """Write the largest similarities of items first … last - 1, their j ascending; eq. 1."""
    starts, users, _ = by_item
    indptr = by_user.indptr
    w, a, b = weights
    room, indices, values, counts = out
    n_items, n = len(starts) - 1, 1
    for i in range(first, last):
        n = max(n, room[i + 1] - room[i])
    C, met, marks = np.zeros(n_items), np.empty(n_items, np.int64), np.zeros(n_items, np.int64)
    scores, exact = np.zeros(-(-n_items // 64) * 64, np.float32), np.empty(n_items)
    tops = np.empty(-(-GROUPS * n // 64) * 64, np.float32)
    space = np.empty(max(n_items, len(tops)))
    for i in range(first, last):
        counts[i] = 0
        if room[i] == room[i + 1]:
            continue
        cells = 0
        for c in range(starts[i], starts[i + 1]):
            cells += indptr[users[c] + 1] - indptr[users[c]]
        few = DENSE * cells < n_items
        if few:
            n_met = add_and_mark(by_item, by_user, w, i, C, marks, met)
        else:
            add_users(by_item, by_user, w, i, C)
            C[i] = 0
            n_met = candidates(C, a, b[i], shrinkage, scores, tops, space, room[i + 1] - room[i], met)
        kept = 0
        for m in range(n_met):
            j = met[m]
            scale = a[j] * b[i]
            s = C[j] * scale / (1 + shrinkage * scale)
            if few:
                C[j] = 0
            if j != i and s > 0:
                met[kept], exact[kept] = j, s
                kept += 1
        if not few:
            C[:] = 0
        start, stop = room[i], room[i + 1]
        counts[i] = keep_largest(met[:kept], exact[:kept], space, indices[start:stop], values[start:stop])


@njit(nogil=True, cache=True)
def close_gaps(out: Largest):
    """Move the rows together to the beginning of their arrays, and return where they end."""
    starts, indices, values, counts = out
    end = 0
    for i in range(len(counts)):
        for c in range(starts[i], starts[i] + counts[i]):
            indices[end], values[end] = indices[c], values[c]
            end += 1
    return end


@njit(nogil=True, cache=True)
def add_users(by_item: Cells, by_user: Cells, w, i, C):
    """Add row i of eq. 1's C."""
    starts, users, of_items = by_item
    indptr, items, of_users = by_user
    for c in range(starts[i], starts[i + 1]):
        u = users[c]
        x = w[u] * of_items[c]
        for d in range(indptr[u], indptr[u + 1]):
            C[items[d]] += x * of_users[d]


@njit(nogil=True, cache=True)
def add_and_mark(by_item: Cells, by_user: Cells, w, i, C, marks, met):
    """Add row i of eq. 1's C, and return how many items it has: they are written, and get the mark i + 1."""
    starts, users, of_items = by_item
    indptr, items, of_users = by_user
    n_met = 0
    for c in range(starts[i], starts[i + 1]):
        u = users[c]
        x = w[u] * of_items[c]
        for d in range(indptr[u], indptr[u + 1]):
            j = items[d]
            if marks[j] != i + 1:
                marks[j], met[n_met] = i + 1, j
                n_met += 1
            C[j] += x * of_users[d]
    return n_met


@njit(nogil=True, cache=True)
def candidates(C, a, b, shrinkage, scores, tops, space, n, met):
    """Write the items that may be among the n largest of a row, ascending, and return how many those are.

    scores: (at least n_items, in 64s), zero beyond n_items; tops: (n_groups,); space: (n_groups,) at least, float64.
    All three are written.
    """
    n_items, n_groups = len(C), len(tops)
    tops[:] = 0
    for start in range(0, n_items, n_groups):
        stop = min(n_groups, n_items - start)
        part, factors, out = C[start : start + stop], a[start : start + stop], scores[start : start + stop]
        if shrinkage == 0:
            for g in range(stop):
                out[g] = part[g] * (factors[g] * b)
        else:
            for g in range(stop):
                scale = factors[g] * b
                out[g] = part[g] * scale / (1 + shrinkage * scale)
        for g in range(stop):
            tops[g] = out[g] if out[g] > tops[g] else tops[g]
    n_met = 0
    for g in range(n_groups):
        space[g] = tops[g]
    limit = np.float32(nth_largest(space, n_groups, n)) * LESS
    if not SAFE[0] < limit < SAFE[1]:
        for j in range(n_items):
            if C[j] > 0:
                met[n_met] = j
                n_met += 1
        return n_met
    for start in range(0, n_items, 64):
        bits = above(scores, start, limit)
        while bits:
            met[n_met] = start + lowest_bit(bits)
            bits &= bits - np.uint64(1)
            n_met += 1
    return n_met


@njit(nogil=True, cache=True)
def keep_largest(items, scores, space, indices, values):
    """Write the largest scores, as many as there is space for, their items ascending; return how many those are.

    items and scores are put together at their beginning; space: as many numbers at least, is written.
    """
    n, kept, least = len(indices), len(items), -np.inf
    equal = n  # so many of those that score least are kept
    if kept > n:
        for m in range(kept):
            space[m] = scores[m]
        least = nth_largest(space, kept, n)
        kept = 0
        for m in range(len(items)):
            if scores[m] >= least:
                equal -= scores[m] > least
                items[kept], scores[kept] = items[m], scores[m]
                kept += 1
    sort_pairs(items, scores, kept)
    place = 0
    for m in range(kept):
        equal -= scores[m] == least
        if scores[m] > least or equal >= 0:
            indices[place], values[place] = items[m], scores[m]
            place += 1
    return place
