"""Fit on the training part, score on the test part, and say on which data the epoch was chosen."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from typing import Any, Literal

import numpy as np

from palate.data.dataset import Data, Dataset, interactions_of
from palate.data.features import Features
from palate.data.ids import Id
from palate.data.interactions import Interactions, check_interactions
from palate.data.items import Condition, item_table
from palate.data.splits.leaks import check_parts, without_overlap
from palate.data.splits.making import make_splits
from palate.data.splits.split import Folds, Split, SplitFacts, facts_of
from palate.errors import DataError, ParameterError
from palate.evaluation.measuring import Measured, checked, measure_part
from palate.evaluation.metric_inputs import Relevance, relevant_rows
from palate.metrics import Summary, label_of
from palate.models.contract.answers import allowed_items
from palate.models.contract.attributes import features_for, within
from palate.models.contract.base import Recommender
from palate.notebook import card, plainly, values_in_words, watched
from palate.progress import ProgressCallback, automatic, watching_test

log = logging.getLogger(__name__)

StopOn = Literal["validation", "test"]
OnOverlap = Literal["raise", "drop"]
PACKAGES = ("palate", "numpy", "scipy", "numba", "polars")


@dataclass(frozen=True, repr=False)
class Evaluation:
    """One model on one split.

    Attributes:
        model, parameters: key and constructor parameters; random_state is the seed used.
        split: the split's name.
        epoch_chosen_on: "validation", "test" (then the test figures are optimistic) or "none".
        n_listed: how many items lists are drawn from: all, or a part of the catalogue.
        without_training: users, items and rows of the test part that training has nothing of: users, items, test_rows.
        metrics: each metric's value, by name.
        summaries: of metrics with one value a user: mean, worst tenth, users without a list, left out, or
            given the popular list, and the mean of the others.
        seconds: fit, score.
        history: the model's, one record an epoch.
        fitted: the model.
        measured: values, each user's share of them, lists and predictions.
    """

    model: str
    parameters: dict[str, Any]
    split: str
    epoch_chosen_on: str
    n_train: int
    n_test: int
    n_listed: int
    without_training: dict[str, int]
    metrics: dict[str, float]
    summaries: dict[str, Summary]
    seconds: dict[str, float]
    history: list[dict[str, float]]
    fitted: Recommender
    measured: Measured

    def __repr__(self) -> str:
        return f"Evaluation({plainly(f'{self.model} on {self.split}')}: {values_in_words(self.metrics)})"

    def _repr_html_(self) -> str:
        rows = {"training rows": self.n_train, "test rows": self.n_test}
        facts = [(label_of(name), f"{value:.4f}") for name, value in self.metrics.items()]
        facts += [(name, f"{n:,}") for name, n in rows.items()]
        facts += [("epoch chosen on", self.epoch_chosen_on), ("training", f"{self.seconds['fit']:.2f} s")]
        return card(f"{self.model} on {self.split}", facts)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the model as JSON values, with the versions of what computed them."""
        record = {name: value for name, value in vars(self).items() if name not in ("fitted", "measured")}
        record["summaries"] = {name: vars(summary) for name, summary in self.summaries.items()}
        return {**record, "versions": versions()}


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    packages = {name: version(name) for name in PACKAGES}
    return {**packages, "python": platform.python_version(), "platform": platform.platform()}


def default_metrics(model: Recommender, data: Interactions) -> tuple[str, ...]:
    """Return what is measured where nothing is asked for: errors of predicted ratings, or lists of ten.

    Where all values are the same, as those of clicks, there is no error to measure.
    """
    if model.score_kind == "rating" and data.values.min() < data.values.max():
        honest = ("crps", "coverage_80") if "predict_distribution" in model.supports else ()
        return ("rmse", "rmse_unclipped", "mae", *honest)
    k = min(10, data.n_items)
    return (f"ndcg@{k}", f"recall@{k}", f"hit_rate@{k}", f"coverage@{k}")


def evaluate(
    model: Recommender,
    train: Dataset | Interactions,
    test: Dataset | Interactions,
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
    """Fit a model on ``train`` and measure it on ``test``.

    Args:
        model: any model; it is fitted here.
        train, test: parts of one set of interactions, or of one data set.
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
        ParameterError: stop_on or on_overlap is neither of the two, or a metric or condition is unknown, out of range,
            or not to be had.
        UnknownIdError: an item of allow is unknown.
        DataError: train or test is no `Interactions`, the test part has other ids than the training part, or holds
            pairs of it, or none of its rows is relevant.
    """
    data, train, test = train, interactions_of(train, "train"), interactions_of(test, "test")
    test = _without_leaks(train, test, name, on_overlap)
    if stop_on not in ("validation", "test"):
        raise ParameterError.outside("stop_on", "'validation' or 'test'", stop_on)
    wanted = default_metrics(model, train) if metrics is None else metrics
    asked = checked(wanted, test.n_items)
    items = data.items if items is None and isinstance(data, Dataset) else items
    part = allowed_items(train.items, item_table(train.items, items), allow, deny, where)
    if any(request.metric.kind != "rating" for request in asked):
        relevant_rows(test, positive, part)  # refused before training, not after
    features = within(features_for(model, data, user_features, item_features, attributes=attributes), train)
    started = time.perf_counter()
    with watched(progress) as callback:
        if stop_on == "test":
            model.fit(train, validation=test, items=items, progress=watching_test(callback), **features)
        else:
            model.fit(train, items=items, progress=callback, **features)
    fitted = time.perf_counter()
    names = [request.name for request in asked]
    measured = measure_part(model, train, test, names, positive=positive, part=part, skip=skip)
    seconds = {"fit": fitted - started, "score": time.perf_counter() - fitted}
    return _evaluation(model, facts_of(name, train, test), stop_on, part, measured, seconds)


def _evaluation(
    model: Recommender, facts: SplitFacts, stop_on: str, part: Any, measured: Measured, seconds: dict[str, float]
) -> Evaluation:
    state = model.state()
    seed = getattr(model, "seed_", None)
    return Evaluation(
        model=model.key,
        parameters={**state.parameters, **({"random_state": seed} if "random_state" in state.parameters else {})},
        split=facts.name,
        epoch_chosen_on="test" if stop_on == "test" and model.best_epoch_ else model.epoch_chosen_on_,
        n_train=facts.n_train,
        n_test=facts.n_test,
        n_listed=len(model.items_) if part is None else int(part.sum()),
        without_training={
            "users": facts.users_without_training,
            "items": facts.items_without_training,
            "test_rows": facts.test_rows_of_those,
        },
        metrics=measured.values,
        summaries=measured.summaries,
        seconds=seconds,
        history=model.history_,
        fitted=model,
        measured=measured,
    )


def _without_leaks(train: Interactions, test: Interactions, name: str, on_overlap: str) -> Interactions:
    """Return the test part, checked, and less the pairs of the training part where these shall be dropped."""
    if on_overlap not in ("raise", "drop"):
        raise ParameterError.outside("on_overlap", "'raise' or 'drop'", on_overlap)
    check_same_ids(train, test)
    if on_overlap == "raise":
        check_parts(train, test, name)
        return test
    rest = without_overlap(train, test)
    if not len(rest):
        raise DataError.of(
            name, f": all of the {len(test):,} test rows are also in the training part: nothing is left", code="empty"
        )
    if len(rest) < len(test):
        log.warning("%s: %s test rows are also in the training part and left out", name, f"{len(test) - len(rest):,}")
    return rest


def check_same_ids(train: Interactions, test: Interactions) -> None:
    """Refuse parts that are no interactions, or have different ids.

    Raises:
        DataError: names the part.
    """
    check_interactions("train", train)
    check_interactions("test", test)
    if train.users != test.users or train.items != test.items:
        raise DataError.of(
            "test", "has other ids than the training part; take both from one set of interactions", code="other_data"
        )


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
