"""`ImplicitALS`: alternating ridge regressions over all cells, clicked or not (Hu, Koren & Volinsky 2008).

Objective, over the clicks S of the training part and all pairs of users and items, with w_ui = alpha x count of a
click:

    sum_(u,i in S) (o + w_ui) (1 - p_u . q_i)^2 + sum_(u,i not in S) o (p_u . q_i)^2                                 (1)
        + sum_u l_u |p_u - W' x_u|^2 + the same of the items

o is ``unobserved_weight``; Hu et al. have o = 1 (their eq. 3). The penalty grows with what a row weighs,

    l_u = reg (sum_i w_ui + o n_items)^reg_exponent                                                                  (2)

(Rendle et al. 2022, Revisiting the Performance of iALS, eq. 6). What is not given of o, reg, alpha and the number of
factors follows from the data: `palate.models.ridge.weighing`, and the shrinkage from clicks held out for it,
`palate.models.ridge.shrinking`. With features x_u their weights W are learned as in
`ALS`, and reg reg_features |W|^2 is their penalty. With one side fixed, (1) is a ridge regression a row, whose matrix
is o Q'Q and the row's own cells. Up to `MOST_EXACT` factors it can be solved exactly, by Cholesky
(`palate.kernels.ridge`); between epochs ``cg_steps`` conjugate gradients from the last values are several times as fast
(Takacs et al. 2011), cannot raise (1) either, and end, in the last pass over the users, with the exact solution:
folding in a training user gives the stored factors, bit for bit. Above `MOST_EXACT` factors that pass, and fold-in, are
conjugate gradients from zero to a residual of `TOLERANCE`. Half sweeps, and these numbers, are in
`palate.models.ridge.click_sweeps`.

A sweep costs O(clicks k steps + rows k^2) by conjugate gradients, O(clicks k^2 + rows k^3) exactly; memory is the
clicks twice and the factors twice.
"""

from __future__ import annotations

import time
from dataclasses import KW_ONLY, dataclass, replace
from typing import Annotated, ClassVar

import numpy as np

from palate.errors import ParameterError
from palate.kernels import Factors
from palate.models.contract.explanation import Part
from palate.models.contract.learned import Attribute, Course, Learned, Learns, Shape, Used
from palate.models.contract.learner import ScoreKind, Training
from palate.models.contract.parameters import Above, AtLeast, Before, draw_seed
from palate.models.contract.shared import (
    Dtype,
    InitScale,
    NThreads,
    RandomState,
    RegFeatures,
    StoreHistory,
    Sweeps,
)
from palate.models.items.clicks import Positive, clicks_of, training_clicks, typical_value
from palate.models.ridge.click_sweeps import (
    ClickSettings,
    gram_of_warm,
    half_sweep,
    rows_penalty,
    weights_penalty,
)
from palate.models.ridge.priors import LearnedPriors, PriorModel, prior_parts
from palate.models.ridge.rows import FixedSide, Prior, copy_known, explained, on_ids, started
from palate.models.ridge.shrinking import chosen_shrinkage
from palate.models.ridge.sums import prior_of
from palate.models.ridge.weighing import Weighing, factors_for, share_weight
from palate.models.search import Range
from palate.parallel import Workers
from palate.progress import Progress
from palate.sparse import Array, Rows

SHARE = 16.0  # of the cells without clicks


@dataclass(frozen=True, eq=False)
class ClickFactors(Learned):
    """What `ImplicitALS` has learned.

    Attributes:
        user_factors, item_factors: (n_users, n_factors), (n_items, n_factors).
        gram: (n_factors, n_factors), the upper triangle of o Q'Q, of the items with clicks.
        n_warm: how many items had clicks.
        n_factors, alpha, unobserved_weight, reg, shrinkage: the parameters as they were used; shrinkage 0 in files that
            are older than it.
        typical_count: the count that weighs 1 where others weigh as their logarithm, or 0.
        priors: of users and items by their features.
        course: of the training.
    """

    user_factors: Annotated[Array, Shape("n_users", "n_factors")]
    item_factors: Annotated[Array, Shape("n_items", "n_factors")]
    gram: Annotated[Array, Shape("n_factors", "n_factors")]
    n_warm: int
    n_factors: Annotated[int, Used()]
    alpha: Annotated[float, Used(otherwise=1.0)]
    unobserved_weight: Annotated[float, Used()]
    reg: Annotated[float, Used()]
    shrinkage: Annotated[float, Used(otherwise=0.0)]
    typical_count: Annotated[float, Used(otherwise=0.0)]
    priors: LearnedPriors
    course: Course


class ImplicitALS(PriorModel):
    """Matrix factorization of clicks and counts: every cell counts, those without a click a little.

    Attributes:
        user_factors_: (n_users, n_factors).
        item_factors_: (n_items, n_factors).
        gram_: (n_factors, n_factors), the upper triangle of o Q'Q, of the items with clicks; fold-in needs it.
        user_weights_, item_weights_: (n_features, n_factors) of the prior means; no rows without features.
        user_encoding_, item_encoding_: how the features were made; for `Features.from_table`.
        n_factors_, alpha_, unobserved_weight_, reg_, shrinkage_: as they were used.
        typical_count_: the count that weighs 1 where alpha was not given, others weigh log2(1 + count / this); else 0.
        n_warm_: how many items had clicks; others, and users without, are no part of eq. 1 and get their prior mean.
        history_: one record an epoch: objective (eq. 1), seconds.
        best_epoch_: the last epoch.
        interrupted_: whether Ctrl-C ended training; the model is then that of the last whole epoch.
        seed_: the seed used.
    """

    key: ClassVar[str] = "ials"
    score_kind: ClassVar[ScoreKind] = "order"
    takes_weights: ClassVar[bool] = True
    learned_ = Learns(ClickFactors)
    gram_ = Attribute[Array]()
    n_warm_ = Attribute[int]()
    n_factors_ = Attribute[int]()
    alpha_ = Attribute[float]()
    unobserved_weight_ = Attribute[float]()
    reg_ = Attribute[float]()
    shrinkage_ = Attribute[float]()
    typical_count_ = Attribute[float]()

    n_factors: Annotated[
        int | None,
        AtLeast(1),
        "length of each user's and item's vector; None takes four times the root of the users or items with clicks, "
        "whichever are fewer, from 16 to 256.",
    ] = None
    _: KW_ONLY
    n_epochs: Sweeps = 16
    reg: Annotated[
        float | None,
        Above(0),
        "L2 penalty, multiplied by what a row weighs in all to the power of reg_exponent; None follows from shrinkage.",
    ] = None
    shrinkage: Annotated[
        float | None,
        Above(0),
        Before(None),
        Range(0.6, 1.6, log=True, relative=True),
        "the mean penalty of a row in clicks, less the root of unobserved_share; one number means the same on any "
        "catalogue. It goes before reg; None chooses it by clicks held out, where reg is none either.",
    ] = None
    reg_exponent: Annotated[float, AtLeast(0), "1 weighs rows as they count in the loss, 0 all alike."] = 1.0
    alpha: Annotated[
        float | None,
        Above(0),
        "confidence of one click, or of a count of one; None: 1 for a click, and log2(1 + count / median count).",
    ] = None
    unobserved_weight: Annotated[
        float | None, Above(0), "weight of a cell without a click, of the target 0; None follows from unobserved_share."
    ] = None
    unobserved_share: Annotated[
        float,
        Above(0),
        Before(SHARE),
        Range(6.0, 40.0, log=True),
        "weight of all cells without a click together, in that of all clicks; unobserved_weight goes before it.",
    ] = SHARE
    reg_features: Annotated[RegFeatures, "L2 penalty of the weights of features."] = 10.0
    positive: Positive = None
    cg_steps: Annotated[int, AtLeast(0), "conjugate gradients a row between; 0 solves every row exactly."] = 3
    init_scale: Annotated[InitScale, "length of the initial vectors."] = 0.1
    dtype: Dtype = "float32"
    store_history: StoreHistory = True
    random_state: RandomState = None
    n_threads: NThreads = None

    def _learn(self, training: Training) -> ClickFactors:
        data, dtype = training.data, np.dtype(self.dtype).type
        seed = draw_seed(self.random_state)
        typical = typical_value(data, self.positive) if self.alpha is None else 0.0
        clicks = training_clicks(data, self.positive, typical)
        by_item = clicks.transpose(data.n_items)
        warm = clicks.sizes > 0, by_item.sizes > 0
        k = self._factors_used(training, warm)
        weighing, shrinkage = self._weighing(training, clicks, by_item, seed)
        rng = np.random.default_rng([seed, 0])
        scale = self.init_scale / k**0.5
        P, Q = (started((n, k), scale, rng, dtype) for n in (data.n_users, data.n_items))
        if training.start is not None:
            copy_known(P, data.users, training.start.P, training.start.users)
            copy_known(Q, data.items, training.start.Q, training.start.items)
        P[~warm[0]], Q[~warm[1]] = 0, 0
        features = on_ids(training.user_features, data.users), on_ids(training.item_features, data.items)
        penalties = weighing.penalties(clicks, warm[1].sum()), weighing.penalties(by_item, warm[0].sum())
        reg_features, o = weighing.reg * self.reg_features, weighing.unobserved_weight
        settings = ClickSettings(weighing, self.cg_steps)
        priors: tuple[Prior | None, Prior | None] = (None, None)
        history: list[dict[str, float]] = []
        interrupted = exact = False
        with Workers(self.n_threads) as workers:
            try:
                for epoch in range(1, self.n_epochs + 1):
                    started_at = time.perf_counter()
                    of_items = _prior(Q, features[1], penalties[1], reg_features)
                    G = gram_of_warm(P, warm[0], o, workers)
                    new_Q, _ = half_sweep(by_item, P, G, penalties[1], of_items, Q, settings, workers)
                    of_users = _prior(P, features[0], penalties[0], reg_features)
                    start = P if epoch < self.n_epochs else None
                    G = gram_of_warm(new_Q, warm[1], o, workers)
                    new_P, losses = half_sweep(clicks, new_Q, G, penalties[0], of_users, start, settings, workers)
                    # Ctrl-C inside a sweep leaves the last whole one
                    P, Q, priors, exact = new_P, new_Q, (of_users, of_items), start is None
                    objective = float(losses.sum()) + _penalty(Q, penalties[1], of_items, of_users, reg_features)
                    settings.check(objective, dtype, epoch)
                    record = {"epoch": epoch, "objective": objective, "seconds": time.perf_counter() - started_at}
                    history.append(record)
                    training.progress(Progress("training", epoch, self.n_epochs, record))
            except KeyboardInterrupt:
                if not history:
                    raise
                interrupted = True
            G = gram_of_warm(Q, warm[1], o, workers)
            if not exact:
                P, _ = half_sweep(clicks, Q, G, penalties[0], priors[0], None, settings, workers)
        kept = LearnedPriors.of(priors, (training.user_features, training.item_features), k, dtype)
        course = Course(history=history, best_epoch=len(history), interrupted=interrupted, seed=seed)
        used = k, weighing.alpha, weighing.unobserved_weight, weighing.reg, shrinkage, typical
        return ClickFactors(P, Q, G, int(warm[1].sum()), *used, kept, course)

    def _factors_used(self, training: Training, warm: tuple[Array, Array]) -> int:
        """Return the number of factors: as given, of the model to go on from, or by the data."""
        if self.n_factors is not None:
            return self.n_factors
        if training.start is not None:
            return int(training.start.P.shape[1])
        return factors_for(*(int(side.sum()) for side in warm))

    def _weighing(self, training: Training, clicks: Rows, by_item: Rows, seed: int) -> tuple[Weighing, float]:
        """Return the weights and penalties that are used, and the shrinkage that they amount to."""
        alpha = 1.0 if self.alpha is None else self.alpha
        o, share = self.unobserved_weight, self.unobserved_share
        if o is None:
            o = share_weight(clicks, by_item, alpha, share)
        plain = Weighing(alpha, o, 1.0, self.reg_exponent)
        unit = plain.unit(clicks, by_item) * share**0.5
        shrinkage = self.shrinkage
        if shrinkage is None and self.reg is not None:
            return replace(plain, reg=self.reg), self.reg / unit
        if shrinkage is None:
            shrinkage = chosen_shrinkage(self, training, seed)
        return replace(plain, reg=shrinkage * unit), shrinkage

    def _used(self) -> Weighing:
        """Return the weights and penalties that training used."""
        learned = self.learned_
        return Weighing(learned.alpha, learned.unobserved_weight, learned.reg, self.reg_exponent)

    def _clicks(self, rows: Rows, what: str = "these interactions") -> Rows:
        return clicks_of(rows, self.positive, what, self.learned_.typical_count)

    def _fold(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        clicks, weighing, learned = self._clicks(rows), self._used(), self.learned_
        penalties, prior = weighing.penalties(clicks, learned.n_warm), learned.priors.of_users(features)
        settings = ClickSettings(weighing, self.cg_steps)
        with Workers(self.n_threads) as workers:
            P, _ = half_sweep(clicks, learned.item_factors, learned.gram, penalties, prior, None, settings, workers)
        return P, np.zeros(len(P), P.dtype)

    def _fold_items(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        clicks, weighing = self._clicks(rows), self._used()
        warm, prior = self._warm_users(), self.learned_.priors.of_items(features)
        penalties, P = weighing.penalties(clicks, int(warm.sum())), self.user_factors_
        settings = ClickSettings(weighing, self.cg_steps)
        with Workers(self.n_threads) as workers:
            G = gram_of_warm(P, warm, weighing.unobserved_weight, workers)
            Q, _ = half_sweep(clicks, P, G, penalties, prior, None, settings, workers)
        return Q, np.zeros(len(Q), Q.dtype)

    def _warm_users(self) -> Array:
        """Return which users have clicks: only they are part of eq. 1."""
        if self.seen_ is not None:
            counts: Array = self._clicks(self.seen_, "the training part").sizes
            return counts > 0
        if self.user_encoding_:
            raise ParameterError(
                "the model was fitted with store_history=False and user_features, and does not know which users had "
                "clicks: items cannot be folded in",
                code="no_history",
                subject="store_history",
            )
        return np.asarray(self.user_factors_.any(axis=1))

    def _parts(self, row: Rows, features: Array | None, item: int) -> tuple[list[Part], tuple[Array, Array, Array]]:
        clicks, weighing, learned = self._clicks(row), self._used(), self.learned_
        weights, o = weighing.of_cells(clicks), weighing.unobserved_weight
        side = FixedSide(learned.item_factors, np.zeros(0), 0.0, o, learned.gram)
        penalty = float(weighing.penalties(clicks, learned.n_warm)[0])
        prior, names = learned.priors.of_users(features), learned.priors.user_names
        if not len(clicks.indices):
            return prior_parts(prior, names, side, item), (clicks.indices, clicks.values, clicks.values)
        pulls = o + weights
        parts, own = explained(clicks, weights, pulls, side, (penalty, 0.0), item, prior, names)
        return parts, (clicks.indices, clicks.values, own)

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        k = factors_for(n_users, n_items) if self.n_factors is None else int(self.n_factors)
        factors = 2 * (n_users + n_items) * k * np.dtype(self.dtype).itemsize  # old and new
        return factors + 32 * n_rows  # the clicks by user and by item, and their weights

    def _factors(self) -> Factors:
        P, Q = self.user_factors_, self.item_factors_
        return Factors(P, Q, np.zeros(len(P), P.dtype), np.zeros(len(Q), Q.dtype), 0.0)


def _prior(X: Array, features: Array | None, penalties: Array, reg: float) -> Prior | None:
    """Return the prior by features; rows weigh as their penalties do."""
    return prior_of(X, np.zeros(len(X)), features, penalties, reg)


def _penalty(Q: Array, penalties: Array, of_items: Prior | None, of_users: Prior | None, reg_features: float) -> float:
    """Return the part of eq. 1 that is no part of the users' losses."""
    of_weights = weights_penalty(of_items, reg_features), weights_penalty(of_users, reg_features)
    return rows_penalty(Q, penalties, of_items) + of_weights[0] + of_weights[1]
