"""`ALS`: alternating ridge regressions on squared error, biases inside the solve (Zhou et al. 2008; Koren et al. 2009).

Objective, over the ratings r_ui of the training part, mean being theirs:

    sum (r_ui - mean - b_u - c_i - p_u . q_i)^2 + sum_u w_u (reg |p_u|^2 + reg_biases b_u^2) + the same of items     (1)

with w_u = n_u, the row's number of ratings, where ``weighted`` (Zhou et al. 2008, eq. 4), else 1. With the items fixed,
(1) is one ridge regression a user, solved exactly (`palate.kernels.ridge`); then the same of the items with the users
fixed. No half sweep can raise (1). A sweep costs O(ratings k^2 + rows k^3); memory is the ratings twice, by user and by
item, and the factors twice.

An epoch solves items first and users last, so that the stored user factors are the solution for the stored items:
folding in a training user gives the stored factors, bit for bit.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions, Rows
from palate.data.items import item_table
from palate.errors import ParameterError
from palate.kernels import ridge
from palate.models.base import Recommender, ScoreKind
from palate.models.newcomers import Newcomers, rows_of
from palate.models.parameters import check_choice, check_number, check_random_state, check_whole, draw_seed
from palate.models.search import Choice, Range, SearchSpace
from palate.models.sgd_training import rmse_both
from palate.models.training_part import check_parts, rating_limits, warn_of_equal_values
from palate.parallel import Workers, check_threads
from palate.progress import Progress, ProgressCallback, silent

PARTS = 16  # pieces a thread, so that long rows at one end hold nobody up


class ALS(Recommender):
    """Matrix factorization learned by alternating exact ridge regressions.

    Args:
        n_factors: length of each user's and item's vector.
        n_epochs: sweeps over items and users.
        reg: L2 penalty of the factors.
        reg_biases: L2 penalty of the biases.
        weighted: multiply both penalties by the row's number of ratings; False takes them as they are.
        biases: learn a mean and a bias for each user and item.
        init_scale: standard deviation of the initial factors.
        dtype: "float32" or "float64".
        store_history: keep the training interactions, to leave out what a user has seen.
        random_state: seed, Generator, or None to draw a seed; the seed used is ``seed_``.
        n_threads: threads, None for all cores; the answer is the same for any number.

    Attributes:
        user_factors_: (n_users, n_factors).
        item_factors_: (n_items, n_factors).
        user_biases_, item_biases_: (n_users,), (n_items,).
        mean_: mean rating, 0 without biases.
        history_: one record an epoch: objective (eq. 1), loss (mean squared error), train RMSE (clipped, and as
            ``*_unclipped``), the same of a validation set, seconds.
        best_epoch_: the last epoch.
        interrupted_: whether Ctrl-C ended training; the model is then that of the last whole epoch.
        seed_: the seed used.
    """

    key: ClassVar[str] = "als"
    score_kind: ClassVar[ScoreKind] = "rating"
    search_space: ClassVar[SearchSpace] = {
        "n_factors": Range(4, 128, log=True, whole=True),
        "reg": Range(0.005, 0.5, log=True),
        "reg_biases": Range(0.0005, 0.5, log=True),
        "weighted": Choice((True,)),
        "n_epochs": Range(4, 40, log=True, whole=True),
    }
    learned_arrays: ClassVar[dict[str, tuple[str, ...]]] = {
        "user_factors_": ("n_users", "n_factors"),
        "item_factors_": ("n_items", "n_factors"),
        "user_biases_": ("n_users",),
        "item_biases_": ("n_items",),
    }
    learned_scalars: ClassVar[tuple[str, ...]] = (
        *("mean_", "rating_range_", "history_", "best_epoch_", "epoch_chosen_on_", "interrupted_", "seed_"),
    )

    def __init__(
        self,
        n_factors: int = 32,
        *,
        n_epochs: int = 15,
        reg: float = 0.15,
        reg_biases: float = 0.03,
        weighted: bool = True,
        biases: bool = True,
        init_scale: float = 0.1,
        dtype: str = "float32",
        store_history: bool = True,
        random_state: int | np.random.Generator | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.reg = reg
        self.reg_biases = reg_biases
        self.weighted = weighted
        self.biases = biases
        self.init_scale = init_scale
        self.dtype = dtype
        self.store_history = store_history
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(
        self,
        interactions: Interactions,
        *,
        validation: Interactions | None = None,
        items: Any = None,
        progress: ProgressCallback = silent,
    ) -> Self:
        """Learn factors from ratings.

        Args:
            interactions: the training ratings.
            validation: ratings of the same ids whose RMSE is told after each epoch; it chooses nothing.
            items: a table with item_id, title and further columns, to show and to filter by.
            progress: called after every epoch with stage "training".

        Raises:
            ParameterError: a parameter has a wrong type or range, or a penalty is too small for a row's system.
            DataError: there is no rating, one is beyond 1e15, validation has other ids than the training part, one of
                them is no `Interactions`, or the item table is faulty.
        """
        self.check_parameters()
        check_parts(interactions, validation)
        warn_of_equal_values(interactions)
        table = item_table(interactions.items, items)
        seed = draw_seed(self.random_state)
        dtype = np.dtype(self.dtype).type
        mean = dtype(interactions.values.mean(dtype=np.float64) if self.biases else 0.0)
        by_user, by_item = interactions.by_user(), _turned(interactions).by_user()
        X = np.zeros((interactions.n_users, self.n_factors + 1), dtype)
        Y = np.zeros((interactions.n_items, self.n_factors + 1), dtype)
        X[:, 1:] = np.random.default_rng([seed, 0]).standard_normal((interactions.n_users, self.n_factors))
        X[:, 1:] *= self.init_scale
        history: list[dict[str, float]] = []
        interrupted = False
        limits = rating_limits(interactions)
        with Workers(self.n_threads) as workers:
            try:
                for epoch in range(1, self.n_epochs + 1):
                    started = time.perf_counter()
                    new_Y, new_X = Y.copy(), X.copy()  # Ctrl-C inside a sweep leaves the last whole one
                    self._solve(by_item, X, mean, new_Y, workers)
                    self._solve(by_user, new_Y, mean, new_X, workers)
                    X, Y = new_X, new_Y
                    record = self._record(
                        epoch, (X, Y), mean, by_user, by_item, limits, interactions, validation, workers
                    )
                    record["seconds"] = time.perf_counter() - started
                    history.append(record)
                    progress(Progress("training", epoch, self.n_epochs, record))
            except KeyboardInterrupt:
                if not history:
                    raise
                interrupted = True
        self._remember(interactions, table)
        self.user_factors_, self.user_biases_ = X[:, 1:].copy(), X[:, 0].copy()
        self.item_factors_, self.item_biases_ = Y[:, 1:].copy(), Y[:, 0].copy()
        self.mean_ = float(mean)
        self.history_, self.best_epoch_, self.epoch_chosen_on_ = history, len(history), "none"
        self.interrupted_, self.seed_ = interrupted, seed
        return self

    def fold_in(self, interactions: Interactions) -> Newcomers:
        """Return factors of users by their own ratings: the half sweep of training, with the items as they are.

        Args:
            interactions: rows of any users, of items that the model knows.

        Raises:
            NotFittedError: before ``fit``.
            DataError: interactions is none.
            UnknownIdError: an item that training did not know.
        """
        self._check_fitted()
        rows = rows_of(interactions, self.items_)
        dtype = self.item_factors_.dtype
        Y = np.concatenate([self.item_biases_[:, None], self.item_factors_], axis=1)
        X = np.zeros((interactions.n_users, Y.shape[1]), dtype)
        with Workers(self.n_threads) as workers:
            self._solve(rows, Y, dtype.type(self.mean_), X, workers)
        return Newcomers(interactions.users, X[:, 1:].copy(), X[:, 0].copy(), rows)

    def _solve(self, rows: Rows, Y: NDArray[Any], mean: Any, X: NDArray[Any], workers: Workers) -> None:
        """Solve every row of one side; X is replaced."""
        dtype = Y.dtype.type
        penalties = (dtype(self.reg), dtype(self.reg_biases if self.biases else -1), int(self.weighted))
        ends = np.linspace(0, len(rows.indices), PARTS * workers.n_threads + 1)
        cuts = np.unique(np.concatenate([[0], np.searchsorted(rows.indptr, ends[1:-1]), [len(X)]])).clip(max=len(X))
        call = partial(ridge.solve_rows, rows.indptr, rows.indices, rows.values, Y, mean, penalties)
        tasks = [partial(call, int(a), int(b), X) for a, b in pairwise(cuts)]
        if max(workers.run(tasks)) >= 0:
            raise ParameterError(
                f"reg={self.reg} and reg_biases={self.reg_biases} are too small for these ratings in {self.dtype}: a "
                "row's equations cannot be solved; take larger ones, or dtype='float64'"
            )

    def _record(
        self,
        epoch: int,
        factors: tuple[NDArray[Any], NDArray[Any]],
        mean: Any,
        by_user: Rows,
        by_item: Rows,
        limits: tuple[float, float],
        train: Interactions,
        validation: Interactions | None,
        workers: Workers,
    ) -> dict[str, float]:
        X, Y = factors
        arrays = (X[:, 1:], Y[:, 1:], X[:, 0], Y[:, 0])
        record: dict[str, float] = {"epoch": epoch}
        for name, part in (("train", train), ("validation", validation)):
            if part is not None:
                ratings = (part.user_index, part.item_index, part.values)
                record[f"{name}_rmse_unclipped"], record[f"{name}_rmse"] = rmse_both(
                    arrays, mean, ratings, limits, workers
                )
        loss = record["train_rmse_unclipped"] ** 2
        penalty = sum(self._penalty(side, rows) for side, rows in ((X, by_user), (Y, by_item)))
        record["loss"], record["objective"] = loss, loss * len(train) + penalty
        return record

    def _penalty(self, X: NDArray[Any], rows: Rows) -> float:
        weight = np.diff(rows.indptr).astype(np.float64) if self.weighted else np.ones(len(X))
        squares = np.square(X, dtype=np.float64)
        return float((weight * (self.reg * squares[:, 1:].sum(axis=1) + self.reg_biases * squares[:, 0])).sum())

    def _factors(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], float]:
        return self.user_factors_, self.item_factors_, self.user_biases_, self.item_biases_, self.mean_

    def check_parameters(self) -> None:
        """Refuse parameters outside their type or range.

        Raises:
            ParameterError: names the parameter, the value and the range.
        """
        for name in ("n_factors", "n_epochs"):
            check_whole(name, getattr(self, name), low=1)
        check_number("reg", self.reg, low=0, open_low=True)
        check_number("reg_biases", self.reg_biases, low=0)
        check_number("init_scale", self.init_scale, low=0, open_low=True)
        check_choice("dtype", self.dtype, ("float32", "float64"))
        for name in ("weighted", "biases", "store_history"):
            check_choice(name, getattr(self, name), (False, True))
        check_threads(self.n_threads)
        check_random_state(self.random_state)


def _turned(data: Interactions) -> Interactions:
    """Return the same ratings with users and items exchanged."""
    return Interactions(data.item_index, data.user_index, data.values, None, data.items, data.users, data.rating_range)
