"""`Baseline`: the mean rating, and how far each user and item lies from it (Koren et al. 2009, eq. 3; Koren 2010).

Objective, over the ratings r_ui of the training part, mean being their mean:

    sum (r_ui - mean - b_u - c_i)^2 + reg_users sum b_u^2 + reg_items sum c_i^2                                      (1)

The penalty is met once a row, so that rows of few ratings are drawn to the mean. (1) is a ridge regression with one
minimum, where with s the sums of r_ui - mean over a row or column, and A (n_users, n_items) the pattern of ratings
(their sample weights, where there are some; n_u and n_i are then sums of weights, and every square is weighted),

    (n_u + reg_users) b_u + sum_i A_ui c_i = s_u                                                                     (2)
    (n_i + reg_items) c_i + sum_u A_ui b_u = s_i                                                                     (3)

Taking b from (2) into (3) leaves one equation an item, symmetric and positive definite,

    (D_i - A' inv(D_u) A) c = s_i - A' inv(D_u) s_u        D_u = diag(n_u + reg_users), D_i likewise                 (4)

which conjugate gradients solve, with inv(D_i) as preconditioner, until what is left of (4) is TOLERANCE of its right
side; (2) then gives b exactly. A step costs O(ratings), 10 to 30 steps are usual, and memory is O(ratings).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from palate.errors import DivergenceError, ParameterError
from palate.kernels import Factors
from palate.models.contract.explanation import Part
from palate.models.contract.factors import Factored
from palate.models.contract.learned import Array, Attribute, Learned, Learns, Shape
from palate.models.contract.learner import ScoreKind, Training
from palate.models.contract.numbering import popular_first
from palate.models.contract.parameters import AtLeast
from palate.models.contract.shared import StoreHistory, ThreadsToRecommend
from palate.models.contract.training_part import warn_of_equal_values
from palate.models.ridge.priors import rating_parts
from palate.models.search import Range
from palate.sparse import Rows

TOLERANCE = 1e-12  # of the right side of eq. 4
MOST_STEPS = 10_000


@dataclass(frozen=True, eq=False)
class Biases(Learned):
    """The mean, and how far users and items lie from it.

    Attributes:
        user_biases, item_biases: (n_users,), (n_items,) float64; 0 without ratings.
        mean: of the training part.
    """

    user_biases: Annotated[Array, Shape("n_users")]
    item_biases: Annotated[Array, Shape("n_items")]
    mean: float


class Baseline(Factored):
    """Mean rating plus a bias of the user and of the item: the floor that every predicted rating must beat.

    The biases are the exact minimum of the squared error with an L2 penalty, once a row.

    Attributes:
        user_biases_, item_biases_: (n_users,), (n_items,) float64; 0 without ratings.
        mean_: mean rating of the training part.
    """

    key: ClassVar[str] = "baseline"
    score_kind: ClassVar[ScoreKind] = "rating"
    takes_weights: ClassVar[bool] = True
    learned_ = Learns(Biases)
    user_biases_ = Attribute[Array]()
    item_biases_ = Attribute[Array]()
    mean_ = Attribute[float]()

    reg_users: Annotated[
        float,
        AtLeast(0),
        Range(0.1, 100, log=True),
        "L2 penalty of a user's bias, in ratings: this many at the mean are added to the user's own.",
    ] = 1.0
    _: KW_ONLY
    reg_items: Annotated[
        float, AtLeast(0), Range(0.1, 100, log=True), "the same of an item's bias; only one of the two may be 0."
    ] = 3.0
    store_history: StoreHistory = True
    n_threads: ThreadsToRecommend = None

    def _learn(self, training: Training) -> Biases:
        data = training.data
        warn_of_equal_values(data)
        mean = float(np.average(data.values.astype(np.float64), weights=data.weights))
        rows = data.by_user()
        popular, order = popular_first(rows, data)
        c = _solve(popular, data.n_items, mean, self.reg_users, self.reg_items)[order.places]
        return Biases(_users(rows, mean, c, self.reg_users), c, mean)

    def _fold(self, rows: Rows, features: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return eq. 2 for each row, by the items' biases as they are."""
        b = _users(rows, self.mean_, self.item_biases_, self.reg_users)
        return np.zeros((len(b), 0)), b

    def _fold_items(self, rows: Rows, features: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return eq. 3 for each row of an item, by the users' biases as they are."""
        c = _users(rows, self.mean_, self.user_biases_, self.reg_items)
        return np.zeros((len(c), 0)), c

    def _parts(self, row: Rows, features: Any, item: int) -> tuple[list[Part], tuple[Any, Any, Any]]:
        weights, pulls = _pulls(row, self.mean_, self.item_biases_)
        below = weights.sum() + self.reg_users
        own = weights * pulls / (below or 1)
        return rating_parts(self.mean_, self.item_biases_[item]), (row.indices, row.values, own)

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        return 48 * n_rows + 64 * (n_users + n_items)  # the pattern and the residuals in float64, and their transposes

    def _factors(self) -> Factors:
        P, Q = (np.zeros((len(ids), 0), self.item_biases_.dtype) for ids in (self.users_, self.items_))
        return Factors(P, Q, self.user_biases_, self.item_biases_, self.mean_)

    def check_parameters(self) -> None:
        """Refuse parameters outside their type or range, and two penalties of 0.

        Raises:
            ParameterError: names the parameter, the value and the range.
        """
        super().check_parameters()
        if self.reg_users == self.reg_items == 0:
            raise ParameterError.of(
                "reg_users",
                "and reg_items are both 0: users' and items' biases could then be shifted against each other "
                "at will; give one of them a penalty, such as reg_items=0.1",
            )


def _solve(rows: Rows, n_items: int, mean: float, reg_users: float, reg_items: float) -> NDArray[np.float64]:
    """Return c (n_items,) at the minimum of eq. 1."""
    from scipy.sparse.linalg import LinearOperator, cg

    shape = rows.n_rows, n_items
    weights = np.ones(len(rows.indices)) if rows.weights is None else rows.weights.astype(np.float64)
    A = rows.to_scipy(n_items, weights)
    R = rows.to_scipy(n_items, weights * (rows.values - np.float64(mean)))
    sums_u, sums_i = R @ np.ones(shape[1]), R.T @ np.ones(shape[0])
    D_u, D_i = A @ np.ones(shape[1]) + reg_users, A.T @ np.ones(shape[0]) + reg_items
    D_u[D_u == 0], D_i[D_i == 0] = 1, 1  # no ratings and no penalty: 0, as with one

    def left(c: NDArray[np.float64]) -> Any:
        return D_i * c - A.T @ ((A @ c) / D_u)  # eq. 4

    square = (n_items, n_items)
    operator = LinearOperator(square, left, dtype=np.float64)
    preconditioner = LinearOperator(square, lambda c: c / D_i, dtype=np.float64)
    c, steps = cg(operator, sums_i - A.T @ (sums_u / D_u), rtol=TOLERANCE, maxiter=MOST_STEPS, M=preconditioner)
    if steps:
        raise DivergenceError(
            f"the biases were not found in {steps:,} steps: with reg_users={reg_users:g} and reg_items={reg_items:g} "
            "users' biases can hardly be told from items'; give them larger penalties",
            subject="reg_users",
        )
    biases: NDArray[np.float64] = c
    return biases


def _pulls(rows: Rows, mean: float, c: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight of each cell, and how far its rating lies from the mean and the item's bias."""
    weights = np.ones(len(rows.indices)) if rows.weights is None else rows.weights.astype(np.float64)
    return weights, rows.values.astype(np.float64) - mean - c[rows.indices]


def _users(rows: Rows, mean: float, c: NDArray[Any], reg: float) -> NDArray[np.float64]:
    """Return eq. 2: the users' biases by the items' as they are, (n_rows,); of training and of fold-in."""
    weights, pulls = _pulls(rows, mean, c)
    n_rows = rows.n_rows
    row = rows.row_of_cells()
    below = np.bincount(row, weights, minlength=n_rows) + reg
    biases: NDArray[np.float64] = np.bincount(row, weights * pulls, minlength=n_rows) / np.where(below > 0, below, 1)
    return biases
