"""`MatrixFactorization`: stochastic gradient descent on squared error, with biases and L2 (Koren et al. 2009).

Objective, over the ratings r_ui of the training part:

    sum (r_ui - mean - b_u - c_i - p_u . q_i)^2 + reg (|p_u|^2 + |q_i|^2) + reg_biases (b_u^2 + c_i^2)

The penalty is met at every rating, so a row's total penalty grows with its number of ratings. One epoch costs
O(ratings x n_factors) and memory is that of the ratings and at most four copies of the factors: those in training,
the best epoch's old and new, and in the second training the first one's; a model fitted again has its former ones
besides.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions, Rows
from palate.errors import ParameterError
from palate.models.abilities import ABILITIES
from palate.models.base import Recommender
from palate.models.explanation import Part
from palate.models.learner import ScoreKind, Training
from palate.models.parameters import check_choice, check_number, check_random_state, check_whole, draw_seed
from palate.models.priors import rating_parts
from palate.models.ridge_rows import Side, explained, solve, taken_over
from palate.models.search import Choice, Range, SearchSpace
from palate.models.sgd_training import BlockedRatings, Factors, Run, default_blocks
from palate.models.training_part import rating_limits, warn_of_equal_values
from palate.parallel import Workers, check_threads
from palate.topk import Factors as AllFactors

log = logging.getLogger(__name__)

COPIES = 4  # of the factors at the peak of training
HUGE_MEAN_SQUARE = 1e4  # of ratings; default steps are made for values of a few units
FEWEST_TO_HOLD_OUT = 20  # ratings; with fewer there is nothing to learn from a validation part


class MatrixFactorization(Recommender):
    """Matrix factorization learned by stochastic gradient descent on squared error.

    Early stopping chooses the number of epochs on a validation part of the training data and then trains on all of
    it for as many; a validation set given to ``fit`` is watched instead, and the best epoch restored.

    Args:
        n_factors: length of each user's and item's vector.
        n_epochs: passes over the ratings, at most.
        learning_rate: step of the gradient 2 x error x factor.
        reg: L2 penalty of the factors, met at every rating; one step takes a row to zero at most.
        reg_biases: L2 penalty of the biases, met at every rating.
        biases: learn a mean and a bias for each user and item; False leaves them at zero.
        init: distribution of the initial factors, "normal" around 0 or "uniform" from 0.
        init_scale: its standard deviation, or its upper end.
        schedule: learning rate by epoch, "constant" or "linear" (falling to zero after n_epochs).
        patience: stop this many epochs after the best one.
        validation_fraction: part of the ratings held out to choose the epoch; 0 trains all n_epochs.
        n_blocks: blocks of users and of items that may be trained side by side; None follows from the data, 1 is
            strictly one rating after the other.
        dtype: "float32" or "float64".
        store_history: keep the training interactions, to leave out what a user has seen.
        random_state: seed, Generator, or None to draw a seed; the seed used is ``seed_``.
        n_threads: threads, None for all cores; the answer is the same for any number.

    Attributes:
        user_factors_: (n_users, n_factors).
        item_factors_: (n_items, n_factors).
        user_biases_, item_biases_: (n_users,), (n_items,).
        mean_: mean rating, 0 without biases.
        history_: one record an epoch: loss (mean squared error met on the way), train and validation RMSE (clipped,
            and as ``*_unclipped``, which stopping watches), learning_rate, seconds.
        refit_history_: the same for the second training, on all data.
        best_epoch_: the epoch chosen.
        epoch_chosen_on_: "validation", or "none" where all epochs ran.
        interrupted_: whether Ctrl-C ended training.
        seed_: the seed used.
    """

    key: ClassVar[str] = "mf"
    score_kind: ClassVar[ScoreKind] = "rating"
    presets: ClassVar[tuple[str, ...]] = ("original",)
    search_space: ClassVar[SearchSpace] = {
        "n_factors": Range(8, 256, log=True, whole=True),
        "learning_rate": Range(0.001, 0.05, log=True),
        "reg": Range(0.005, 0.3, log=True),
        "reg_biases": Range(0.001, 0.1, log=True),
        "init_scale": Range(0.003, 0.3, log=True),
        "schedule": Choice(("constant", "linear")),
    }
    learned_arrays: ClassVar[dict[str, tuple[str, ...]]] = {
        "user_factors_": ("n_users", "n_factors"),
        "item_factors_": ("n_items", "n_factors"),
        "user_biases_": ("n_users",),
        "item_biases_": ("n_items",),
    }
    learned_scalars: ClassVar[tuple[str, ...]] = (
        *("mean_", "rating_range_", "history_", "refit_history_", "best_epoch_"),
        *("epoch_chosen_on_", "interrupted_", "seed_"),
    )
    supports: ClassVar[frozenset[str]] = frozenset(ABILITIES) - {"predict_distribution", "weights", "features"}
    explains: ClassVar[str] = "the fold-in"  # what SGD leaves is no function of the user's rows alone

    def __init__(
        self,
        n_factors: int = 100,
        *,
        n_epochs: int = 60,
        learning_rate: float = 0.008,
        reg: float = 0.065,
        reg_biases: float = 0.02,
        biases: bool = True,
        init: Literal["normal", "uniform"] = "normal",
        init_scale: float = 0.02,
        schedule: Literal["constant", "linear"] = "linear",
        patience: int = 5,
        validation_fraction: float = 0.1,
        n_blocks: int | None = None,
        dtype: Literal["float32", "float64"] = "float32",
        store_history: bool = True,
        random_state: int | np.random.Generator | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.reg = reg
        self.reg_biases = reg_biases
        self.biases = biases
        self.init = init
        self.init_scale = init_scale
        self.schedule = schedule
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.n_blocks = n_blocks
        self.dtype = dtype
        self.store_history = store_history
        self.random_state = random_state
        self.n_threads = n_threads

    @classmethod
    def original(cls, random_state: int | np.random.Generator | None = None) -> Self:
        """Return the system that Palate began as: plain SGD, no biases, no penalty, one rating after the other."""
        return cls(
            n_factors=100,
            n_epochs=20,
            learning_rate=0.01,
            reg=0.0,
            reg_biases=0.0,
            biases=False,
            init="uniform",
            init_scale=0.01,
            schedule="constant",
            patience=3,
            validation_fraction=0.1,
            n_blocks=1,
            dtype="float64",
            random_state=random_state,
        )

    def _learn(self, training: Training) -> dict[str, Any]:
        seed = draw_seed(self.random_state)
        with Workers(self.n_threads) as workers:
            run, refit = self._train(training, seed, workers)
        P, Q, b, c = (refit or run).factors
        return {
            "user_factors_": P,
            "item_factors_": Q,
            "user_biases_": b,
            "item_biases_": c,
            "mean_": float(run.mean if refit is None else refit.mean),
            "seed_": seed,
            "history_": run.history,
            "refit_history_": refit.history if refit else [],
            "best_epoch_": run.best_epoch,
            "interrupted_": run.interrupted,
            "epoch_chosen_on_": "none" if run.watched is None else "validation",
        }

    def _fold(self, rows: Rows, features: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the exact minimum of the objective over the users' own factors: a ridge regression, items fixed."""
        counts = np.diff(rows.indptr).astype(np.float64)
        side = Side(self.item_factors_, self.item_biases_, mean=self.mean_, biases=self.biases)
        with Workers(self.n_threads) as workers:
            penalties = self.reg * counts, self.reg_biases * counts
            P, b, _, failed = solve(rows, None, side, penalties, None, workers)
        if failed >= 0:
            raise ParameterError(
                f"with reg={self.reg:g} a newcomer's factors are not determined by their ratings: fit with a reg above "
                "0, such as the default, to fold users in"
            )
        return P, b

    def _parts(
        self, row: Rows, features: Any, item: int
    ) -> tuple[list[Part], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        side = Side(self.item_factors_, self.item_biases_, mean=self.mean_, biases=self.biases)
        n = len(row.indices)
        pulls = row.values.astype(np.float64) - self.mean_ - self.item_biases_[row.indices].astype(np.float64)
        if n:
            _, pulls = explained(row, np.ones(n), pulls, side, (self.reg * n, self.reg_biases * n), item, None, [])
        return rating_parts(self, item), (row.indices, row.values, pulls)

    def _train(self, training: Training, seed: int, workers: Workers) -> tuple[Run, Run | None]:
        """Return the run that chose the epoch and, where it left data out, the second run on all of it."""
        data, validation, progress = training.data, training.validation, training.progress
        n_held_out = round(self.validation_fraction * len(data))
        if validation is not None or not n_held_out or len(data) < FEWEST_TO_HOLD_OUT:
            run = self._run(data, validation, training, seed, "training")
            run.train(self.n_epochs, self.patience, workers, progress)
            _say_interrupted(run, "")
            return run, None
        warn_of_equal_values(data)
        rows = np.random.default_rng([seed, 4]).permutation(len(data))
        run = self._run(data.take(rows[n_held_out:]), data.take(rows[:n_held_out]), training, seed, "training")
        run.train(self.n_epochs, self.patience, workers, progress)
        refit = None
        if not run.interrupted:
            try:
                refit = self._run(data, None, training, seed, "training on all data")
                refit.train(run.best_epoch, self.patience, workers, progress)
                run.interrupted = refit.interrupted
            except KeyboardInterrupt:
                run.interrupted = True
        if run.interrupted:
            refit = None
            _say_interrupted(run, f", learned without the {n_held_out:,} ratings held out")
        return run, refit

    def _run(self, data: Interactions, watched: Interactions | None, training: Training, seed: int, stage: str) -> Run:
        dtype = np.dtype(self.dtype).type
        factors = self._initial(data, seed)
        if training.start is not None:
            old = training.start
            for new, name in zip(
                factors, ("user_factors_", "item_factors_", "user_biases_", "item_biases_"), strict=True
            ):
                ids, old_ids = (data.users, old.users_) if name.startswith("user") else (data.items, old.items_)
                taken_over(new, ids, getattr(old, name), old_ids)
        n_blocks = self.n_blocks or default_blocks(
            len(data), data.n_users + data.n_items, self.n_factors * np.dtype(self.dtype).itemsize
        )
        n_blocks = min(n_blocks, data.n_users, data.n_items)
        return Run(
            factors=factors,
            mean=dtype(data.values.mean(dtype=np.float64) if self.biases else 0.0),
            ratings=BlockedRatings.build(data, n_blocks, seed),
            watched=None if watched is None else (watched.user_index, watched.item_index, watched.values),
            steps=self._steps,
            limits=rating_limits(data),
            stage=stage,
            learning_rate=self._rate,
            advice=self._advice,
        )

    def _initial(self, data: Interactions, seed: int) -> Factors:
        rng = np.random.default_rng([seed, 0])
        distribution = rng.standard_normal if self.init == "normal" else rng.random

        def draw(shape: tuple[int, int]) -> NDArray[Any]:
            values = distribution(shape)
            values *= self.init_scale  # in place: no copy more
            return values.astype(self.dtype, copy=False)

        P, Q = (draw((n, self.n_factors)) for n in (data.n_users, data.n_items))
        if self.biases:  # rows without ratings then score the biases alone, not noise
            P[np.bincount(data.user_index, minlength=data.n_users) == 0] = 0
            Q[np.bincount(data.item_index, minlength=data.n_items) == 0] = 0
        return P, Q, np.zeros(data.n_users, self.dtype), np.zeros(data.n_items, self.dtype)

    def _advice(self, rate: float, mean_square: float) -> str:
        """Return what to try after divergence, the likely cause first."""
        default = {name: p.default for name, p in inspect.signature(type(self)).parameters.items()}
        tips = []
        if mean_square > HUGE_MEAN_SQUARE:
            tips.append(f"to rescale the values (they are about {mean_square**0.5:.2g} in size) to a few units")
        if self.init_scale > 1:
            tips.append(f"init_scale={default['init_scale']:g}")
        return ", ".join([*tips, f"learning_rate={min(rate / 4, default['learning_rate']):.2g}, or a higher reg"])

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        return COPIES * (n_users + n_items) * int(self.n_factors) * np.dtype(self.dtype).itemsize + 12 * n_rows

    def _rate(self, epoch: int) -> float:
        return self.learning_rate * (1 - (epoch - 1) / self.n_epochs if self.schedule == "linear" else 1)

    def _steps(self, epoch: int) -> tuple[Any, ...]:
        step = 2 * self._rate(epoch)  # the 2 of the square's gradient
        of_biases = step if self.biases else 0.0
        dtype = np.dtype(self.dtype).type
        shrink, shrink_biases = max(0.0, 1 - step * self.reg), max(0.0, 1 - of_biases * self.reg_biases)
        return tuple(map(dtype, (step, shrink, of_biases, shrink_biases)))

    def _factors(self) -> AllFactors:
        return self.user_factors_, self.item_factors_, self.user_biases_, self.item_biases_, self.mean_

    def check_parameters(self) -> None:
        """Refuse parameters outside their type or range.

        Raises:
            ParameterError: names the parameter, the value and the range.
        """
        for name in ("n_factors", "n_epochs", "patience"):
            check_whole(name, getattr(self, name), low=1)
        check_number("learning_rate", self.learning_rate, low=0, open_low=True)
        for name in ("reg", "reg_biases"):
            check_number(name, getattr(self, name), low=0)
        check_number("init_scale", self.init_scale, low=0)
        check_number("validation_fraction", self.validation_fraction, low=0, high=0.9)
        check_choice("init", self.init, ("normal", "uniform"))
        check_choice("schedule", self.schedule, ("constant", "linear"))
        check_choice("dtype", self.dtype, ("float32", "float64"))
        for name in ("biases", "store_history"):
            check_choice(name, getattr(self, name), (False, True))
        if self.n_blocks is not None:
            check_whole("n_blocks", self.n_blocks, low=1)
        check_threads(self.n_threads)
        check_random_state(self.random_state)


def _say_interrupted(run: Run, remark: str) -> None:
    if run.interrupted:
        log.warning("training interrupted: keeping the best so far, of epoch %d%s", run.best_epoch, remark)
