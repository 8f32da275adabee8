"""`MatrixFactorization`: stochastic gradient descent on squared error, with biases and L2 (Koren et al. 2009).

Objective, over the ratings r_ui of the training part:

    sum (r_ui - mean - b_u - c_i - p_u . q_i)^2 + reg (|p_u|^2 + |q_i|^2) + reg_biases (b_u^2 + c_i^2)

The penalty is met at every rating, so a row's total penalty grows with its number of ratings. Where reg_biases is
None, the biases' penalties are those of `Baseline` instead, met once a row: its biases stand still while the factors
learn what they leave, and are solved once more for the factors that were learned. Rates, penalties and initial values
that are None are those of ratings with a standard deviation of 1 (`palate.models.sgd.rating_settings`). With features
p_u and b_u are sums of embeddings, and what is penalised is the row's own part (`palate.models.sgd.embeddings`; Kula
2015). One epoch costs O(ratings x n_factors) and memory is that of the ratings and at most four copies of the
factors: those in training, the best epoch's old and new, and in the second training the first one's; a model fitted
again has its former ones besides.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.errors import ParameterError, Remedy
from palate.kernels import Factors
from palate.kernels import sgd as kernel
from palate.kernels.simd.steps import padded_rows, padded_width
from palate.models.contract.explanation import Part
from palate.models.contract.learned import Attribute, Learns, Used
from palate.models.contract.learner import Training
from palate.models.contract.parameters import Above, AtLeast, Before, draw_seed
from palate.models.contract.shared import (
    Dtype,
    NBlocks,
    NFactors,
    NThreads,
    OwnFactors,
    RandomState,
    Schedule,
    StoreHistory,
)
from palate.models.contract.training_part import rating_limits, warn_of_equal_values
from palate.models.ridge.biases import fit_biases
from palate.models.ridge.priors import LearnedPriors, RatingFactors, RatingModel, prior_parts, rating_parts
from palate.models.ridge.rows import FixedSide, Prior, copy_known, explained, on_ids, solve
from palate.models.search import Choice, Range
from palate.models.sgd.embeddings import Embeddings
from palate.models.sgd.rating_blocks import BlockedRatings, RatingEpochs, default_blocks
from palate.models.sgd.rating_settings import (
    INIT_SCALE,
    LARGEST_STEP,
    RatingSettings,
    rating_settings,
)
from palate.models.sgd.training import SGDCourse, TrainingRun, rows_held_out, scheduled, trained, warn_of_first_epoch
from palate.parallel import Workers
from palate.sparse import Rows
from palate.topk import score_pairs

COPIES = 4  # of the factors at the peak of training
TINY = 1e-30  # an error that is none
CALM_RATE = 0.008  # for values of a few units
HUGE_MEAN_SQUARE = 1e4  # of ratings; default steps are made for values of a few units


@dataclass(frozen=True, eq=False)
class MFLearned(RatingFactors):
    """What `MatrixFactorization` has learned.

    Attributes:
        course: of training.
        learning_rate, reg, reg_biases, init_scale: as they were used.
        reg_users, reg_items: penalties of the biases that were met once a row; 0 where they were met at every rating.
    """

    course: SGDCourse
    learning_rate: Annotated[float, Used()]
    reg: Annotated[float, Used()]
    reg_biases: Annotated[float, Used()]
    init_scale: Annotated[float, Used()]
    reg_users: Annotated[float, Used(0.0)]
    reg_items: Annotated[float, Used(0.0)]


class MatrixFactorization(RatingModel):
    """Matrix factorization learned by stochastic gradient descent on squared error.

    Early stopping chooses the number of epochs on a validation part of the training data and then trains on all of
    it for as many; a validation set given to ``fit`` is watched instead, and the best epoch restored.

    Attributes:
        user_factors_: (n_users, n_factors).
        item_factors_: (n_items, n_factors).
        user_biases_, item_biases_: (n_users,), (n_items,).
        mean_: mean rating, the intercept where reg_biases is None, 0 without biases.
        learning_rate_, reg_, reg_biases_, init_scale_: as they were used, in the unit of the ratings.
        reg_users_, reg_items_: penalties of biases that were met once a row, where reg_biases is None.
        history_: one record an epoch: loss (mean squared error met on the way), train and validation RMSE (clipped,
            and as ``*_unclipped``, which stopping watches), learning_rate, seconds.
        refit_history_: the same for the second training, on all data.
        best_epoch_: the epoch chosen.
        epoch_chosen_on_: "validation", or "none" where all epochs ran.
        interrupted_: whether Ctrl-C ended training.
        user_weights_, item_weights_: (n_features, n_factors), the features' embeddings; no rows without features.
        user_encoding_, item_encoding_: how the features were made; for `Features.from_table`.
        seed_: the seed used.
    """

    key: ClassVar[str] = "mf"
    tells_validation: ClassVar[bool] = True
    presets: ClassVar[tuple[str, ...]] = ("original",)
    learned_ = Learns(MFLearned)
    refit_history_ = Attribute[list[dict[str, float]]]()
    learning_rate_ = Attribute[float]()
    reg_ = Attribute[float]()
    reg_biases_ = Attribute[float]()
    init_scale_ = Attribute[float]()
    reg_users_ = Attribute[float]()
    reg_items_ = Attribute[float]()
    explains: ClassVar[str] = "the fold-in"  # what SGD leaves is no function of the user's rows alone

    n_factors: Annotated[NFactors, Range(8, 256, log=True)] = 100
    _: KW_ONLY
    n_epochs: Annotated[int, AtLeast(1), "passes over the ratings, at most."] = 60
    learning_rate: Annotated[
        float | None,
        Above(0),
        "step of the gradient 2 x error x factor; None takes 0.012 for ratings with a standard deviation of 1.",
    ] = None
    reg: Annotated[
        float | None,
        AtLeast(0),
        "L2 penalty of the factors, met at every rating; one step takes a row to zero at most. None takes 0.065 for "
        "ratings with a standard deviation of 1.",
    ] = None
    shrinkage: Annotated[float, Above(0), Range(0.3, 3, log=True), Before(1.0), "reg is multiplied by this."] = 1.0
    reg_biases: Annotated[
        float | None,
        AtLeast(0),
        "L2 penalty of the biases, met at every rating; None takes the biases of Baseline, whose penalties follow from "
        "the data, or 0.02 with features.",
    ] = None
    biases: Annotated[bool, "learn a mean and a bias for each user and item; False leaves them at zero."] = True
    init: Annotated[
        Literal["normal", "uniform"], 'distribution of the initial factors, "normal" around 0 or "uniform" from 0.'
    ] = "normal"
    init_scale: Annotated[
        float | None,
        AtLeast(0),
        "its standard deviation, or its upper end; None takes 0.02 for ratings with a standard deviation of 1.",
    ] = None
    schedule: Annotated[Schedule, Choice(("constant", "linear"))] = "linear"
    patience: Annotated[
        int,
        AtLeast(1),
        "stop this many epochs after the best one; epochs count from the first in which the factors explain a "
        "twentieth of what mean and biases leave: before it they have not begun to learn.",
    ] = 5
    validation_fraction: Annotated[
        float,
        AtLeast(0, at_most=0.9),
        "part of the ratings held out to choose the epoch; 0 trains all n_epochs.",
    ] = 0.1
    reg_features: Annotated[float, AtLeast(0), "L2 penalty of the embeddings of features, times reg."] = 10.0
    own_factors: OwnFactors = True
    n_blocks: Annotated[
        NBlocks,
        "blocks of users and of items that may be trained side by side; None follows from the data, 1 is strictly one "
        "rating after the other.",
    ] = None
    dtype: Dtype = "float32"
    store_history: StoreHistory = True
    random_state: RandomState = None
    n_threads: NThreads = None

    @classmethod
    def original(cls, random_state: int | np.random.Generator | None = None) -> Self:
        """Return the system that Palate began as: plain SGD, no biases, no penalty, one rating after the other."""
        return cls(
            n_factors=100,
            n_epochs=20,
            learning_rate=0.01,
            reg=0.0,
            shrinkage=1.0,
            reg_biases=0.0,
            biases=False,
            init="uniform",
            init_scale=0.01,
            schedule="constant",
            patience=3,
            validation_fraction=0.1,
            reg_features=10.0,
            own_factors=True,
            n_blocks=1,
            dtype="float64",
            random_state=random_state,
        )

    def _learn(self, training: Training) -> MFLearned:
        seed, data, used = draw_seed(self.random_state), training.data, self._used(training)
        held_out = None if training.validation is not None else rows_held_out(data, self.validation_fraction, seed)
        if held_out is not None:
            warn_of_equal_values(data)
        with Workers(self.n_threads) as workers:
            done = trained(
                training, partial(self._run, training, seed, used), held_out, self.n_epochs, self.patience, workers
            )
        if held_out is not None or training.validation is not None:
            warn_of_first_epoch(done.run)
        epochs = done.final.one_epoch
        P, Q, b, c, mean = epochs.factors
        P[self._unlearned(training)] = 0
        features = training.user_features, training.item_features
        of_users, of_items = (None if side is None else side.prior(self.n_factors) for side in epochs.sides)
        kept = LearnedPriors.of((of_users, of_items), features, self.n_factors, P.dtype)
        P, Q = (np.ascontiguousarray(X[:, : self.n_factors]) for X in (P, Q))
        if used.fit is not None:
            b, c, mean = _solved_once_more(data, P, Q, used)
        as_used = used.learning_rate, used.reg, used.reg_biases, used.init_scale
        return MFLearned(P, Q, b, c, float(mean), kept, done.course(seed), *as_used, *used.once_a_row)

    def _used(self, training: Training) -> RatingSettings:
        """Return the settings for these data."""
        return rating_settings(
            training.data,
            learning_rate=self.learning_rate,
            reg=self.reg,
            shrinkage=self.shrinkage,
            init_scale=self.init_scale,
            reg_biases=self.reg_biases,
            biases=self.biases,
            features=training.user_features is not None or training.item_features is not None,
        )

    def _unlearned(self, training: Training) -> NDArray[np.bool_]:
        """Return which users' factors are still as they were drawn: noise that would make up a taste for them."""
        data, known = training.data, np.zeros(training.data.n_users, bool)
        if training.start is not None and training.start.users.kind == data.users.kind:
            known = training.start.users.index(data.users.values, on_unknown="mark") >= 0
        nothing: NDArray[np.bool_] = np.bincount(data.user_index, minlength=data.n_users) == 0
        return nothing & ~known & (training.user_features is None)

    def _fold(self, rows: Rows, features: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the exact minimum of the objective over the users' own factors: a ridge regression, items fixed."""
        learned = self.learned_
        prior = learned.priors.of_users(features)
        return self._solved(rows, learned.items_given(biases=self.biases), learned.reg_users, prior)

    def _fold_items(self, rows: Rows, features: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        learned = self.learned_
        prior = learned.priors.of_items(features)
        return self._solved(rows, learned.users_given(biases=self.biases), learned.reg_items, prior)

    def _solved(
        self, rows: Rows, side: FixedSide, once_a_row: float, prior: Prior | None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        if prior is not None and not self.own_factors:
            return prior.means()
        counts = rows.sizes.astype(np.float64)
        with Workers(self.n_threads) as workers:
            penalties = self.learned_.reg * counts, self.learned_.reg_biases * counts + once_a_row
            P, b, _, failed = solve(rows, None, side, penalties, prior, workers)
        if failed >= 0:
            raise ParameterError(
                f"with reg={self.learned_.reg:g} a newcomer's factors are not determined by their ratings",
                Remedy(": fit with a reg above 0, such as the default, to fold users in"),
                subject="reg",
            )
        return P, b

    def _parts(
        self, row: Rows, features: Any, item: int
    ) -> tuple[list[Part], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        learned, n = self.learned_, len(row.indices)
        side, pulls = learned.items_given(biases=self.biases), row.values.astype(np.float64)
        prior, names = learned.priors.of_users(features), learned.priors.user_names
        parts = rating_parts(learned.mean, learned.item_biases[item])
        if not n or (prior is not None and not self.own_factors):
            return [*parts, *prior_parts(prior, names, side, item)], (row.indices, row.values, 0 * pulls)
        pulls -= learned.mean + learned.item_biases[row.indices].astype(np.float64)
        penalties = learned.reg * n, learned.reg_biases * n + learned.reg_users
        more, pulls = explained(row, np.ones(n), pulls, side, penalties, item, prior, names)
        return [*parts, *more], (row.indices, row.values, pulls)

    def _run(
        self,
        training: Training,
        seed: int,
        used: RatingSettings,
        data: Interactions,
        watched: Interactions | None,
        stage: str,
    ) -> TrainingRun[RatingEpochs]:
        dtype = np.dtype(self.dtype).type
        P, Q, b, c = self._initial(data, seed, used.init_scale)
        if (old := training.start) is not None:
            copy_known(P[:, : self.n_factors], data.users, old.P, old.users)
            copy_known(Q[:, : self.n_factors], data.items, old.Q, old.items)
            copy_known(b, data.users, old.b, old.users)
            copy_known(c, data.items, old.c, old.items)
        fit = used.fit
        if fit is not None:
            fit = fit if data is training.data else fit_biases(data)
            b[:], c[:] = fit.users, fit.items
        sides = self._sides(training, data, P, Q, used.reg_standard)
        n_blocks = self.n_blocks or default_blocks(len(data), min(data.n_users, data.n_items), P.shape[1] * P.itemsize)
        n_blocks = min(n_blocks, data.n_users, data.n_items)
        mean = float(data.values.mean(dtype=np.float64)) if self.biases else 0.0
        mean = mean if fit is None else fit.mean
        largest = max(float(data.values.max()) - mean, mean - float(data.values.min()), TINY)
        epochs = RatingEpochs(
            factors=Factors(P, Q, b, c, dtype(mean)),
            sides=sides,
            ratings=BlockedRatings.build(data, n_blocks, seed),
            watched=None if watched is None else (watched.user_index, watched.item_index, watched.values),
            steps=partial(self._steps, used),
            limits=rating_limits(data),
            learning_rate=partial(self._rate, used.learning_rate),
            advice=partial(self._advice, largest, used.init_scale),
        )
        arrays = P, Q, b, c, *(array for side in sides if side is not None for array in side.arrays)
        watches = None if watched is None else "validation_rmse_unclipped"
        return TrainingRun(arrays, epochs, watches, stage, epochs.has_begun)

    def _sides(
        self, training: Training, data: Interactions, P: NDArray[Any], Q: NDArray[Any], reg: float
    ) -> tuple[Embeddings | None, Embeddings | None]:
        """Return the features of both sides; a row's penalty is met at every rating."""
        sides = []
        for features, ids, index, X in (
            (training.user_features, data.users, data.user_index, P),
            (training.item_features, data.items, data.item_index, Q),
        ):
            penalties = reg * np.bincount(index, minlength=len(ids))
            own = self.own_factors
            sides.append(Embeddings.of(on_ids(features, ids), X, penalties, reg * self.reg_features, own))
        return sides[0], sides[1]

    def _initial(
        self, data: Interactions, seed: int, scale: float
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        rng = np.random.default_rng([seed, 0])
        distribution = rng.standard_normal if self.init == "normal" else rng.random

        def draw(n: int) -> NDArray[Any]:
            X = padded_rows(n, self.n_factors, self.dtype)
            values = distribution((n, self.n_factors))
            values *= scale  # in place: no copy more
            X[:, : self.n_factors] = values
            return X

        P, Q = (draw(n) for n in (data.n_users, data.n_items))
        if self.biases:  # rows without ratings then score the biases alone, not noise
            P[np.bincount(data.user_index, minlength=data.n_users) == 0] = 0
            Q[np.bincount(data.item_index, minlength=data.n_items) == 0] = 0
        return P, Q, np.zeros(data.n_users, self.dtype), np.zeros(data.n_items, self.dtype)

    def _advice(self, largest: float, scale: float, rate: float, mean_square: float) -> str:
        """Return what to try after divergence, the likely cause first.

        A step of a rating with the error e adds 2 rate e q to p, and likewise to q, both of which grow to about the
        root of the largest error E: where 2 rate E is well below 1 it cannot jump beyond its aim, whatever the order.
        """
        tips = []
        if mean_square > HUGE_MEAN_SQUARE:
            tips.append(f"to rescale the values (they are about {mean_square**0.5:.2g} in size) to a few units")
        if scale > 1:
            scale = INIT_SCALE
            tips.append(f"init_scale={scale:g}")
        largest = max(largest, self.n_factors * scale**2)  # what the first factors' products may be
        calm = min(rate / 4, CALM_RATE, LARGEST_STEP / 2 / largest)
        return ", ".join([*tips, f"learning_rate={calm:.1g}"])

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        width = padded_width(int(self.n_factors), np.dtype(self.dtype).itemsize)
        return COPIES * (n_users + n_items) * width * np.dtype(self.dtype).itemsize + 12 * n_rows

    def _rate(self, rate: float, epoch: int) -> float:
        return scheduled(rate, self.schedule, epoch, self.n_epochs)

    def _steps(self, used: RatingSettings, epoch: int) -> kernel.Steps:
        step = 2 * self._rate(used.learning_rate, epoch)  # the 2 of the square's gradient
        moved = self.biases and used.fit is None
        of_biases = 2 * self._rate(used.rate_biases, epoch) if moved else 0.0
        dtype = np.dtype(self.dtype).type
        shrink, shrink_biases = max(0.0, 1 - step * used.reg), max(0.0, 1 - of_biases * used.reg_biases)
        return kernel.Steps(*map(dtype, (step, shrink, of_biases, shrink_biases)))


def _solved_once_more(
    data: Interactions, P: NDArray[Any], Q: NDArray[Any], used: RatingSettings
) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Return users' and items' biases and the mean at the minimum of the objective for these factors."""
    nothing = np.zeros(len(P), P.dtype), np.zeros(len(Q), Q.dtype)
    explained = score_pairs(Factors(P, Q, *nothing, 0.0), data.user_index, data.item_index)
    fit = fit_biases(
        replace(data, values=(data.values - explained).astype(np.float32)), *used.once_a_row, intercept=True
    )
    return fit.users.astype(P.dtype), fit.items.astype(Q.dtype), float(P.dtype.type(fit.mean))
