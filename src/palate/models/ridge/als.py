"""`ALS`: alternating ridge regressions on squared error, biases inside the solve (Zhou et al. 2008; Koren et al. 2009).

Objective, over the ratings r_ui of the training part, mean being theirs or the intercept:

    sum v_ui (r_ui - mean - b_u - c_i - p_u . q_i)^2 + sum_u (reg w_u |p_u|^2 + reg_biases b_u^2) + those of items  (1)

with v_ui the sample weights, else 1, and w_u = n_u^reg_exponent, n_u the row's number of ratings (the sum of their
weights): reg_exponent 1 is the weighted lambda of Zhou et al. 2008, eq. 4, and 0 plain ridge. Biases are penalised once
a row, so that rows of few ratings are drawn to the mean. With features x_u, p_u - W' x_u stands in the place of p_u in
the penalty, the bias likewise, and reg_features (reg |W|^2 + reg_biases |w_b|^2) is added: the features' regression is
weighted as the rows' penalties are. With the items fixed, (1) is one ridge regression a user, solved exactly
(`palate.kernels.ridge`); then the same of the items with the users fixed. No step can raise (1). A sweep costs
O(ratings k^2 + rows k^3); memory is the ratings twice, by user and by item, and the factors twice.

An epoch solves items first and users last, so that the stored user factors are the solution for the stored items:
folding in a training user gives the stored factors, bit for bit.

Penalties that are None follow from the data: those of biases, and then the mean, as in `palate.models.ridge.biases`,
reg as in `palate.models.ridge.noise_edge`.
"""

from __future__ import annotations

import time
from dataclasses import KW_ONLY, dataclass, replace
from typing import Annotated, ClassVar

import numpy as np

from palate.data.interactions import Interactions
from palate.models.contract.explanation import Part
from palate.models.contract.learned import Attribute, Course, Learns, Used
from palate.models.contract.learner import Training
from palate.models.contract.parameters import Above, AtLeast, Before, draw_seed
from palate.models.contract.shared import (
    Dtype,
    NFactors,
    NThreads,
    RandomState,
    RegFeatures,
    StoreHistory,
    Sweeps,
)
from palate.models.contract.training_part import rating_limits, warn_of_equal_values
from palate.models.ridge.biases import BiasFit, fit_biases, mean_of, spread_of
from palate.models.ridge.noise_edge import HELD_OUT, MOST_STEPS, USUAL, best_share, noise_edge
from palate.models.ridge.priors import LearnedPriors, RatingFactors, RatingModel, prior_parts, rating_parts
from palate.models.ridge.rows import FixedSide, Prior, copy_known, explained, on_ids
from palate.models.ridge.sweeps import ALSSettings, RatingSweeps, Solution, half_sweep, row_weights
from palate.models.search import Range
from palate.models.sgd.rating_blocks import rmse_both
from palate.models.sgd.training import rows_held_out
from palate.parallel import Workers
from palate.progress import Progress
from palate.sparse import Array, Rows
from palate.topk import score_pairs

USUAL_START = 0.1  # of the initial factors, for ratings with a standard deviation of 1
FIRST_SWEEPS, MORE_SWEEPS = 4, 2  # at the first penalty that is tried, and at each that follows
BothFeatures = tuple[Array | None, Array | None]


@dataclass(frozen=True, eq=False)
class ALSLearned(RatingFactors):
    """What `ALS` has learned.

    Attributes:
        course: of training.
        reg, reg_users, reg_items, init_scale: as they were used.
    """

    course: Course
    reg: Annotated[float, Used()]
    reg_users: Annotated[float, Used(as_of="reg_biases")]
    reg_items: Annotated[float, Used(as_of="reg_biases")]
    init_scale: Annotated[float, Used()]


class ALS(RatingModel):
    """Matrix factorization learned by alternating exact ridge regressions.

    Attributes:
        user_factors_: (n_users, n_factors).
        item_factors_: (n_items, n_factors).
        user_biases_, item_biases_: (n_users,), (n_items,).
        mean_: mean rating, the intercept where reg_biases is None, 0 without biases.
        reg_, reg_users_, reg_items_: penalties that were used, of factors and of both sides' biases.
        init_scale_: as it was used.
        user_weights_, item_weights_: (n_features, n_factors) of the prior means; no rows without features; and
            user_weights_biases_, item_weights_biases_.
        user_encoding_, item_encoding_: how the features were made; for `Features.from_table`.
        history_: one record an epoch: objective (eq. 1), loss (mean squared error), train RMSE (clipped, and as
            ``*_unclipped``), the same of a validation set, seconds.
        best_epoch_: the last epoch.
        interrupted_: whether Ctrl-C ended training; the model is then that of the last whole epoch.
        seed_: the seed used.
    """

    key: ClassVar[str] = "als"
    tells_validation: ClassVar[bool] = True
    takes_weights: ClassVar[bool] = True
    learned_ = Learns(ALSLearned)
    reg_ = Attribute[float]()
    reg_users_ = Attribute[float]()
    reg_items_ = Attribute[float]()
    init_scale_ = Attribute[float]()

    n_factors: Annotated[NFactors, Range(4, 128, log=True)] = 32
    _: KW_ONLY
    reg: Annotated[
        float | None,
        Above(0),
        "L2 penalty of the factors; see reg_exponent. None tries on a tenth of the ratings which share of the noise's "
        "edge predicts best.",
    ] = None
    shrinkage: Annotated[float, Above(0), Range(0.5, 2, log=True), Before(1.0), "reg is multiplied by this."] = 1.0
    reg_exponent: Annotated[
        float,
        AtLeast(0),
        Range(0.0, 1.0),
        "reg is multiplied by the row's number of ratings to the power of this; 1 is weighted lambda, 0 plain.",
    ] = 0.5
    reg_biases: Annotated[
        float | None,
        AtLeast(0),
        "L2 penalty of the biases, once a row: this many ratings at the mean are added to the row's own; None "
        "estimates those of users and of items as Baseline does.",
    ] = None
    n_epochs: Annotated[Sweeps, Range(4, 40, log=True)] = 15
    reg_features: RegFeatures = 10.0
    biases: Annotated[bool, "learn a mean and a bias for each user and item."] = True
    init_scale: Annotated[
        float | None,
        Above(0),
        "standard deviation of the initial factors; None takes 0.1 for ratings with a standard deviation of 1.",
    ] = None
    dtype: Dtype = "float32"
    store_history: StoreHistory = True
    random_state: RandomState = None
    n_threads: NThreads = None

    def _learn(self, training: Training) -> ALSLearned:
        data, dtype = training.data, np.dtype(self.dtype).type
        warn_of_equal_values(data)
        seed = draw_seed(self.random_state)
        init_scale = float(self.init_scale or USUAL_START * spread_of(data) ** 0.5)
        features = on_ids(training.user_features, data.users), on_ids(training.item_features, data.items)
        history: list[dict[str, float]] = []
        interrupted = False
        with Workers(self.n_threads) as workers:
            settings, now = self._begun(training, features, init_scale, seed, workers)
            sweeps = RatingSweeps.of(data, features, settings, workers)
            if training.start is not None:
                copy_known(now.P, data.users, training.start.P, training.start.users)
                copy_known(now.b, data.users, training.start.b, training.start.users)
            try:
                for epoch in range(1, self.n_epochs + 1):
                    started_at = time.perf_counter()
                    now = sweeps.next(now)  # Ctrl-C inside a sweep leaves the last whole one
                    record = {"epoch": epoch, **self._record(now, sweeps, training)}
                    record["seconds"] = time.perf_counter() - started_at
                    history.append(record)
                    training.progress(Progress("training", epoch, self.n_epochs, record))
            except KeyboardInterrupt:
                if not history:
                    raise
                interrupted = True
        kept = LearnedPriors.of(now.priors, (training.user_features, training.item_features), self.n_factors, dtype)
        course = Course(history=history, best_epoch=len(history), interrupted=interrupted, seed=seed)
        used = settings.reg, settings.reg_users, settings.reg_items, init_scale
        return ALSLearned(now.P, now.Q, now.b, now.c, settings.mean, kept, course, *used)

    def _begun(
        self, training: Training, features: BothFeatures, init_scale: float, seed: int, workers: Workers
    ) -> tuple[ALSSettings, Solution]:
        """Return the settings, those that are None as the data ask for them, and what the sweeps begin with."""
        data = training.data
        fit = fit_biases(data) if None in (self.reg, self.reg_biases) else None
        settings, now = self._settings(data, fit), self._start(data, fit, init_scale, seed)
        if fit is not None and self.reg is None:
            share = self._share(training, features, init_scale, seed, workers)
            reg = share * self._edge(data, fit, seed) * self.shrinkage
            settings = replace(settings, reg=max(reg, float(np.finfo(self.dtype).eps)))  # 0 where nothing is left
        return settings, now

    def _settings(self, data: Interactions, fit: BiasFit | None) -> ALSSettings:
        """Return the settings; reg is 0 where it is None."""
        estimated = fit if self.reg_biases is None and self.biases else None
        mean = mean_of(data) if self.biases else 0.0
        regs = (float(self.reg_biases or 0),) * 2
        if estimated is not None:
            mean, regs = estimated.mean, (estimated.reg_users, estimated.reg_items)
        reg = float(self.reg or 0) * self.shrinkage
        rounded = float(np.dtype(self.dtype).type(mean))
        return ALSSettings(rounded, reg, *regs, self.reg_exponent, self.reg_features, self.biases)

    def _start(self, data: Interactions, fit: BiasFit | None, init_scale: float, seed: int) -> Solution:
        """Return random factors of users and, where their biases' penalty is estimated, those biases."""
        now = Solution.start(data, self.n_factors, init_scale, seed, np.dtype(self.dtype))
        if fit is not None and self.reg_biases is None and self.biases:
            now.b[:] = fit.users
        return now

    def _edge(self, data: Interactions, fit: BiasFit, seed: int) -> float:
        weights = [row_weights(rows, self.reg_exponent) for rows in (data.by_user(), data.by_item())]
        return noise_edge(data, fit.left(data), (weights[0], weights[1]), seed)

    def _share(
        self, training: Training, features: BothFeatures, init_scale: float, seed: int, workers: Workers
    ) -> float:
        """Return which share of the noise's edge predicts a tenth of the ratings best that is held out."""
        data = training.data
        held_out = rows_held_out(data, HELD_OUT, seed)
        if held_out is None:
            return USUAL
        kept = np.ones(len(data), bool)
        kept[held_out] = False
        rest, asked = data.take(np.flatnonzero(kept)), data.take(held_out)
        fit = fit_biases(rest)
        settings, edge, now = (
            self._settings(rest, fit),
            self._edge(rest, fit, seed),
            self._start(rest, fit, init_scale, seed),
        )
        sweeps = RatingSweeps.of(rest, features, settings, workers)
        cells, limits = (asked.user_index, asked.item_index, asked.values), rating_limits(data)

        def error_of(solution: Solution) -> float:
            return rmse_both(solution.factors(settings.mean), cells, limits, workers)[0]

        def error(share: float, step: int) -> float:
            nonlocal now
            at = replace(sweeps, settings=replace(settings, reg=share * edge))
            for _ in range(FIRST_SWEEPS if step == 1 else MORE_SWEEPS):
                now = at.next(now)
            found = error_of(now)
            training.progress(Progress("choosing reg", step, MOST_STEPS, {"held_out_rmse": found}))
            return found

        if not edge:
            return USUAL
        return best_share(error, error_of(Solution.without_factors(fit, self.dtype, biases=self.biases)))

    def _fold(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        learned = self.learned_
        prior = learned.priors.of_users(features)
        return self._folded(rows, learned.items_given(biases=self.biases), learned.reg_users, prior)

    def _fold_items(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        learned = self.learned_
        prior = learned.priors.of_items(features)
        return self._folded(rows, learned.users_given(biases=self.biases), learned.reg_items, prior)

    def _folded(self, rows: Rows, side: FixedSide, reg_biases: float, prior: Prior | None) -> tuple[Array, Array]:
        weights = row_weights(rows, self.reg_exponent)
        with Workers(self.n_threads) as workers:
            return half_sweep(rows, side, weights, (self.learned_.reg, reg_biases), prior, workers)

    def _parts(self, row: Rows, features: Array | None, item: int) -> tuple[list[Part], tuple[Array, Array, Array]]:
        learned, side = self.learned_, self.learned_.items_given(biases=self.biases)
        weights = np.ones(len(row.indices)) if row.weights is None else row.weights.astype(np.float64)
        expected = learned.mean + learned.item_biases[row.indices].astype(np.float64)
        pulls = weights * (row.values.astype(np.float64) - expected)
        prior, names = learned.priors.of_users(features), learned.priors.user_names
        parts = rating_parts(learned.mean, learned.item_biases[item])
        if not len(row.indices):
            return [*parts, *prior_parts(prior, names, side, item)], (row.indices, row.values, pulls)
        penalties = learned.reg * float(row_weights(row, self.reg_exponent)[0]), learned.reg_users
        more, own = explained(row, weights, pulls, side, penalties, item, prior, names)
        return [*parts, *more], (row.indices, row.values, own)

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        factors = 2 * (n_users + n_items) * (int(self.n_factors) + 1) * np.dtype(self.dtype).itemsize  # old and new
        return factors + 16 * n_rows  # by item

    def _record(self, now: Solution, sweeps: RatingSweeps, training: Training) -> dict[str, float]:
        """Return the figures of an epoch: RMSE of both parts, loss, and eq. 1."""
        factors = now.factors(sweeps.settings.mean)
        record: dict[str, float] = {}
        data = training.data
        limits = rating_limits(data)
        for name, part in (("train", data), ("validation", training.validation)):
            if part is not None:
                cells = part.user_index, part.item_index, part.values
                raw, clipped = rmse_both(factors, cells, limits, sweeps.workers)
                record[f"{name}_rmse_unclipped"], record[f"{name}_rmse"] = raw, clipped
        loss = record["train_rmse_unclipped"] ** 2
        squares = loss * len(data)
        if data.weights is not None:
            scores = score_pairs(factors._replace(mean=sweeps.settings.mean), data.user_index, data.item_index)
            squares = float((data.weights * (data.values - scores) ** 2).sum())
        return {**record, "loss": loss, "objective": squares + sweeps.penalty(now)}
