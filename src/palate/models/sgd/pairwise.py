"""What `BPR` and `WARP` share: draws of pairs, epochs on blocks, its choice by ranked lists, fold-in, explanation.

The objective and the step stand in `palate.kernels.pairs`. An epoch has as many draws as there are clicks. With
``draw="users"`` users are drawn alike and then one of their clicks, with ``draw="clicks"`` all clicks alike; what a
click counts (a sample weight, or its value with ``positive="values"``) multiplies its share. Items without a click are
no negatives: nobody could have chosen them yet.

Blocks of users and items are drawn anew every epoch, as many as the data ask for; those of one round share no row, so
threads change speed alone. One epoch costs O(draws x n_factors); memory is 24 bytes a click and at most four copies of
the factors.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from palate.data.interactions import Interactions
from palate.errors import DivergenceError
from palate.kernels import Factors
from palate.kernels import pairs as kernel
from palate.kernels.simd.steps import padded_rows, padded_width
from palate.models.contract.explanation import Part
from palate.models.contract.learned import Attribute, Learned, Learns, NotNegative, Shape, Used
from palate.models.contract.learner import ScoreKind, Training
from palate.models.contract.parameters import Above, AtLeast, draw_seed
from palate.models.contract.shared import (
    Dtype,
    NBlocks,
    NThreads,
    OwnFactors,
    RandomState,
    Schedule,
    StoreHistory,
)
from palate.models.contract.training_part import LARGEST_VALUE
from palate.models.items.clicks import Positive, clicks_of, training_clicks
from palate.models.items.watched import Watched
from palate.models.ridge.priors import LearnedPriors, PriorModel, prior_parts
from palate.models.ridge.rows import FixedSide, copy_known, on_ids, row_ranges
from palate.models.ridge.weighing import factors_for
from palate.models.search import Choice
from palate.models.sgd.embeddings import Embeddings
from palate.models.sgd.rating_blocks import default_blocks, rounds
from palate.models.sgd.training import SGDCourse, TrainingRun, rows_held_out, scheduled, trained
from palate.parallel import GRAIN, Workers, shares
from palate.sparse import Array, Rows

LearningRate = Annotated[float, Above(0), "step of the gradient."]
RegUsers = Annotated[float, AtLeast(0), "L2 penalty of the factors of the user, at every draw."]
RegItems = Annotated[float, AtLeast(0), "L2 penalty of the factors of the clicked item, at every draw."]
RegNegatives = Annotated[float, AtLeast(0), "L2 penalty of the factors of the other item, at every draw."]
RegBiases = Annotated[float, AtLeast(0), "L2 penalty of the items' biases, at every draw."]
Negatives = Annotated[
    Literal["uniform", "popular", "adaptive"],
    '"uniform", "popular" (as often as clicked) or "adaptive" (what the user\'s factors score high).',
]
COPIES = 4  # of the factors at the peak of training
CLICK_BYTES = 24
BLOCKS = {"block_bytes": 1 << 21, "fewest": 16}  # factors of one block, whose rows are met in random order


@dataclass(frozen=True, eq=False)
class PairFactors(Learned):
    """What `BPR` and `WARP` have learned.

    Attributes:
        user_factors, item_factors: (n_users, n_factors), (n_items, n_factors).
        item_biases: (n_items,).
        item_clicks: (n_items,), what each item's clicks count together: negatives of newcomers.
        draws: how often a user is drawn in an epoch where users are drawn alike.
        n_factors: as it was used.
        priors: of users and items by their features.
        course: of the training.
    """

    user_factors: Annotated[Array, Shape("n_users", "n_factors")]
    item_factors: Annotated[Array, Shape("n_items", "n_factors")]
    item_biases: Annotated[Array, Shape("n_items")]
    item_clicks: Annotated[Array, Shape("n_items")]
    draws: NotNegative
    n_factors: Annotated[int, Used()]
    priors: LearnedPriors
    course: SGDCourse


class Pairwise(PriorModel):
    """score(u, i) = c_i + p_u . q_i, learned from pairs of a clicked item and another: base of `BPR` and `WARP`."""

    score_kind: ClassVar[ScoreKind] = "order"
    tells_validation: ClassVar[bool] = True
    takes_weights: ClassVar[bool] = True
    learned_ = Learns(PairFactors)
    item_biases_ = Attribute[Array]()
    item_clicks_ = Attribute[Array]()
    draws_ = Attribute[float]()
    refit_history_ = Attribute[list[dict[str, float]]]()
    explains: ClassVar[str] = "the fold-in"  # what SGD leaves is no function of the user's rows alone

    n_factors_ = Attribute[int]()

    n_factors: Annotated[
        int | None,
        AtLeast(1),
        "length of each user's and item's vector; None takes four times the root of the users or items with clicks, "
        "whichever are fewer, from 16 to 256.",
    ] = None
    _: KW_ONLY
    n_epochs: Annotated[int, AtLeast(1), "passes over the clicks, at most."] = 100
    learning_rate: LearningRate
    reg_users: RegUsers
    reg_items: RegItems
    reg_negatives: RegNegatives
    reg_biases: RegBiases = 0.7
    reg_features: Annotated[
        float, AtLeast(0), "L2 penalty of the embeddings of features, times reg_users or reg_items."
    ] = 10.0
    own_factors: OwnFactors = True
    negatives: Negatives = "uniform"
    negative_rank: Annotated[
        float,
        Above(0, at_most=1),
        "mean rank of adaptive negatives in a factor's order, as a share of the items.",
    ] = 0.1
    draw: Annotated[
        Literal["users", "clicks"], Choice(("users", "clicks")), '"users" draws users alike, "clicks" all clicks alike.'
    ] = "users"
    init_scale: Annotated[float, AtLeast(0), "standard deviation of the initial factors, normal around 0."] = 0.05
    schedule: Schedule = "linear"
    patience: Annotated[
        int | None,
        AtLeast(1),
        "stop this many epochs after the best one; None runs all: a falling rate brings much at its end.",
    ] = None
    validation_fraction: Annotated[
        float,
        AtLeast(0, at_most=0.9),
        "part of the rows held out to choose the epoch by NDCG@10; 0 trains all n_epochs.",
    ] = 0.1
    positive: Positive = None
    n_blocks: NBlocks = None
    dtype: Dtype = "float32"
    store_history: StoreHistory = True
    random_state: RandomState = None
    n_threads: NThreads = None

    def _warp(self, n_items: int) -> kernel.Warp | None:
        """Return what WARP has beside BPR, for negatives from so many items."""
        raise NotImplementedError

    def _learn(self, training: Training) -> PairFactors:
        seed, data = draw_seed(self.random_state), training.data
        training_clicks(data, self.positive)  # refuses before anything is done
        held_out = None if training.validation is not None else rows_held_out(data, self.validation_fraction, seed)
        if held_out is not None and not self._has_both(data, held_out):
            held_out = None
        patience = self.n_epochs if self.patience is None else self.patience
        with Workers(self.n_threads) as workers:
            done = trained(training, partial(self._run, training, seed), held_out, self.n_epochs, patience, workers)
        epochs = done.final.one_epoch
        P, Q, c = epochs.factors
        features = training.user_features, training.item_features
        k = epochs.n_factors
        of_users, of_items = (None if side is None else side.prior(k) for side in epochs.sides)
        kept = LearnedPriors.of((of_users, of_items), features, k, P.dtype)
        P, Q = (np.ascontiguousarray(X[:, :k]) for X in (P, Q))
        return PairFactors(P, Q, c, epochs.of_items, epochs.draws, k, kept, done.course(seed))

    def _has_both(self, data: Interactions, held_out: Array) -> bool:
        """Return whether there are clicks to learn from and clicks to choose the epoch by."""
        if self.positive is None or isinstance(self.positive, str):
            return True
        liked = data.values >= self.positive
        return bool(0 < liked[held_out].sum() < liked.sum())

    def _run(
        self, training: Training, seed: int, data: Interactions, watched: Interactions | None, stage: str
    ) -> TrainingRun[ClickEpochs]:
        clicks = training_clicks(data, self.positive)
        n_clicks = len(clicks.indices)
        of_users, of_items = clicks.sizes, np.bincount(clicks.indices, minlength=data.n_items)
        weight = np.bincount(clicks.indices, clicks.values, minlength=data.n_items)
        dtype = np.dtype(self.dtype).type
        rng = np.random.default_rng([seed, 0])
        k = self._factors_used(training)
        P, Q = (padded_rows(n, k, dtype) for n in (data.n_users, data.n_items))
        c = np.zeros(data.n_items, dtype)
        for X, counts in ((P, of_users), (Q, of_items)):
            X[:, :k] = rng.standard_normal((len(X), k)) * self.init_scale
            X[counts == 0] = 0
        old = training.start
        if old is not None:
            copy_known(P[:, :k], data.users, old.P, old.users)
            copy_known(Q[:, :k], data.items, old.Q, old.items)
            copy_known(c, data.items, old.c, old.items)
        draws = n_clicks / max(1, int(np.count_nonzero(of_users)))
        epochs = ClickEpochs(
            model=self,
            factors=(P, Q, c),
            sides=self._sides(training, (data.users, data.items), (P, Q), (of_users, of_items), draws),
            clicks=clicks,
            of_items=weight,
            draws=float(draws),
            n_factors=k,
            seed=seed,
            watched=None if watched is None else Watched.of(data.by_user(), watched, self.positive, seed),
        )
        arrays = P, Q, c, *(array for side in epochs.sides if side is not None for array in side.arrays)
        return TrainingRun(arrays, epochs, None if watched is None else "-validation_ndcg", stage)

    def _factors_used(self, training: Training) -> int:
        """Return the number of factors: as given, of the model to go on from, or by all the data."""
        if self.n_factors is not None:
            return self.n_factors
        if training.start is not None:
            return int(training.start.P.shape[1])
        clicks = training_clicks(training.data, self.positive)
        return factors_for(int(np.count_nonzero(clicks.sizes)), len(np.unique(clicks.indices)))

    def _sides(
        self,
        training: Training,
        ids: tuple[Any, Any],
        factors: tuple[Array, Array],
        counts: tuple[Array, Array],
        draws: float,
    ) -> tuple[Embeddings | None, Embeddings | None]:
        """Return the features of both sides; a row's penalty is met at every draw, as is that of a negative."""
        n_clicks, n_warm = int(counts[0].sum()), max(1, int(np.count_nonzero(counts[1])))
        as_negatives = self.reg_negatives * n_clicks / n_warm * (counts[1] > 0)
        of_users = self.reg_users * (draws * (counts[0] > 0) if self.draw == "users" else counts[0])
        penalties = of_users, self.reg_items * counts[1] + as_negatives
        regs = self.reg_users, self.reg_items
        sides = []
        for features, side_ids, X, own, reg, n in zip(
            (training.user_features, training.item_features), ids, factors, penalties, regs, counts, strict=True
        ):
            d = np.where(n > 0, np.maximum(own, TINY), 0.0)
            sides.append(
                Embeddings.of(on_ids(features, side_ids), X, d, max(reg, TINY) * self.reg_features, self.own_factors)
            )
        return sides[0], sides[1]

    def calmer(self) -> str:
        """Return what to try after divergence: a step of the loss is at most the rate, so that the defaults hold."""
        default = {name: parameter.default for name, parameter in self.declarations.items()}
        tips = [f"init_scale={default['init_scale']:g}"] if self.init_scale > 1 else []
        return ", ".join([*tips, f"learning_rate={min(self.learning_rate / 4, default['learning_rate']):.1g}"])

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, from 1 on."""
        return scheduled(self.learning_rate, self.schedule, epoch, self.n_epochs)

    def steps(self, epoch: int) -> kernel.PairSteps:
        """Return the steps of eq. 3 of the kernel."""
        rate, dtype = self.rate(epoch), np.dtype(self.dtype).type
        penalties = self.reg_users, self.reg_items, self.reg_negatives, self.reg_biases
        less = [max(0.0, 1 - rate * penalty) for penalty in penalties]
        of_users, of_items, of_negatives, of_biases = map(dtype, less)
        return kernel.PairSteps(dtype(rate), of_users, of_items, of_negatives, dtype(rate), of_biases, held=False)

    def _fold(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        P, _ = self._folded(rows, features)
        return P, np.zeros(len(P), P.dtype)

    def _folded(self, rows: Rows, features: Array | None, n_traced: int = 0) -> tuple[Array, kernel.Trace]:
        """Return factors of users: as many epochs as training had, on their own clicks, the items as they are.

        Without own factors they are the sums of features. ``n_traced``: how many steps of one user there may be, to
        explain them.
        """
        clicks = clicks_of(rows, self.positive, "these interactions")
        dtype = np.dtype(self.dtype).type
        trace = kernel.Trace(*(np.zeros(n_traced, kind) for kind in (np.int64, np.int64, dtype, dtype)))
        n_rows, k = rows.n_rows, self.n_factors_
        prior = self.learned_.priors.of_users(features)
        P: Array = padded_rows(n_rows, k, dtype)
        M: Array | None = None
        if prior is not None:
            M = padded_rows(n_rows, k, dtype)
            M[:, :k] = prior.means()[0]
            if not self.own_factors:
                return M[:, :k], trace
        Q = padded_rows(len(self.item_factors_), k, dtype)
        Q[:, :k] = self.item_factors_
        rates = [self.rate(epoch) for epoch in range(1, self.best_epoch_ + 1)]
        steps = np.array([(rate, max(0.0, 1 - rate * self.reg_users)) for rate in rates], dtype)
        counts = clicks.sizes
        sums = np.bincount(clicks.row_of_cells(), clicks.values, n_rows)
        mean = np.where(sums > 0, sums, 1.0)
        draws = np.full(n_rows, self.draws_) if self.draw == "users" else counts
        scaled = kernel.Scaled(*clicks.cells, draws / mean)
        key = np.uint64(np.random.default_rng([self.seed_, 7]).integers(2**63))
        model = kernel.PairTerms(P, Q, np.array(self.item_biases_, dtype))  # copied: what is mapped is read-only
        passes = kernel.Passes(steps, key)
        call = partial(kernel.fold_rows, model, M, scaled, *self._pool(Q), self._warp(len(Q)), passes)
        with Workers(self.n_threads) as workers:
            workers.run([partial(call, a, b, trace) for a, b in row_ranges(clicks, workers, GRAIN.folded)])
        return np.ascontiguousarray(P[:, :k]), trace

    def _pool(self, Q: Array) -> tuple[kernel.Pool, kernel.Adaptive | None]:
        """Return all items that newcomers' negatives may come from, and their orders if those are adaptive."""
        items = np.flatnonzero(self.item_clicks_).astype(np.int32)
        adaptive = self.adaptive(len(items), self.n_factors_)
        if adaptive is not None:
            kernel.arrange(Q, items, np.array([0, len(items)]), 0, self.n_factors_, *adaptive[:2])
        return kernel.Pool(items, np.cumsum(self.item_clicks_[items]), self.negatives == "popular"), adaptive

    def adaptive(self, n_items: int, n_factors: int) -> kernel.Adaptive | None:
        """Return orders of the items to be written, or None where negatives are not adaptive."""
        if self.negatives != "adaptive":
            return None
        orders = np.empty((n_factors, n_items), np.int32)
        return kernel.Adaptive(orders, np.empty(n_factors), float(self.negative_rank))

    def _parts(self, row: Rows, features: Array | None, item: int) -> tuple[list[Part], tuple[Array, Array, Array]]:
        """Return what each click's steps left in the score: factors are the sum of the steps, each grown smaller."""
        clicks = clicks_of(row, self.positive, "these interactions")
        n = len(clicks.indices)
        most = int(self.best_epoch_ * (self.draws_ + 2 * n + 2)) if n else 0
        _, (own, negatives, moves, less) = self._folded(row, features, most)
        q = self.item_factors_[item].astype(np.float64)
        taken = moves != 0
        left = np.cumprod(np.append(1.0, less[taken][::-1].astype(np.float64)))[:-1][::-1]  # of each step at the end
        differences = self.item_factors_[clicks.indices[own[taken]]] - self.item_factors_[negatives[taken]]
        each = moves[taken] * left * (differences.astype(np.float64) @ q)
        learned = self.learned_
        prior, names = learned.priors.of_users(features), learned.priors.user_names
        side = FixedSide(self.item_factors_, np.zeros(0))
        parts = prior_parts(prior, names, side, item)
        bias = float(self.item_biases_[item])
        if bias:
            parts.append(Part("item bias", "how the item is liked by all", bias))
        return parts, (clicks.indices, clicks.values, np.bincount(own[taken], each, n))

    def _factors(self) -> Factors:
        P = self.user_factors_
        return Factors(P, self.item_factors_, np.zeros(len(P), P.dtype), self.item_biases_, 0.0)

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        size = np.dtype(self.dtype).itemsize
        k = factors_for(n_users, n_items) if self.n_factors is None else int(self.n_factors)
        return COPIES * (n_users + n_items) * padded_width(k, size) * size + CLICK_BYTES * n_rows


TINY = 1e-6  # a penalty, where none is asked for: the regression on features has a minimum all the same


@dataclass
class ClickEpochs:
    """Epochs of a pairwise loss: what a `TrainingRun` does with clicks.

    Attributes:
        model: whose parameters say how.
        factors: (P, Q, c), changed in place.
        sides: features of users and of items, whose embeddings are changed in place.
        clicks: of the training part by user.
        of_items: (n_items,) what each item's clicks count together.
        draws: mean number of draws a user has in an epoch where users are drawn alike.
        n_factors: without what pads them.
        seed: keys every choice, with the epoch.
        watched: what chooses the epoch, or None.
    """

    model: Pairwise
    factors: tuple[Array, Array, Array]
    sides: tuple[Embeddings | None, Embeddings | None]
    clicks: Rows
    of_items: Array
    draws: float
    n_factors: int
    seed: int
    watched: Watched | None

    def __post_init__(self) -> None:
        P, Q, _ = self.factors
        self._warm = np.flatnonzero(self.of_items).astype(np.int32)
        self._active = np.flatnonzero(self.clicks.sizes).astype(np.int32)
        row_bytes = P.shape[1] * P.itemsize
        asked = self.model.n_blocks or default_blocks(len(self.clicks.indices), len(P) + len(Q), row_bytes, **BLOCKS)
        self._n_blocks = min(asked, len(self._active), len(self._warm))
        sums = np.bincount(self.clicks.row_of_cells(), self.clicks.values, len(P))
        if self.model.draw == "users":
            self._scale = self.draws / np.where(sums > 0, sums, 1.0)
        else:
            self._scale = np.full(len(P), len(self.clicks.indices) / sums.sum())
        self._warp = self.model._warp(len(self._warm))
        n = len(self.clicks.indices)
        rows, cols, times = (np.empty(n, np.int32) for _ in range(3))  # written anew every epoch
        self._grouped = kernel.Grouped(rows, cols, times, np.empty((0, 1), np.int64))

    def __call__(self, epoch: int, workers: Workers) -> dict[str, float]:
        """Pass once over the draws; return the record of the epoch.

        Raises:
            DivergenceError: the factors have left the numbers whose products are finite.
        """
        P, Q, c = self.factors
        loss = self._pass(epoch, workers)
        rate = self.model.rate(epoch)
        if not (np.isfinite(loss) and all(np.abs(X).max(initial=0) <= LARGEST_VALUE for X in (P, Q, c))):
            raise DivergenceError(
                f"training diverged in epoch {epoch} at learning rate {rate:g}; try {self.model.calmer()}",
                subject="learning_rate",
            )
        for side, X, biases in zip(self.sides, (P, Q), (np.zeros(len(P), P.dtype), c), strict=True):
            if side is not None:
                side.follow(X, biases)
        record = {"epoch": epoch, "loss": loss, "learning_rate": rate}
        if self.watched is not None:
            record["validation_ndcg"] = self.watched.ndcg(self.factors, workers)
        return record

    def _pass(self, epoch: int, workers: Workers) -> float:
        laid, Q = self.layout(epoch, workers), self.factors[1]
        of_users, of_items = self.sides
        M, N = None if of_users is None else of_users.means[0], None
        if of_items is not None:
            N = kernel.ItemMeans(*of_items.means)
        losses, adaptive, items, ends = np.zeros((self._n_blocks**2, 2)), laid.adaptive, laid.pool.items, laid.ends
        call = partial(kernel.rank_blocks, kernel.PairTerms(*self.factors), M, N, self.clicks.cells, laid.grouped)
        call = partial(call, laid.pool, adaptive, self._warp, self.model.steps(epoch))
        every = since = len(items) * np.log2(len(items) + 1)  # draws for an order, as Rendle & Freudenthaler have it
        for blocks in rounds(self._n_blocks, laid.rng):
            if adaptive is not None and since >= every:
                cuts = pairwise(np.linspace(0, len(adaptive.orders), workers.n_threads + 1).astype(np.int64))
                workers.run([partial(kernel.arrange, Q, items, ends, a, b, *adaptive[:2]) for a, b in cuts])
                since = 0
            parts = [kernel.Blocks(part, ends, laid.key, losses) for part in shares(blocks, workers.n_threads)]
            workers.run([partial(call, part) for part in parts])
            since += losses[blocks, 1].sum()
        total, drawn = losses.sum(axis=0)
        return float(total / max(1.0, drawn))

    def layout(self, epoch: int, workers: Workers) -> BlockLayout:
        """Deal users and items to blocks anew, and group the clicks by them."""
        n, lengths = self._n_blocks, self.clicks.sizes
        rng = np.random.default_rng([self.seed, 1, epoch])
        first, second = (np.uint64(key) for key in rng.integers(2**63, size=2))
        users = np.array_split(rng.permutation(self._active), n)
        items = rng.permutation(self._warm)
        ends = np.linspace(0, len(items), n + 1).astype(np.int64)
        block_of = np.zeros(len(self.of_items), np.int32)
        block_of[items] = np.repeat(np.arange(n), np.diff(ends))
        sums = [np.cumsum(self.of_items[items[a:b]]) for a, b in pairwise(ends)]
        starts = np.cumsum([0, *(int(lengths[part].sum()) for part in users)])
        grouped = self._grouped._replace(ptr=np.zeros((n, n + 1), np.int64))
        call, scaled = kernel.group_clicks, kernel.Scaled(*self.clicks.cells, self._scale)
        outs = [grouped._replace(ptr=ptr) for ptr in grouped.ptr]
        workers.run([partial(call, scaled, users[a], block_of, first, int(starts[a]), outs[a]) for a in range(n)])
        pool = kernel.Pool(items, np.concatenate(sums), self.model.negatives == "popular")
        return BlockLayout(grouped, pool, ends, self.model.adaptive(len(items), self.n_factors), second, rng)


@dataclass(frozen=True)
class BlockLayout:
    """The clicks of an epoch, grouped by block of users and of items.

    Attributes:
        grouped: the clicks, ptr (n_blocks, n_blocks + 1).
        pool: all items, by block, with running sums of what their clicks count in their block.
        ends: (n_blocks + 1,), where the blocks of items begin.
        adaptive: orders to be written, or None where negatives are not adaptive.
        key: random bits of the epoch.
        rng: what orders the rounds.
    """

    grouped: kernel.Grouped
    pool: kernel.Pool
    ends: Array
    adaptive: kernel.Adaptive | None
    key: np.uint64
    rng: np.random.Generator


def harmonic(n: int) -> Array:
    """Return 1 + 1/2 + … + 1/r for r from 0 to n: L of eq. 2 of the kernel (Usunier et al. 2009 for its weights)."""
    ranks: Array = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])
    return ranks
