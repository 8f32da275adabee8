"""What being asked about a pair tells of its rating: the pair's own cell in the incidence.

In training every rating's cell is among the cells of its user and of its item, and so part of their features. Asked for
the rating of a new pair (u, i), we ask what u would give *having rated i*: then both rows have one cell more, and their
prior means (eq. 2 of `palate.models.bayes.model`) move. Left out, the score would be that of pairs unlike all of
training. With n_i cells of item i, K_i = inv(A_i) L (A_i: `palate.kernels.gibbs`, eq. 1) and z_u = [p_u, 1], the score
gains

    z_u' K_i (a_i + g_u / root(n_i + 1))                                                                            (1)

and the same of the user's row. a_i is what one more cell changes in the item's features whosever it is (its count; the
other cells, whose weight falls from 1 / root n_i to 1 / root(n_i + 1)), g_u what user u's cell brings: the weights of u
in the incidence, and in its components. It matters for items with few ratings. Nothing but the training part and
the pair itself enters: the term is there for every pair of the matrix.

A row without cells may be new: then its number says nothing, a_i leads to the parts that the row of a rating taken at
random and of its attributes has, and g_u is nothing. Or it is rare, and eq. 1 holds; `Numbers` weighs both. What a row
without cells would bring to others was never learned, and is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from palate.kernels import Cells
from palate.kernels import gibbs as kernel
from palate.models.bayes.product_sum import ProductSum
from palate.models.bayes.side import Dense, Incidence, SideChain
from palate.models.bayes.start import CountEncoding, incidence
from palate.parallel import GRAIN, Workers, chunks
from palate.sparse import Array

RARE = 0.5  # how likely rows without cells are rare where they may be, beside new
RIDGE = 30.0  # cells that say as much of an attribute as its prior


@dataclass(frozen=True)
class Numbers:
    """How many cells each row of a side has, and what having none says.

    A row without cells may be rare, one of those that chance left out, or new, and then its number says nothing. Of N_k
    rows with k cells, about N_1^2 / (2 N_2) rows without cells may be rare (Chao 1984); the rest of N_0 are new. Those
    that may be rare may as well have come after the last rating, which training cannot tell: so they are half of each.

    What a new row's features will be is a ridge regression on its attributes, each row weighted by its cells: what is
    expected of the row of a rating taken at random, the attributes given.

    Attributes:
        cells: (n_rows,) how many.
        known: (n_rows, 1) 1 for rows with cells; for others how likely they are rare.
        weights: (n_rows,) cells over their sum.
        slopes: (F, n_rows), by which features are regressed on the attributes.
        own: (n_without, F) attributes of the rows without cells, less their mean.
    """

    cells: Array
    known: Array
    weights: Array
    slopes: Array
    own: Array

    @classmethod
    def of(cls, cells: Array, attributes: Array) -> Numbers:
        """Take the numbers of training, and the attributes (n_rows, F) that are known of new rows, too."""
        none, once, twice = (int((cells == k).sum()) for k in range(3))
        rare = once**2 / (2 * twice) if twice else once * (once - 1) / 2
        known = np.where(cells > 0, 1.0, RARE * min(1.0, rare / max(none, 1)))[:, None]
        weights = cells / max(cells.sum(), 1)
        centred = attributes.astype(np.float64) - weights @ attributes
        weighted = centred.T * cells
        ridge = RIDGE * np.eye(centred.shape[1])
        return cls(cells, known, weights, np.linalg.solve(weighted @ centred + ridge, weighted), centred[cells == 0])

    def mixed(self, step: Array, features: Array) -> Array:
        """Return what changes: ``step`` where the number is known, else all the way to what is expected."""
        change = np.array(self.known * step)
        without = self.cells == 0
        if without.any():
            expected = self.weights @ features + self.own @ (self.slopes @ features)
            change[without] += (1 - self.known[without]) * (expected - features[without])
        return change.astype(np.float32)

    def fades(self) -> Array:
        """Return root(n / (n + 1)) - 1, (n_rows, 1): what rows over the root of their number lose by one more cell."""
        return np.asarray(np.sqrt(self.cells / (self.cells + 1)) - 1)[:, None]


@dataclass(frozen=True)
class OneMore:
    """What one more cell of a row changes in a group of dense features.

    Attributes:
        always: (n_rows, F), whichever cell it is.
        brings: (n_columns, F), what a column adds where the cell is its own, over the root of the row's cells.
    """

    always: Array
    brings: Array


def one_more_count(counter: CountEncoding | None, numbers: Numbers, n_attributes: int, n_columns: int) -> OneMore:
    """Return what one more cell changes in a row's attributes, which is nothing, and in the features of its count."""
    always = np.zeros((len(numbers.cells), n_attributes), np.float32)
    if counter is not None:
        now = counter.matrix(numbers.cells)
        always = np.hstack([always, numbers.mixed(counter.matrix(numbers.cells + 1) - now, now)])
    return OneMore(always, np.zeros((n_columns, always.shape[1]), np.float32))


def one_more_component(vectors: Array, numbers: Numbers, projection: Array) -> OneMore:
    """Return what one more cell changes in a row's components: the old cells' part fades, the column's is added."""
    return OneMore(numbers.mixed(numbers.fades() * vectors, vectors), projection)


@dataclass(frozen=True)
class Terms:
    """Eq. 1 of one side in one state: what its rows and the other side's are multiplied by.

    Attributes:
        side, other: the rows whose means move, and those that they meet.
        alpha: noise precision.
        shares: (n_rows, 1) known / root(n + 1), what is told of what a cell brings.
        always, brings: a (n_rows, D) and g (n_columns, D).
    """

    side: SideChain
    other: SideChain
    alpha: float
    shares: Array
    always: Array
    brings: Array

    def of_rows(self, p: slice) -> Array:
        """Return K / root(n + 1) and K a of some rows, (len, D^2 + D)."""
        side, other = self.side, self.other
        cells, D = side.rows.cells, side.X.shape[1]
        n = p.stop - p.start
        own = Cells(cells.indptr[p.start : p.stop + 1], cells.indices, cells.values)
        noise = kernel.Noise(side.scales[p], np.float32(self.alpha))
        K = np.empty((n, D, D), np.float32)
        kernel.shrinkages(own, other.X, other.scales, noise, side.L.astype(np.float32), 0, n, K)
        moved = np.einsum("nfg,ng->nf", K, self.always[p])
        return np.hstack([K.reshape(n, -1) * self.shares[p], moved])

    def of_columns(self, p: slice) -> Array:
        """Return z g' and z of some of the rows that are met, (len, D^2 + D)."""
        Z = self.other.X[p].copy()
        Z[:, -1] = 1
        return np.hstack([(Z[:, :, None] * self.brings[p, None, :]).reshape(len(Z), -1), Z])


@dataclass(frozen=True)
class AskedSide:
    """One side of eq. 1.

    Attributes:
        side: the rows whose means move.
        dense: of the side's groups of dense features, in their order.
        numbers: how many cells the rows have.
        X: the incidence over the root of a row's cells, sparse.
        met: (n_columns, 1), whether a column has cells: of those without no weight was learned.
    """

    side: SideChain
    dense: list[OneMore]
    numbers: Numbers
    X: Any
    met: Array

    @classmethod
    def of(cls, side: SideChain, dense: list[OneMore], numbers: Numbers, n_columns: int) -> AskedSide:
        """Take one side as it begins."""
        met = np.bincount(side.rows.indices, minlength=n_columns)[:, None] > 0
        return cls(side, dense, numbers, incidence(side.rows, n_columns), met)

    def terms(self, other: SideChain, alpha: float) -> Terms:
        """Return eq. 1's factors in the state as it is."""
        side, numbers = self.side, self.numbers
        a, g = np.zeros(side.X.shape), np.zeros(other.X.shape)
        dense = iter(self.dense)
        for group in side.groups:
            if isinstance(group, Incidence):
                parts = self.X @ group.B
                a += numbers.mixed(numbers.fades() * parts, parts)
                g += group.B
            elif isinstance(group, Dense):
                added = next(dense)
                a += added.always @ group.B
                g += added.brings @ group.B
        shares = (numbers.known / np.sqrt(numbers.cells + 1)[:, None]).astype(np.float32)
        return Terms(side, other, alpha, shares, a.astype(np.float32), (g * self.met).astype(np.float32))


class Asked:
    """What eq. 1 adds to each score, in some states of a chain.

    Args:
        users, items: both sides.
        u, i: (n,) pairs of positions that are watched.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("weight", "watched")

    def __init__(self, users: AskedSide, items: AskedSide, u: Array, i: Array) -> None:
        self.users, self.items = users, items
        order = np.argsort(u, kind="stable")
        self.order, self.u, self.i = order, u[order], i[order]
        self.weight, self.watched = 0.0, np.zeros(len(u))

    def add(self, alpha: float, total: ProductSum, weight: float, workers: Workers) -> None:
        """Add the terms of the state as it is to a sum of scores, as those of ``weight`` states."""
        users, items = self.users.side, self.items.side
        of_users, of_items = self.users.terms(items, alpha), self.items.terms(users, alpha)
        right = np.empty((len(items.X), 2 * items.X.shape[1] * (items.X.shape[1] + 1)), np.float32)

        def some_items(p: slice) -> None:
            right[p] = np.hstack([of_users.of_columns(p), of_items.of_rows(p)])

        def some_users(p: slice) -> Array:
            left = np.hstack([of_users.of_rows(p), of_items.of_columns(p)]) * np.float32(weight)
            first, last = np.searchsorted(self.u, (p.start, p.stop))
            pairs = left[self.u[first:last] - p.start] * right[self.i[first:last]]
            self.watched[self.order[first:last]] += pairs.sum(axis=1, dtype=np.float64)
            return left

        workers.run([partial(some_items, p) for p in chunks(len(right), GRAIN.asked)])
        total.add_blocks(some_users, right, workers)
        self.weight += weight

    def mean(self) -> Array:
        """Return the mean so far of the watched pairs, (n,): 0 before the first state."""
        return self.watched / max(self.weight, 1)
