"""`ItemKNN` and `RP3beta`: the most similar items of each item, from whom they were had by; strong and simple.

ItemKNN keeps, of each item i, the n_neighbors largest weights B_ji from other items j; RP3beta those of each j to other
items i, as a walk goes (and as its authors' code does), and

    score(u, i) = sum_j x_uj B_ji        over the user's own items j                                                 (1)

ItemKNN (Sarwar et al. 2001; Deshpande & Karypis 2004): the cosine of the items' columns x_i, shrunk where few users
had both (Bell & Koren 2007), each user weighted:

    B_ji = sum_u w_u x_uj x_ui / (|x_j| |x_i| + shrinkage)        |x_i|^2 = sum_u w_u x_ui^2                         (2)

with w_u = 1, or with ``idf`` log(n_items / n_u)^2, n_u being how many items user u had: who had everything says little.

RP3beta (Paudel et al. 2017; Cooper et al. 2014 for alpha): a walk of three steps, user to item to user to item, popular
ends made rarer:

    B_ji = sum_u p_ju^alpha p_ui^alpha / d_i^beta        p_ju = x_uj / d_j        p_ui = x_ui / d_u                (3)

d being sums of x over the row or column. Time: one pass over the users' cells for each cell; memory: n_neighbors
weights an item, and n_items numbers a thread.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, replace
from functools import partial
from typing import Annotated, ClassVar

import numpy as np

from palate.kernels import similarities as kernel
from palate.models.contract.learner import Training
from palate.models.contract.numbering import popular_first
from palate.models.contract.parameters import Above, AtLeast
from palate.models.contract.shared import HistoryToScore, NThreads
from palate.models.items.clicks import Positive, training_clicks
from palate.models.items.item_weights import ItemWeights, LearnedWeights
from palate.models.ridge.rows import row_ranges
from palate.models.search import Choice, Range
from palate.parallel import GRAIN, Workers, check_threads
from palate.sparse import Rows


class Neighbors(ItemWeights):
    """The largest weights of each item: base of `ItemKNN` and `RP3beta`."""

    n_neighbors: Annotated[int, AtLeast(1), Range(10, 1000, log=True), "weights kept of each item, the largest."] = 100

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        kept = n_items * min(int(self.n_neighbors), max(n_items - 1, 1))
        return 48 * kept + 64 * n_rows + 24 * n_items * check_threads(self.n_threads)

    @property
    def _memory_advice(self) -> str:
        return "choose a smaller n_neighbors"


class ItemKNN(Neighbors):
    """The items most similar by cosine to those a user had.

    Attributes:
        weights_indptr_, weights_indices_, weights_values_: compressed rows of B, from the item had to the item scored.
    """

    key: ClassVar[str] = "knn"

    _: KW_ONLY
    shrinkage: Annotated[
        float,
        AtLeast(0),
        Range(0.1, 1000.0, log=True),
        "added to the product of lengths: pairs that few users had both count for less.",
    ] = 10.0
    idf: Annotated[bool, Choice((False, True)), "weight users by the inverse frequency of what they had."] = False
    positive: Positive = None
    store_history: HistoryToScore = True
    n_threads: NThreads = None

    def _learn(self, training: Training) -> LearnedWeights:
        n_items = training.data.n_items
        clicks, order = popular_first(training_clicks(training.data, self.positive), training.data)
        w = np.ones(clicks.n_rows)
        if self.idf:
            w = np.square(np.log(n_items / np.maximum(clicks.sizes, 1)))
        squares = np.square(clicks.values, dtype=np.float64) * np.repeat(w, clicks.sizes)
        lengths = np.sqrt(np.bincount(clicks.indices, squares, n_items))
        inverse = 1 / np.where(lengths > 0, lengths, np.inf)
        weights = kernel.Weights(w, inverse, inverse)
        rows = largest(clicks, n_items, weights, float(self.shrinkage), self.n_neighbors, self.n_threads)
        return LearnedWeights.sparse(rows.transpose(n_items).permute(order.order))


class RP3beta(Neighbors):
    """Where a random walk of three steps from a user ends, popular items held back.

    Attributes:
        weights_indptr_, weights_indices_, weights_values_: compressed rows of B, from the item had to the item scored.
    """

    key: ClassVar[str] = "rp3beta"

    _: KW_ONLY
    alpha: Annotated[float, Above(0, at_most=10), Range(0.2, 2.0), "power of the steps' probabilities."] = 1.0
    beta: Annotated[
        float,
        AtLeast(0, at_most=10),
        Range(0.0, 1.5),
        "power of the popularity that an item is divided by; 0 lets popular items win.",
    ] = 0.6
    positive: Positive = None
    store_history: HistoryToScore = True
    n_threads: NThreads = None

    def _learn(self, training: Training) -> LearnedWeights:
        n_items = training.data.n_items
        clicks, order = popular_first(training_clicks(training.data, self.positive), training.data)
        of_users = np.bincount(clicks.row_of_cells(), clicks.values, clicks.n_rows)
        of_items = np.bincount(clicks.indices, clicks.values, n_items)
        alpha, beta = float(self.alpha), float(self.beta)
        with np.errstate(divide="ignore"):
            w, a, b = of_users**-alpha, of_items**-alpha, of_items**-beta
        w, b, a = (np.where(np.isfinite(x), x, 0.0) for x in (w, b, a))
        weights = kernel.Weights(w, b, a)  # a row is what one item leads to
        powered = replace(clicks, values=clicks.values ** np.float32(alpha))
        rows = largest(powered, n_items, weights, 0.0, self.n_neighbors, self.n_threads)
        return LearnedWeights.sparse(rows.permute(order.order))


def largest(
    clicks: Rows, n_items: int, weights: kernel.Weights, shrinkage: float, n: int, n_threads: int | None
) -> Rows:
    """Return the n largest similarities of each item as compressed rows: eq. 1 of the kernel."""
    n = min(int(n), max(n_items - 1, 1))
    by_item = clicks.transpose(n_items)
    of_items, of_users = (rows.cells_with(rows.values.astype(np.float64)) for rows in (by_item, clicks))
    out = kernel.Largest(
        np.empty((n_items, n), np.int32), np.empty((n_items, n), np.float32), np.zeros(n_items, np.int64)
    )
    call = partial(kernel.largest_similarities, of_items, of_users, weights, shrinkage)
    with Workers(n_threads) as workers:
        parts = row_ranges(by_item, workers, GRAIN.solved)
        workers.run([partial(call, a, b, out) for a, b in parts])
    kept = np.arange(n) < out.counts[:, None]
    return Rows.of_sizes(out.counts, out.indices[kept], out.values[kept])
