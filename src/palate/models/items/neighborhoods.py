"""EASE restricted to the nearest items of each, for wide catalogues: `palate.kernels.neighborhoods`."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from palate.kernels import Cells, given, similarities
from palate.kernels import neighborhoods as kernel
from palate.models.items.knn import largest
from palate.models.ridge.rows import row_ranges
from palate.parallel import GRAIN, Workers
from palate.sparse import Array, Rows


class Near(NamedTuple):
    """Weights from item to item.

    Attributes:
        B: rows from the item had.
        a: (n_items,) what the item that everybody has had gives.
    """

    B: Rows
    a: Array


def solve_neighborhoods(
    clicks: Rows, penalties: Array, everybody: tuple[float, float], n: int, dtype: str, workers: Workers
) -> Near | None:
    """Return the weights of the nearest items; None where there are none in this precision.

    The nearest items are those of the largest cosine, the penalties added to the squares of the columns' lengths.

    Args:
        clicks: by user.
        penalties: (n_items,), above 0.
        everybody: value and penalty of an item that everybody has had; the value 0 for none.
        n: how many are nearest.
        dtype: of the weights.
        workers: threads.
    """
    n_items, (e, penalty) = len(penalties), everybody
    squares = np.bincount(clicks.indices, np.square(clicks.values, dtype=np.float64), n_items)
    sums = np.bincount(clicks.indices, clicks.values, n_items)
    inverse = 1 / np.sqrt(squares + penalties)
    weights = similarities.Weights(np.ones(clicks.n_rows), inverse, inverse)
    nearest = largest(clicks, clicks, weights, 0.0, n, workers.n_threads)
    by_item = clicks.transpose(n_items)
    indptr, indices = given(nearest.indptr, nearest.indices)
    B, a = np.empty(len(indices), dtype), np.zeros(n_items)
    call = partial(
        kernel.restricted_weights,
        by_item.cells,
        clicks.cells,
        Cells(indptr, indices, B),
        kernel.Items(sums, squares + penalties),
        kernel.Everybody(float(e), float(clicks.n_rows * e * e + penalty)),
    )
    parts = row_ranges(nearest, workers, GRAIN.solved)
    if max(workers.run([partial(call, first, last, a) for first, last in parts]), default=-1) >= 0:
        return None
    return Near(Rows(nearest.indptr, nearest.indices, B).transpose(n_items), a)
