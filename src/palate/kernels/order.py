"""Orders by small whole numbers in one pass: counting sort (Knuth, The Art of Computer Programming, 5.2, alg. D).

Beside it Hoare's selection and Shell's sort: they compile in a moment, where NumPy's under Numba take seconds.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels.compiling import njit


def stable_order(keys: NDArray[Any], n_keys: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions in ascending order of their key, equal keys as they stand, and where each key begins.

    keys: (n,) from 0 to n_keys - 1. Returns (n,) int64 and (n_keys + 1,) int64.
    """
    starts, order = np.zeros(n_keys + 2, np.int64), np.empty(len(keys), np.int64)
    place(keys, starts, order)
    return order, starts[:-1]


def transposed(
    indptr: NDArray[Any], columns: NDArray[Any], values: NDArray[Any], places: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Return the transpose of compressed rows, where row places[j] is column j of theirs: indptr, indices, values."""
    starts = np.zeros(len(places) + 2, np.int64)
    rows, moved = np.empty(len(columns), np.int32), np.empty(len(values), values.dtype)
    transpose(indptr, columns, values, places, starts, rows, moved)
    return starts[:-1], rows, moved


@njit(nogil=True, cache=True)
def transpose(indptr, columns, values, places, starts, rows, moved):
    """Write where each row of the transpose begins, with a place for one more; its indices and values."""
    for n in range(len(columns)):
        starts[places[columns[n]] + 2] += 1
    for row in range(1, len(starts)):
        starts[row] += starts[row - 1]
    for row in range(len(indptr) - 1):
        for n in range(indptr[row], indptr[row + 1]):
            at = places[columns[n]] + 1  # moves on to where the next row begins
            rows[starts[at]], moved[starts[at]] = row, values[n]
            starts[at] += 1


@njit(nogil=True, cache=True)
def place(keys, starts, order):
    """Write the order and where each key begins, with a place for one key more. Arrays made outside compile sooner."""
    for n in range(len(keys)):
        starts[keys[n] + 2] += 1
    for key in range(1, len(starts)):
        starts[key] += starts[key - 1]
    for n in range(len(keys)):
        at = keys[n] + 1  # moves on to where the next key begins
        order[starts[at]] = n
        starts[at] += 1


@njit(nogil=True, cache=True)
def dealt(order, starts, n_streams):
    """Return each group of an order dealt from n_streams equal parts of it in turn: neighbours come from far apart."""
    out = np.empty_like(order)
    for g in range(len(starts) - 1):
        start, stop = starts[g], starts[g + 1]
        length = -(-(stop - start) // n_streams)
        at = start
        for n in range(length):
            for stream in range(n_streams):
                m = start + stream * length + n
                if m < min(stop, start + (stream + 1) * length):
                    out[at] = order[m]
                    at += 1
    return out


@njit(nogil=True, cache=True)
def nth_largest(values, size, n):
    """Return the n-th largest of the first ``size`` numbers, which are put in another order (Hoare 1961)."""
    at = size - n
    low, high = 0, size - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if at <= j:
            high = j
        elif at >= i:
            low = i
        else:
            break
    return values[at]


@njit(nogil=True, cache=True)
def sort_pairs(keys, values, size):
    """Sort the first ``size`` keys, no two alike, and their values with them (Shell 1959, steps of Tokuda 1992)."""
    gap = 1
    while gap < size:
        gap = gap * 9 // 4 + 1
    while gap > 0:
        for m in range(gap, size):
            key, value = keys[m], values[m]
            at = m
            while at >= gap and keys[at - gap] > key:
                keys[at], values[at] = keys[at - gap], values[at - gap]
                at -= gap
            keys[at], values[at] = key, value
        gap = gap * 4 // 9
