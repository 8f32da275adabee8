"""`Popularity`: items ordered by how many users had them, the same for everybody; recent rows may count for more.

The score of item i, over the training rows (u, i, t) with the latest at T:

    c_i = number of rows of i                           without half life
    c_i = sum of 0.5^((T - t) / half_life)              with one

A row of sample weight w counts w times.

One pass over the rows: O(rows) in time; memory of one number a row with a half life, else of one an item.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.errors import Blank, DataError, Set
from palate.models.contract.base import Recommender
from palate.models.contract.explanation import Part
from palate.models.contract.learned import Array, Attribute, Learned, Learns, Shape
from palate.models.contract.learner import ScoreKind, Training
from palate.models.contract.parameters import Above
from palate.models.contract.scoring import FactorScorer, Scorer
from palate.models.contract.shared import StoreHistory, ThreadsToRecommend
from palate.models.search import Choice
from palate.sparse import Rows
from palate.topk import ItemSide

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

    Attributes:
        item_biases_: (n_items,) float64, the scores.
    """

    key: ClassVar[str] = "popularity"
    score_kind: ClassVar[ScoreKind] = "order"
    takes_weights: ClassVar[bool] = True
    learned_ = Learns(Counts)
    item_biases_ = Attribute[Array]()

    half_life_days: Annotated[
        float | None,
        Above(0),
        Choice((None, 7.0, 30.0, 90.0, 180.0, 365.0, 730.0)),
        "a row this much older than the latest one counts half; none counts all rows alike.",
    ] = None
    _: KW_ONLY
    store_history: StoreHistory = True
    n_threads: ThreadsToRecommend = None

    def _learn(self, training: Training) -> Counts:
        data = training.data
        weights = None if self.half_life_days is None else self._weights(data)
        if data.weights is not None:
            weights = data.weights.astype(np.float64) * (1 if weights is None else weights)
        counts = np.bincount(data.item_index, weights, minlength=data.n_items)
        return Counts(counts.astype(np.float64))

    def _scorer(self) -> Scorer:
        return self._same_for_all(len(self.users_))

    def _scorer_for(self, rows: Rows, features: Any) -> Scorer:
        return self._same_for_all(rows.n_rows)

    def _same_for_all(self, n_users: int) -> Scorer:
        items = self._derived("items", lambda: ItemSide(np.zeros((len(self.items_), 0)), self.item_biases_, 0.0))
        return FactorScorer(np.zeros((n_users, 0)), np.zeros(n_users), items)

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
                "name its column (",
                Set("columns", {"time": Blank("NAME")}),
                "), or leave half_life_days out",
                code="times",
                subject="half_life_days",
            )
        days = (data.times - data.times.max()) / SECONDS_A_DAY
        with np.errstate(over="ignore"):  # a half life of nearly nothing: all but the latest count 0
            weights: NDArray[np.float64] = np.exp2(days / self.half_life_days)
        return weights
