"""Fit on the training part, score on the test part, and say on which data the epoch was chosen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Literal

import numpy as np

from palate.data.dataset import Data, Dataset, interactions_of, items_of
from palate.data.features import Features
from palate.data.ids import Id
from palate.data.interactions import Interactions
from palate.data.items import Condition, item_table
from palate.data.splits.fixed import OnOverlap, fixed_split
from palate.data.splits.leaks import dropping_overlap
from palate.data.splits.making import make_splits
from palate.data.splits.split import Folds, Split, facts_of
from palate.errors import ParameterError
from palate.evaluation.fitted import evaluate_fitted
from palate.evaluation.measuring import checked, measure_part
from palate.evaluation.metric_inputs import Relevance, relevant_rows
from palate.evaluation.result import Evaluation, default_metrics, evaluation_of
from palate.models.contract.answers import allowed_items
from palate.models.contract.attributes import features_for, within
from palate.models.contract.base import Recommender
from palate.notebook import watched
from palate.progress import ProgressCallback, automatic, watching_test

StopOn = Literal["validation", "test"]


def evaluate(
    model: Recommender,
    train: Dataset | Interactions | None = None,
    test: Dataset | Interactions | None = None,
    *,
    metrics: Sequence[str] | None = None,
    name: str = "given",
    stop_on: StopOn = "validation",
    positive: Relevance = None,
    allow: Sequence[Id] | None = None,
    deny: Sequence[Id] | None = None,
    where: Condition | Sequence[Condition] | None = None,
    on_overlap: OnOverlap = "raise",
    items: Any = None,
    user_features: Features | None = None,
    item_features: Features | None = None,
    attributes: bool | None = None,
    skip: bool = False,
    progress: ProgressCallback | None = automatic,
) -> Evaluation:
    """Fit a model on ``train`` and measure it on ``test``; without ``train``, measure a fitted model as it is.

    A fitted model is measured on the test rows of people and items that it knows; the others are counted in
    ``unknown``. What it had in training is left out of its lists, and refused as test rows. The figures are those that
    were measured when it was fitted, to the last bit.

    Args:
        model: any model; it is fitted here where there is a training part.
        train, test: parts of one set of interactions, or of one data set; parts with ids of their own, as two files
            have them, are put on the ids of both (see `palate.fixed_split`). Without train, the rows that the fitted
            model keeps.
        metrics: names such as "rmse" or "ndcg@10"; None takes RMSE and MAE, or metrics of lists of
            ten from a model that only ranks, and for clicks.
        name: the split's name, for the record.
        stop_on: "validation" leaves the choice of the epoch to the model and the training part; "test" chooses it on
            the test part, as the original system did, which makes the figures optimistic.
        positive: test values of at least this are relevant in metrics of lists; None or "any" takes every test row.
        allow, deny, where: the part of the catalogue that lists are drawn from, as in `measure`; training has all.
        on_overlap: "raise" where test rows are also in the training part, or "drop" them, and tell how many.
        items: an item table to keep in the model; None takes the data set's.
        user_features, item_features, attributes: what enters the model, as in ``fit``; people and items that ``train``
            does not know are left out.
        skip: leave out metrics that the model does not have, such as RMSE of one that only ranks.
        progress: as in ``fit``; None shows nothing.

    Raises:
        NotFittedError: there is no train, and the model is not fitted.
        ParameterError: there is no test, or what is for fitting and no train; stop_on or on_overlap is neither of the
            two; or a metric or condition is unknown, out of range, or not to be had.
        UnknownIdError: an item of allow is unknown.
        DataError: train or test is no `Interactions`, the test part holds pairs of the training part, or shares no id
            with it, or none of its rows is relevant.
    """
    if test is None:
        raise ParameterError("evaluate takes a test part: test=…", subject="test")
    if train is None:
        given = {"stop_on": stop_on != "validation", "attributes": attributes is not None}
        given |= {"user_features": user_features is not None, "item_features": item_features is not None}
        _refuse_of_fitted([name for name, is_given in given.items() if is_given])
        options: dict[str, Any] = {"metrics": metrics, "name": name, "positive": positive, "on_overlap": on_overlap}
        options |= {"allow": allow, "deny": deny, "where": where, "items": items, "skip": skip}
        return evaluate_fitted(model, test, **options)
    data, test = _of_same_ids(train, test, name, on_overlap)
    train = interactions_of(data)
    if stop_on not in ("validation", "test"):
        raise ParameterError.outside("stop_on", "'validation' or 'test'", stop_on)
    wanted = default_metrics(model, train) if metrics is None else metrics
    asked = checked(wanted, test.n_items)
    table, lists = items_of(data, items)
    table = item_table(train.items, table, lists=lists)
    part = allowed_items(train.items, table, allow, deny, where)
    if any(request.metric.kind != "rating" for request in asked):
        relevant_rows(test, positive, part)  # refused before training, not after
    source = replace(data, interactions=train) if isinstance(data, Dataset) else train
    features = within(features_for(model, data, user_features, item_features, attributes=attributes), train)
    started = time.perf_counter()
    with watched(progress) as callback:
        watch = (
            {"validation": test, "progress": watching_test(callback)} if stop_on == "test" else {"progress": callback}
        )
        model.fit(source, items=items, attributes=False, **features, **watch)
    fitted = time.perf_counter()
    names = [request.name for request in asked]
    measured = measure_part(model, train, test, names, positive=positive, part=part, skip=skip)
    seconds = {"fit": fitted - started, "score": time.perf_counter() - fitted}
    return evaluation_of(
        model,
        facts_of(name, train, test),
        measured,
        seconds,
        epoch_chosen_on=_chosen_on(model, stop_on),
        n_listed=len(model.items_) if part is None else int(part.sum()),
        positive=positive,
    )


def _chosen_on(model: Recommender, stop_on: StopOn) -> str:
    """Return what chose the epoch: not the test part, where the model chooses none by what it is shown."""
    return "test" if stop_on == "test" and model.epoch_chosen_on_ == "validation" else model.epoch_chosen_on_


def _refuse_of_fitted(given: list[str]) -> None:
    if given:
        raise ParameterError.of(given[0], "is for fitting, and without train a fitted model is measured: leave it out")


def _of_same_ids(
    train: Dataset | Interactions, test: Dataset | Interactions, name: str, on_overlap: OnOverlap
) -> tuple[Dataset | Interactions, Interactions]:
    """Return both parts of the same ids, checked; parts of ids of their own become parts of one data set."""
    rows, judged = interactions_of(train, "train"), interactions_of(test, "test")
    if rows.users == judged.users and rows.items == judged.items:
        return train, dropping_overlap(rows, judged, name, on_overlap)
    dataset, split = fixed_split(train, test, name=name, on_overlap=on_overlap)
    learned, rest = split.apply(dataset)
    return learned, rest.interactions


def evaluate_splits(
    model: Recommender, interactions: Data, splits: str | Split | Iterable[str | Split], **options: Any
) -> list[Evaluation]:
    """Evaluate a fresh copy of a model on each split of a string, or of a list of strings and splits.

    Args:
        model: its parameters are used; it is not fitted itself.
        interactions: the rows to split, or a data set.
        splits: as `make_splits` takes and gives them.
        options: as in `evaluate`.

    Raises:
        ParameterError: splits holds something else, or a string is no split.
        DataError: interactions is no `Interactions`, or cannot be split like this.
    """
    rows = interactions_of(interactions, "interactions")
    evaluations = []
    for split in all_splits(rows, splits):
        fresh = type(model)(**model.get_params())
        evaluations.append(evaluate(fresh, *split.apply(interactions), name=split.name, **options))
    return evaluations


def all_splits(interactions: Interactions, splits: str | Split | Iterable[str | Split]) -> Iterator[Split]:
    """Return the splits one by one; a faulty one is refused before the first is given.

    Raises:
        ParameterError: splits holds something else, or a string is no split.
        DataError: the data cannot be split like this.
    """
    if not isinstance(splits, str | Split | Iterable):
        raise ParameterError.of(
            "splits",
            f"takes a text such as random:0.2:42, or a list of splits, got {splits!r}",
            code="split",
            value=splits,
        )
    if isinstance(splits, Folds):
        return iter(splits)  # never all of them at once
    several = [splits] if isinstance(splits, str | Split) else splits
    return chain.from_iterable([[s] if isinstance(s, Split) else make_splits(interactions, s) for s in several])


def mean_metrics(evaluations: list[Evaluation]) -> dict[str, float]:
    """Return each metric's mean over folds."""
    return {name: float(np.mean([e.metrics[name] for e in evaluations])) for name in evaluations[0].metrics}
