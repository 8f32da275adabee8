"""Any metrics, by name, of a fitted model on a test part: predictions and lists are made once and shared by all.

Lists are drawn from the whole catalogue, less what each user had in training, for every user with a relevant row in
the test part. A row is relevant where its value is at least ``positive``; without it, every test row is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.interactions import Interactions, Rows
from palate.errors import DataError, ParameterError
from palate.evaluation.units import Units, units_of
from palate.metrics import METRICS, At, Judged, SampledRanks, Summary, at, judge, sampled_ranks, summarise, take_rows
from palate.metrics.catalogue import list_overlap
from palate.models.base import Recommender
from palate.models.predictive import Predictive
from palate.parallel import check_table_threads
from palate.topk import topk

log = logging.getLogger(__name__)

PREDICTIVE = ("draws", "mean", "std", "probabilities", "stars", "low", "high", "noise_std")
NEEDS = {  # what to do where a model or the data lacks what a metric needs
    "genres": "an item table with a column 'genres' (--items FILE)",
    "features": "a model with item factors, such as mf",
    "predicted": "a model that predicts ratings, such as baseline or mf",
    "predictive": "a model with a predictive distribution, such as bayes",
    **dict.fromkeys(PREDICTIVE, "a model with a predictive distribution"),
}


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a model on a test part.

    Attributes:
        values: each metric's value; NaN where there was nothing to measure.
        summaries: of metrics that are no figure of the catalogue as a whole: the value, the mean of the worst tenth
            of the users' own values, test users who got no list (they count as zero), who have nothing to measure.
        units: each user's share of a metric that is a mean over users or ratings, for intervals and tests.
        skipped: metrics that this model does not have, and why.
        lists: (n_ranked, k) the lists that were judged, or None without ranking metrics.
        ranked: (n_ranked,) positions of their users.
        predicted: (n_test,) raw predictions, or None where none were asked for.
    """

    values: dict[str, float]
    summaries: dict[str, Summary]
    units: dict[str, Units]
    skipped: dict[str, str]
    lists: NDArray[np.int32] | None
    ranked: NDArray[np.intp]
    predicted: NDArray[np.float64] | None


def checked(metrics: Sequence[str], n_items: int) -> list[At]:
    """Return the metrics of these names.

    Raises:
        ParameterError: there is none, one stands twice, or `palate.metrics.at` refuses one.
    """
    if isinstance(metrics, str):
        raise ParameterError(f"metrics takes a list of names, such as ['rmse', 'ndcg@10'], got the text '{metrics}'")
    asked = [at(name, n_items) for name in metrics]
    names = [one.name for one in asked]
    if not names or len(set(names)) < len(names):
        raise ParameterError(f"name at least one metric, and each once; got {', '.join(names) or 'none'}")
    return asked


def check_offered(metrics: Sequence[At], models: Sequence[Recommender], items: pl.DataFrame) -> None:
    """Refuse metrics that none of the models, or the item table, offers: before hours of work, not after.

    Raises:
        ParameterError: names the metric and what it needs.
    """
    lacking = set(PREDICTIVE)
    if all(model.score_kind != "rating" for model in models):
        lacking.add("predicted")
    if all("predict_distribution" not in model.supports for model in models):
        lacking.add("predictive")
    if not has_genres(items):
        lacking.add("genres")
    for one in metrics:
        for name in one.metric.inputs:
            if name in lacking:
                raise ParameterError(f"{one.name} needs {NEEDS[name]}: none here offers it")


def check_positive(positive: float, values: NDArray[np.float32], where: str = "") -> None:
    """Refuse a limit that no test value reaches.

    Raises:
        ParameterError: positive is no finite number.
        DataError: tells the highest value.
    """
    if not isinstance(positive, int | float | np.number) or not np.isfinite(positive):
        raise ParameterError(f"positive must be a finite number, got {positive!r}")
    if values.max() < positive:
        raise DataError(
            f"no test row{where} has a value of at least {positive:g}, the highest is {values.max():g}: lower it"
        )


def has_genres(items: pl.DataFrame) -> bool:
    """Return whether an item table has genres."""
    return items.schema.get("genres") == pl.List(pl.String)


def measure(
    model: Recommender,
    train: Interactions,
    test: Interactions,
    metrics: Sequence[str],
    *,
    items: pl.DataFrame | None = None,
    positive: float | None = None,
    skip: bool = False,
) -> Measured:
    """Return the metrics of a fitted model on a test part.

    One line warns where the lists of two users share more than 0.8 of their items, and one where a model made for
    ratings ranks below popularity.

    Args:
        model: fitted on ``train``.
        train: what the users had: left out of their lists.
        test: rows of the same ids.
        metrics: names such as "rmse" or "ndcg@10".
        items: a table with item_id and further columns (genres); None takes the model's own.
        positive: test values of at least this are relevant; None takes every test row.
        skip: leave out, with the reason, metrics that the model does not have, instead of raising.

    Raises:
        ParameterError: no such metric, lists longer than the catalogue, or the model or data lack what one needs.
        DataError: no test row is relevant.
    """
    check_table_threads("measuring a model")
    asked = checked(metrics, test.n_items)
    width = max((one.k for one in asked if one.k), default=None)
    sources = _Sources(model, train, test, items, positive, width)
    values: dict[str, float] = {}
    summaries: dict[str, Summary] = {}
    units: dict[str, Units] = {}
    skipped: dict[str, str] = {}
    for one in asked:
        try:
            given = {name: _need(sources, one, name) for name in one.metric.inputs}
        except ParameterError as error:
            if not skip:
                raise
            skipped[one.name] = str(error).partition("; ")[0]
            continue
        found = one(**given)
        values[one.name] = _value(one, found)
        shares = units_of(one, found, test, sources.ranked if one.metric.kind != "rating" else None, given)
        if shares is not None:
            units[one.name] = shares
            summaries[one.name] = _summary(one, found, shares, values[one.name], sources)
    lists = vars(sources).get("lists")
    if lists is not None:
        if not any(one.name.startswith("list_overlap") for one in asked):
            list_overlap(lists, test.n_items, lists.shape[1])  # for its warning
        _compare_with_popularity(model, sources, asked, values)
    return Measured(
        values, summaries, units, skipped, lists, vars(sources).get("ranked", np.empty(0, np.intp)), sources.made
    )


def _need(sources: _Sources, one: At, name: str) -> Any:
    value = getattr(sources, name, None)
    if value is None:
        what = NEEDS.get(name, name)
        raise ParameterError(f"{one.name} needs {what}; {type(sources.model).__name__} here does not offer it")
    return value


def _value(one: At, found: Any) -> float:
    if one.metric.per == "all":
        return float(found)
    known = found[~np.isnan(found)]
    return float(known.mean()) if len(known) else float("nan")


def _summary(one: At, found: Any, shares: Units, value: float, sources: _Sources) -> Summary:
    """Return the metric with the worst tenth of the users' own values, and who is no part of it."""
    up = one.metric.higher_is_better is not False
    if one.metric.per != "user":
        return replace(summarise(shares.own, higher_is_better=up), mean=value)
    if one.metric.kind == "rating":
        return summarise(found, higher_is_better=up)
    summary = summarise(found, sources.lists if one.k and "lists" in vars(sources) else None, higher_is_better=up)
    n_tested = len(np.unique(sources.test.user_index))
    return replace(summary, n_left_out=summary.n_left_out + n_tested - len(found))


class _Sources:
    """What metrics are computed from, each made when the first metric asks for it."""

    def __init__(
        self,
        model: Recommender,
        train: Interactions,
        test: Interactions,
        items: pl.DataFrame | None,
        positive: float | None,
        width: int | None,
    ) -> None:
        self.model, self.train, self.test, self.positive = model, train, test, positive
        self.items = model.item_table_ if items is None else items
        self.width = width
        self.n_items = test.n_items
        self.made: NDArray[np.float64] | None = None

    # -- of ratings

    @property
    def truth(self) -> NDArray[np.float32]:
        return self.test.values

    @cached_property
    def predicted(self) -> NDArray[np.float64] | None:
        if self.model.score_kind != "rating":
            return None
        self.made = self.model.predict_rows(self.test)
        return self.made

    @cached_property
    def predictive(self) -> Predictive | None:
        return self.model.predictive_of(self.test) if "predict_distribution" in self.model.supports else None

    @property
    def rating_range(self) -> tuple[float, float]:
        return self.model.rating_range_

    @property
    def user_index(self) -> NDArray[np.int32]:
        return self.test.user_index

    # -- of lists: row m is the user ranked[m]

    @cached_property
    def _relevant_rows(self) -> NDArray[np.intp]:
        if self.positive is None:
            return np.arange(len(self.test))
        check_positive(self.positive, self.test.values)
        return np.flatnonzero(self.test.values >= self.positive)

    @cached_property
    def ranked(self) -> NDArray[np.intp]:
        return np.unique(self.test.user_index[self._relevant_rows]).astype(np.intp)

    @cached_property
    def relevant(self) -> Rows:
        return take_rows(self.test.take(self._relevant_rows).by_user(), self.ranked)

    @cached_property
    def seen(self) -> Rows:
        return self.train.by_user()

    @cached_property
    def excluded(self) -> Rows:
        return take_rows(self.seen, self.ranked)

    @property
    def history(self) -> Rows:
        return self.excluded

    @cached_property
    def lists(self) -> NDArray[np.int32]:
        excluded = [(self.seen.indptr, self.seen.indices)]
        return self.model.rank_index(self.ranked, self.width or 10, excluded=excluded)[0]

    @cached_property
    def judged(self) -> Judged:
        return judge(self.lists, self.relevant, self.n_items)

    @cached_property
    def expected(self) -> NDArray[np.int32]:
        """The most popular items that each user did not have."""
        empty = np.zeros((self.train.n_users, 0)), np.zeros((self.n_items, 0))
        factors = (*empty, np.zeros(self.train.n_users), self.counts.astype(np.float64), 0.0)
        excluded = [(self.seen.indptr, self.seen.indices)]
        return topk(factors, self.ranked.astype(np.int32), self.width or 10, excluded=excluded)[0]

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        return np.bincount(self.train.item_index, minlength=self.n_items)

    @property
    def n_users(self) -> int:
        return self.test.n_users

    def score_block(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        return self.model.score_rows(self.ranked[rows])

    @cached_property
    def sampled(self) -> SampledRanks:
        def score(rows: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
            return self.model.score_index(self.ranked[rows], items)

        return sampled_ranks(score, self.relevant, self.excluded, self.n_items)

    @cached_property
    def features(self) -> NDArray[Any] | None:
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
        table = np.zeros((self.n_items, len(names)), np.uint8)
        table[cells["row"].to_numpy(), column] = 1
        return table


def _compare_with_popularity(
    model: Recommender, sources: _Sources, asked: Sequence[At], values: Mapping[str, float]
) -> None:
    """Warn, in one line, where a model made for ratings ranks below popularity."""
    if model.score_kind != "rating":
        return
    judged = judge(sources.expected, sources.relevant, sources.n_items)
    below = []
    for one in asked:
        if one.metric.inputs == ("judged",):
            floor = _value(one, one(judged=judged))
            if values[one.name] < floor:
                below.append(f"{one.name} {values[one.name]:.3f} against {floor:.3f}")
    if below:
        log.warning(
            "%s is made for ratings, and its lists rank below mere popularity here (%s): rank with popularity, or with "
            "a model made for ranking",
            model.key,
            ", ".join(below),
        )


def beside(metrics: Sequence[At]) -> list[str]:
    """Return what is recorded beside ranking metrics that were asked for: accuracy is never the whole story."""
    k = max((one.k for one in metrics if one.k), default=None)
    if k is None:
        return []
    names = [f"{name}@{k}" for name in ("coverage", "novelty", "list_overlap", "popularity_lift")]
    return [name for name in names if name not in {one.name for one in metrics}]


def better(name: str, one: float, other: float) -> bool:
    """Return whether ``one`` is a better value of a metric than ``other``; lower where lower is better."""
    return one < other if METRICS[name.partition("@")[0]].higher_is_better is False else one > other
