"""`Popularity`: items ordered by how many users had them, the same for everybody; recent rows may count for more.

The score of item i, over the training rows (u, i, t) with the latest at T:

    c_i = number of rows of i                           without half life
    c_i = sum of 0.5^((T - t) / half_life)              with one

One pass over the rows: O(rows) in time; memory of one number a row with a half life, else of one an item.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.data.items import item_table
from palate.errors import DataError
from palate.models.base import Recommender, ScoreKind
from palate.models.parameters import check_choice, check_number
from palate.models.search import Choice, SearchSpace
from palate.models.training_part import check_parts
from palate.parallel import check_threads
from palate.progress import ProgressCallback, silent

SECONDS_A_DAY = 86_400


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
    learned_arrays: ClassVar[dict[str, tuple[str, ...]]] = {"item_biases_": ("n_items",)}
    learned_scalars: ClassVar[tuple[str, ...]] = ("rating_range_",)

    def __init__(
        self, half_life_days: float | None = None, *, store_history: bool = True, n_threads: int | None = None
    ) -> None:
        self.half_life_days = half_life_days
        self.store_history = store_history
        self.n_threads = n_threads

    def fit(
        self,
        interactions: Interactions,
        *,
        validation: Interactions | None = None,
        items: Any = None,
        progress: ProgressCallback = silent,
    ) -> Self:
        """Count the rows of each item.

        Args:
            interactions: the training part.
            validation: checked and not used: there is nothing to choose.
            items: a table with item_id, title and further columns, to show and to filter by.
            progress: not called: there is one step.

        Raises:
            ParameterError: a parameter has a wrong type or range.
            DataError: there is no row, one of the parts is no `Interactions` or a value in it is beyond 1e15, their
                ids differ, half_life_days is given and the rows have no times, or the item table is faulty.
        """
        self.check_parameters()
        check_parts(interactions, validation)
        weights = None if self.half_life_days is None else self._weights(interactions)
        table = item_table(interactions.items, items)
        counts = np.bincount(interactions.item_index, weights, minlength=interactions.n_items)
        self.item_biases_ = counts.astype(np.float64)
        self._remember(interactions, table)
        return self

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

    def _factors(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], float]:
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
