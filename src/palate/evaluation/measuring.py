"""Any metrics, by name, of a fitted model on a test part: predictions and lists are made once and shared by all.

Lists are drawn from the whole catalogue or a part of it, less what each user had in training, for every user with a
relevant row in the test part. A row is relevant where its value is at least ``positive``; without it, every row is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.dataset import Dataset, interactions_of, items_of
from palate.data.ids import Id
from palate.data.interactions import Interactions
from palate.data.items import Condition, item_table
from palate.data.splits.leaks import check_fitted_on
from palate.errors import Blank, DataError, ParameterError, Remedy, Set
from palate.evaluation.metric_inputs import MetricInputs, Relevance, has_genres
from palate.metrics import METRICS, At, Summary, at, label_of, summarise
from palate.metrics.catalogue import list_overlap
from palate.metrics.units import Units
from palate.models.contract.abilities import models_that
from palate.models.contract.answers import allowed_items
from palate.models.contract.base import Recommender
from palate.models.contract.learner import Learner
from palate.notebook import card, values_in_words
from palate.parallel import check_table_threads

log = logging.getLogger(__name__)

NEEDS = {  # what to do where a model or the data lacks what a metric needs
    "genres": "an item table with a column 'genres' (--items FILE)",
    "features": "a model with item factors",
    "predicted": "a model that predicts ratings",
    "predictive": "a model with a predictive distribution",
}
OFFERS: dict[str, Callable[[type[Learner]], bool]] = {  # which models have it
    "features": lambda cls: hasattr(cls, "item_factors_"),
    "predicted": lambda cls: "predict" in cls.supports,
    "predictive": lambda cls: "predict_distribution" in cls.supports,
}


@dataclass(frozen=True, eq=False, repr=False)
class Measured:
    """What was measured of a model on a test part.

    Attributes:
        values: each metric's value; NaN where there was nothing to measure.
        summaries: of metrics that are no figure of the catalogue as a whole: the value, the mean of the worst tenth
            of the users' own values, test users who got no list (they count as zero), who have nothing to measure.
        units: each user's share of a metric that is a mean over users or ratings, for intervals and tests.
        skipped: metrics that this model does not have, and why.
        lists: (n_ranked, k) the lists that were judged, or None without ranking metrics.
        popular: (n_ranked,) whose list is the popular one, since the model knows nothing of them.
        ranked: (n_ranked,) positions of their users.
        predicted: (n_test,) raw predictions, or None where none were asked for.
    """

    values: dict[str, float]
    summaries: dict[str, Summary]
    units: dict[str, Units]
    skipped: dict[str, str]
    lists: NDArray[np.int32] | None
    popular: NDArray[np.bool_]
    ranked: NDArray[np.intp]
    predicted: NDArray[np.float64] | None

    def __repr__(self) -> str:
        return f"Measured({values_in_words(self.values)})"

    def _repr_html_(self) -> str:
        facts = [(label_of(name), f"{value:.4f}") for name, value in self.values.items()]
        left_out = [f"{label_of(name)} is left out: {why}" for name, why in self.skipped.items()]
        return card("Measured", facts, sentences=left_out)


def checked(metrics: Sequence[str], n_items: int) -> list[At]:
    """Return the metrics of these names.

    Raises:
        ParameterError: there is none, one stands twice, or `palate.metrics.at` refuses one.
    """
    if isinstance(metrics, str):
        raise ParameterError.of(
            "metrics", f"takes a list of names, such as ['rmse', 'ndcg@10'], got the text '{metrics}'", value=metrics
        )
    asked = [at(name, n_items) for name in metrics]
    names = [request.name for request in asked]
    if not names or len(set(names)) < len(names):
        raise ParameterError(
            f"name at least one metric, and each once; got {', '.join(names) or 'none'}", subject="metrics"
        )
    return asked


def needed(name: str) -> str:
    """Return what a metric's input needs, with the models that have it."""
    able = ", ".join(cls.key for cls in models_that(OFFERS[name])) if name in OFFERS else ""
    return NEEDS.get(name, name) + (f" ({able})" if able else "")


def check_offered(metrics: Sequence[At], models: Sequence[Recommender], items: pl.DataFrame) -> None:
    """Refuse metrics that none of the models, or the item table, offers: before hours of work, not after.

    Raises:
        ParameterError: names the metric and what it needs.
    """
    lacking = set()
    if all(model.score_kind != "rating" for model in models):
        lacking.add("predicted")
    if all("predict_distribution" not in model.supports for model in models):
        lacking.add("predictive")
    if not has_genres(items):
        lacking.add("genres")
    for request in metrics:
        for name in request.metric.inputs:
            if name in lacking:
                raise ParameterError.of(request.name, f"needs {needed(name)}: none here offers it", code="not_offered")


def measure(
    model: Recommender,
    train: Dataset | Interactions | None,
    test: Dataset | Interactions,
    metrics: Sequence[str],
    *,
    items: Any = None,
    positive: Relevance = None,
    allow: Sequence[Id] | None = None,
    deny: Sequence[Id] | None = None,
    where: Condition | Sequence[Condition] | None = None,
    skip: bool = False,
) -> Measured:
    """Return the metrics of a fitted model on a test part.

    One line warns where the lists of two users share more than 0.8 of their items, and one where a model made for
    ratings ranks below popularity.

    Args:
        model: fitted on ``train``.
        train: what the users had: left out of their lists. None takes the rows that the model keeps.
        test: rows of the same ids.
        metrics: names such as "rmse" or "ndcg@10".
        items: a table with item_id and further columns (genres); None takes that of ``train`` where it is a data set,
            else the model's own.
        positive: test values of at least this are relevant; None or "any" takes every test row.
        allow, deny, where: the part of the catalogue that lists are drawn from, as in ``recommend``. Test rows of other
            items are not relevant then; users without any in the part are left out, and counted. Errors of predicted
            ratings are of all test rows.
        skip: leave out, with the reason, metrics that the model does not have, instead of raising.

    Raises:
        ParameterError: no such metric, lists longer than the catalogue, a wrong condition, or the model or data lack
            what one needs.
        UnknownIdError: an item of allow is unknown.
        DataError: no test row is relevant, the ids are not the model's, the model was fitted on test rows, or keeps no
            rows and there is no train.
    """
    check_table_threads("measuring a model")
    items, lists = items_of(train, items)
    rows = kept_rows_of(model) if train is None else interactions_of(train, "train")
    train, test = with_ids_of(model, rows, interactions_of(test, "test"))
    check_fitted_on(model.seen_, test)
    table = model.item_table_ if items is None else item_table(model.items_, items, lists=lists)
    part = allowed_items(model.items_, table, allow, deny, where)
    return measure_part(model, train, test, metrics, items=table, positive=positive, part=part, skip=skip)


def kept_rows_of(model: Recommender) -> Interactions:
    """Return the training rows that a fitted model keeps, without times.

    Raises:
        NotFittedError: the model is not fitted.
        DataError: it keeps none.
    """
    model._check_fitted()
    seen = model.seen_
    if seen is None:
        raise DataError(
            "the model keeps no rows of its training (store_history=False), so that nobody knows what its lists must "
            "leave out, and whether it has seen the test rows",
            Remedy(": give the rows that it was fitted on, ", Set("train", Blank("…"))),
            code="no_history",
            subject="model",
        )
    users = seen.row_of_cells().astype(np.int32)
    return Interactions(users, seen.indices, seen.values, None, model.users_, model.items_, weights=seen.weights)


def with_ids_of(model: Recommender, train: Interactions, test: Interactions) -> tuple[Interactions, Interactions]:
    """Return the parts with all users and items that the model knows, also those known by their attributes alone.

    Raises:
        NotFittedError: the model is not fitted.
        DataError: the ids are not those that the model was fitted with, and positions would mean others.
    """
    model._check_fitted()
    parts = []
    for name, part in (("train", train), ("test", test)):
        known = part.with_ids(model.users_, model.items_)
        if known.users != model.users_ or known.items != model.items_:
            raise DataError.of(
                name,
                "has other users or items than the model was fitted with: take both parts from one set of "
                "interactions (make_splits, or on_shared_ids of two files), and fit on the training part",
                code="other_data",
            )
        parts.append(known)
    return parts[0], parts[1]


def measure_part(
    model: Recommender,
    train: Interactions,
    test: Interactions,
    metrics: Sequence[str],
    *,
    items: pl.DataFrame | None = None,
    positive: Relevance = None,
    part: NDArray[np.bool_] | None = None,
    skip: bool = False,
) -> Measured:
    """Return what `measure` returns, of parts that were checked; ``part`` are the items that may be listed."""
    asked = checked(metrics, test.n_items)
    width = max((request.k for request in asked if request.k), default=None)
    inputs = MetricInputs(model, train, test, items, positive, width, part)
    values: dict[str, float] = {}
    summaries: dict[str, Summary] = {}
    units: dict[str, Units] = {}
    skipped: dict[str, str] = {}
    for request in asked:
        given = inputs.given(request.metric)
        if missing := next((name for name, value in given.items() if value is None), None):
            if not skip:
                raise ParameterError.of(
                    request.name, f"needs {needed(missing)}; {model.key} here does not offer it", code="not_offered"
                )
            skipped[request.name] = f"{request.name} needs {needed(missing)}"
            continue
        result = request(**given)
        values[request.name] = request.metric.value(result)
        shares = request.metric.units(result, given, inputs.users_of(request.metric))
        if shares is not None:
            units[request.name] = shares
            summaries[request.name] = _summary(request, result, shares, values[request.name], inputs)
    lists, popular, ranked = _listed(inputs, asked, values)
    return Measured(values, summaries, units, skipped, lists, popular, ranked, inputs.made_of("predicted"))


def _listed(
    inputs: MetricInputs, asked: Sequence[At], values: Mapping[str, float]
) -> tuple[NDArray[np.int32] | None, NDArray[np.bool_], NDArray[np.intp]]:
    """Return the lists if any metric took them, who got the popular one, and whose they are; with their warnings."""
    ranked = inputs.made_of("ranked")
    if ranked is None:
        return None, np.empty(0, bool), np.empty(0, np.intp)
    if not any(name in request.metric.inputs for request in asked for name in ("lists", "judged")):
        return None, inputs.popular, ranked
    if not any(request.name.startswith("list_overlap") for request in asked):
        list_overlap(inputs.lists, inputs.test.n_items, inputs.lists.shape[1])  # for its warning
    _compare_with_popularity(inputs, asked, values)
    return np.ascontiguousarray(inputs.lists), inputs.popular, ranked


def _summary(request: At, result: Any, shares: Units, value: float, inputs: MetricInputs) -> Summary:
    """Return the metric with the worst tenth of the users' own values, and who is no part of it."""
    up = request.metric.higher_is_better is not False
    if request.metric.per != "user":
        return replace(summarise(shares.own, higher_is_better=up), mean=value)
    if request.metric.kind == "rating":
        return summarise(result, higher_is_better=up)
    lists = inputs.lists if request.k and inputs.made_of("ranked_lists") else None
    summary = summarise(result, lists, popular=inputs.popular, higher_is_better=up)
    n_tested = len(np.unique(inputs.test.user_index))
    return replace(summary, n_left_out=summary.n_left_out + n_tested - len(result))


def _compare_with_popularity(inputs: MetricInputs, asked: Sequence[At], values: Mapping[str, float]) -> None:
    """Warn, in one line, where a model made for ratings ranks below popularity."""
    model = inputs.model
    if model.score_kind != "rating":
        return
    judged = inputs.popular_lists.judged(inputs.relevant, inputs.test.n_items)
    below = []
    for request in asked:
        if request.metric.inputs == ("judged",):
            floor = request.metric.value(request(judged=judged))
            if values[request.name] < floor:
                below.append(f"{request.name} {values[request.name]:.3f} against {floor:.3f}")
    if below:
        log.warning(
            "%s is made for ratings, and its lists rank below mere popularity here (%s): rank with popularity, or with "
            "a model made for ranking",
            model.key,
            ", ".join(below),
        )


def beside(metrics: Sequence[At]) -> list[str]:
    """Return what is recorded beside ranking metrics that were asked for: accuracy is never the whole story."""
    k = max((request.k for request in metrics if request.k), default=None)
    if k is None:
        return []
    names = [f"{metric.key}@{k}" for metric in METRICS.values() if metric.beside]
    return [name for name in names if name not in {request.name for request in metrics}]
