"""`Popularity`: items ordered by how many users had them, the same for everybody; recent rows may count for more.

The score of item i, over the training rows (u, i, t) with the latest at T:

    c_i = number of rows of i                           without half life
    c_i = sum of 0.5^((T - t) / half_life)              with one

A row of sample weight w counts w times.

One pass over the rows: O(rows) in time; memory of one number a row with a half life, else of one an item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions, Rows
from palate.errors import DataError
from palate.models.contract.base import Recommender
from palate.models.contract.explanation import Part
from palate.models.contract.learned import Array, Attribute, Learned, Learns, Shape
from palate.models.contract.learner import ScoreKind, Training
from palate.models.contract.parameters import check_choice, check_number
from palate.models.contract.scoring import FactorScorer, Scorer
from palate.models.search import Choice, SearchSpace
from palate.parallel import check_threads
from palate.topk import Factors

SECONDS_A_DAY = 86_400


@dataclass(frozen=True, eq=False)
class Counts(Learned):
    """How often each item was had.

    Attributes:
        item_biases: (n_items,) float64.
    """

    item_biases: Annotated[Array, Shape("n_items")]


class Popularity(Recommender):
    """The most popular items, for everybody the same: the floor that every ranking must beat.

    Values do not count, only rows do. Items of exactly equal score stand in the order of their index.

    Args:
        half_life_days: a row this much older than the latest one counts half; none counts all rows alike.
        store_history: keep the training interactions, to leave out what a user has seen.
        n_threads: threads when recommending, None for all cores; the answer is the same for any number.

    Attributes:
        item_biases_: (n_items,) float64, the scores.
    """

    key: ClassVar[str] = "popularity"
    score_kind: ClassVar[ScoreKind] = "order"
    search_space: ClassVar[SearchSpace] = {"half_life_days": Choice((None, 7.0, 30.0, 90.0, 180.0, 365.0, 730.0))}
    supports: ClassVar[frozenset[str]] = frozenset({"recommend_for", "explain", "weights"})
    learned_ = Learns(Counts)
    item_biases_ = Attribute[Array]()

    def __init__(
        self, half_life_days: float | None = None, *, store_history: bool = True, n_threads: int | None = None
    ) -> None:
        self.half_life_days = half_life_days
        self.store_history = store_history
        self.n_threads = n_threads

    def _learn(self, training: Training) -> Counts:
        data = training.data
        weights = None if self.half_life_days is None else self._weights(data)
        if data.weights is not None:
            weights = data.weights.astype(np.float64) * (1 if weights is None else weights)
        counts = np.bincount(data.item_index, weights, minlength=data.n_items)
        return Counts(counts.astype(np.float64))

    def _scorer_for(self, rows: Rows, features: Any) -> Scorer:
        n_users = len(rows.indptr) - 1
        empty = np.zeros((n_users, 0)), np.zeros((len(self.items_), 0))
        return FactorScorer((*empty, np.zeros(n_users), self.item_biases_, 0.0))

    def _parts(self, row: Rows, features: Any, item: int) -> tuple[list[Part], tuple[Any, Any, Any]]:
        nothing = np.zeros(0)
        part = Part("item bias", "how many had the item", float(self.item_biases_[item]))
        return [part], (nothing.astype(np.int32), nothing, nothing)

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        return 8 * n_items + (0 if self.half_life_days is None else 16 * n_rows)

    def _weights(self, data: Interactions) -> NDArray[np.float64]:
        """Return what each row counts, (n,): 1 for the latest."""
        if data.times is None:
            raise DataError(
                f"half_life_days={self.half_life_days:g} needs the time of each row, and the training part has none; "
                "name its column (columns={'time': NAME}), or leave half_life_days out"
            )
        days = (data.times - data.times.max()) / SECONDS_A_DAY
        with np.errstate(over="ignore"):  # a half life of nearly nothing: all but the latest count 0
            weights: NDArray[np.float64] = np.exp2(days / self.half_life_days)
        return weights

    def _factors(self) -> Factors:
        n_users, n_items = len(self.users_), len(self.items_)
        return np.zeros((n_users, 0)), np.zeros((n_items, 0)), np.zeros(n_users), self.item_biases_, 0.0

    def check_parameters(self) -> None:
        """Refuse parameters outside their type or range.

        Raises:
            ParameterError: names the parameter, the value and the range.
        """
        if self.half_life_days is not None:
            check_number("half_life_days", self.half_life_days, low=0, open_low=True)
        check_choice("store_history", self.store_history, (False, True))
        check_threads(self.n_threads)
