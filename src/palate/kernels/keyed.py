"""Random numbers by name: each is a function of a seed, a stream, a row and a column alone.

So rows get the same numbers whichever machine, thread or part of the data asks for them, in whatever order. The bits
are Philox4x32-10's (Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3, section 3.3): ten rounds of

    c0, c1, c2, c3 = hi(B c2) ^ c1 ^ k0, lo(B c2), hi(A c0) ^ c3 ^ k1, lo(A c0)                                     (1)

between which k0, k1 grow by two constants; hi and lo are the halves of a product of 64 bits. The key is the seed, the
counter (pair of columns, stream, row's lower half, row's upper half). Two uniform numbers u, v of 53 bits give two
normal ones (Box & Muller 1958):

    sqrt(-2 log(1 - u)) cos(2 pi v)        sqrt(-2 log(1 - u)) sin(2 pi v)                                           (2)

Gamma numbers of the shape a >= 1 are d v^3 with d = a - 1/3 and v = 1 + x / root(9 d), x standard normal, kept where

    log(u) < x^2 / 2 + d - d v^3 + d log(v^3)                                                                        (3)

and tried again with the next counters otherwise (Marsaglia & Tsang 2000); those of a < 1 are gamma numbers of a + 1
times u^(1 / a).

Letters: E (n_rows, k), of column f of pair f // 2, the first of (2) for an even column and the second for an odd one.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import given
from palate.kernels.compiling import njit

LOW, BITS = np.uint64(0xFFFFFFFF), np.uint64(32)
A, B = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
STEP_0, STEP_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
ROUNDS = 10
DROPPED = np.uint64(11)  # of 64 bits; the other 53 are what a float64 holds
UNIT = 2.0**-53
TURN = 2 * np.pi


def normals(seed: int, stream: int, rows: NDArray[Any], k: int, dtype: Any = np.float64) -> NDArray[Any]:
    """Return standard normal numbers of rows, (n_rows, k).

    Args:
        seed: below 2^64.
        stream: what the numbers are for, below 2^32: other streams of a seed have other numbers.
        rows: names of the rows, (n_rows,), from 0.
        k: how many numbers a row gets; with more of them the first stay as they are.
        dtype: they are computed as float64, and rounded.
    """
    out = np.empty((len(rows), k), dtype)
    (names,) = given(np.ascontiguousarray(rows, np.uint64))
    _normals(np.uint64(seed), np.uint64(stream), names, out)
    return out


@njit(nogil=True, cache=True)
def philox(c0, c1, c2, c3, k0, k1):
    """Return the four numbers of 32 bits of a counter and a key: ten times eq. 1."""
    for _ in range(ROUNDS):
        first, second = A * c0, B * c2
        c0, c1, c2, c3 = (second >> BITS) ^ c1 ^ k0, second & LOW, (first >> BITS) ^ c3 ^ k1, first & LOW
        k0, k1 = (k0 + STEP_0) & LOW, (k1 + STEP_1) & LOW
    return c0, c1, c2, c3


@njit(nogil=True, cache=True)
def _normals(seed, stream, rows, E):
    k0, k1 = seed & LOW, seed >> BITS
    for r in range(len(rows)):
        for f in range(0, E.shape[1], 2):
            bits = philox(np.uint64(f // 2), stream, rows[r] & LOW, rows[r] >> BITS, k0, k1)
            u = np.float64((bits[0] << BITS | bits[1]) >> DROPPED) * UNIT
            v = np.float64((bits[2] << BITS | bits[3]) >> DROPPED) * UNIT
            length = np.sqrt(-2 * np.log(1 - u))  # 1 - u is exact, and not 0
            E[r, f] = length * np.cos(TURN * v)
            if f + 1 < E.shape[1]:
                E[r, f + 1] = length * np.sin(TURN * v)


def gammas(seed: int, stream: int, rows: NDArray[Any], shapes: NDArray[Any]) -> NDArray[np.float64]:
    """Return gamma numbers of rows, of the rate 1, (n_rows,).

    Args:
        seed, stream, rows: as `normals`; a stream is for normal numbers or for these.
        shapes: (n_rows,), above 0.
    """
    out = np.empty(len(rows))
    names, wanted = given(np.ascontiguousarray(rows, np.uint64), np.ascontiguousarray(shapes, np.float64))
    _gammas(np.uint64(seed), np.uint64(stream), names, wanted, out)
    return out


@njit(nogil=True, cache=True)
def two_uniforms(bits):
    """Return two uniform numbers of 53 bits, below 1."""
    u = np.float64((bits[0] << BITS | bits[1]) >> DROPPED) * UNIT
    return u, np.float64((bits[2] << BITS | bits[3]) >> DROPPED) * UNIT


@njit(nogil=True, cache=True)
def _gammas(seed, stream, rows, shapes, out):
    k0, k1 = seed & LOW, seed >> BITS
    for r in range(len(rows)):
        low, high, a = rows[r] & LOW, rows[r] >> BITS, shapes[r]
        d = (a if a >= 1 else a + 1) - 1 / 3
        c = 1 / np.sqrt(9 * d)
        power = 1.0
        counter = 0
        while True:
            u, v = two_uniforms(philox(np.uint64(counter), stream, low, high, k0, k1))
            w, other = two_uniforms(philox(np.uint64(counter + 1), stream, low, high, k0, k1))
            if counter == 0 and a < 1:
                power = (1 - other) ** (1 / a)
            counter += 2
            x = np.sqrt(-2 * np.log(1 - u)) * np.cos(TURN * v)
            root = 1 + c * x
            if root > 0:
                cube = root * root * root
                if np.log(1 - w) < x * x / 2 + d - d * cube + d * np.log(cube):
                    out[r] = d * cube * power
                    break
