"""EASE solved between users, where they are fewer than the items: `palate.kernels.dual`."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from palate.errors import DivergenceError
from palate.kernels import dual as kernel
from palate.models.items.square import invert
from palate.models.ridge.rows import row_ranges
from palate.parallel import GRAIN, Workers
from palate.sparse import Array, Rows


class Between(NamedTuple):
    """What the weights of items are made of, with the training rows: eq. 2 and 3 of the kernel.

    Attributes:
        W: (n_users, n_users).
        h, g, a: (n_items,).
    """

    W: Array
    h: Array
    g: Array
    a: Array


def solve_between_users(
    clicks: Rows, penalties: Array, everybody: tuple[float, float], dtype: str, workers: Workers
) -> Between | None:
    """Return the solution; None where there is none in this precision.

    Args:
        clicks: by user.
        penalties: (n_items,), above 0.
        everybody: value and penalty of an item that everybody has had; the value 0 for none.
        dtype: of W.
        workers: threads.
    """
    (e, penalty), h = everybody, 1 / penalties
    by_item = clicks.transpose(len(h))
    W = np.empty((clicks.n_rows, clicks.n_rows), dtype)
    call = partial(kernel.products, clicks.cells, by_item.cells, h, e * e / penalty)
    workers.run([partial(call, a, b, W) for a, b in row_ranges(clicks, workers, GRAIN.solved)])
    W[np.diag_indices(len(W))] += 1
    if not invert(W, workers.n_threads):
        return None
    for u in range(len(W)):
        W[:u, u] = W[u, :u]
    return _between(clicks, by_item, W, h, e * e / penalty, workers)


def of_fewer_users(before: Between, clicks: Rows, left: Array, constant: float) -> Between:
    """Return the solution without the rows of some users, the penalties as they were.

    W is an inverse; that of the block of those left is its own block minus, for each user r who goes, w_r w_r' / w_rr
    (Schur's complement).

    Args:
        before: the solution.
        clicks: by user, all of them.
        left: positions of the users who stay, ascending.
        constant: what an item that everybody has had adds to each entry of K; 0 for none.

    Raises:
        DivergenceError: the equations cannot be solved in these numbers.
    """
    W = before.W.astype(np.float64)
    for r in np.setdiff1d(np.arange(len(W)), left):
        W -= np.outer(W[:, r], W[r]) / W[r, r]
        W[r, r] = 1  # its row and column are 0 now, but for rounding
    rows = clicks.take(left)
    with Workers(1) as workers:
        W = W[np.ix_(left, left)].astype(before.W.dtype)
        made = _between(rows, rows.transpose(len(before.h)), W, before.h, constant, workers)
    if made is None:
        raise DivergenceError("the weights cannot be solved without these users: train anew", subject="users")
    return made


def _between(clicks: Rows, by_item: Rows, W: Array, h: Array, constant: float, workers: Workers) -> Between | None:
    """Return what W makes; None where it is no solution in this precision."""
    square = np.empty(len(h))
    call = partial(kernel.squares, by_item.cells, W)
    workers.run([partial(call, a, b, square) for a, b in row_ranges(by_item, workers, GRAIN.solved)])
    g = 1 / (1 - h * square)
    if not (np.isfinite(g).all() and (g > 0).all()):
        return None
    sums = np.bincount(clicks.indices, clicks.values * W.sum(axis=1, dtype=np.float64)[clicks.row_of_cells()], len(h))
    return Between(W, h, g, constant * sums * g)
