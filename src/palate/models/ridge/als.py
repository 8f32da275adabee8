"""`ALS`: alternating ridge regressions on squared error, biases inside the solve (Zhou et al. 2008; Koren et al. 2009).

Objective, over the ratings r_ui of the training part, mean being theirs:

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
"""

from __future__ import annotations

import time
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Annotated, ClassVar

import numpy as np

from palate.data.interactions import Interactions
from palate.errors import ParameterError
from palate.kernels import Factors
from palate.models.contract.explanation import Part
from palate.models.contract.learned import Course, Learns
from palate.models.contract.learner import Training
from palate.models.contract.parameters import Above, AtLeast, draw_seed
from palate.models.contract.shared import (
    Dtype,
    InitScale,
    NFactors,
    NThreads,
    RandomState,
    RegFeatures,
    StoreHistory,
    Sweeps,
)
from palate.models.contract.training_part import rating_limits, warn_of_equal_values
from palate.models.ridge.priors import LearnedPriors, RatingFactors, RatingModel, prior_parts, rating_parts
from palate.models.ridge.rows import (
    FixedSide,
    Prior,
    copy_known,
    explained,
    on_ids,
    prior_of,
    solve,
    started,
)
from palate.models.search import Range
from palate.models.sgd.rating_blocks import rmse_both
from palate.parallel import Workers
from palate.progress import Progress
from palate.sparse import Array, Rows
from palate.topk import score_pairs


@dataclass(frozen=True, eq=False)
class ALSLearned(RatingFactors):
    """What `ALS` has learned."""

    course: Course


class ALS(RatingModel):
    """Matrix factorization learned by alternating exact ridge regressions.

    Attributes:
        user_factors_: (n_users, n_factors).
        item_factors_: (n_items, n_factors).
        user_biases_, item_biases_: (n_users,), (n_items,).
        mean_: mean rating, 0 without biases.
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

    n_factors: Annotated[NFactors, Range(4, 128, log=True)] = 32
    _: KW_ONLY
    reg: Annotated[float, Above(0), Range(0.02, 20, log=True), "L2 penalty of the factors; see reg_exponent."] = 1.4
    reg_exponent: Annotated[
        float,
        AtLeast(0),
        Range(0.0, 1.0),
        "reg is multiplied by the row's number of ratings to the power of this; 1 is weighted lambda, 0 plain.",
    ] = 0.5
    reg_biases: Annotated[
        float,
        AtLeast(0),
        Range(0.1, 20, log=True),
        "L2 penalty of the biases, once a row: this many ratings at the mean are added to the row's own.",
    ] = 2.0
    n_epochs: Annotated[Sweeps, Range(4, 40, log=True)] = 15
    reg_features: RegFeatures = 10.0
    biases: Annotated[bool, "learn a mean and a bias for each user and item."] = True
    init_scale: InitScale = 0.1
    dtype: Dtype = "float32"
    store_history: StoreHistory = True
    random_state: RandomState = None
    n_threads: NThreads = None

    def _learn(self, training: Training) -> ALSLearned:
        data, dtype = training.data, np.dtype(self.dtype).type
        warn_of_equal_values(data)
        seed = draw_seed(self.random_state)
        mean = float(dtype(_mean(data) if self.biases else 0.0))
        by_user, by_item = data.by_user(), data.by_item()
        rng = np.random.default_rng([seed, 0])
        P, b = started((data.n_users, self.n_factors), self.init_scale, rng, dtype), np.zeros(data.n_users, dtype)
        Q, c = np.zeros((data.n_items, self.n_factors), dtype), np.zeros(data.n_items, dtype)
        if training.start is not None:
            copy_known(P, data.users, training.start.P, training.start.users)
            copy_known(b, data.users, training.start.b, training.start.users)
        features = on_ids(training.user_features, data.users), on_ids(training.item_features, data.items)
        weights = self._row_weights(by_user), self._row_weights(by_item)
        priors: tuple[Prior | None, Prior | None] = (None, None)
        history: list[dict[str, float]] = []
        interrupted, side = False, partial(FixedSide, mean=mean, biases=self.biases)
        with Workers(self.n_threads) as workers:
            try:
                for epoch in range(1, self.n_epochs + 1):
                    started_at = time.perf_counter()
                    of_items = prior_of(Q, c, features[1], weights[1], self.reg_features)
                    new_Q, new_c = self._half(by_item, side(P, b), weights[1], of_items, workers)
                    of_users = prior_of(P, b, features[0], weights[0], self.reg_features)
                    new_P, new_b = self._half(by_user, side(new_Q, new_c), weights[0], of_users, workers)
                    # Ctrl-C inside a sweep leaves the last whole one
                    P, b, Q, c, priors = new_P, new_b, new_Q, new_c, (of_users, of_items)
                    record = {"epoch": epoch, **self._record((P, Q, b, c), mean, priors, weights, training, workers)}
                    record["seconds"] = time.perf_counter() - started_at
                    history.append(record)
                    training.progress(Progress("training", epoch, self.n_epochs, record))
            except KeyboardInterrupt:
                if not history:
                    raise
                interrupted = True
        kept = LearnedPriors.of(priors, (training.user_features, training.item_features), self.n_factors, dtype)
        course = Course(history=history, best_epoch=len(history), interrupted=interrupted, seed=seed)
        return ALSLearned(P, Q, b, c, mean, kept, course)

    def _half(
        self, rows: Rows, side: FixedSide, weights: Array, prior: Prior | None, workers: Workers
    ) -> tuple[Array, Array]:
        """Return factors and biases of all rows of one side; eq. 2."""
        penalties = self.reg * weights, self.reg_biases * (weights > 0)
        P, b, _, failed = solve(rows, rows.weights, side, penalties, prior, workers)
        if failed >= 0:
            raise ParameterError(
                f"reg={self.reg} and reg_biases={self.reg_biases} are too small for these ratings in {self.dtype}: a "
                "row's equations cannot be solved; take larger ones, or dtype='float64'",
                subject="reg",
            )
        return P, b

    def _row_weights(self, rows: Rows) -> Array:
        """Return w of each row; 0 for one without ratings, which is no part of eq. 1."""
        counts = rows.sizes.astype(np.float64)
        if rows.weights is not None:
            counts = np.diff(np.concatenate([[0.0], np.cumsum(rows.weights, dtype=np.float64)])[rows.indptr])
        weights: Array = counts**self.reg_exponent * (counts > 0)
        return weights

    def _fold(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        learned = self.learned_
        return self._folded(rows, learned.items_given(biases=self.biases), learned.priors.of_users(features))

    def _fold_items(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        learned = self.learned_
        return self._folded(rows, learned.users_given(biases=self.biases), learned.priors.of_items(features))

    def _folded(self, rows: Rows, side: FixedSide, prior: Prior | None) -> tuple[Array, Array]:
        with Workers(self.n_threads) as workers:
            return self._half(rows, side, self._row_weights(rows), prior, workers)

    def _parts(self, row: Rows, features: Array | None, item: int) -> tuple[list[Part], tuple[Array, Array, Array]]:
        learned, side = self.learned_, self.learned_.items_given(biases=self.biases)
        weights = np.ones(len(row.indices)) if row.weights is None else row.weights.astype(np.float64)
        expected = learned.mean + learned.item_biases[row.indices].astype(np.float64)
        pulls = weights * (row.values.astype(np.float64) - expected)
        prior, names = learned.priors.of_users(features), learned.priors.user_names
        parts = rating_parts(learned.mean, learned.item_biases[item])
        if not len(row.indices):
            return [*parts, *prior_parts(prior, names, side, item)], (row.indices, row.values, pulls)
        penalties = self.reg * float(self._row_weights(row)[0]), self.reg_biases
        more, own = explained(row, weights, pulls, side, penalties, item, prior, names)
        return [*parts, *more], (row.indices, row.values, own)

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        factors = 2 * (n_users + n_items) * (int(self.n_factors) + 1) * np.dtype(self.dtype).itemsize  # old and new
        return factors + 16 * n_rows  # by item

    def _record(
        self,
        factors: tuple[Array, Array, Array, Array],
        mean: float,
        priors: tuple[Prior | None, Prior | None],
        weights: tuple[Array, Array],
        training: Training,
        workers: Workers,
    ) -> dict[str, float]:
        """Return the figures of an epoch: RMSE of both parts, loss, and eq. 1."""
        P, Q, b, c = factors
        dtype = P.dtype.type
        record: dict[str, float] = {}
        data = training.data
        limits = rating_limits(data)
        for name, part in (("train", data), ("validation", training.validation)):
            if part is not None:
                cells = part.user_index, part.item_index, part.values
                raw, clipped = rmse_both(Factors(P, Q, b, c, dtype(mean)), cells, limits, workers)
                record[f"{name}_rmse_unclipped"], record[f"{name}_rmse"] = raw, clipped
        loss = record["train_rmse_unclipped"] ** 2
        squares = loss * len(data)
        if data.weights is not None:
            errors = data.values - score_pairs(Factors(P, Q, b, c, mean), data.user_index, data.item_index)
            squares = float((data.weights * errors**2).sum())
        sides = ((P, b, priors[0], weights[0]), (Q, c, priors[1], weights[1]))
        penalty = sum(self._penalty(*side) for side in sides)
        return {**record, "loss": loss, "objective": squares + penalty}

    def _penalty(self, X: Array, biases: Array, prior: Prior | None, weights: Array) -> float:
        means = (0.0, 0.0) if prior is None else prior.means()
        of_factors = self.reg * weights * np.square(X - means[0], dtype=np.float64).sum(axis=1)
        of_biases = self.reg_biases * (weights > 0) * np.square(biases - means[1], dtype=np.float64)
        total = float((of_factors + of_biases).sum())
        if prior is not None:
            squares = [float(np.square(w, dtype=np.float64).sum()) for w in (prior.weights, prior.weights_biases)]
            total += self.reg_features * (self.reg * squares[0] + self.reg_biases * squares[1])
        return total


def _mean(data: Interactions) -> float:
    return float(np.average(data.values.astype(np.float64), weights=data.weights))
