"""Numbers on their way between machines: float32 as bfloat16, in half the bytes.

bfloat16 is the upper half of a float32: its sign, its exponent, 7 bits of its 23 of fraction. A number becomes the
nearest one, of two that are as near the one whose last bit is 0 (IEEE 754's rounding); one past the largest becomes
infinite, and what is none (NaN) stays none. So a number that is stored changes by a 256th of it at most.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import numpy as np
from numpy.typing import NDArray

from palate.kernels import given
from palate.kernels.compiling import njit

HALF = np.uint32(0x7FFF)  # the greatest lower half that is rounded down
ONE, HALF_BITS, QUIET = np.uint32(1), np.uint32(16), np.uint32(0x0040)
MAGNITUDE, INFINITE = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)


def to_bfloat16(x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the bits of the nearest bfloat16 of each number, in the same shape."""
    flat = np.ascontiguousarray(x, np.float32).reshape(-1)
    out = np.empty(flat.shape, np.uint16)
    (bits,) = given(flat.view(np.uint32))
    _to_bfloat16(bits, out)
    return out.reshape(x.shape)


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the numbers that bfloat16 bits stand for, exactly, in the same shape."""
    flat = np.ascontiguousarray(bits, np.uint16).reshape(-1)
    out = np.empty(flat.shape, np.uint32)
    (read,) = given(flat)
    _from_bfloat16(read, out)
    return out.view(np.float32).reshape(bits.shape)


@njit(nogil=True, cache=True)
def _to_bfloat16(x, out):
    for n in range(len(x)):
        bits = x[n]
        upper = bits >> HALF_BITS
        nearest = (np.uint32(bits & MAGNITUDE) + HALF + (upper & ONE)) >> HALF_BITS  # no carry: the sign is left out
        if bits & MAGNITUDE > INFINITE:
            out[n] = upper | QUIET
        else:
            out[n] = nearest | (upper & np.uint32(0x8000))


@njit(nogil=True, cache=True)
def _from_bfloat16(x, out):
    for n in range(len(x)):
        out[n] = np.uint32(x[n]) << HALF_BITS
