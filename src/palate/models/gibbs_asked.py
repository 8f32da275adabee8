"""What being asked about a pair tells of its rating: the pair's own cell in the incidence.

In training every rating's cell is among the cells of its user and of its item, and so part of their features. Asked for
the rating of a new pair (u, i), we ask what u would give *having rated i*: then both rows have one cell more, and their
prior means (eq. 2 of `palate.models.bayes`) move. Left out, the score would be that of pairs unlike all of training.
With n_i cells of item i, K_i = inv(A_i) L (A_i: `palate.kernels.gibbs`, eq. 1) and z_u = [p_u, 1], the score gains

    z_u' K_i (a_i + g_u / root(n_i + 1))                                                                            (1)

and the same of the user's row. a_i is what one more cell changes in the item's features whosever it is (its count; the
other cells, whose weight falls from 1 / root n_i to 1 / root(n_i + 1)), g_u what user u's cell brings: the weights of u
in the incidence, and in its components. It matters for items with few ratings. Nothing but the training part and
the pair itself enters: the term is there for every pair of the matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from palate.kernels import gibbs as kernel
from palate.models.gibbs_side import LIGHT, Dense, Incidence, SideChain
from palate.models.gibbs_start import Counts, incidence
from palate.parallel import Workers, chunks

Array = NDArray[Any]

ROWS = 256  # users whose terms are found at once


@dataclass(frozen=True)
class OneMore:
    """What one more cell of a row changes in a group of dense features.

    Attributes:
        always: (n_rows, F), whichever cell it is.
        brings: (n_columns, F), what a column adds where the cell is its own, over the root of the row's cells.
    """

    always: Array
    brings: Array


def one_more_count(counter: Counts | None, numbers: Array, n_attributes: int, n_columns: int) -> OneMore:
    """Return what one more cell changes in a row's attributes, which is nothing, and in the features of its count."""
    always = np.zeros((len(numbers), n_attributes), np.float32)
    if counter is not None:
        always = np.hstack([always, counter.matrix(numbers + 1) - counter.matrix(numbers)])
    return OneMore(always, np.zeros((n_columns, always.shape[1]), np.float32))


def one_more_component(vectors: Array, numbers: Array, projection: Array) -> OneMore:
    """Return what one more cell changes in a row's components: the old cells' part fades, the column's is added."""
    return OneMore(vectors * _fades(numbers)[:, None], projection)


def _fades(numbers: Array) -> Array:
    """Return root(n / (n + 1)) - 1: what rows over the root of their number lose by one more cell."""
    return np.asarray(np.sqrt(numbers / (numbers + 1)) - 1, np.float32)


@dataclass(frozen=True)
class AskedSide:
    """One side of eq. 1.

    Attributes:
        side: the rows whose means move.
        dense: of the side's groups of dense features, in their order.
        X: the incidence over the root of a row's cells, sparse.
    """

    side: SideChain
    dense: list[OneMore]
    X: Any

    @classmethod
    def of(cls, side: SideChain, dense: list[OneMore], n_columns: int) -> AskedSide:
        """Take one side as it begins."""
        return cls(side, dense, incidence(side.rows, n_columns))

    def terms(self, other: SideChain, alpha: float, workers: Workers) -> tuple[Array, Array]:
        """Return eq. 1's factors: K / root(n + 1) and K a, (n_rows, D^2 + D); z g' and z, (n_columns, D^2 + D)."""
        side, numbers = self.side, np.diff(self.side.rows.indptr)
        n, D = side.X.shape
        fades = _fades(numbers)[:, None]
        a, g = np.zeros((n, D)), np.zeros((self.X.shape[1], D))
        dense = iter(self.dense)
        for group in side.groups:
            if isinstance(group, Incidence):
                a += fades * (self.X @ group.B)
                g += group.B
            elif isinstance(group, Dense):
                one = next(dense)
                a += one.always @ group.B
                g += one.brings @ group.B
        K = np.empty((n, D, D), np.float32)
        cells = side.rows.indptr, side.rows.indices, other.scales
        call = partial(kernel.shrinkages, cells, (other.X, side.scales, np.float32(alpha)), side.L.astype(np.float32))
        workers.run([partial(call, first, last, K) for first, last in side.ranges(workers, LIGHT)])
        moved = np.einsum("nfg,ng->nf", K, a.astype(np.float32))
        Z = np.column_stack([other.X[:, :-1], np.ones(len(other.X), np.float32)])
        outer = Z[:, :, None] * g.astype(np.float32)[:, None, :]
        K *= (1 / np.sqrt(numbers + 1)).astype(np.float32)[:, None, None]
        return np.hstack([K.reshape(n, -1), moved]), np.hstack([outer.reshape(len(Z), -1), Z])


class Asked:
    """The mean over sweeps of what eq. 1 adds to each score.

    Args:
        users, items: both sides.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("count", "total")

    def __init__(self, users: AskedSide, items: AskedSide) -> None:
        self.users, self.items, self.count = users, items, 0
        self.total = np.zeros((len(users.side.X), len(items.side.X)), np.float32)

    def add(self, alpha: float, workers: Workers) -> None:
        """Add the terms of the state as it is."""
        users, items = self.users.side, self.items.side
        K_users, z_items = self.users.terms(items, alpha, workers)
        K_items, z_users = self.items.terms(users, alpha, workers)
        left, right = np.hstack([K_users, z_users]), np.hstack([z_items, K_items]).T
        self.count += 1

        def some(p: slice) -> None:
            self.total[p] += left[p] @ right

        workers.run([partial(some, p) for p in chunks(len(left), ROWS)])

    def mean(self, u: Array | slice = slice(None), i: Array | slice = slice(None)) -> Array:
        """Return the mean so far, of all pairs or of some: 0 before the first state."""
        found: Array = self.total[u, i] / np.float32(max(self.count, 1))
        return found
