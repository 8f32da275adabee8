"""Numba kernels: arrays in, arrays out, single-threaded and nogil; the equation stands on top of each file."""

from typing import Any

import numpy as np


def given(*values: Any) -> tuple[Any, ...]:
    """Return what a kernel only reads, its arrays as read-only views; None and numbers as they are.

    Numba compiles anew for arrays that may be written to: fitted models hold such, loaded ones do not.
    """
    return tuple(_read_only(one) if isinstance(one, np.ndarray) else one for one in values)


def _read_only(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view
