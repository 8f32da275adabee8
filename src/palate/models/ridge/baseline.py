"""`Baseline`: the mean rating, and how far each user and item lies from it (Koren et al. 2009, eq. 3; Koren 2010).

Objective, over the ratings r_ui of the training part, mean being their mean:

    sum (r_ui - mean - b_u - c_i)^2 + reg_users sum b_u^2 + reg_items sum c_i^2                                      (1)

The penalty is met once a row, so that rows of few ratings are drawn to the mean. How the minimum is found, and how the
penalties and the mean follow from the data, stands in `palate.models.ridge.biases`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.kernels import Factors
from palate.models.contract.explanation import Part
from palate.models.contract.factors import Factored
from palate.models.contract.learned import Array, Attribute, Learned, Learns, Shape, Used
from palate.models.contract.learner import ScoreKind, Training
from palate.models.contract.parameters import Above, AtLeast, Before
from palate.models.contract.shared import StoreHistory, ThreadsToRecommend
from palate.models.contract.training_part import warn_of_equal_values
from palate.models.ridge.biases import biases_of_rows, fit_biases, weights_and_pulls
from palate.models.ridge.priors import rating_parts
from palate.models.search import Range
from palate.sparse import Rows


@dataclass(frozen=True, eq=False)
class Biases(Learned):
    """The mean, and how far users and items lie from it.

    Attributes:
        user_biases, item_biases: (n_users,), (n_items,) float64; 0 without ratings.
        mean: of the training part, or the intercept.
        reg_users, reg_items: the penalties.
    """

    user_biases: Annotated[Array, Shape("n_users")]
    item_biases: Annotated[Array, Shape("n_items")]
    mean: float
    reg_users: Annotated[float, Used()]
    reg_items: Annotated[float, Used()]


class Baseline(Factored):
    """Mean rating plus a bias of the user and of the item: the floor that every predicted rating must beat.

    The biases are the exact minimum of the squared error with an L2 penalty, once a row.

    Attributes:
        user_biases_, item_biases_: (n_users,), (n_items,) float64; 0 without ratings.
        mean_: mean rating of the training part where both penalties were given, else the intercept: the middle of
            people and of items.
        reg_users_, reg_items_: the penalties that were used.
    """

    key: ClassVar[str] = "baseline"
    score_kind: ClassVar[ScoreKind] = "rating"
    takes_weights: ClassVar[bool] = True
    learned_ = Learns(Biases)
    user_biases_ = Attribute[Array]()
    item_biases_ = Attribute[Array]()
    mean_ = Attribute[float]()
    reg_users_ = Attribute[float]()
    reg_items_ = Attribute[float]()

    reg_users: Annotated[
        float | None,
        AtLeast(0),
        "L2 penalty of a user's bias, in ratings: this many at the mean are added to the user's own; None estimates "
        "it, the noise's variance by that of the biases.",
    ] = None
    _: KW_ONLY
    reg_items: Annotated[float | None, AtLeast(0), "the same of an item's bias; only one of the two may be 0."] = None
    shrinkage: Annotated[
        float, Above(0), Range(0.2, 5, log=True), Before(1.0), "both penalties are multiplied by this."
    ] = 1.0
    store_history: StoreHistory = True
    n_threads: ThreadsToRecommend = None

    def _learn(self, training: Training) -> Biases:
        warn_of_equal_values(training.data)
        fit = fit_biases(training.data, self.reg_users, self.reg_items, self.shrinkage)
        return Biases(fit.users, fit.items, fit.mean, fit.reg_users, fit.reg_items)

    def _fold(self, rows: Rows, features: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return eq. 2 for each row, by the items' biases as they are."""
        b = biases_of_rows(rows, self.mean_, self.item_biases_, self.reg_users_)
        return np.zeros((len(b), 0)), b

    def _fold_items(self, rows: Rows, features: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return eq. 3 for each row of an item, by the users' biases as they are."""
        c = biases_of_rows(rows, self.mean_, self.user_biases_, self.reg_items_)
        return np.zeros((len(c), 0)), c

    def _parts(self, row: Rows, features: Any, item: int) -> tuple[list[Part], tuple[Any, Any, Any]]:
        weights, pulls = weights_and_pulls(row, self.mean_, self.item_biases_)
        below = weights.sum() + self.reg_users_
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
