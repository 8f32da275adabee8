"""EASE for wide catalogues: each item's ridge regression on the items nearest to it alone.

With N the nearest items of item i, one that everybody has had (of value e and penalty d_0) among them where there are
intercepts, and d a penalty of each,

    B_Ni = inv(X_N'X_N + diag(d_N)) X_N'x_i        B_ji = 0 for all other j                                          (1)

which is EASE's column where N are all items (Steck 2019, eq. 2). X_N'X_N is summed over the users who had any of N, by
one pass over their rows: no matrix of all items is ever held. Solved by Cholesky's factorization
(`palate.kernels.ridge`), one item by itself, so that the bits are those of any number of threads.

Letters: by_item, by_user the compressed columns and rows of X; nearest the compressed rows of N, ascending; s
(n_items,) sums of x_i; B (n_nearest,); a (n_items,) what the item that everybody has had gives.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any, NamedTuple

import numpy as np

from palate.kernels import Cells
from palate.kernels.compiling import njit
from palate.kernels.ridge import PANEL, factorize, padded, substitute
from palate.kernels.simd.tile import ROWS, aligned


class Items(NamedTuple):
    """What eq. 1 needs to know of items, float64."""

    s: Any  # (n_items,)
    diagonal: Any  # (n_items,) sums of squares, and penalties


class Everybody(NamedTuple):
    """The item that everybody has had."""

    e: Any  # its value; 0 where there is none
    diagonal: Any  # n_users e^2, and its penalty


class Space(NamedTuple):
    """What a task works in, zeros: as large as the longest N asks for."""

    A: Any  # flat
    V: Any  # flat
    x: Any  # (width,)
    places: Any  # (n_items,) of -1
    marks: Any  # (n_users,) of -1


def restricted_weights(
    by_item: Cells, by_user: Cells, nearest: Cells, items: Items, everybody: Everybody, first, last, a
) -> int:
    """Write eq. 1 for items first … last - 1; return the first whose equations cannot be solved, or -1.

    B is written into the values of ``nearest``.
    """
    B = nearest.values
    width = padded(int(np.diff(nearest.indptr[first : last + 1]).max(initial=0)) + 1, B.itemsize)
    places, marks = np.full(len(by_item.indptr) - 1, -1), np.full(len(by_user.indptr) - 1, -1)
    A, V = (aligned(1, height * width, B)[0] for height in (width + ROWS, PANEL))
    space = Space(A, V, np.zeros(width, B.dtype), places, marks)
    failed: int = _restricted_weights(by_item, by_user, nearest, items, everybody, space, first, last, a)
    return failed


@njit(nogil=True, cache=True)
def _restricted_weights(by_item, by_user, nearest, items, everybody, space, first, last, a):
    """Do what `restricted_weights` says."""
    indptr, indices, B = nearest
    places, x = space.places, space.x
    for i in range(first, last):
        own = indices[indptr[i] : indptr[i + 1]]
        size = len(own) + (everybody.e > 0)
        width = padded(size, B.itemsize)
        A, V = space.A[: (width + ROWS) * width].reshape((width + ROWS, width)), space.V[: PANEL * width]
        A[:] = 0
        x[:] = 0
        for k in range(len(own)):
            places[own[k]] = k
        add_target(by_item, by_user, i, places, x)
        add_products_of_users(by_item, by_user, i, own, places, space.marks, A)
        add_diagonal(own, i, items, everybody, A, x)
        for k in range(len(own)):
            places[own[k]] = -1
        if not factorize(A, V.reshape((PANEL, width)), size):
            return i
        substitute(A, x, size)
        for k in range(len(own)):
            B[indptr[i] + k] = x[k]
        if everybody.e > 0:
            a[i] = everybody.e * x[len(own)]
    return -1


@njit(nogil=True, cache=True)
def add_target(by_item: Cells, by_user: Cells, i, places, x):
    """Add X_N'x_i to x."""
    starts, users, values = by_item
    indptr, items, others = by_user
    for c in range(starts[i], starts[i + 1]):
        u, value = users[c], values[c]
        for d in range(indptr[u], indptr[u + 1]):
            k = places[items[d]]
            if k >= 0:
                x[k] += value * others[d]


@njit(nogil=True, cache=True)
def add_products_of_users(by_item: Cells, by_user: Cells, i, own, places, marks, A):
    """Add the upper triangle of X_N'X_N to A, beside its diagonal; users get the mark i."""
    starts, users, _ = by_item
    indptr, items, values = by_user
    local, had = np.empty(len(own), np.int64), np.empty(len(own), A.dtype)
    for j in own:
        for c in range(starts[j], starts[j + 1]):
            u = users[c]
            if marks[u] == i:
                continue
            marks[u], n = i, 0
            for d in range(indptr[u], indptr[u + 1]):
                if places[items[d]] >= 0:
                    local[n], had[n] = places[items[d]], values[d]
                    n += 1
            for p in range(n):
                row, value = A[local[p]], had[p]
                for q in range(p + 1, n):
                    row[local[q]] += value * had[q]


@njit(nogil=True, cache=True)
def add_diagonal(own, i, items: Items, everybody: Everybody, A, x):
    """Add to A what lies on its diagonal and beside the item that everybody has had, and to x what that has."""
    s, diagonal = items
    last, e = len(own), everybody.e
    for k in range(last):
        A[k, k] = diagonal[own[k]]
        if e > 0:
            A[k, last] = e * s[own[k]]
    if e > 0:
        A[last, last] = everybody.diagonal
        x[last] = e * s[i]
