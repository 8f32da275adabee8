"""`BayesianMF`: Bayesian matrix factorization by block Gibbs sampling, with side information and honest noise.

It joins Salakhutdinov & Mnih 2008 (BPMF), Simm et al. 2017 (Macau), Lakshminarayanan, Bouchard & Archambeau 2011 (noise
by user and item) and Rendle, Zhang & Koren 2019 (incidence, time). For rating n of user u, item i:

    r_n ~ N(mu + b_u + c_i + p_u . q_i + sum_e o_e(n), 1 / (alpha g_u h_i))                                     (1)
    [p_u, b_u] ~ N(m_U + sum_g B_g' x_u^g, inv(L_U))                 and likewise the items                        (2)
    rows of B_g ~ N(0, inv(lambda_g L_U))        lambda_g ~ Gamma(ridge_shape, ridge_rate)                         (3)
    L_U ~ Wishart(D + wishart_df, inv(wishart_scale I))        m_U ~ N(0, inv(mean_strength L_U))                  (4)
    alpha ~ Gamma(noise_shape, noise_rate)        g_u, h_i ~ Gamma(scale_df / 2, scale_df / 2)                     (5)
    o_e ~ N(0, 1 / tau_e)        tau_e ~ Gamma(time_shape, time_rate)        mu flat, or N(mean_center, mean_sd^2) (6)

with D = n_factors + 1. Feature groups g: attributes given to ``fit``, with how many rows a user or item has (logarithm,
its square, octile); the leading singular vectors of the incidence (`Components` of `palate.models.bayes.start`); and
the incidence itself: which items a user rated, over the root of their number, and likewise by whom an item was rated.
With ``likelihood="ordinal"`` stars are slices of a latent rating (`palate.models.bayes.ordinal`). Ratings are divided
by a power of two before (`palate.models.bayes.units`), 1 for ordinary ones: the priors are those of ratings of this
unit. Those of alpha and L, and n_factors, follow from the data where they are not given
(`palate.models.bayes.derived`).

A sweep draws, each given all else: the items' L, m, weights and rows; the users'; offsets, mu, alpha, g, h; and it
moves scale between the two sides, which only the priors see. Every row's draw is one small system
(`palate.kernels.gibbs`). It costs O(n D^2 + (users + items) D^3 + n D), n the number of ratings; memory is the ratings
a few times and what is kept.

A score is the mean over all sweeps after the warm-up of mu + c_i + E[b_u + p_u . q_i], the users' rows being their
means given all else of the sweep (Rao-Blackwell): the matrix of these means, cut to its leading 128 singular vectors,
is kept as one pair of factors, and ``mean_score_error_`` says what the cut leaves out; the matrix itself is never made
(`palate.models.bayes.product_sum`). Draws of both sides are kept from ``n_kept`` sweeps, evenly spaced: spread,
intervals, fold-in and Thompson sampling use them.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Id
from palate.data.interactions import Interactions
from palate.errors import DataError
from palate.kernels import Factors
from palate.models.bayes.chains import chain_summary, warn_of_overfit, warn_of_unsettled
from palate.models.bayes.checkpoints import CheckpointStore
from palate.models.bayes.derived import NoiseEstimate, diverged, factors_for, settings_for
from palate.models.bayes.drawn import DrawnScores, Newcomer
from palate.models.bayes.folded import FoldedRatings
from palate.models.bayes.kept import side_by_side
from palate.models.bayes.posterior import Posterior
from palate.models.bayes.product_sum import bytes_of_sum
from palate.models.bayes.run import SamplingRun
from palate.models.bayes.time_effects import check_time_effects, effect_names
from palate.models.bayes.units import in_unit, unit_of
from palate.models.contract.answers import UserIds, id_list, item_columns
from palate.models.contract.explanation import Part
from palate.models.contract.factors import FactorModel
from palate.models.contract.learned import Array, Attribute, Learns
from palate.models.contract.learner import ScoreKind, Training, WarmStart
from palate.models.contract.pairs_of_people import distribution_of
from palate.models.contract.parameters import Above, AtLeast, Checked, check_random_state, check_whole
from palate.models.contract.person import Person, Users
from palate.models.contract.predictive import Predictive
from palate.models.contract.scoring import FactorScorer
from palate.models.contract.shared import InitScale, NThreads, RandomState, StoreHistory
from palate.models.contract.training_part import warn_of_equal_values
from palate.models.search import Choice, Range
from palate.parallel import Workers, single_blas_thread
from palate.sparse import Rows
from palate.topk import ItemSide

DEFAULT_KEPT = 100
KEPT_BYTES = 1 << 30  # what draws may take where ``n_kept`` is left to the model
FEWEST_KEPT = 8
MOST_QUESTIONS = 500  # items among which a newcomer's questions are chosen: people know few others


class BayesianMF(FactorModel):
    """Bayesian matrix factorization: predicted ratings with the whole distribution behind them.

    Attributes:
        user_factors_, item_factors_: (n_users, r), (n_items, r): their products are the mean over sweeps of p_u . q_i.
        user_biases_, item_biases_: (n_users,), (n_items,), means over sweeps.
        mean_: mean of mu.
        mean_score_error_: root mean square of what is left out of the mean score by r singular vectors.
        user_draws_, item_draws_: (n_users, n_kept, n_factors + 1), (n_items, n_kept, n_factors + 1), draws of [factors,
            bias].
        user_scales_, item_scales_: (n_users, n_kept), (n_items, n_kept): noise scales g and h.
        history_: one record a sweep: loss (mean squared error of the draw), train_rmse_unclipped, noise_precision,
            user_norm, item_norm (root mean square of the rows about their mean), of a validation set validation_rmse
            (of the mean so far, over the chains) and validation_rmse_draw, seconds. What is of one chain has the
            chain's number from the second on, such as noise_precision_2.
        best_epoch_: the last sweep.
        interrupted_: whether Ctrl-C ended sampling; the model is then that of the draws kept until then.
        seed_: the seed used.
    """

    key: ClassVar[str] = "bayes"
    tells_validation: ClassVar[bool] = True
    score_kind: ClassVar[ScoreKind] = "rating"
    uses_attributes: ClassVar[bool] = True
    explains: ClassVar[str] = "the fold-in"
    learned_ = Learns(Posterior)
    user_biases_ = Attribute[Array]()
    item_biases_ = Attribute[Array]()
    user_draws_ = Attribute[Array]()
    item_draws_ = Attribute[Array]()
    user_scales_ = Attribute[Array]()
    item_scales_ = Attribute[Array]()
    mean_draws_ = Attribute[Array]()
    noise_draws_ = Attribute[Array]()
    cut_draws_ = Attribute[Array]()
    prior_means_ = Attribute[Array]()
    prior_precisions_ = Attribute[Array]()
    dense_weights_ = Attribute[Array]()
    incidence_weights_ = Attribute[Array]()
    counts_encoding_ = Attribute[Array]()
    component_projection_ = Attribute[Array]()
    day_keys_ = Attribute[Array]()
    day_offsets_ = Attribute[Array]()
    day_variances_ = Attribute[Array]()
    page_keys_ = Attribute[Array]()
    page_offsets_ = Attribute[Array]()
    page_variances_ = Attribute[Array]()
    month_keys_ = Attribute[Array]()
    month_offsets_ = Attribute[Array]()
    month_variances_ = Attribute[Array]()
    mean_ = Attribute[float]()
    mean_score_error_ = Attribute[float]()
    levels_ = Attribute[list[float]]()
    time_variances_ = Attribute[dict[str, float]]()
    n_factors_ = Attribute[int]()
    noise_shape_ = Attribute[float]()
    noise_rate_ = Attribute[float]()
    wishart_df_ = Attribute[float]()
    wishart_scale_ = Attribute[float]()

    n_factors: Annotated[
        int | None,
        AtLeast(1),
        Range(4, 48, log=True),
        "length of each user's and item's vector; None takes 16, or 32 where rows have enough ratings.",
    ] = None
    _: KW_ONLY
    n_sweeps: Annotated[int, AtLeast(1), "sweeps of the sampler, the warm-up included."] = 700
    n_burn_in: Annotated[int, AtLeast(0), "sweeps of the warm-up, of which nothing is kept."] = 100
    n_chains: Annotated[
        int,
        AtLeast(1),
        "chains of this many sweeps each, side by side on threads of their own where there are enough: what one of "
        "them does not reach, others do, and whether they agree is the best sign of having settled.",
    ] = 2
    n_kept: Annotated[
        int | None,
        AtLeast(1),
        "draws that are kept, evenly spaced; None takes 100, or fewer where they would fill more than 1 GiB.",
    ] = None
    likelihood: Annotated[
        Literal["gaussian", "ordinal"],
        Choice(("gaussian", "ordinal")),
        '"gaussian", or "ordinal" for stars as slices of a latent rating (at most 50 different values): then '
        "predictions are expected stars, and the scores of lists are expected latent ratings.",
    ] = "gaussian"
    incidence: Annotated[bool, "let whom and what a row has cells with enter its prior mean."] = True
    n_components: Annotated[
        int,
        AtLeast(0),
        "this many leading components of the incidence enter the prior mean, with a ridge of their own.",
    ] = 60
    counts: Annotated[bool, "let the number of a row's cells enter its prior mean."] = True
    time_effects: Annotated[
        str | None,
        Checked(check_time_effects),
        'offsets by group of ratings, of "day" (a user\'s ratings of one day, UTC), "page" (a user\'s ratings of the '
        'same second) and "month" (an item\'s ratings of 30 days), such as "day,page"; None for none. They need the '
        "time of what is predicted, too.",
    ] = None
    scale_df: Annotated[
        float | None,
        Above(0),
        Range(4, 40, log=True),
        "nu of the noise scales of rows: lower lets rows differ more; None gives all the same noise.",
    ] = 30.0
    wishart_scale: Annotated[
        float | None,
        Above(0),
        Range(0.3, 4, log=True),
        "prior scale of the precision of rows, eq. 4; None follows from the variance that biases leave.",
    ] = None
    wishart_df: Annotated[
        float | None,
        AtLeast(0),
        "the same prior's degrees of freedom, beyond D; None takes 6 D or a tenth of the rows, "
        "whichever is less, or 0 with a scale that is given.",
    ] = None
    mean_strength: Annotated[float, Above(0), "prior strength of the mean of rows, in rows."] = 1.0
    ridge_shape: Annotated[float, Above(0), "prior shape of the ridges of features, eq. 3."] = 1e-3
    ridge_rate: Annotated[float, Above(0), "prior rate of the ridges of features, eq. 3."] = 1e-3
    noise_shape: Annotated[
        float | None,
        Above(0),
        "prior shape of the noise precision, eq. 5; None takes half the ratings that rows can fit by themselves.",
    ] = None
    noise_rate: Annotated[
        float | None,
        Above(0),
        "prior rate of the noise precision, eq. 5; None takes the shape times the variance that biases leave.",
    ] = None
    time_shape: Annotated[float, Above(0), "prior shape of the precision of offsets, eq. 6."] = 1.0
    time_rate: Annotated[float, Above(0), "prior rate of the precision of offsets, eq. 6."] = 0.05
    mean_center: Annotated[
        float, AtLeast(-1e15, at_most=1e15), "prior mean of mu, eq. 6, in the unit of the ratings."
    ] = 0.0
    mean_sd: Annotated[
        float | None, Above(0), "prior standard deviation of mu, in the unit of the ratings; None for a flat prior."
    ] = None
    init_scale: Annotated[
        InitScale,
        "standard deviation of the initial factors; near that of the posterior, or the warm-up is long.",
    ] = 0.4
    store_history: StoreHistory = True
    random_state: RandomState = None
    n_threads: NThreads = None

    # where ``fit`` keeps its state, `palate.files.Checkpoint`; no parameter
    checkpoint: CheckpointStore | None = field(default=None, init=False)

    # -- learning ---------------------------------------------------------------------------------------------------

    def _learn(self, training: Training) -> Posterior:
        data = training.data
        warn_of_equal_values(data)
        unit = unit_of(data.values) if self.likelihood == "gaussian" else 1.0  # stars have no size
        scaled = in_unit(training, unit)
        start, size = training.start, (data.n_users, data.n_items, len(data))
        n_factors = self._rank(*size) if start is None or self.n_factors is not None else start.P.shape[1]
        noise = NoiseEstimate.of(scaled.data, n_factors, latent=self.likelihood == "ordinal")
        settings = settings_for(self, noise, n_factors)
        wanted = self._wanted(data.n_users, data.n_items, n_factors)
        try:
            run = SamplingRun(self, scaled, settings, wanted, self.checkpoint, unit)
            interrupted = run.finish()
        except np.linalg.LinAlgError as error:
            raise diverged(self, error) from None
        after = run.history[int(self.n_burn_in) :]
        if self.likelihood == "ordinal" or not warn_of_overfit(after, noise.in_ratings(unit)):
            warn_of_unsettled(run.history, int(self.n_burn_in))
        return run.posterior(interrupted=interrupted)

    def _rank(self, n_users: int, n_items: int, n_rows: int) -> int:
        return factors_for(n_users, n_items, n_rows) if self.n_factors is None else int(self.n_factors)

    def sampling_summary(self) -> pl.DataFrame:
        """Return how the chain behaved after the warm-up: quantity, mean, sd, ess, rhat; see `chain_summary`.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        return chain_summary(self.history_, int(self.n_burn_in))

    def _wanted(self, n_users: int, n_items: int, n_factors: int) -> int:
        """Return how many sweeps are kept."""
        after = (self.n_sweeps - self.n_burn_in) * int(self.n_chains)
        if self.n_kept is not None:
            return min(int(self.n_kept), after)
        fitting = KEPT_BYTES // self._bytes_of_draw(n_users, n_items, n_factors)
        return min(after, max(FEWEST_KEPT, min(DEFAULT_KEPT, fitting)))

    def _bytes_of_draw(self, n_users: int, n_items: int, n_factors: int) -> int:
        row = 4 * (n_factors + 1)
        return (2 * n_users + 2 * n_items + (n_items if self.incidence else 0)) * row + 8 * (n_users + n_items)

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        n_factors = self._rank(n_users, n_items, n_rows)
        rows = 6 * (n_users + n_items) * (n_factors + 1) * 4
        rows += bytes_of_sum(n_users, n_items) + 8 * n_items * (n_factors + 1) * (n_factors + 2)
        chains = int(self.n_chains)
        return (
            50 * n_rows
            + chains * (10 * n_rows + rows)
            + self._wanted(n_users, n_items, n_factors) * self._bytes_of_draw(n_users, n_items, n_factors)
        )

    # -- scoring ----------------------------------------------------------------------------------------------------

    def _factors(self) -> Factors:
        return self.learned_.score.factors()

    def predict(
        self,
        users: Users,
        items: UserIds,
        *,
        clip: bool = True,
        on_unknown: str = "raise",
        times: Any = None,
        return_std: bool = False,
    ) -> Any:
        """Return the predicted rating of each user-item pair, and with ``return_std`` its standard deviation.

        Args:
            users, items: n ids each (or one id against n); a user may be a `person`.
            clip: clip to ``rating_range_``.
            on_unknown: as `Recommender.predict`; the standard deviation of an unknown pair is NaN.
            times: (n,) seconds since 1970 (or one for all), for a model with ``time_effects``; 0 where not given.
            return_std: return a pair: predictions, and standard deviations of the rating itself, (n,) each: what is not
                known of taste, and the noise of ratings.

        Raises:
            NotFittedError, UnknownIdError, ParameterError: as `Recommender.predict`; times of a model without time
                effects, or of another number.
        """
        self._check_fitted()
        wanted = id_list(users)
        if any(isinstance(user, Person) for user in wanted):
            self._no_times_with_people(times)
            means = super().predict(wanted, items, clip=clip, on_unknown=on_unknown)
            if self._predicts_scores and not return_std:
                return means
            spread, (at, sure) = np.full(len(means), np.nan), distribution_of(self, wanted, items, on_unknown)
            means[at], spread[at] = means[at] if self._predicts_scores else sure.mean(), sure.std()
            return (means, spread) if return_std else means
        u, i, when = self._pairs(wanted, items, times, on_unknown)
        means = self._predicted(u, i, on_unknown, clip=clip, times=when)
        if not return_std:
            return means
        known, spread = (u >= 0) & (i >= 0), np.full(len(u), np.nan)
        spread[known] = self._predictive(u[known], i[known], None if when is None else when[known]).std()
        return means, spread

    def predict_index(
        self, user_index: Array, item_index: Array, *, clip: bool = True, times: Array | None = None
    ) -> NDArray[np.float64]:
        """Return the predicted rating of each pair of positions, (n,) each; as `predict`.

        Raises:
            NotFittedError, ParameterError: as `Recommender.predict_index`; times of a model without time effects.
        """
        scores = super().predict_index(user_index, item_index, clip=False)
        if times is not None:
            self._check_times(times, len(scores))
        if not self._predicts_scores:
            scores = self._predictive(np.asarray(user_index), np.asarray(item_index), times).mean()
        elif times is not None:
            scores = scores + self.learned_.time.at(np.asarray(user_index), np.asarray(item_index), times)[0]
        return np.clip(scores, *self.rating_range_) if clip else scores

    def predict_rows(self, rows: Interactions) -> NDArray[np.float64]:
        """Return the raw prediction of each row, its time included where the model has time effects.

        Raises:
            DataError: the model has time effects and the rows have no times.
        """
        return self.predict_index(rows.user_index, rows.item_index, clip=False, times=self._times_of(rows))

    def _predictive(self, u: Array, i: Array, times: Array | None) -> Predictive:
        return self.learned_.predictive(u, i, times, self.rating_range_, self.n_threads)

    def _predictive_for(self, rows: Rows, features: Array | None, u: Array, i: Array) -> Predictive:
        people = FoldedRatings.of(self.learned_.draws, rows, features, i, self.scale_df)
        with Workers(self.n_threads) as workers, single_blas_thread():
            return self.learned_.predictive_of_fold(people, u, i, self.rating_range_, workers)

    def sample_scores(
        self, users: UserIds, *, random_state: int | np.random.Generator | None = None
    ) -> NDArray[np.float64]:
        """Return the scores of all items in one kept draw, a draw of its own for each user: (n, n_items).

        To show what ranks first by such scores is Thompson sampling: what is uncertain gets its chance in proportion.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: an unknown user.
            ParameterError: random_state is no seed.
        """
        self._check_fitted()
        check_random_state(random_state)
        u, draws = self.users_.index(id_list(users)), self.learned_.draws
        chosen = np.random.default_rng(random_state).integers(draws.n_kept, size=len(u))
        out = np.empty((len(u), len(self.items_)))
        for s in np.unique(chosen):
            rows, items = np.flatnonzero(chosen == s), draws.item_draws[:, s].astype(np.float64)
            own = draws.user_draws[u[rows], s].astype(np.float64)
            with single_blas_thread():
                out[rows] = own[:, :-1] @ items[:, :-1].T + own[:, -1:] + items[:, -1] + draws.mean_draws[s]
        return out

    def information_gain(self, user: Id, n: int = 10) -> pl.DataFrame:
        """Return the items that the user has not rated whose rating would teach most: rank, item_id, title, gain.

        The gain is the mutual information of rating and score, in nats, by the variances over the draws:
        log(1 + Var(score) / noise) / 2.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: an unknown user.
            ParameterError: n is below 1.
        """
        self._check_fitted()
        check_whole("n", n, low=1)
        u = int(self.users_.index([user])[0])
        every = np.arange(len(self.items_))
        predictive = self._predictive(np.full(len(every), u), every, None)
        gains = np.log1p(predictive.means.var(axis=1) / (predictive.sds**2).mean(axis=1)) / 2
        if self.seen_ is not None:
            gains[self.seen_.row(u)[0]] = -1
        best = np.lexsort((self.item_order.places, -gains))[:n]
        best = best[gains[best] >= 0]
        shown = item_columns(self.items_, self.item_table_["title"], best)
        return pl.DataFrame([pl.Series("rank", np.arange(len(best)) + 1), *shown, pl.Series("gain", gains[best])])

    def questions(self, n: int = 10) -> pl.DataFrame:
        """Return the items to ask a newcomer about: rank, item_id, title, gain, known.

        Each teaches most of the newcomer's taste given answers to those before it (gain, the mutual information in
        nats), times the share of users who have rated it (known; 1 where the history is not stored): a question that
        nobody can answer teaches nothing. The most rated 500 items are looked at.

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: n is below 1.
        """
        self._check_fitted()
        check_whole("n", n, low=1)
        n_items = len(self.items_)
        shares = np.ones(n_items)
        if self.seen_ is not None:
            shares = np.bincount(self.seen_.indices, minlength=n_items) / len(self.users_)
        among = np.lexsort((self.item_order.places, -shares))[:MOST_QUESTIONS]
        with single_blas_thread():
            chosen, gains = self.learned_.questions(among, shares[among], min(n, len(among)))
        shown = item_columns(self.items_, self.item_table_["title"], np.array(chosen))
        of_all = pl.Series("gain", gains), pl.Series("known", shares[chosen])
        return pl.DataFrame([pl.Series("rank", np.arange(len(chosen)) + 1), *shown, *of_all])

    @property
    def _predicts_scores(self) -> bool:
        return not self.learned_.draws.levels

    def _times_of(self, rows: Interactions) -> Array | None:
        if self.time_effects is None:
            return None
        if rows.times is None:
            raise DataError(
                "the model has time effects, and the ratings to predict have no times",
                code="times",
                subject="time_effects",
            )
        return rows.times

    def _scorer_for(self, rows: Rows, features: Array | None) -> FactorScorer:
        return FactorScorer(*self._fold(rows, features), self._derived("items of draws", self._items_of_draws))

    def _scores_in_draws(self, user: int | Rows, features: Array | None, items: Array, seed: int) -> DrawnScores:
        who = user if isinstance(user, int) else Newcomer(user, features, seed, self.scale_df)
        return DrawnScores(self.learned_.draws, who, items)

    def _items_of_draws(self) -> ItemSide:
        return ItemSide(*self.learned_.draws.long_items())

    def _warm_start(self) -> WarmStart:
        draws = self.learned_.draws
        users, items = draws.user_draws[:, -1], draws.item_draws[:, -1]
        factors = users[:, :-1], items[:, :-1], users[:, -1], items[:, -1]
        noise = None if draws.levels else float(draws.noise_draws[-1])
        return WarmStart(self.users_, self.items_, *factors, float(draws.mean_draws[-1]), noise)

    def _mean_of(self, user_index: Array, item_index: Array) -> NDArray[np.float64] | None:
        return None if self.learned_.draws.levels else super()._mean_of(user_index, item_index)

    def _users_as_folded(self) -> Array:
        return self._derived("users of draws", lambda: side_by_side(self.learned_.draws.user_draws))

    def _fold(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        with Workers(self.n_threads) as workers:
            return self.learned_.fold(rows, features, self.scale_df, workers)

    def _parts(self, row: Rows, features: Array | None, item: int) -> tuple[list[Part], tuple[Array, Array, Array]]:
        return self.learned_.parts_of_fold(row, features, item, self.scale_df)

    def check_learned(self) -> None:
        """Refuse kept draws of a file that do not fit each other.

        Raises:
            ModelFileError: says what is wrong.
        """
        self._check_fitted()
        self.learned_.check(effect_names(self.time_effects))

    def check_parameters(self) -> None:
        """Refuse parameters outside their type or range, and a warm-up of all sweeps.

        Raises:
            ParameterError: names the parameter, the value and the range.
        """
        super().check_parameters()
        check_whole("n_burn_in", self.n_burn_in, low=0, high=int(self.n_sweeps) - 1)
