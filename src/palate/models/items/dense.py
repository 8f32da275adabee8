"""EASE solved for all items at once, in one square matrix: eq. 2 of `palate.models.items.ease`."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from palate.kernels import weights as kernel
from palate.models.items.square import invert
from palate.models.ridge.rows import row_ranges
from palate.parallel import GRAIN, Workers
from palate.sparse import Array, Rows


class Whole(NamedTuple):
    """Weights from item to item.

    Attributes:
        B: (n_items, n_items).
        a: (n_items,) what the item that everybody has had gives, or empty.
    """

    B: Array
    a: Array


def solve_all_items(
    clicks: Rows, penalties: Array, everybody: tuple[float, float], dtype: str, workers: Workers
) -> Whole | None:
    """Return the weights of all items; None where there are none in this precision.

    Args:
        clicks: by user.
        penalties: (n_items,), above 0.
        everybody: value and penalty of an item that everybody has had, which is the last; the value 0 for none.
        dtype: of B.
        workers: threads.
    """
    (e, penalty), n_items = everybody, len(penalties)
    size = n_items + (e > 0)
    B = np.empty((size, size), dtype)
    _co_occurrences(clicks, B[:n_items, :n_items], workers)
    B[np.arange(n_items), np.arange(n_items)] += penalties
    if e > 0:
        B[n_items, :n_items] = e * np.bincount(clicks.indices, clicks.values, n_items)
        B[n_items, n_items] = clicks.n_rows * e * e + penalty
    if not invert(B, workers.n_threads):
        return None
    diagonal = B.diagonal().copy()
    ends = np.unique(np.sqrt(np.linspace(0, 1, 8 * workers.n_threads + 1)) * size).astype(int)
    workers.run([partial(kernel.ease_weights, B, diagonal, a, b) for a, b in pairwise(ends.tolist())])
    if not e > 0:
        return Whole(B, np.zeros(0))
    a = e * B[n_items, :n_items].astype(np.float64)
    return Whole(without_last(B), a)


def without_last(B: Array) -> Array:
    """Return a square matrix without its last row and column, in the same memory."""
    flat, n = B.reshape(-1), len(B) - 1
    for i in range(1, n):
        flat[i * n : (i + 1) * n] = B[i, :n]  # NumPy copies where the two overlap
    smaller: Array = flat[: n * n].reshape(n, n)
    return smaller


def _co_occurrences(clicks: Rows, G: Array, workers: Workers) -> None:
    """Write X'X into G."""
    by_item = clicks.transpose(len(G))
    call = partial(kernel.co_occurrences, by_item.cells, clicks.cells)
    workers.run([partial(call, first, last, G) for first, last in row_ranges(by_item, workers, GRAIN.solved)])
