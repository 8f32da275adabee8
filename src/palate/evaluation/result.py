"""What one evaluation gives: figures, and what they are of."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from palate.data.interactions import Interactions
from palate.data.splits.split import SplitFacts
from palate.evaluation.measuring import Measured
from palate.evaluation.metric_inputs import Relevance
from palate.metrics import Summary, label_of
from palate.models.contract.base import Recommender
from palate.notebook import card, plainly, values_in_words

PACKAGES = ("palate", "numpy", "scipy", "numba", "polars")
NONE_UNKNOWN: Mapping[str, int] = {"users": 0, "items": 0, "test_rows": 0}


@dataclass(frozen=True, repr=False)
class Evaluation:
    """One model on one split.

    Attributes:
        model, parameters: key and constructor parameters; random_state is the seed used.
        split: the split's name.
        epoch_chosen_on: "validation", "test" (then the test figures are optimistic) or "none".
        n_listed: how many items lists are drawn from: all, or a part of the catalogue.
        positive: which test rows are relevant in metrics of lists: values of at least this; None or "any" is all.
        unknown: what a model that was fitted before does not know by id, and is not measured: users, items, test_rows.
        without_training: users, items and rows of the test part that training has nothing of: users, items, test_rows.
        metrics: each metric's value, by name.
        summaries: of metrics with one value a user: mean, worst tenth, users without a list, left out, or
            given the popular list, and the mean of the others.
        seconds: fit (not of a model that was fitted before), score.
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
    positive: Relevance
    unknown: Mapping[str, int]
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
        facts += [("epoch chosen on", self.epoch_chosen_on)]
        facts += [("training", f"{seconds:.2f} s") for name, seconds in self.seconds.items() if name == "fit"]
        return card(f"{self.model} on {self.split}", facts)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the model as JSON values, with the versions of what computed them."""
        record = {name: value for name, value in vars(self).items() if name not in ("fitted", "measured")}
        record["summaries"] = {name: vars(summary) for name, summary in self.summaries.items()}
        return {**record, "versions": versions()}


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    packages = {name: _installed(name) for name in PACKAGES}
    return {**packages, "python": platform.python_version(), "platform": platform.platform()}


@cache
def _installed(name: str) -> str:
    return version(name)


def default_metrics(model: Recommender, data: Interactions) -> tuple[str, ...]:
    """Return what is measured where nothing is asked for: errors of predicted ratings, or lists of ten.

    Where all values are the same, as those of clicks, there is no error to measure.
    """
    if model.score_kind == "rating" and data.values.min() < data.values.max():
        honest = ("crps", "coverage_80") if "predict_distribution" in model.supports else ()
        return ("rmse", "rmse_unclipped", "mae", *honest)
    k = min(10, data.n_items)
    return (f"ndcg@{k}", f"recall@{k}", f"hit_rate@{k}", f"coverage@{k}")


def evaluation_of(
    model: Recommender,
    facts: SplitFacts,
    measured: Measured,
    seconds: dict[str, float],
    *,
    epoch_chosen_on: str,
    n_listed: int,
    positive: Relevance,
    unknown: Mapping[str, int] = NONE_UNKNOWN,
) -> Evaluation:
    """Return the record of a fitted model that was measured."""
    state = model.state()
    seed = getattr(model, "seed_", None)
    return Evaluation(
        model=model.key,
        parameters={**state.parameters, **({"random_state": seed} if "random_state" in state.parameters else {})},
        split=facts.name,
        epoch_chosen_on=epoch_chosen_on,
        n_train=facts.n_train,
        n_test=facts.n_test,
        n_listed=n_listed,
        positive=positive,
        unknown=dict(unknown),
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
