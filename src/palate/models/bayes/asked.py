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

For a row without cells that is new, not rare (`Numbers`), a_i leads to the parts that the row of a rating taken at
random and of its attributes has, and g_u is nothing: that it has no cells yet says nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from palate.kernels import gibbs as kernel
from palate.models.bayes.side import Dense, Incidence, SideChain
from palate.models.bayes.start import CountEncoding, incidence
from palate.parallel import GRAIN, Workers, chunks
from palate.sparse import Array

RIDGE = 30.0  # cells that say as much of an attribute as its prior


@dataclass(frozen=True)
class Numbers:
    """How many cells each row of a side has, and what having none says.

    A row without cells may be rare, one of those that chance left out, or new, and then its number says nothing. Of N_k
    rows with k cells, rare rows without cells are at most N_1^2 / (2 N_2) (Chao 1984); the rest of N_0 are new.

    What a new row's features will be is a ridge regression on its attributes, each row weighted by its cells: what is
    expected of the row of a rating taken at random, the attributes given.

    Attributes:
        cells: (n_rows,) how many.
        known: (n_rows, 1) 1 for rows with cells; for others the share of the rare ones among those without.
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
        known = np.where(cells > 0, 1.0, min(1.0, rare / max(none, 1)))[:, None]
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
class AskedSide:
    """One side of eq. 1.

    Attributes:
        side: the rows whose means move.
        dense: of the side's groups of dense features, in their order.
        numbers: how many cells the rows have.
        X: the incidence over the root of a row's cells, sparse.
    """

    side: SideChain
    dense: list[OneMore]
    numbers: Numbers
    X: Any

    @classmethod
    def of(cls, side: SideChain, dense: list[OneMore], numbers: Numbers, n_columns: int) -> AskedSide:
        """Take one side as it begins."""
        return cls(side, dense, numbers, incidence(side.rows, n_columns))

    def terms(self, other: SideChain, alpha: float, workers: Workers) -> tuple[Array, Array]:
        """Return eq. 1's factors: K / root(n + 1) and K a, (n_rows, D^2 + D); z g' and z, (n_columns, D^2 + D)."""
        side, numbers = self.side, self.numbers
        n, D = side.X.shape
        a, g = np.zeros((n, D)), np.zeros((self.X.shape[1], D))
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
        K = np.empty((n, D, D), np.float32)
        noise, L = kernel.Noise(side.scales, np.float32(alpha)), side.L.astype(np.float32)
        call = partial(kernel.shrinkages, side.rows.cells, other.X, other.scales, noise, L)
        workers.run([partial(call, first, last, K) for first, last in side.ranges(workers, GRAIN.passed)])
        moved = np.einsum("nfg,ng->nf", K, a.astype(np.float32))
        Z = np.column_stack([other.X[:, :-1], np.ones(len(other.X), np.float32)])
        outer = Z[:, :, None] * g.astype(np.float32)[:, None, :]
        K *= (numbers.known / np.sqrt(numbers.cells + 1)[:, None]).astype(np.float32)[:, :, None]
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

        workers.run([partial(some, p) for p in chunks(len(left), GRAIN.asked)])

    def join(self, other: Asked) -> None:
        """Add what another chain has summed."""
        self.total += other.total
        self.count += other.count

    def mean(self, u: Array | slice = slice(None), i: Array | slice = slice(None)) -> Array:
        """Return the mean so far, of all pairs or of some: 0 before the first state."""
        means: Array = self.total[u, i] / np.float32(max(self.count, 1))
        return means
