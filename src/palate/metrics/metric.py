"""What is known of a metric, written once: what it needs, its value, how it splits over users, and its words."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from palate.metrics.units import SumForm, Units, units_of_ratings, units_of_users

MetricKind = Literal["rating", "ranking", "catalogue"]
Per = Literal["all", "user", "rating"]
SumTerms = Callable[..., tuple[NDArray[Any], NDArray[Any]]]


@dataclass(frozen=True)
class Metric:
    """A metric: everything that is known of it, whoever asks.

    Attributes:
        key: its name, without @k.
        label: what people call it.
        function: takes the arrays named by ``inputs``, and k where ``at_k``.
        kind: "rating" (of predicted ratings), "ranking" (of lists or scores against relevant items) or "catalogue".
        per: what it gives: one float for "all", or an array with one value per "user" or "rating".
        higher_is_better: None where the best is a certain value (0 for popularity_lift, its level for coverage_80).
        meaning: what it says, in plain words.
        unit: "share" (of 1), "rating" (the unit of the ratings), "bits", "nats", or "" for a number without a unit.
        terms: of a metric of "all" that is a function of sums over ratings: takes the same inputs, and gives the terms
            of these sums, num and den, (n,) each.
        form: how the sums make the metric; see `palate.metrics.units`.
        beside: whether it is recorded beside every metric of lists: accuracy is never the whole story.
    """

    key: str
    label: str
    function: Callable[..., Any]
    kind: MetricKind
    per: Per
    higher_is_better: bool | None
    meaning: str
    unit: str = ""
    terms: SumTerms | None = None
    form: SumForm = "mean"
    beside: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The arguments that it needs, in order, k aside."""
        parameters = inspect.signature(self.function).parameters.values()
        return tuple(p.name for p in parameters if p.name != "k" and p.default is p.empty)

    @property
    def at_k(self) -> bool:
        """Whether its name needs a length, such as @10."""
        return "k" in inspect.signature(self.function).parameters

    @property
    def pattern(self) -> str:
        """How its name is written: "rmse", "ndcg@k"."""
        return f"{self.key}@k" if self.at_k else self.key

    @property
    def definition(self) -> str:
        """What its function returns, the first paragraph of its docstring."""
        return (
            (inspect.getdoc(self.function) or "")
            .split("\n\n")[0]
            .replace("\n", " ")
            .removeprefix("Return")
            .lstrip(", ")
        )

    @property
    def sense(self) -> str:
        """Return "higher is better", "lower is better" or ""."""
        return {True: "higher is better", False: "lower is better", None: ""}[self.higher_is_better]

    @property
    def best(self) -> str:
        """Return "highest" or "lowest", whichever is best."""
        return "lowest" if self.higher_is_better is False else "highest"

    def is_better(self, value: float, other: float) -> bool:
        """Return whether a value is better than another; higher where neither end is."""
        return value < other if self.higher_is_better is False else value > other

    def value(self, result: Any) -> float:
        """Return the one figure of what the function gave: the mean over the users or ratings that have a value."""
        if self.per == "all":
            return float(result)
        known = result[~np.isnan(result)]
        return float(known.mean()) if len(known) else float("nan")

    def units(self, result: Any, given: Mapping[str, Any], user_index: NDArray[Any]) -> Units | None:
        """Return each user's share of the metric, or None where it is no sum over users.

        Args:
            result: what the function gave.
            given: its inputs.
            user_index: the user of each value, of a metric per user; else of each rating.
        """
        if self.per == "user":
            return units_of_users(user_index, result)
        if self.per == "rating":
            return units_of_ratings(user_index, result, np.ones(len(result)), self.form)
        return None if self.terms is None else units_of_ratings(user_index, *self.terms(**given), self.form)
