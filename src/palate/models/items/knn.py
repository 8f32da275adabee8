"""`ItemKNN` and `RP3beta`: the most similar items of each item, from whom they were had by; strong and simple.

ItemKNN keeps, of each item i, the n_neighbors largest weights B_ji from other items j; RP3beta those of each j to other
items i, as a walk goes (and as its authors' code does), and

    score(u, i) = sum_j x_uj B_ji        over the user's own items j                                                 (1)

ItemKNN (Sarwar et al. 2001; Deshpande & Karypis 2004): the cosine of the items' columns x_i, shrunk where few users
had both (Bell & Koren 2007), each user weighted:

    B_ji = sum_u n_u^-p w_u x_uj x_ui / (|x_j| |x_i| + shrinkage)        |x_i|^2 = sum_u w_u x_ui^2                  (2)

with w_u = 1, or with ``idf`` log(n_items / n_u)^2, n_u being how many items user u had: who had everything says little.
p is ``user_power``: it does not enter the lengths, for else an item that only heavy users had would be short, and near.

RP3beta (Paudel et al. 2017; Cooper et al. 2014 for alpha): a walk of three steps, user to item to user to item, popular
ends made rarer:

    B_ji = sum_u p_ju^alpha p_ui^alpha_users / d_i^beta        p_ju = x_uj / d_j        p_ui = x_ui / d_u          (3)

d being sums of x over the row or column; one alpha in the papers. ``normalize`` divides B_ji by its sum over i, as
other people's code offers; it is not in the papers.

Where beta is left to the data it follows from W, the mean number of walks from a user over an item to a user, n_i being
how many had item i: who has few walks is told little beyond what is popular, and with many walks popularity has been
counted again with each of them. A pair of items of mean length L is to be held back by a cosine as much:

    W = sum_i n_i^2 / n_users        beta = 0.65 (1 - exp(-W / 2500))                                                (4)
    shrinkage = L^2 max(0, 1 / (2 beta) - 1)        L the geometric mean of |x_i| over clicks                        (5)

for B_ji falls as |x_i|^-2b with b = L^2 / (2 L^2 + 2 shrinkage) there. Time: one pass over the users' cells for each
cell; memory: n_neighbors weights an item, and n_items numbers a thread.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Annotated, ClassVar

import numpy as np

from palate.data.dataset import Dataset, interactions_of
from palate.data.interactions import Interactions
from palate.kernels import similarities as kernel
from palate.models.contract.learned import Attribute, Learns, NotNegative, Used
from palate.models.contract.learner import Training
from palate.models.contract.numbering import popular_first
from palate.models.contract.parameters import Above, AtLeast, Before
from palate.models.contract.shared import HistoryToScore, NThreads
from palate.models.items.clicks import Positive, Unit, training_clicks
from palate.models.items.item_weights import ItemWeights, LearnedWeights
from palate.models.ridge.rows import row_ranges
from palate.models.search import Choice, Range
from palate.parallel import GRAIN, Workers, check_threads
from palate.sparse import Array, Rows

BETA, WALKS = 0.65, 2500  # eq. 4

NNeighbors = Annotated[int, AtLeast(1), Range(50, 1000, log=True), "weights kept of each item, the largest."]


@dataclass(frozen=True, eq=False)
class LearnedNeighbors(LearnedWeights):
    """The largest weights of each item, and how values were taken.

    Attributes:
        log_values: whether the logarithm of values was taken.
        least_value, log_scale: as of `Unit`.
    """

    log_values: Annotated[bool, Used(otherwise=False)]
    least_value: Annotated[NotNegative, Used(0.0)]
    log_scale: Annotated[NotNegative, Used(1.0)]


class Neighbors(ItemWeights):
    """The largest weights of each item: base of `ItemKNN` and `RP3beta`."""

    learned_ = Learns(LearnedNeighbors)
    log_values_ = Attribute[bool]()
    least_value_ = Attribute[float]()
    log_scale_ = Attribute[float]()

    n_neighbors: NNeighbors = 1000
    _: KW_ONLY
    log_values: Annotated[
        bool | None,
        Choice((True, False)),
        Before(None),
        "with positive='values', whether a click counts as the logarithm of 1 and its value in units of the least, so "
        "that a few large values do not outweigh all others. None: where shrinkage or, of `RP3beta`, beta is None.",
    ] = None

    def _unit(self, clicks: Rows, *, derived: bool) -> Unit:
        logs = self.positive == "values" and (derived if self.log_values is None else self.log_values)
        return Unit.of(clicks.values) if logs else Unit()

    def _clicks(self, rows: Rows) -> Rows:
        return Unit(self.least_value_, self.log_scale_).taken(super()._clicks(rows))

    def memory_estimate(self, interactions: Dataset | Interactions) -> int:
        """Return about how many bytes ``fit`` will hold at its peak, the compressed training rows included.

        Raises:
            DataError: interactions is none.
        """
        data = interactions_of(interactions, "interactions")
        rule = self.positive
        clicks = slice(None) if rule is None or isinstance(rule, str) else data.values >= rule
        met = most_met(data.user_index[clicks], data.item_index[clicks], data.n_items)
        weights = int(np.minimum(met, self.n_neighbors).sum())
        return super().memory_estimate(data) + 24 * weights

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        return 64 * n_rows + 48 * n_items * check_threads(self.n_threads)  # beside the weights

    @property
    def _memory_advice(self) -> str:
        return "choose a smaller n_neighbors"


@dataclass(frozen=True, eq=False)
class LearnedCosines(LearnedNeighbors):
    """What `ItemKNN` has learned, and the settings that it used."""

    shrinkage: Annotated[float, Used()]
    user_power: Annotated[float, Used(0.0)]


class ItemKNN(Neighbors):
    """The items most similar by cosine to those a user had.

    Attributes:
        weights_indptr_, weights_indices_, weights_values_: compressed rows of B, from the item had to the item scored.
        shrinkage_, user_power_, log_values_: as they were used.
    """

    key: ClassVar[str] = "knn"
    learned_ = Learns(LearnedCosines)
    shrinkage_ = Attribute[float]()
    user_power_ = Attribute[float]()

    n_neighbors: NNeighbors = 400
    _: KW_ONLY
    shrinkage: Annotated[
        float | None,
        AtLeast(0),
        Range(0.1, 1000.0, log=True),
        "added to the product of lengths: pairs that few users had both count for less; None derives it, eq. 5.",
    ] = None
    user_power: Annotated[
        float | None,
        AtLeast(0, at_most=10),
        Before(0.0),
        Range(0.0, 1.0),
        "users weigh their number of items to the power of minus this; None is 0.5, or 0 with a shrinkage or idf.",
    ] = None
    idf: Annotated[bool, "weight users by the inverse frequency of what they had, in the lengths, too."] = False
    positive: Positive = None
    store_history: HistoryToScore = True
    n_threads: NThreads = None

    def _learn(self, training: Training) -> LearnedCosines:
        n_items = training.data.n_items
        clicks, order = popular_first(training_clicks(training.data, self.positive), training.data)
        unit = self._unit(clicks, derived=self.shrinkage is None)
        clicks = unit.taken(clicks)
        sizes = np.maximum(clicks.sizes, 1)
        w = np.square(np.log(n_items / sizes)) if self.idf else np.ones(clicks.n_rows)
        squares = np.square(clicks.values, dtype=np.float64) * np.repeat(w, clicks.sizes)
        lengths = np.sqrt(np.bincount(clicks.indices, squares, n_items))
        inverse = 1 / np.where(lengths > 0, lengths, np.inf)
        shrinkage = shrinkage_of(clicks, lengths) if self.shrinkage is None else float(self.shrinkage)
        power = self._user_power()
        if power:
            w = w * np.power(sizes, -power)
        weights = kernel.Weights(w, inverse, inverse)
        rows = largest(clicks, clicks, weights, shrinkage, self.n_neighbors, self.n_threads).transpose(n_items)
        return LearnedCosines.sparse(rows.permute(order.order), **_of_unit(unit), shrinkage=shrinkage, user_power=power)

    def _user_power(self) -> float:
        if self.user_power is not None:
            return float(self.user_power)
        return 0.5 if self.shrinkage is None and not self.idf else 0.0  # those given are meant for equal users


@dataclass(frozen=True, eq=False)
class LearnedWalks(LearnedNeighbors):
    """What `RP3beta` has learned, and the settings that it used."""

    alpha_users: Annotated[float, Used(as_of="alpha")]
    beta: Annotated[float, Used()]


class RP3beta(Neighbors):
    """Where a random walk of three steps from a user ends, popular items held back.

    Attributes:
        weights_indptr_, weights_indices_, weights_values_: compressed rows of B, from the item had to the item scored.
        alpha_users_, beta_, log_values_: as they were used.
    """

    key: ClassVar[str] = "rp3beta"
    learned_ = Learns(LearnedWalks)
    alpha_users_ = Attribute[float]()
    beta_ = Attribute[float]()

    _: KW_ONLY
    alpha: Annotated[float, Above(0, at_most=10), Range(0.3, 1.2), "power of the steps' probabilities."] = 0.6
    beta: Annotated[
        float | None,
        AtLeast(0, at_most=10),
        Range(0.0, 0.8),
        "power of the popularity that an item is divided by; 0 lets popular items win; None derives it, eq. 4.",
    ] = None
    alpha_users: Annotated[
        float | None,
        Above(0, at_most=10),
        Before(None),
        Range(0.3, 1.2),
        "power of the step from a user to an item; None is alpha.",
    ] = None
    normalize: Annotated[
        bool, Before(False), Choice((False, True)), "divide the weights from each item by their sum."
    ] = False
    positive: Positive = None
    store_history: HistoryToScore = True
    n_threads: NThreads = None

    def _learn(self, training: Training) -> LearnedWalks:
        n_items = training.data.n_items
        clicks, order = popular_first(training_clicks(training.data, self.positive), training.data)
        unit = self._unit(clicks, derived=self.beta is None)
        clicks = unit.taken(clicks)
        of_users = np.bincount(clicks.row_of_cells(), clicks.values, clicks.n_rows)
        of_items = np.bincount(clicks.indices, clicks.values, n_items)
        alpha = float(self.alpha)
        alpha_users = alpha if self.alpha_users is None else float(self.alpha_users)
        beta = beta_of(clicks, n_items) if self.beta is None else float(self.beta)
        with np.errstate(divide="ignore"):
            w, a, b = of_users**-alpha_users, of_items**-alpha, of_items**-beta
        w, b, a = (np.where(np.isfinite(x), x, 0.0) for x in (w, b, a))
        weights = kernel.Weights(w, b, a)  # a row is what one item leads to
        to_users, to_items = (
            replace(clicks, values=clicks.values ** np.float32(power)) for power in (alpha, alpha_users)
        )
        rows = largest(to_users, to_items, weights, 0.0, self.n_neighbors, self.n_threads)
        if self.normalize:
            rows = normalized(rows)
        return LearnedWalks.sparse(rows.permute(order.order), **_of_unit(unit), alpha_users=alpha_users, beta=beta)


def _of_unit(unit: Unit) -> dict[str, float]:
    return {"log_values": unit.least > 0, "least_value": unit.least, "log_scale": unit.scale}


def beta_of(clicks: Rows, n_items: int) -> float:
    """Return eq. 4: beta from the mean number of walks from a user over an item to a user."""
    walks = np.square(np.bincount(clicks.indices, minlength=n_items), dtype=np.float64).sum() / clicks.n_rows
    return float(-BETA * np.expm1(-walks / WALKS))


def shrinkage_of(clicks: Rows, lengths: Array) -> float:
    """Return eq. 5: the shrinkage with which a pair of mean lengths holds popularity back as much as eq. 4 does."""
    own = lengths[clicks.indices]
    own = own[own > 0]  # with idf, who had everything weighs nothing
    if not len(own):
        return 0.0
    return float(np.exp(2 * np.log(own).mean())) * max(0.5 / beta_of(clicks, len(lengths)) - 1, 0.0)


def normalized(rows: Rows) -> Rows:
    """Return rows of numbers above 0, each divided by its sum."""
    sums = np.bincount(rows.row_of_cells(), rows.values, rows.n_rows)
    return replace(rows, values=(rows.values / np.repeat(sums, rows.sizes)).astype(np.float32))


def largest(
    clicks: Rows, others: Rows, weights: kernel.Weights, shrinkage: float, n: int, n_threads: int | None
) -> Rows:
    """Return the n largest similarities of each item as compressed rows: eq. 1 of the kernel.

    Args:
        clicks, others: the same cells, with the values of an item's own side and of the other side.
        weights: of users and items.
        shrinkage: as in eq. 1.
        n: how many.
        n_threads: threads.
    """
    n_items = len(weights.a)
    by_item = clicks.transpose(n_items)
    of_items, of_users = (rows.cells_with(rows.values.astype(np.float64)) for rows in (by_item, others))
    starts = np.cumsum([0, *np.minimum(n, most_met(clicks.row_of_cells(), clicks.indices, n_items))])
    out = kernel.Largest(
        starts, np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32), np.zeros(n_items, np.int64)
    )
    call = partial(kernel.largest_similarities, of_items, of_users, weights, shrinkage)
    with Workers(n_threads) as workers:
        parts = row_ranges(by_item, workers, GRAIN.solved)
        workers.run([partial(call, a, b, out) for a, b in parts])
    end = kernel.close_gaps(out)
    return Rows.of_sizes(out.counts, out.indices[:end], out.values[:end])


def most_met(users: Array, items: Array, n_items: int) -> Array:
    """Return how many other items each item can have users in common with, at most, (n_items,), of cells.

    So many others have its users, each of them counted for every user: exact where no two items share two users.
    """
    others = np.bincount(users)[users] - 1
    return np.minimum(np.bincount(items, others, n_items).astype(np.int64), n_items - 1)
