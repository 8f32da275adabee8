"""Arrays as models hand them to kernels: read-only. Tests of kernels so ask the very code that models run.

Numba compiles code of its own for arrays that may be written to.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Value = TypeVar("Value")


def read_only(value: Value) -> Value:
    """Return an array, or the tuple of arrays that it is, after forbidding to write to them."""
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    elif isinstance(value, tuple):
        for part in value:
            read_only(part)
    return value
