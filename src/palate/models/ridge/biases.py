"""The mean rating, how far users and items lie from it, and the penalties that data ask for.

Objective, over the ratings r_ui of the training part (their squares weighted, where there are sample weights; n_u and
n_i, the numbers of ratings of a row and of a column, are then sums of weights):

    sum (r_ui - mean - b_u - c_i)^2 + reg_users sum b_u^2 + reg_items sum c_i^2                                      (1)

The penalty is met once a row, so that rows of few ratings are drawn to the mean. With s the sums of r_ui - mean over a
row or column, and A (n_users, n_items) the pattern of ratings, its minimum for a given mean is

    (n_u + reg_users) b_u + sum_i A_ui c_i = s_u                                                                     (2)
    (n_i + reg_items) c_i + sum_u A_ui b_u = s_i                                                                     (3)

Taking b from (2) into (3) leaves one equation an item, symmetric and positive definite,

    (D_i - A' inv(D_u) A) c = s_i - A' inv(D_u) s_u        D_u = diag(n_u + reg_users), D_i likewise                 (4)

which conjugate gradients solve, with inv(D_i) as preconditioner, until what is left of (4) is TOLERANCE of its right
side; (2) then gives b exactly. A step costs O(ratings), 10 to 30 steps are usual, and memory is O(ratings).

Penalties that are not given are estimated. (1) is the posterior of b_u ~ N(0, v / reg_users), c_i ~ N(0, v / reg_items)
and of ratings with the noise variance v. The marginal likelihood of the three variances is greatest where (MacKay 1992,
"Bayesian interpolation", section 4.4)

    g_u = sum_u n_u / (n_u + reg_users)            g_i = sum_i n_i / (n_i + reg_items)                               (5)
    v = sum (r_ui - mean - b_u - c_i)^2 / (sum_u n_u - 1 - g_u - g_i)                                                (6)
    reg_users = (g_u + 1) / (sum b_u^2 / v + 1 / START)        reg_items likewise                                    (7)

g being how many biases the data determine, where those of users are taken as independent of those of items. One more
row, of the penalty START, keeps (7) finite on little data. All are ratios of variances, free of the ratings' unit.

The mean is then the intercept: (1) is least over the mean, too, and there sum b_u = 0. The mean of all ratings is that
of the people who rate most, and of what is rated most; newcomers, and new items, lie in the middle of people and items.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.errors import DivergenceError
from palate.models.contract.numbering import popular_first
from palate.sparse import Rows

TOLERANCE = 1e-12  # of the right side of eq. 4
MOST_STEPS = 10_000
START = 3.0  # ratings: a penalty to begin with
LEAST = 0.01  # ratings: with a smaller penalty nothing is another, and users can hardly be told from items
SETTLED = 1e-3  # of a penalty, between two steps of its estimate
MOST_ESTIMATES = 200
ROUNDING = 1e-12  # of the sum of squares: what is left of less is none

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BiasFit:
    """The minimum of eq. 1.

    Attributes:
        mean: of the ratings, or the intercept.
        users, items: (n_users,), (n_items,) float64; 0 without ratings.
        reg_users, reg_items: the penalties.
    """

    mean: float
    users: Vector
    items: Vector
    reg_users: float
    reg_items: float

    def left(self, data: Interactions) -> Vector:
        """Return what mean and biases leave of each rating, (n,)."""
        left: Vector = data.values.astype(np.float64) - self.mean
        left -= self.users[data.user_index]
        left -= self.items[data.item_index]
        return left


def fit_biases(
    data: Interactions,
    reg_users: float | None = None,
    reg_items: float | None = None,
    shrinkage: float = 1.0,
    *,
    intercept: bool = False,
) -> BiasFit:
    """Return the minimum of eq. 1.

    Args:
        data: ratings.
        reg_users, reg_items: penalties; None estimates one by eq. 7. Where both are given, the mean is that of the
            ratings, else the intercept.
        shrinkage: both are multiplied by it.
        intercept: whether the mean is the intercept in any case.

    Raises:
        DivergenceError: as `_Equations.solve`.
    """
    by_user = data.by_user()
    rows, order = popular_first(by_user, data)
    equations = _Equations.of(rows, data.n_items, mean_of(data))
    if estimated := reg_users is None or reg_items is None:
        found = equations.estimate(reg_users, reg_items)
        reg_users = found[0] if reg_users is None else reg_users
        reg_items = found[1] if reg_items is None else reg_items
    regs = float(reg_users or 0) * shrinkage, float(reg_items or 0) * shrinkage
    c = equations.solve(equations.of_users, equations.of_items, *regs)
    mean = equations.mean
    if estimated or intercept:
        of_ones = equations.solve(equations.n_users, equations.n_items, *regs)
        b = equations.users(equations.of_users, c, regs[0])
        moved = equations.users(equations.n_users, of_ones, regs[0]).sum()
        shift = float(b.sum() / moved) if moved else 0.0
        mean, c = mean + shift, c - shift * of_ones
    items = c[order.places]
    return BiasFit(mean, biases_of_rows(by_user, mean, items, regs[0]), items, *regs)


def mean_of(data: Interactions) -> float:
    """Return the mean rating."""
    return float(np.average(data.values.astype(np.float64), weights=data.weights))


def spread_of(data: Interactions) -> float:
    """Return the standard deviation of the ratings; 1 where they are all equal."""
    left = data.values.astype(np.float64) - mean_of(data)
    return float(np.sqrt(np.average(np.square(left), weights=data.weights))) or 1.0


def weights_and_pulls(rows: Rows, mean: float, c: NDArray[Any]) -> tuple[Vector, Vector]:
    """Return the weight of each cell, and how far its rating lies from the mean and the column's bias."""
    weights = np.ones(len(rows.indices)) if rows.weights is None else rows.weights.astype(np.float64)
    return weights, rows.values.astype(np.float64) - mean - c[rows.indices]


def biases_of_rows(rows: Rows, mean: float, c: NDArray[Any], reg: float) -> Vector:
    """Return eq. 2: the rows' biases by the columns' as they are, (n_rows,); of training and of fold-in."""
    weights, pulls = weights_and_pulls(rows, mean, c)
    n_rows = rows.n_rows
    row = rows.row_of_cells()
    below = np.bincount(row, weights, minlength=n_rows) + reg
    biases: Vector = np.bincount(row, weights * pulls, minlength=n_rows) / np.where(below > 0, below, 1)
    return biases


@dataclass(frozen=True, eq=False)
class _Equations:
    """Eq. 2 and 3.

    Attributes:
        A: csr_array (n_users, n_items) of weights.
        mean: of the ratings.
        of_users, of_items: s of each row and column.
        squares: sum of (r_ui - mean)^2.
    """

    A: Any
    mean: float
    of_users: Vector
    of_items: Vector
    squares: float

    @classmethod
    def of(cls, rows: Rows, n_items: int, mean: float) -> _Equations:
        weights, pulls = weights_and_pulls(rows, mean, np.zeros(n_items))
        R = rows.to_scipy(n_items, weights * pulls)
        sums = R @ np.ones(n_items), R.T @ np.ones(rows.n_rows)
        return cls(rows.to_scipy(n_items, weights), mean, *sums, float(weights @ (pulls * pulls)))

    @cached_property
    def n_users(self) -> Vector:
        n: Vector = self.A @ np.ones(self.A.shape[1])
        return n

    @cached_property
    def n_items(self) -> Vector:
        n: Vector = self.A.T @ np.ones(self.A.shape[0])
        return n

    def users(self, of_users: Vector, c: Vector, reg: float) -> Vector:
        """Return eq. 2."""
        b: Vector = (of_users - self.A @ c) / _positive(self.n_users + reg)
        return b

    def items(self, of_items: Vector, b: Vector, reg: float) -> Vector:
        """Return eq. 3."""
        c: Vector = (of_items - self.A.T @ b) / _positive(self.n_items + reg)
        return c

    def solve(self, of_users: Vector, of_items: Vector, reg_users: float, reg_items: float) -> Vector:
        """Return c (n_items,) of eq. 4 for these sums.

        Raises:
            DivergenceError: the penalties are too small for these data.
        """
        from scipy.sparse.linalg import LinearOperator, cg

        A, D_u, D_i = self.A, _positive(self.n_users + reg_users), _positive(self.n_items + reg_items)

        def left(c: Vector) -> Any:
            return D_i * c - A.T @ ((A @ c) / D_u)  # eq. 4

        square = (len(D_i), len(D_i))
        operator = LinearOperator(square, left, dtype=np.float64)
        preconditioner = LinearOperator(square, lambda c: c / D_i, dtype=np.float64)
        right = of_items - A.T @ (of_users / D_u)
        c, steps = cg(operator, right, rtol=TOLERANCE, maxiter=MOST_STEPS, M=preconditioner)
        if steps:
            raise DivergenceError(
                f"the biases were not found in {steps:,} steps: with reg_users={reg_users:g} and "
                f"reg_items={reg_items:g} users' biases can hardly be told from items'; give them larger penalties",
                subject="reg_users",
            )
        biases: Vector = c
        return biases

    def estimate(self, reg_users: float | None, reg_items: float | None) -> tuple[float, float]:
        """Return both penalties, those that are None by eq. 5 to 7 in turn with eq. 2 and 3."""
        regs = START if reg_users is None else reg_users, START if reg_items is None else reg_items
        known = self.n_users > 0, self.n_items > 0
        mean, c = 0.0, np.zeros(len(self.n_items))
        for _ in range(MOST_ESTIMATES):
            b = self.users(self.of_users - mean * self.n_users, c, regs[0])
            mean += _centre(b, known[0])
            c = self.items(self.of_items - mean * self.n_items, b, regs[1])
            mean += _centre(c, known[1])
            before, regs = regs, self._penalties(mean, b, c, regs)
            regs = regs[0] if reg_users is None else before[0], regs[1] if reg_items is None else before[1]
            if all(abs(new - old) <= SETTLED * old for new, old in zip(regs, before, strict=True)):
                break
        return regs

    def _penalties(self, mean: float, b: Vector, c: Vector, regs: tuple[float, float]) -> tuple[float, float]:
        """Return eq. 7."""
        numbers = zip((self.n_users, self.n_items), regs, strict=True)
        n, determined = float(self.n_users.sum()), [float((n / _positive(n + reg)).sum()) for n, reg in numbers]
        if not self.squares:
            return regs
        noise = max(self._squares_left(mean, b, c), ROUNDING * self.squares) / max(n - 1 - sum(determined), 1.0)
        users, items = (
            max((g + 1) / (float(x @ x) / noise + 1 / START), LEAST) for g, x in zip(determined, (b, c), strict=True)
        )
        return users, items

    def _squares_left(self, mean: float, b: Vector, c: Vector) -> float:
        """Return sum (r_ui - mean - b_u - c_i)^2, multiplied out."""
        b = b + mean
        linear = b @ self.of_users + c @ self.of_items - b @ (self.A @ c)
        return float(self.squares - 2 * linear + (self.n_users * b) @ b + (self.n_items * c) @ c)


def _positive(n: Vector) -> Vector:
    """Return what to divide by: rows without ratings and penalty have no bias, as with a penalty."""
    return np.where(n > 0, n, 1.0)


def _centre(biases: Vector, known: NDArray[np.bool_]) -> float:
    """Bring the biases of rows with ratings to the mean 0, in place, and return what it was."""
    mean = float(biases[known].mean())
    biases[known] -= mean
    return mean
