"""What the rows are: ratings, clicks or counts, how many, how dense; and so which question is asked of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from palate.data.interactions import Interactions
from palate.errors import DataError, ParameterError, Remedy, Set
from palate.metrics import named
from palate.models.items.clicks import RULES, Positive, check_positive_rule

PLACES = 20  # of a list, where no metric is named
COUNTED = 20  # whole numbers from 1, the largest so many times the median, are counts: no scale of ratings is so skewed

RowKind = Literal["ratings", "clicks", "counts"]


@dataclass(frozen=True)
class RowFacts:
    """What decides which models are tried.

    Attributes:
        kind: what the values are.
        rows, users, items: how many there are, of users and items those with a row.
        per_user: rows of a user, the median.
        pairs: of items that one user had both of, over all users; what similarities of items cost.
        timed: whether rows have times.
        constant: whether all values are equal.
        metric: that models are compared by.
        positive: the rule of clicks for models that learn from them.
    """

    kind: RowKind
    rows: int
    users: int
    items: int
    per_user: float
    pairs: float
    timed: bool
    constant: bool
    metric: str
    positive: Positive

    @property
    def density(self) -> float:
        """Share of all user-item pairs that have a row."""
        return self.rows / (self.users * self.items)

    @property
    def of_lists(self) -> bool:
        """Whether the metric is one of lists, and not of predicted ratings."""
        return named(self.metric).metric.kind != "rating"

    @property
    def sentence(self) -> str:
        """What the rows were taken as."""
        times = "with times" if self.timed else "without times"
        return (
            f"{self.rows:,} {self.kind} of {self.users:,} people and {self.items:,} items, {self.density:.2%} of all "
            f"pairs, {self.per_user:g} a person (median), {times}"
        )

    @property
    def too_few(self) -> str | None:
        """Why no two models can be told apart on these rows, or None."""
        if self.users < 2 or self.items < 2:
            one = "one person" if self.users < 2 else "one item"
            return f"there is only {one}, so that no model can be told from another"
        if self.constant and not self.of_lists:
            return "all values are equal, so that there is no difference to predict"
        return None


def facts_of(rows: Interactions, metric: str | None, positive: Any) -> RowFacts:
    """Return what rows are, and the question that is asked of models.

    Args:
        rows: what models may learn from.
        metric: that is asked for; None is rmse of ratings, and ndcg@20 of clicks and counts.
        positive: the rule of clicks that was given, or None.

    Raises:
        DataError: there is no row, or lists are asked for and nobody said which ratings are clicks.
        ParameterError: positive is no rule, or was given beside a metric of predicted ratings.
    """
    check_positive_rule(positive)
    if not len(rows):
        raise DataError.of("data", "has no row to choose a model by", code="empty")
    constant = bool(rows.values.min() == rows.values.max())
    rating = metric is not None and named(metric).metric.kind == "rating"
    if rating and positive is not None:
        raise ParameterError.of("positive", f"says what a click is, and {metric} is of predicted ratings: leave it out")
    kind = "ratings" if rating else _kind(rows, constant, positive)
    if kind == "ratings" and metric is not None and not rating:
        raise DataError(
            f"{metric} is of lists, and the values differ, from {rows.values.min():g} to {rows.values.max():g}",
            Remedy(f": say how values count, positive={RULES}; ", Set("positive", 4), " suits ratings of 1 to 5"),
            code="clicks",
            subject="positive",
        )
    rule: Positive = "values" if kind == "counts" else positive
    if not isinstance(rule, str | None):
        rows = _clicked(rows, rule)
    by_user, by_item = np.bincount(rows.user_index), np.bincount(rows.item_index)
    by_user = by_user[by_user > 0]
    return RowFacts(
        kind=kind,
        rows=len(rows),
        users=len(by_user),
        items=int(np.count_nonzero(by_item)),
        per_user=float(np.median(by_user)),
        pairs=float(np.square(by_user.astype(np.float64)).sum()),
        timed=rows.times is not None,
        constant=constant,
        metric=metric or ("rmse" if kind == "ratings" else f"ndcg@{min(PLACES, rows.n_items)}"),
        positive=rule,
    )


def _clicked(rows: Interactions, least: float) -> Interactions:
    """Return the rows that are clicks."""
    clicks = np.flatnonzero(rows.values >= least)
    if not len(clicks):
        raise DataError(
            f"no row has a value of at least {least:g}, the highest is {rows.values.max():g}: lower positive",
            subject="positive",
        )
    return rows.take(clicks)


def _kind(rows: Interactions, constant: bool, positive: Any) -> RowKind:
    """Return what values are, where no metric says it."""
    if positive is not None:
        return "counts" if positive == "values" else "clicks"
    if constant:
        return "clicks"
    values = rows.values
    whole = rows.rating_range is None and values.min() >= 1 and bool((values == np.round(values)).all())
    return "counts" if whole and values.max() > COUNTED * np.median(values) else "ratings"
