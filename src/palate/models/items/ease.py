"""`EASE`: one ridge regression of every item on all others, in closed form (Steck 2019); with dropout, EDLAE (2020).

Objective, X (n_users, n_items) being the clicks, over weights B from item to item:

    |X - X B|^2 + |diag(d)^(1/2) B|^2        diag(B) = 0        d_j = reg + dropout / (1 - dropout) (X'X)_jj         (1)

Solution (Steck 2019, eq. 8; Steck 2020, eq. 10 where all emphasis lies off the diagonal):

    P = inv(X'X + diag(d))        B_ij = -P_ij / P_jj        B_jj = 0                                                (2)

score(u, i) = a_i + sum_j x_uj B_ji. The intercepts a are the weights of one more item, which everybody has had, and
whose penalty is reg: what is popular then counts for those of whom little is known; without them a is 0.

Three solvers give (2): "items" computes P in place by Cholesky's factorization (memory of one matrix of n_items^2
numbers, time O(n_items^3)); "users" solves the same equations between users (n_users^2 and n_users^3,
`palate.kernels.dual`), and needs the training rows to score; "neighbors" restricts each item's regression to the items
nearest to it (`palate.kernels.neighborhoods`), for catalogues too wide for a square matrix. LAPACK computes the first
two on threads, so B is equal to rounding, not to the bit, for other numbers of threads and other machines.
"""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from palate.errors import DivergenceError, ModelFileError, ParameterError
from palate.models.contract.learned import Attribute, Learns, NotNegative, Shape, Used
from palate.models.contract.learner import Training
from palate.models.contract.lists import ItemOrder
from palate.models.contract.numbering import popular_first
from palate.models.contract.parameters import Above, AtLeast, Before
from palate.models.contract.shared import Dtype, HistoryToScore, NThreads
from palate.models.contract.weights import ItemToItemWeights, WeightsByUsers
from palate.models.items.clicks import Positive, Unit, training_clicks
from palate.models.items.dense import solve_all_items
from palate.models.items.dual import Between, of_fewer_users, solve_between_users
from palate.models.items.ease_settings import DROPOUT, EaseSettings, Solver, derived_penalty
from palate.models.items.item_weights import ItemWeights, LearnedWeights
from palate.models.items.neighborhoods import solve_neighborhoods
from palate.models.items.square import largest_by_column, renumber
from palate.models.search import Choice, Range
from palate.parallel import Workers, check_threads
from palate.sparse import Array, Rows

log = logging.getLogger(__name__)

NEAREST_ALONE = "%s items are too many for a square matrix: each is learned from its %d nearest (solver='neighbors')"

WIDE = 30_000  # items: beyond it a square matrix takes a quarter of an hour of a core, and several GB
TOO_WIDE = 50_000  # items or users: beyond it a square matrix takes 10 GB
FEWER = 2  # so many times fewer people than items: lists then cost no more between users
NEAREST = 300  # weights an item of "neighbors", where n_neighbors is None


@dataclass(frozen=True, eq=False, kw_only=True)
class LearnedEase(LearnedWeights):
    """Weights of one of the three solvers, and the settings used.

    Attributes:
        intercepts: (n_items,), or empty for none.
        between_users: (n_users, n_users) W; no rows where the items were solved for. With it
        item_penalties: (n_items,) 1 / d, and
        item_scales: (n_items,) 1 / (d_i P_ii).
        reg, dropout, fit_intercept, log_values, solver: as used.
        least_value, log_scale: as of `Unit`.
    """

    intercepts: Annotated[Array, Shape("n_intercepts", may_lack=True)]
    between_users: Annotated[Array, Shape("n_users_between", "n_users_between", may_lack=True)]
    item_penalties: Annotated[Array, Shape("n_items_between", may_lack=True)]
    item_scales: Annotated[Array, Shape("n_items_between", may_lack=True)]
    reg: Annotated[NotNegative, Used()]
    dropout: Annotated[NotNegative, Used(0.0)]
    fit_intercept: Annotated[bool, Used(otherwise=False)]
    log_values: Annotated[bool, Used(otherwise=False)]
    least_value: Annotated[NotNegative, Used(0.0)]
    log_scale: Annotated[NotNegative, Used(1.0)]
    solver: Annotated[str, Used("items")]

    def check(self, n_items: int) -> None:
        """Refuse what does not fit together.

        Raises:
            ModelFileError: says what is wrong.
        """
        if len(self.intercepts) not in (0, n_items):
            raise ModelFileError.of("intercepts_", f"must have one for each of the {n_items} items, or none")
        if not len(self.between_users):
            super().check(n_items)
        elif len(self.item_scales) != n_items or len(self.weights) or len(self.weights_indices):
            raise ModelFileError.of("between_users_", f"goes with scales of the {n_items} items, and with no weights")


class EASE(ItemWeights):
    """Item-to-item weights of one closed-form ridge regression: strong, and without factors.

    Attributes:
        weights_: (n_items, n_items), from the item had to the item scored; no rows where they are sparse, and then
        weights_indptr_, weights_indices_, weights_values_: its compressed rows; neither where solver_ is "users".
        intercepts_: (n_items,), or empty for none.
        reg_, dropout_, fit_intercept_, log_values_, least_value_, log_scale_, solver_: as they were used.
    """

    key: ClassVar[str] = "ease"
    own_blas_threads: ClassVar[bool] = True
    learned_ = Learns(LearnedEase)
    intercepts_ = Attribute[Array]()
    between_users_ = Attribute[Array]()
    item_penalties_ = Attribute[Array]()
    item_scales_ = Attribute[Array]()
    reg_ = Attribute[float]()
    dropout_ = Attribute[float]()
    fit_intercept_ = Attribute[bool]()
    log_values_ = Attribute[bool]()
    least_value_ = Attribute[float]()
    log_scale_ = Attribute[float]()
    solver_ = Attribute[str]()

    reg: Annotated[
        float | None,
        Above(0),
        Range(10.0, 3000.0, log=True),
        "L2 penalty of the weights, in clicks (of values taken as they are, in their squares); None derives it.",
    ] = None
    _: KW_ONLY
    dropout: Annotated[
        float | None,
        AtLeast(0, at_most=0.99),
        Range(0.0, 0.8),
        "part of a user's clicks that is left out when learning to predict the others (EDLAE); 0 is EASE. None: "
        f"{DROPOUT}, or 0 where reg is given.",
    ] = None
    fit_intercept: Annotated[
        bool | None,
        Choice((True, False)),
        Before(None),
        "whether an item that everybody has had joins the others, so that lists of people of whom little is known "
        "are popular. None: where reg is None.",
    ] = None
    log_values: Annotated[
        bool | None,
        Choice((True, False)),
        Before(None),
        "with positive='values', whether a click counts as the logarithm of 1 and its value in units of the least, so "
        "that a few large values do not outweigh all others. None: where reg is None.",
    ] = None
    solver: Annotated[
        Literal["items", "users", "neighbors"] | None,
        Before(None),
        'what is solved for: "items" (a square of the items), "users" (the same answer by a square of the users), or '
        '"neighbors" (each item by its nearest alone). None: "users" where they are fewer than half the items, '
        f'"neighbors" above {WIDE:,} items, or {TOO_WIDE:,} where reg is given, else "items".',
    ] = None
    n_neighbors: Annotated[
        int | None,
        AtLeast(1),
        "keep only this many weights of each item, the largest in size; None keeps all. Of the solver "
        f'"neighbors" it is how many items are nearest, None {NEAREST}.',
    ] = None
    positive: Positive = None
    dtype: Dtype = "float32"
    store_history: HistoryToScore = True
    n_threads: Annotated[
        NThreads, "threads, None for all cores; other numbers give the same weights up to rounding."
    ] = None

    def _learn(self, training: Training) -> LearnedEase:
        clicks, order = popular_first(training_clicks(training.data, self.positive), training.data)
        logs = self.positive == "values" and (self.reg is None if self.log_values is None else self.log_values)
        unit = Unit.of(clicks.values) if logs else Unit()
        clicks = unit.taken(clicks)
        squares = np.bincount(clicks.indices, np.square(clicks.values, dtype=np.float64), training.data.n_items)
        used = self._settings(clicks, squares, unit)
        penalties = used.reg + used.dropout / (1 - used.dropout) * squares
        everybody = (float(np.sqrt(squares.sum() / len(clicks.indices))) if used.fit_intercept else 0.0), used.reg
        learned = None
        if used.reg > np.finfo(self.dtype).eps * squares.max():
            with Workers(self.n_threads) as workers:
                learned = self._solved(clicks, penalties, everybody, used, order, workers)
        if learned is None:
            raise DivergenceError(
                f"the equations cannot be solved in {self.dtype}: reg={used.reg:g} is too small for these clicks; "
                "take a larger one, or dtype='float64'",
                subject="reg",
            )
        return learned

    def _settings(self, clicks: Rows, squares: Array, unit: Unit) -> EaseSettings:
        derived = self.reg is None
        if self.solver == "users" and not self.store_history:
            raise ParameterError.of(
                "solver='users'", "scores by the training rows, which are to be kept for it: store_history=True"
            )
        return EaseSettings(
            reg=derived_penalty(clicks, squares) if self.reg is None else float(self.reg),
            dropout=float((DROPOUT if derived else 0.0) if self.dropout is None else self.dropout),
            fit_intercept=derived if self.fit_intercept is None else self.fit_intercept,
            log_values=unit.least > 0,
            least_value=unit.least,
            log_scale=unit.scale,
            solver=self._solver_for(clicks.n_rows, len(squares)),
        )

    def _solver_for(self, n_users: int, n_items: int) -> Solver:
        if self.solver is not None:
            return self.solver
        if self.store_history and self.n_neighbors is None and FEWER * n_users <= min(n_items, FEWER * TOO_WIDE):
            return "users"
        return "neighbors" if n_items > (WIDE if self.reg is None else TOO_WIDE) else "items"

    def _solved(
        self,
        clicks: Rows,
        penalties: Array,
        everybody: tuple[float, float],
        used: EaseSettings,
        order: ItemOrder,
        workers: Workers,
    ) -> LearnedEase | None:
        """Return the solution for the caller's items; None where there is none in this precision."""
        if used.solver == "users":
            between = solve_between_users(clicks, penalties, everybody, self.dtype, workers)
            return between and _between_users(between, used, order)
        if used.solver == "neighbors":
            if self.solver is None:
                log.info(NEAREST_ALONE, f"{len(penalties):,}", self._nearest(len(penalties)))
            near = solve_neighborhoods(clicks, penalties, everybody, self._nearest(len(penalties)), self.dtype, workers)
            return near and _of_items(
                LearnedWeights.sparse(near.B.permute(order.order), self.dtype), near.a, used, order
            )
        whole = solve_all_items(clicks, penalties, everybody, self.dtype, workers)
        return whole and _of_items(self._kept(whole.B, order), whole.a, used, order)

    def _nearest(self, n_items: int) -> int:
        return min(self.n_neighbors or NEAREST, max(n_items - 1, 1))

    def _kept(self, B: Array, order: ItemOrder) -> LearnedWeights:
        """Return the weights that are kept, for the caller's items; B is written over."""
        if self.n_neighbors is not None and self.n_neighbors < len(B) - 1:
            return LearnedWeights.sparse(largest_by_column(B, self.n_neighbors).permute(order.order), B.dtype)
        renumber(B, order.places)
        return LearnedWeights.whole(B)

    def _clicks(self, rows: Rows) -> Rows:
        return Unit(self.learned_.least_value, self.learned_.log_scale).taken(super()._clicks(rows))

    def _weights(self) -> ItemToItemWeights:
        return self._derived("weights", self._made_weights)

    def _made_weights(self) -> ItemToItemWeights:
        learned = self.learned_
        if not len(learned.between_users):
            return learned.weights_with(learned.intercepts)
        clicks = self._clicks(self.ranker.had)
        arrays = learned.between_users, learned.item_penalties, learned.item_scales, learned.intercepts
        return WeightsByUsers(clicks, clicks.transpose(len(self.items_)), *arrays)

    def _arrays_of_users(self, left: Array) -> dict[str, Array]:
        """Return the learned arrays of the users at these positions alone: W is solved anew without the others."""
        arrays, learned = super()._arrays_of_users(left), self.learned_
        if not len(learned.between_users) or self.seen_ is None:
            return arrays
        clicks = self._clicks(self.seen_)
        typical = np.square(clicks.values, dtype=np.float64).mean() if learned.fit_intercept else 0.0
        before = Between(learned.between_users, learned.item_penalties, learned.item_scales, learned.intercepts)
        made = of_fewer_users(before, clicks, left, typical / learned.reg)
        intercepts = made.a if learned.fit_intercept else learned.intercepts
        return arrays | {"between_users_": made.W, "item_scales_": made.g, "intercepts_": intercepts}

    def check_learned(self) -> None:
        """Refuse weights of a file that do not fit each other, or lack the training rows that they need.

        Raises:
            ModelFileError: says what is wrong.
        """
        super().check_learned()
        n = len(self.learned_.between_users)
        if n and (self.seen_ is None or n != len(self.users_)):
            raise ModelFileError.of("between_users_", f"goes with training rows of {n} users")

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        solver, number = self._solver_for(n_users, n_items), np.dtype(self.dtype).itemsize
        if solver == "users":
            return n_users**2 * number + 48 * n_items + 40 * n_rows
        if solver == "neighbors":
            kept = n_items * self._nearest(n_items)
            return 48 * kept + 64 * n_rows + 24 * (n_items + n_users) * check_threads(self.n_threads)
        kept = 0 if self.n_neighbors is None else 24 * n_items * int(self.n_neighbors)
        return n_items**2 * number + kept + 32 * n_rows

    @property
    def _memory_advice(self) -> str:
        return "learn from fewer items, or take solver='neighbors', or ials"


def _of_items(weights: LearnedWeights, a: Array, used: EaseSettings, order: ItemOrder) -> LearnedEase:
    none = np.zeros(0, weights.weights.dtype)
    return LearnedEase(
        **vars(weights),
        intercepts=a[order.places] if used.fit_intercept else a[:0],
        between_users=none.reshape(0, 0),
        item_penalties=none,
        item_scales=none,
        **vars(used),
    )


def _between_users(between: Between, used: EaseSettings, order: ItemOrder) -> LearnedEase:
    W, (h, g, a) = between.W, (array[order.places] for array in between[1:])
    return LearnedEase(
        **vars(LearnedWeights.whole(np.zeros((0, len(h)), W.dtype))),
        intercepts=a if used.fit_intercept else a[:0],
        between_users=W,
        item_penalties=h,
        item_scales=g,
        **vars(used),
    )
