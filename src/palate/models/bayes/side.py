"""One side of the Bayesian factorization's chain: hyperparameters, weights of features, rows.

Equations are numbered as in `palate.models.bayes.model`; D = n_factors + 1, a row is [factors, bias].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from scipy import linalg

from palate.kernels import Cells
from palate.kernels import gibbs as kernel
from palate.models.bayes.hyper import GroupSums, Hyper, draw_prior, row_sums, upper_root
from palate.models.ridge.rows import row_ranges
from palate.parallel import GRAIN, Workers, chunks
from palate.sparse import Array, Rows


@dataclass
class Dense:
    """A group of few features, its weights drawn at once in the coordinates of its singular vectors: X = Z V'.

    Attributes:
        Z: (n_rows, F) float32, X V.
        V: (F, F) orthonormal.
        d: (F,) squares of the singular values.
        B: (F, D) the weights.
        ridge: lambda_g.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("B", "ridge")

    Z: Array
    V: Array
    d: Array
    B: Array
    ridge: float = 1.0

    @classmethod
    def of(cls, X: Array, D: int, empty: Array) -> Dense:
        """Decompose features (n_rows, F) once for the whole chain; rows that are ``empty`` say nothing of weights."""
        some = np.delete(X, empty, axis=0)
        d, V = np.linalg.eigh(some.T.astype(np.float64) @ some)
        return cls((X @ V).astype(np.float32), V, np.maximum(d, 0), np.zeros((X.shape[1], D)))

    def draw(self, T: Array, upper: Array, hyper: Hyper, rng: np.random.Generator, workers: Workers) -> Array:
        """Draw weights and ridge given T = rows less all other parts and this one's; return the step of X B."""
        step = self.draw_by(product(self.Z, T, workers), upper, hyper, rng)
        return applied(self.Z, step.astype(np.float32), workers)

    def draw_by(self, pulls: Array, upper: Array, hyper: Hyper, rng: np.random.Generator) -> Array:
        """Draw weights and ridge given Z'T, (F, D); return the step of the weights in the coordinates of Z."""
        E = linalg.solve_triangular(upper, rng.standard_normal((pulls.shape[1], len(self.d)))).T
        shrunk = (self.d + self.ridge)[:, None]
        old = self.rotated
        new = (pulls + self.d[:, None] * old + np.sqrt(shrunk) * E) / shrunk
        self.B = self.V @ new
        self.ridge = hyper.ridge(new.size, float(np.square(new @ upper.T).sum()), rng)
        step: Array = new - old
        return step

    @property
    def rotated(self) -> Array:
        """V'B: the weights in the coordinates of Z."""
        rotated: Array = self.V.T @ self.B
        return rotated


@dataclass
class Incidence:
    """Which columns a row has cells in, over the root of their number: many sparse features, drawn one by one.

    Attributes:
        columns: the rows of each feature.
        scales: (n_rows,) float32, what stands in a row's cells.
        B: (n_features, D) the weights.
        ridge: lambda_g.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("B", "ridge")

    columns: Cells
    scales: Array
    B: Array
    ridge: float = 1.0

    @classmethod
    def of(cls, rows: Rows, columns: Rows, D: int) -> Incidence:
        """Take the cells by row and by column."""
        scales = 1 / np.sqrt(np.maximum(rows.sizes, 1))
        n_features = columns.n_rows
        return cls(columns.cells, scales.astype(np.float32), np.zeros((n_features, D)))

    def draw(self, T: Array, upper: Array, hyper: Hyper, rng: np.random.Generator, workers: Workers) -> Array:
        """Draw weights and ridge given T = rows less all other parts and this one's; return the step of X B.

        In coordinates where the rows' noise is I the numbers of a weight are independent: threads take some each.
        """
        D = T.shape[1]
        inverse = linalg.solve_triangular(upper, np.eye(D)).astype(np.float32)
        R, B = applied(T, upper.T.astype(np.float32), workers), (self.B @ upper.T).astype(np.float32)
        E = rng.standard_normal(B.shape, np.float32)
        cuts = [slice(s[0], s[-1] + 1) for s in np.array_split(np.arange(D), -(-D // GRAIN.columns))]
        parts = [tuple(np.ascontiguousarray(whole[:, cut]) for whole in (E, R, B)) for cut in cuts]
        call = partial(kernel.draw_weights, self.columns, self.scales, np.float32(self.ridge))
        workers.run([partial(call, *part) for part in parts])
        R = np.concatenate([part[1] for part in parts], axis=1)
        B = np.concatenate([part[2] for part in parts], axis=1)
        self.B = B.astype(np.float64) @ inverse.T
        self.ridge = hyper.ridge(B.size, float(np.square(B, dtype=np.float64).sum()), rng)
        step: Array = T - applied(R, inverse.T, workers)
        return step


@dataclass
class SideChain:
    """The state of one side.

    Attributes:
        rows: cells by row.
        X: (n_rows, D) float32, the draws [factors, bias].
        groups: of features.
        hyper: constants of the priors.
        means: (n_rows, D) the conditional means of X.
        mean: (D,) m.
        L: (D, D) Lambda.
        scales: (n_rows,) float32 noise scales g.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("X", "means", "mean", "L", "scales", "_parts", "groups")

    rows: Rows
    X: Array
    groups: list[Dense | Incidence]
    hyper: Hyper
    means: Array = field(init=False)
    mean: Array = field(init=False)
    L: Array = field(init=False)
    scales: Array = field(init=False)

    def __post_init__(self) -> None:
        D = self.X.shape[1]
        self.means = self.X.copy()
        self.mean = np.zeros(D)
        self.L = np.eye(D)
        self.scales = np.ones(len(self.X), np.float32)
        self._parts = np.zeros_like(self.X)  # sum of X_g B_g
        self._empty = np.flatnonzero(self.rows.sizes == 0)
        self._ranges: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def draw_hyper(self, rng: np.random.Generator) -> None:
        """Draw Lambda and m given rows and weights: eq. 4."""
        R = np.delete(self.X.astype(np.float64) - self._parts, self._empty, axis=0)
        groups = [group_sums(group) for group in self.groups]
        self.mean, self.L = draw_prior(row_sums(R), groups, self.hyper, rng)

    def draw_weights(self, rng: np.random.Generator, workers: Workers) -> None:
        """Draw the weights of each group and its ridge: eq. 3."""
        upper = upper_root(self.L)
        T = self.X - self.mean.astype(np.float32) - self._parts
        for group in self.groups:
            T[self._empty] = 0
            step = group.draw(T, upper, self.hyper, rng, workers)
            self._parts += step
            T -= step

    def draw_rows(self, targets: Array, other: SideChain, alpha: float, E: Array, workers: Workers) -> None:
        """Draw all rows by standard normal numbers E: eq. 2, the targets in the order of this side's cells."""
        L = self.L.astype(np.float32)
        prior = kernel.RowPrior(applied(self._parts + self.mean.astype(np.float32), L, workers), L)
        fixed, noise = (other.X, other.scales), kernel.Noise(self.scales, np.float32(alpha))
        parts = self.ranges(workers, GRAIN.drawn)
        self.X, self.means = draw_rows(self.rows, targets, fixed, noise, prior, E, workers, parts)

    def ranges(self, workers: Workers, smallest: int) -> list[tuple[int, int]]:
        """Return the `row_ranges` of this side's cells, found once."""
        key = workers.n_threads, smallest
        if key not in self._ranges:
            self._ranges[key] = row_ranges(self.rows, workers, smallest)
        return self._ranges[key]

    def rescale(self, factors: Array) -> None:
        """Multiply the coordinates of all rows, and with them means, weights and precision, by (D,) factors."""
        single = factors.astype(np.float32)
        for rows in (self.X, self.means, self._parts):
            rows *= single
        self.mean = self.mean * factors
        self.L = self.L / np.outer(factors, factors)
        for group in self.groups:
            group.B = group.B * factors


def group_sums(group: Dense | Incidence) -> GroupSums:
    """Return what eq. 4 takes from a group of features."""
    return GroupSums(len(group.B), group.ridge * (group.B.T @ group.B))


def draw_rows(
    rows: Rows,
    targets: Array,
    other: tuple[Array, Array],
    noise: kernel.Noise,
    prior: kernel.RowPrior,
    E: Array,
    workers: Workers,
    parts: Sequence[tuple[int, int]] | None = None,
) -> tuple[Array, Array]:
    """Return draws of rows and their conditional means, (n_rows, D) float32: eq. 2.

    A row's depend on nothing but what is its own: they are the same in any block of rows.

    Args:
        rows: cells by row, of columns numbered as ``other`` has them.
        targets: (n,) ratings less all but both rows' parts, in the order of the cells.
        other: of the columns, draws (n_columns, D) and noise scales (n_columns,), float32.
        noise: noise scales (n_rows,) float32 of the rows, and alpha.
        prior: Lambda m_u (n_rows, D) of the rows, and Lambda (D, D), float32.
        E: (n_rows, D) float32 standard normal numbers.
        workers: threads.
        parts: ranges of rows, if they are known.
    """
    Q, c = kernel.padded_apart(other[0])
    fixed = kernel.PaddedColumns(Q, c, other[1])
    X, means = np.empty_like(E), np.empty_like(E)
    call = partial(kernel.draw_rows, rows.cells_with(targets), fixed, noise, prior, E)
    ranges = row_ranges(rows, workers, GRAIN.drawn) if parts is None else parts
    workers.run([partial(call, a, b, X, means) for a, b in ranges])
    return X, means


def product(Z: Array, T: Array, workers: Workers) -> Array:
    """Return Z'T in double precision, summed over blocks of rows in order."""
    total = np.zeros((Z.shape[1], T.shape[1]))
    for part in done([partial(np.matmul, Z[p].T, T[p]) for p in chunks(len(Z), GRAIN.product)], len(Z), workers):
        total += part
    return total


def applied(Z: Array, C: Array, workers: Workers) -> Array:
    """Return Z C in single precision, block by block."""
    out = np.empty((len(Z), C.shape[1]), np.float32)
    done([partial(np.matmul, Z[p], C, out=out[p]) for p in chunks(len(Z), GRAIN.product)], len(Z), workers)
    return out


def done(tasks: Sequence[Callable[[], Any]], n_rows: int, workers: Workers) -> list[Any]:
    """Return the tasks' results, by other threads only where there are many rows."""
    return workers.run(tasks) if n_rows > GRAIN.least_product else [task() for task in tasks]
