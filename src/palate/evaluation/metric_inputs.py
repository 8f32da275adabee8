"""What metrics are computed from, each made when the first metric asks for it and shared by all.

Lists hold one row for each *ranked* user: one with a relevant row in the test part. They are drawn from the catalogue,
or from a part of it, less what each user had in training. Metrics of shown lists read them as a person sees them;
ranking metrics take the expected value where equal scores, or equal popularity, leave the order open.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.errors import DataError, ParameterError
from palate.evaluation.ranked_lists import RankedLists
from palate.metrics import Judged, Metric, SampledRanks, sampled_ranks, take_rows
from palate.models.contract.base import Recommender
from palate.models.contract.predictive import Predictive
from palate.models.items.popularity import Popularity
from palate.sparse import Rows

Relevance = float | Literal["any"] | None


def check_positive(positive: Relevance, values: NDArray[np.float32], where: str = "") -> None:
    """Refuse a rule of relevance that means nothing, or that no test value meets.

    Args:
        positive: a number, "any", or None, which means the same here.
        values: of the test rows.
        where: what to call them.

    Raises:
        ParameterError: positive is none of these, or not finite.
        DataError: tells the highest value.
    """
    if positive is None or positive == "any":
        return
    if not isinstance(positive, int | float | np.number) or not np.isfinite(positive):
        raise ParameterError.outside("positive", "a finite number, or 'any' for every row", positive)
    if values.max() < positive:
        raise DataError(
            f"no test row{where} has a value of at least {positive:g}, the highest is {values.max():g}: lower it",
            subject="positive",
        )


def relevant_rows(
    test: Interactions, positive: Relevance, allowed: NDArray[np.bool_] | None, where: str = ""
) -> NDArray[np.intp]:
    """Return which test rows are relevant: of a value that counts, and of an item that may be listed.

    Raises:
        ParameterError: positive is no rule.
        DataError: no row is relevant.
    """
    check_positive(positive, test.values, where)
    rows = np.ones(len(test), bool) if positive is None or positive == "any" else test.values >= positive
    if allowed is not None:
        rows &= allowed[test.item_index]
        if not rows.any():
            raise DataError(
                f"none of the relevant test rows{where} is of the {allowed.sum():,} items that may be listed: take a "
                "larger part of the catalogue",
                subject="positive",
            )
    return np.flatnonzero(rows)


def has_genres(items: pl.DataFrame) -> bool:
    """Return whether an item table has genres."""
    return items.schema.get("genres") == pl.List(pl.String)


class MetricInputs:
    """What metrics take, by name; None where the model or the data does not have it.

    Args:
        model: fitted.
        train, test: parts of one set of interactions.
        items: an item table, or None for the model's own.
        positive: which test rows are relevant.
        width: how long lists must be, or None for any length.
        allowed: (n_items,) the items that may be listed, or None for all.
    """

    def __init__(
        self,
        model: Recommender,
        train: Interactions,
        test: Interactions,
        items: pl.DataFrame | None,
        positive: Relevance,
        width: int | None,
        allowed: NDArray[np.bool_] | None,
    ) -> None:
        self.model, self.train, self.test, self.positive = model, train, test, positive
        self.items = model.item_table_ if items is None else items
        self.width = width or 10
        self.allowed = allowed

    def given(self, metric: Metric) -> dict[str, Any]:
        """Return what a metric takes, by name, up to the first that is None.

        A metric that takes the size of the catalogue as well is given items numbered within the part.
        """
        of_part = ("lists", "relevant", "excluded") if "n_items" in metric.inputs else ()
        values: dict[str, Any] = {}
        for name in metric.inputs:
            values[name] = getattr(self, f"_{name}_of_part" if name in of_part else name)
            if values[name] is None:
                break
        return values

    def users_of(self, metric: Metric) -> NDArray[Any]:
        """Return the user of each of a metric's values, where it gives one a user; else of each test row."""
        if metric.kind != "rating":
            return self.ranked
        return np.arange(self.n_users) if metric.per == "user" else self.user_index

    def made_of(self, name: str) -> Any:
        """Return what was made under this name, or None where nothing asked for it."""
        return vars(self).get(name)

    # -- of ratings

    @property
    def truth(self) -> NDArray[np.float32]:
        """Values of the test rows."""
        return self.test.values

    @cached_property
    def predicted(self) -> NDArray[np.float64] | None:
        """Raw predictions of the test rows, of a model that predicts ratings."""
        return self.model.predict_rows(self.test) if self.model.score_kind == "rating" else None

    @cached_property
    def predictive(self) -> Predictive | None:
        """Predictive distributions of the test rows."""
        return self.model.predictive_of(self.test) if "predict_distribution" in self.model.supports else None

    @property
    def rating_range(self) -> tuple[float, float]:
        """What predictions are clipped to."""
        return self.model.rating_range_

    @property
    def user_index(self) -> NDArray[np.int32]:
        """Users of the test rows."""
        return self.test.user_index

    # -- of lists: row m is the user ranked[m]

    @cached_property
    def _relevant_rows(self) -> NDArray[np.intp]:
        return relevant_rows(self.test, self.positive, self.allowed)

    @cached_property
    def ranked(self) -> NDArray[np.intp]:
        """Users with something relevant."""
        return np.unique(self.test.user_index[self._relevant_rows]).astype(np.intp)

    @cached_property
    def relevant(self) -> Rows:
        """What is relevant for each of them."""
        return take_rows(self.test.take(self._relevant_rows).by_user(), self.ranked)

    @cached_property
    def seen(self) -> Rows:
        """What all users had in training."""
        return self.train.by_user()

    @cached_property
    def excluded(self) -> Rows:
        """What the ranked users had in training."""
        return take_rows(self.seen, self.ranked)

    @property
    def history(self) -> Rows:
        """The same, as metrics of shown lists call it."""
        return self.excluded

    @cached_property
    def ranked_lists(self) -> RankedLists:
        """The model's lists."""
        return self._lists_of(self.model)

    @property
    def popular(self) -> NDArray[np.bool_]:
        """Which of the ranked users were given the popular list."""
        return self.ranked_lists.popular

    @property
    def lists(self) -> NDArray[np.int32]:
        """The model's lists as they are shown."""
        return self.ranked_lists.items

    @cached_property
    def judged(self) -> Judged:
        """The model's lists with their hits marked."""
        return self.ranked_lists.judged(self.relevant, self.test.n_items)

    @cached_property
    def popular_lists(self) -> RankedLists:
        """The most popular items that each user did not have."""
        return self._lists_of(Popularity().fit(self.train))

    @property
    def expected(self) -> NDArray[np.int32]:
        """The same as they would be shown."""
        return self.popular_lists.items

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """Training rows of each item."""
        return np.bincount(self.train.item_index, minlength=self.test.n_items)

    @property
    def n_users(self) -> int:
        """Users of the data."""
        return self.test.n_users

    @cached_property
    def sampled(self) -> SampledRanks:
        """Where relevant items stand among sampled others."""
        return sampled_ranks(self.score_block, self._relevant_of_part, self._excluded_of_part, self.n_items)

    @cached_property
    def features(self) -> NDArray[Any] | None:
        """Factors of the items."""
        factors = getattr(self.model, "item_factors_", None)
        return factors if factors is not None and factors.shape[1] else None

    @cached_property
    def genres(self) -> NDArray[np.uint8] | None:
        """(n_items, n_genres) 1 where the item has the genre."""
        if not has_genres(self.items):
            return None
        cells = self.items.select(pl.int_range(pl.len()).alias("row"), "genres").explode("genres").drop_nulls()
        if cells.is_empty():
            return None
        names, column = np.unique(cells["genres"].to_numpy(), return_inverse=True)
        table = np.zeros((self.test.n_items, len(names)), np.uint8)
        table[cells["row"].to_numpy(), column] = 1
        return table

    def _lists_of(self, model: Recommender) -> RankedLists:
        return RankedLists(model, self.ranked, self.width, self.seen, self.allowed)

    # -- of the part of the catalogue that may be listed, its items numbered anew

    @property
    def n_items(self) -> int:
        """Size of the part."""
        return self.test.n_items if self.allowed is None else int(self.allowed.sum())

    def score_block(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return what the part's items are ranked by for these ranked users."""
        keys = self.ranked_lists.keys(rows)
        return keys if self.allowed is None else keys[:, self.allowed]

    @property
    def _lists_of_part(self) -> NDArray[np.int32]:
        if self.allowed is None:
            return self.lists
        places = (np.cumsum(self.allowed) - 1).astype(np.int32)  # of each allowed item among them
        return np.where(self.lists >= 0, places[self.lists], np.int32(-1))

    @property
    def _relevant_of_part(self) -> Rows:
        return _within(self.relevant, self.allowed)

    @property
    def _excluded_of_part(self) -> Rows:
        return _within(self.excluded, self.allowed)


def _within(rows: Rows, allowed: NDArray[np.bool_] | None) -> Rows:
    """Return the rows' allowed items alone, numbered among them."""
    return rows if allowed is None else rows.select(allowed)
