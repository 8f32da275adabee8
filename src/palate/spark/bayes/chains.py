"""What the driver holds of a chain: what belongs to no row, drawn as `palate.models.bayes.chain` draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import ClassVar

import numpy as np

from palate.models.bayes.chain import Constants, draw_mean, draw_noise, draw_rescaling
from palate.models.bayes.hyper import Hyper, RowSums, draw_prior, joined, upper_root
from palate.models.bayes.side import Dense, group_sums
from palate.spark.bayes.halves import ChainHalf, ChainsBefore, ChainSums
from palate.spark.bayes.rows import ScaleStep
from palate.sparse import Array


@dataclass(frozen=True, eq=False)
class Constant:
    """What does not change of a side's features Z, over rows with cells.

    Attributes:
        total: (F,), their sum.
        products: (F, F), Z'Z.
    """

    total: Array
    products: Array

    @classmethod
    def of(cls, Z: Array, filled: Array) -> Constant:
        """Sum features over the rows that have cells."""
        some = Z[filled].astype(np.float64)
        return cls(some.sum(axis=0), some.T @ some)


@dataclass(eq=False)
class ChainSide:
    """One side of a chain, its rows apart.

    Attributes:
        groups: of features, their Z spent.
        hyper: constants of the priors.
        constant: of the features.
        width: D.
        mean, L: (D,), (D, D).
        rows: n, mean, scatter of `RowSums`.
        pulls: (F, D), Z'X.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("groups", "mean", "L", "n", "row_mean", "scatter", "pulls")

    groups: list[Dense]
    hyper: Hyper
    constant: Constant
    width: int
    mean: Array = field(init=False)
    L: Array = field(init=False)
    n: int = 0
    row_mean: Array = field(init=False)
    scatter: Array = field(init=False)
    pulls: Array = field(init=False)

    def __post_init__(self) -> None:
        D, F = self.width, len(self.constant.total)
        self.mean, self.L = np.zeros(D), np.eye(D)
        self.row_mean, self.scatter, self.pulls = np.zeros(D), np.zeros((D, D)), np.zeros((F, D))

    def take(self, sums: ChainSums) -> None:
        """Take what the rows sum up to."""
        self.n, self.row_mean, self.scatter = sums.rows
        self.pulls = sums.pulls

    def draw(self, rng: np.random.Generator) -> None:
        """Draw mean, precision and weights: eq. 3 and 4."""
        groups = [group_sums(group) for group in self.groups]
        self.mean, self.L = draw_prior(RowSums(self.n, self.row_mean, self.scatter), groups, self.hyper, rng)
        upper, first = upper_root(self.L), 0
        for group in self.groups:
            own = slice(first, first := first + len(group.d))
            left = self.pulls[own] - np.outer(self.constant.total[own], self.mean)
            group.draw_by(left - self.constant.products[own] @ self.weights, upper, self.hyper, rng)

    @property
    def weights(self) -> Array:
        """V'B of all groups, (F, D)."""
        return np.concatenate([np.zeros((0, self.width)), *(group.rotated for group in self.groups)])

    def rescale(self, factors: Array) -> None:
        """Multiply the coordinates of all rows by (D,) factors, in what is held of them here."""
        self.mean = self.mean * factors
        self.L = self.L / np.outer(factors, factors)
        for group in self.groups:
            group.B = group.B * factors


@dataclass(eq=False)
class DriverChain:
    """One chain, its rows apart.

    Attributes:
        users, items: the two sides.
        constants: priors of mu, alpha and noise scales.
        n_ratings: N.
        mu, alpha: mean and noise precision.
        before: mu that the errors were found with, its step since, and 1 once there are errors, (3,).
        loss: mean squared error of the draw.
        norms: of users and items, root mean squares about their mean.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("users", "items", "mu", "alpha", "before", "loss", "norms")

    users: ChainSide
    items: ChainSide
    constants: Constants
    n_ratings: int
    mu: float
    alpha: float = 1.0
    before: Array = field(default_factory=lambda: np.zeros(3))
    loss: float = 0.0
    norms: Array = field(default_factory=lambda: np.zeros(2))

    def begin(self, rng: np.random.Generator) -> tuple[ChainHalf, ChainHalf]:
        """Draw what belongs to no row, and return what the users' and the items' rows are drawn by."""
        self.items.draw(rng)
        self.users.draw(rng)
        c = draw_rescaling(self.users.L, self.items.L, self.users.hyper.wishart_scale, rng)
        before = ChainsBefore(float(self.before[0]), float(self.before[1]), self.alpha) if self.before[2] else None
        halves = [
            ChainHalf(self.mu, self.alpha, side.mean, side.L, side.weights, factors, looks_back)
            for side, factors, looks_back in ((self.users, c, None), (self.items, 1 / c, before))
        ]
        self.users.rescale(c)
        self.items.rescale(1 / c)
        return halves[0], halves[1]

    def take(self, side: int, sums: ChainSums) -> None:
        """Take what a side's rows sum up to."""
        (self.users, self.items)[side].take(sums)
        spread = max(sums.squares / sums.n - float(np.square(sums.total / sums.n).sum()), 0)
        self.norms[side] = (spread / len(sums.total)) ** 0.5

    def finish(self, errors: Array, rng: np.random.Generator) -> None:
        """Draw mu and alpha by the sums over all cells, `palate.spark.bayes.halves.ERROR_SUMS`; eq. 5 and 6."""
        weight, error, squares, plain_error, plain_squares, n = errors.tolist()
        new = draw_mean(self.constants, self.mu, self.alpha, (weight, error), rng)
        step = new - self.mu
        self.before = np.array([self.mu, step, 1.0])
        self.mu = new
        squares += step * (step * weight - 2 * error)
        self.alpha = draw_noise(self.constants, self.n_ratings, squares, rng)
        self.loss = (plain_squares + step * (step * n - 2 * plain_error)) / max(self.n_ratings, 1)

    @property
    def scale_step(self) -> ScaleStep:
        """What the users' noise scales are drawn by."""
        return ScaleStep(float(self.before[1]), self.alpha)

    def figures(self) -> dict[str, float]:
        """Return what a record of the sweep has of it."""
        users, items = self.norms.tolist()
        return {"loss": self.loss, "noise_precision": self.alpha, "user_norm": users, "item_norm": items}


def added(parts: Sequence[ChainSums]) -> ChainSums:
    """Return the sums of several blocks, one after the other."""

    def both(a: ChainSums, b: ChainSums) -> ChainSums:
        rest = a.pulls + b.pulls, a.n + b.n, a.total + b.total, a.squares + b.squares, a.errors + b.errors
        return ChainSums(joined([a.rows, b.rows]), *rest)

    return reduce(both, parts)
