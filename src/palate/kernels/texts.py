"""Where texts stand among sorted ones, both end to end as UTF-8 bytes: halving (Knuth, vol. 3, 6.2.1, alg. B).

Bytes of UTF-8 are in the order of the characters, so texts are compared byte by byte.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import numpy as np

from palate.kernels.compiling import njit


@njit(nogil=True, cache=True)
def find(text, offsets, order, sought, sought_offsets, out):
    """Write where each text sought stands among texts, -1 where it does not.

    text, offsets: (bytes,), (n + 1,). order: (n,) positions in ascending order of their texts, or empty where they
    ascend. sought, sought_offsets: of the texts sought. out: (m,) int32, written.
    """
    n = len(offsets) - 1
    for k in range(len(sought_offsets) - 1):
        begin, end = sought_offsets[k], sought_offsets[k + 1]
        low, high = 0, n
        while low < high:
            middle = (low + high) // 2
            at = order[middle] if len(order) else middle
            if compare(text, offsets[at], offsets[at + 1], sought, begin, end) < 0:
                low = middle + 1
            else:
                high = middle
        out[k] = -1
        if low < n:
            at = order[low] if len(order) else low
            if compare(text, offsets[at], offsets[at + 1], sought, begin, end) == 0:
                out[k] = at


@njit(nogil=True, cache=True)
def compare(a, first, stop, b, begin, end):
    """Return below 0, 0 or above 0 as bytes first to stop - 1 of a stand before, like or after those of b."""
    for k in range(min(stop - first, end - begin)):
        if a[first + k] != b[begin + k]:
            return np.int64(a[first + k]) - np.int64(b[begin + k])
    return (stop - first) - (end - begin)
