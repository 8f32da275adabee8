"""`EASE`: one ridge regression of every item on all others, in closed form (Steck 2019); with dropout, EDLAE (2020).

Objective, X (n_users, n_items) being the clicks, over weights B from item to item:

    |X - X B|^2 + reg |B|^2 + dropout / (1 - dropout) |diag(X'X)^(1/2) B|^2        diag(B) = 0                       (1)

Solution (Steck 2019, eq. 8; Steck 2020, eq. 10 where all emphasis lies off the diagonal):

    P = inv(X'X + reg I + dropout / (1 - dropout) diag(X'X))        B_ij = -P_ij / P_jj, B_jj = 0                    (2)

score(u, i) = sum_j x_uj B_ji. P is computed in place by Cholesky's factorization: memory is one matrix of n_items^2
numbers, time O(n_items^3 + sum of the squares of the users' numbers of clicks). LAPACK computes it on threads, so B is
equal to rounding, not to the bit, for other numbers of threads and other machines.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from functools import partial
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np

from palate.errors import DivergenceError
from palate.kernels import weights as kernel
from palate.models.contract.learner import Training
from palate.models.contract.numbering import popular_first
from palate.models.contract.parameters import Above, AtLeast
from palate.models.contract.shared import Dtype, HistoryToScore, NThreads
from palate.models.items.clicks import Positive, training_clicks
from palate.models.items.item_weights import ItemWeights, LearnedWeights
from palate.models.items.square import invert, largest_by_column, renumber
from palate.models.ridge.rows import row_ranges
from palate.models.search import Range
from palate.parallel import GRAIN, Workers, check_threads
from palate.sparse import Array, Rows


class EASE(ItemWeights):
    """Item-to-item weights of one closed-form ridge regression: strong, without factors, for up to some 50,000 items.

    Attributes:
        weights_: (n_items, n_items), from the item had to the item scored; no rows where n_neighbors is given, and then
        weights_indptr_, weights_indices_, weights_values_: its compressed rows.
    """

    key: ClassVar[str] = "ease"
    own_blas_threads: ClassVar[bool] = True

    reg: Annotated[
        float,
        Above(0),
        Range(10.0, 3000.0, log=True),
        "L2 penalty of the weights, in clicks; stronger for sparser data.",
    ] = 250.0
    _: KW_ONLY
    dropout: Annotated[
        float,
        AtLeast(0, at_most=0.99),
        Range(0.0, 0.8),
        "part of a user's clicks that is left out when learning to predict the others (EDLAE); 0 is EASE.",
    ] = 0.0
    n_neighbors: Annotated[
        int | None, AtLeast(1), "keep only this many weights of each item, the largest in size; none keeps all."
    ] = None
    positive: Positive = None
    dtype: Dtype = "float32"
    store_history: HistoryToScore = True
    n_threads: Annotated[
        NThreads, "threads, None for all cores; other numbers give the same weights up to rounding."
    ] = None

    def _learn(self, training: Training) -> LearnedWeights:
        clicks, order = popular_first(training_clicks(training.data, self.positive), training.data)
        n_items = training.data.n_items
        B = np.empty((n_items, n_items), self.dtype)
        with Workers(self.n_threads) as workers:
            _co_occurrences(clicks, B, workers)
            counts = B.diagonal().copy()
            B[np.diag_indices(n_items)] += self.reg + self.dropout / (1 - self.dropout) * counts
            too_small = self.reg <= np.finfo(B.dtype).eps * counts.max()
            if too_small or not invert(B, check_threads(self.n_threads)):
                raise DivergenceError(
                    f"the equations cannot be solved in {B.dtype}: reg={self.reg:g} is too small for these clicks; "
                    "take a larger one, or dtype='float64'",
                    subject="reg",
                )
            diagonal = B.diagonal().copy()
            ends = np.unique(np.sqrt(np.linspace(0, 1, 8 * workers.n_threads + 1)) * n_items).astype(int)
            calls = [partial(kernel.ease_weights, B, diagonal, a, b) for a, b in pairwise(ends.tolist())]
            workers.run(calls)
        if self.n_neighbors is None or self.n_neighbors >= n_items - 1:
            renumber(B, order.places)
            return LearnedWeights.whole(B)
        return LearnedWeights.sparse(largest_by_column(B, self.n_neighbors).permute(order.order), B.dtype)

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        kept = 0 if self.n_neighbors is None else 24 * n_items * int(self.n_neighbors)
        return n_items**2 * np.dtype(self.dtype).itemsize + kept + 32 * n_rows

    @property
    def _memory_advice(self) -> str:
        return "EASE needs the square of the number of items: learn from fewer items, or take ials"


def _co_occurrences(clicks: Rows, G: Array, workers: Workers) -> None:
    """Write X'X into G."""
    by_item = clicks.transpose(len(G))
    call = partial(kernel.co_occurrences, by_item.cells, clicks.cells)
    workers.run([partial(call, first, last, G) for first, last in row_ranges(by_item, workers, GRAIN.solved)])
