"""Orders by small whole numbers in one pass: counting sort (Knuth, The Art of Computer Programming, 5.2, alg. D)."""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def stable_order(keys, n_keys):
    """Return positions in ascending order of their key, equal keys as they stand, and where each key begins.

    keys: (n,) from 0 to n_keys - 1. Returns (n,) int64 and (n_keys + 1,) int64.
    """
    starts = np.zeros(n_keys + 1, np.int64)
    for key in keys:
        starts[key + 1] += 1
    for key in range(n_keys):
        starts[key + 1] += starts[key]
    at = starts[:-1].copy()
    order = np.empty(len(keys), np.int64)
    for n in range(len(keys)):
        key = keys[n]
        order[at[key]] = n
        at[key] += 1
    return order, starts


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
