"""Selection of the best n per row: candidates by threshold from blocks of GEMM scores, decided by a fixed-order dot.

The score of a pair is  s = mean + b_u + c_i + sum_f p_uf q_if  (1), summed in float64 from f = 0 upwards, so that it
does not depend on the batch. GEMM sums in float32 in an order of its own; its error is at most
(k + 3) eps (|p_u| |q_i| + |c_i|) (Higham 2002, eq. 3.5), the rows' ``margin``. A row's heap keeps the best m > n GEMM
scores; if the best n among them beat the heap's lowest by more than the margin, no other item can be among the best n.
Otherwise (many ties) the row is scored exactly over all items.

Letters: S (rows, items) a tile of GEMM scores, H (rows, m) heaps of scores with the lowest on top, J (rows, m) their
items.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any, NamedTuple

import numpy as np

from palate.kernels import Cells, Factors
from palate.kernels.compiling import njit
from palate.kernels.simd.tile import above, lowest_bit

NONE: Any = np.int64(0)  # of Numba's type: functions are compiled anew for each Python number they get
SIDE_BY_SIDE = 128  # items whose sums are taken at once
RUN = 64  # scores compared with the threshold at once
LOWEST = np.finfo(np.float32).min
REORDER = {"contract", "reassoc", "nsz"}


class Heaps(NamedTuple):
    """Candidates of each row: their GEMM scores, the lowest on top, and the items."""

    H: Any  # (rows, m)
    J: Any  # (rows, m)


class Top(NamedTuple):
    """The best of each row, which is written."""

    scores: Any  # (rows, n)
    items: Any  # (rows, n)


@njit(nogil=True, cache=True)
def dot(p, q):
    """Return the inner product in float64, in index order."""
    s = 0.0
    for f in range(len(p)):
        s += np.float64(p[f]) * np.float64(q[f])
    return s


@njit(nogil=True, cache=True)
def score_pairs(factors: Factors, rows, cols, out):
    """Write eq. 1 for each pair (rows[n], cols[n]) into out."""
    P, Q, b, c, mean = factors
    for n in range(len(rows)):
        out[n] = (mean + b[rows[n]] + c[cols[n]]) + dot(P[rows[n]], Q[cols[n]])


@njit(nogil=True, cache=True)
def score_all(factors: Factors, rows, S):
    """Write eq. 1 for these rows and all items into S (m, n_items), in the bits of `score_pairs`.

    Each sum goes in index order, as there; the sums of a few items go side by side, for which their factors are turned.
    """
    P, Q, b, c, mean = factors
    T, sums = np.empty((Q.shape[1], SIDE_BY_SIDE)), np.empty(SIDE_BY_SIDE)
    for start in range(0, len(Q), SIDE_BY_SIDE):
        width = min(SIDE_BY_SIDE, len(Q) - start)
        for i in range(width):
            for f in range(Q.shape[1]):
                T[f, i] = Q[start + i, f]
        for r in range(len(rows)):
            p = P[rows[r]]
            for i in range(width):
                sums[i] = 0.0
            for f in range(Q.shape[1]):
                x, t = np.float64(p[f]), T[f]
                for i in range(width):
                    sums[i] += x * t[i]
            for i in range(width):
                S[r, start + i] = (mean + b[rows[r]] + c[start + i]) + sums[i]


@njit(nogil=True, cache=True, fastmath=REORDER)
def score_row(p, Q, c, S):
    """Write p . q_i + c_i of all items into S (n_items,), summed in any order: one user's share of GEMM."""
    for i in range(len(S)):
        s = c[i]
        for f in range(len(p)):
            s += p[f] * Q[i, f]
        S[i] = s


@njit(nogil=True, cache=True)
def sift_down(heap, items, score, item):
    """Replace the lowest entry of a heap."""
    m = len(heap)
    at = 0
    while True:
        child = 2 * at + 1
        if child >= m:
            break
        if child + 1 < m and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= score:
            break
        heap[at], items[at] = heap[child], items[child]
        at = child
    heap[at], items[at] = score, item


@njit(nogil=True, cache=True)
def best_first(heap, items):
    """Sort a heap, the highest score first, so that what is inserted in this order moves little.

    An array that is sorted so already stays as it is.
    """
    if heap[0] > heap[len(heap) - 1]:  # no heap: its lowest stands first
        return
    for end in range(len(heap) - 1, 0, -1):
        score, item = heap[end], items[end]
        heap[end], items[end] = heap[0], items[0]
        sift_down(heap[:end], items[:end], score, item)


@njit(nogil=True, cache=True)
def push_tile(S, first, H, J):
    """Push the scores of items first, first + 1, … into each row's heap; -inf marks an excluded item."""
    for r in range(S.shape[0]):
        heap, items, scores = H[r], J[r], S[r]
        for start in range(0, len(scores), RUN):
            if start + RUN <= len(scores):
                larger = above(scores, start, heap[0])
                at = start
                while larger:
                    skipped = lowest_bit(larger)
                    at += skipped
                    if scores[at] > heap[0]:
                        sift_down(heap, items, scores[at], first + at)
                    larger = (larger >> np.uint64(skipped)) >> np.uint64(1)
                    at += 1
            else:
                for i in range(start, len(scores)):
                    if scores[i] > heap[0]:
                        sift_down(heap, items, scores[i], first + i)


@njit(nogil=True, cache=True)
def better(score, item, other_score, other_item, places):
    """Return whether (score, item) stands before the other: higher score, then lower place."""
    return score > other_score or (score == other_score and places[item] < places[other_item])


@njit(nogil=True, cache=True)
def insert(scores, items, n, score, item, places):
    """Insert into a sorted list of at most len(scores) entries, n of them used; return how many are used."""
    at = n
    if n == len(scores):
        at = n - 1
        if not better(score, item, scores[at], items[at], places):
            return n
    while at > 0 and better(score, item, scores[at - 1], items[at - 1], places):
        scores[at], items[at] = scores[at - 1], items[at - 1]
        at -= 1
    scores[at], items[at] = score, item
    return min(n + 1, len(scores))


@njit(nogil=True, cache=True)
def decide(factors: Factors, places, u, heap, candidates, margin, excluded, top_scores, top_items):
    """Fill the best of row u, by eq. 1, ties by the items' places; what is not filled keeps item -1.

    heap, candidates: GEMM scores and items, the highest first.
    excluded: sorted items that may not appear.
    """
    lowest = heap[len(heap) - 1]
    P, Q, b, c, mean = factors
    used = NONE
    p = P[u]
    for m in range(0, len(candidates), 4):  # four sums side by side; the order of each is that of `dot`
        s0 = s1 = s2 = s3 = 0.0
        i0, i1 = max(candidates[m], 0), max(candidates[min(m + 1, len(candidates) - 1)], 0)
        i2 = max(candidates[min(m + 2, len(candidates) - 1)], 0)
        i3 = max(candidates[min(m + 3, len(candidates) - 1)], 0)
        q0, q1, q2, q3 = Q[i0], Q[i1], Q[i2], Q[i3]
        for f in range(len(p)):
            x = np.float64(p[f])
            s0 += x * np.float64(q0[f])
            s1 += x * np.float64(q1[f])
            s2 += x * np.float64(q2[f])
            s3 += x * np.float64(q3[f])
        sums = (s0, s1, s2, s3)
        for n in range(min(4, len(candidates) - m)):
            item = np.int64(candidates[m + n])
            if item >= 0:
                score = (mean + b[u] + c[item]) + sums[n]
                used = insert(top_scores, top_items, used, score, item, places)
    if lowest == -np.inf:  # every allowed item was a candidate
        return
    last = top_scores[len(top_scores) - 1] - mean - b[u]
    if last > lowest + margin:
        return
    top_items[:] = -1
    used = NONE
    e = 0
    for i in range(len(c)):
        while e < len(excluded) and excluded[e] < i:
            e += 1
        if e < len(excluded) and excluded[e] == i:
            continue
        score = (mean + b[u] + c[i]) + dot(P[u], Q[i])
        used = insert(top_scores, top_items, used, score, i, places)


@njit(nogil=True, cache=True)
def decide_rows(factors: Factors, places, rows, heaps: Heaps, margins, excluded: Cells, top: Top):
    """Decide every row of a block; excluded: rows of items that may not appear."""
    ptr, indices, _ = excluded
    H, J = heaps
    scores, items = top
    for r in range(len(rows)):
        out = indices[ptr[r] : ptr[r + 1]]
        best_first(H[r], J[r])
        decide(factors, places, rows[r], H[r], J[r], margins[r], out, scores[r], items[r])


@njit(nogil=True, cache=True)
def exclude(S, first, at, ptr, excluded):
    """Set the excluded items of each row to -inf in a tile of scores that begins at item ``first``.

    at: where each row's next excluded item stands; it moves on, so tiles are to come in rising order.
    """
    stop = first + S.shape[1]
    for r in range(S.shape[0]):
        e = at[r]
        while e < ptr[r + 1] and excluded[e] < stop:
            if excluded[e] >= first:
                S[r, excluded[e] - first] = -np.inf
            e += 1
        at[r] = e


@njit(nogil=True, cache=True)
def best_of_rows(S, places, top_scores, top_items):
    """Fill the best of each row of exact scores, ties by the items' places; -inf marks an excluded item."""
    n = top_scores.shape[1]
    for r in range(S.shape[0]):
        row, scores, items = S[r], top_scores[r], top_items[r]
        used = NONE
        lowest = LOWEST
        for start in range(0, len(row), RUN):
            stop = min(start + RUN, len(row))
            reaching = 0
            for i in range(start, stop):
                reaching += row[i] >= lowest
            if reaching:
                for i in range(start, stop):
                    if row[i] >= lowest:
                        used = insert(scores, items, used, np.float64(row[i]), i, places)
                        lowest = np.float32(scores[n - 1]) if used == n else LOWEST
