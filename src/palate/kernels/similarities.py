"""The largest similarities of each item, one row of the item-to-item matrix at a time.

With X (n_users, n_items) the values, w a weight of each user, a and b of each item,

    C_ij = sum_u w_u x_ui x_uj        s_ij = C_ij / (1 / (a_j b_i) + shrinkage)        j != i                        (1)

and of each row i the n largest s_ij above 0 are kept. ItemKNN has a = b = 1 / |x_i| (cosine), RP3beta powers of the
degrees (`palate.models.knn`). A row costs one pass over the cells of its users, and needs n_items numbers: no square
matrix is ever held. Equal similarities keep the smaller j.

Letters: by_item, by_user compressed columns and rows of X: (indptr, indices, values).
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import numpy as np
from numba import njit

from palate.kernels.tile import above, lowest_bit

LESS = 1 - 1e-6  # a bound in single precision is never too high
DENSE = 2  # cells that an item's users have, times this: from as many as there are items on, all are looked through


@njit(nogil=True, cache=True)
def largest_similarities(by_item, by_user, weights, shrinkage, first, last, indices, values, counts):
    """Write the n largest similarities of items first … last - 1, their j ascending; eq. 1.

    weights: (w, a, b), (n_users,), (n_items,), (n_items,) float64.
    indices, values: (n_items, n), what lies beyond ``counts`` (n_items,) is not written.
    """
    starts, users, of_items = by_item
    indptr, items, of_users = by_user
    w, a, b = weights
    n_items, n = len(starts) - 1, indices.shape[1]
    C, met, marks = np.zeros(n_items), np.empty(n_items, np.int64), np.full(n_items, -1)
    bounds = np.zeros(-(-n_items // 64) * 64, np.float32)
    heap, held = np.empty(n), np.empty(n, np.int64)
    for i in range(first, last):
        cells = 0
        for c in range(starts[i], starts[i + 1]):
            cells += indptr[users[c] + 1] - indptr[users[c]]
        few = DENSE * cells < n_items
        n_met = 0
        for c in range(starts[i], starts[i + 1]):
            u = users[c]
            x = w[u] * of_items[c]
            if few:
                for d in range(indptr[u], indptr[u + 1]):
                    j = items[d]
                    if marks[j] != i:
                        marks[j], met[n_met] = i, j
                        n_met += 1
                    C[j] += x * of_users[d]
            else:
                for d in range(indptr[u], indptr[u + 1]):
                    C[items[d]] += x * of_users[d]
        heap[:] = 0
        held[:] = n_items
        if few:
            for m in range(n_met):
                j = met[m]
                scale = a[j] * b[i]
                s = C[j] * scale / (1 + shrinkage * scale)
                C[j] = 0
                if j != i and s > 0 and (s > heap[0] or (s == heap[0] and j < held[0])):
                    push(heap, held, s, j)
        elif b[i] > 0:
            for j in range(n_items):
                bounds[j] = C[j] * a[j]
            for start in range(0, n_items, 64):  # s is at most b C a, and few reach the lowest of those held
                bits = above(bounds, start, np.float32(heap[0] / b[i] * LESS))
                while bits:
                    j = start + lowest_bit(bits)
                    bits &= bits - np.uint64(1)
                    scale = a[j] * b[i]
                    s = C[j] * scale / (1 + shrinkage * scale)
                    if j != i and s > 0 and (s > heap[0] or (s == heap[0] and j < held[0])):
                        push(heap, held, s, j)
            C[:] = 0
        else:
            C[:] = 0
        order = np.argsort(held)
        kept = 0
        for place in order:
            if heap[place] > 0:
                indices[i, kept] = held[place]
                values[i, kept] = heap[place]
                kept += 1
        counts[i] = kept


@njit(nogil=True, cache=True)
def push(heap, held, score, item):
    """Replace the lowest entry of a heap, of equal ones that with the largest item."""
    n, at = len(heap), 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and lower(heap, held, child + 1, child):
            child += 1
        if heap[child] > score or (heap[child] == score and held[child] < item):
            break
        heap[at], held[at] = heap[child], held[child]
        at = child
    heap[at], held[at] = score, item


@njit(nogil=True, cache=True)
def lower(heap, held, one, other):
    """Return whether an entry gives way before another: the smaller score, of equal ones the larger item."""
    return heap[one] < heap[other] or (heap[one] == heap[other] and held[one] > held[other])
