"""Numba kernels: arrays in, arrays out, single-threaded and nogil; the equation stands on top of each file."""

from typing import Any, NamedTuple

import numpy as np


class Cells(NamedTuple):
    """Compressed rows as kernels take them: the cells of row u are ``indptr[u]:indptr[u + 1]``."""

    indptr: Any  # (n_rows + 1,)
    indices: Any  # (n,)
    values: Any  # (n,)


class Factors(NamedTuple):
    """What scores are made of: mean + b_u + c_i + p_u . q_i."""

    P: Any  # (n_users, k)
    Q: Any  # (n_items, k)
    b: Any  # (n_users,)
    c: Any  # (n_items,)
    mean: Any


def given(*values: Any) -> tuple[Any, ...]:
    """Return what a kernel only reads, its arrays as read-only views; None and numbers as they are.

    Numba compiles anew for arrays that may be written to: fitted models hold such, loaded ones do not.
    """
    return tuple(_read_only(value) if isinstance(value, np.ndarray) else value for value in values)


def _read_only(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view
