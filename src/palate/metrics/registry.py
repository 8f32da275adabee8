"""Metrics by name: ``at("ndcg@10")``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from palate.errors import ParameterError
from palate.metrics import catalogue, distribution, ranking, rating, sampled
from palate.metrics.area import auc

Kind = Literal["rating", "ranking", "catalogue"]
Per = Literal["all", "user", "rating"]


@dataclass(frozen=True)
class Metric:
    """A metric and how to read it.

    Attributes:
        function: takes the arrays named by ``inputs``, and k where ``at_k``.
        kind: "rating" (of predicted ratings), "ranking" (of lists or scores against relevant items) or "catalogue".
        higher_is_better: None where the best is a certain value (0 for popularity_lift, its level for coverage).
        per: what it gives: one float for "all", or an array with one value per "user" or "rating".
    """

    function: Callable[..., Any]
    kind: Kind
    higher_is_better: bool | None
    per: Per

    @property
    def inputs(self) -> tuple[str, ...]:
        """The arguments that it needs, in order, k aside."""
        parameters = inspect.signature(self.function).parameters.values()
        return tuple(p.name for p in parameters if p.name != "k" and p.default is p.empty)

    @property
    def at_k(self) -> bool:
        """Whether its name needs a length, such as @10."""
        return "k" in inspect.signature(self.function).parameters


@dataclass(frozen=True)
class At:
    """A metric by the name it was asked by: ``name`` "ndcg@10", its ``metric``, and ``k`` (None where it has none)."""

    name: str
    metric: Metric
    k: int | None

    def __call__(self, **available: Any) -> Any:
        """Return the metric, taking what it needs from ``available``.

        Raises:
            ParameterError: something it needs is not there.
        """
        missing = [name for name in self.metric.inputs if available.get(name) is None]
        if missing:
            raise ParameterError(f"{self.name} needs {' and '.join(missing)}, which this model or data does not have")
        given = {name: available[name] for name in self.metric.inputs}
        return self.metric.function(**given, **({} if self.k is None else {"k": self.k}))


METRICS: dict[str, Metric] = {
    "rmse": Metric(rating.rmse, "rating", False, "all"),
    "rmse_unclipped": Metric(rating.rmse_unclipped, "rating", False, "all"),
    "mae": Metric(rating.mae, "rating", False, "all"),
    "mae_unclipped": Metric(rating.mae_unclipped, "rating", False, "all"),
    "r2": Metric(rating.r2, "rating", True, "all"),
    "spearman": Metric(rating.spearman_within_users, "rating", True, "user"),
    "crps": Metric(distribution.crps, "rating", False, "rating"),
    "coverage_80": Metric(distribution.coverage_80, "rating", None, "all"),
    "coverage_95": Metric(distribution.coverage_95, "rating", None, "all"),
    "crps_draws": Metric(distribution.crps_draws, "rating", False, "rating"),
    "crps_normal": Metric(distribution.crps_normal, "rating", False, "rating"),
    "crps_stars": Metric(distribution.crps_stars, "rating", False, "rating"),
    "log_score_draws": Metric(distribution.log_score_draws, "rating", False, "rating"),
    "log_score_mixture": Metric(distribution.log_score_mixture, "rating", False, "rating"),
    "log_score_normal": Metric(distribution.log_score_normal, "rating", False, "rating"),
    "log_score_stars": Metric(distribution.log_score_stars, "rating", False, "rating"),
    "interval_coverage": Metric(distribution.interval_coverage, "rating", None, "all"),
    "precision": Metric(ranking.precision, "ranking", True, "user"),
    "recall": Metric(ranking.recall, "ranking", True, "user"),
    "recall_truncated": Metric(ranking.recall_truncated, "ranking", True, "user"),
    "hit_rate": Metric(ranking.hit_rate, "ranking", True, "user"),
    "ndcg": Metric(ranking.ndcg, "ranking", True, "user"),
    "ndcg_graded": Metric(ranking.ndcg_graded, "ranking", True, "user"),
    "map": Metric(ranking.average_precision, "ranking", True, "user"),
    "mrr": Metric(ranking.reciprocal_rank, "ranking", True, "user"),
    "auc": Metric(auc, "ranking", True, "user"),
    "sampled_hit_rate": Metric(sampled.sampled_hit_rate, "ranking", True, "user"),
    "sampled_ndcg": Metric(sampled.sampled_ndcg, "ranking", True, "user"),
    "coverage": Metric(catalogue.coverage, "catalogue", True, "all"),
    "gini": Metric(catalogue.gini, "catalogue", False, "all"),
    "entropy": Metric(catalogue.entropy, "catalogue", True, "all"),
    "novelty": Metric(catalogue.novelty, "catalogue", True, "user"),
    "popularity_lift": Metric(catalogue.popularity_lift, "catalogue", None, "all"),
    "diversity": Metric(catalogue.intra_list_diversity, "catalogue", True, "user"),
    "diversity_genres": Metric(catalogue.intra_list_diversity_genres, "catalogue", True, "user"),
    "list_overlap": Metric(catalogue.list_overlap, "catalogue", False, "all"),
    "personalisation": Metric(catalogue.personalisation, "catalogue", True, "all"),
    "serendipity": Metric(catalogue.serendipity, "catalogue", True, "user"),
    "calibration": Metric(catalogue.genre_calibration, "catalogue", False, "user"),
}

OTHER_NAMES = {  # what papers and other libraries call them
    **dict.fromkeys(("hit", "hits", "hr", "success"), "hit_rate"),
    **dict.fromkeys(("average_precision", "ap", "mean_average_precision"), "map"),
    **dict.fromkeys(("reciprocal_rank", "rr", "mean_reciprocal_rank"), "mrr"),
    **dict.fromkeys(("roc_auc", "auroc"), "auc"),
    "prec": "precision",
    "diversity_intra_list": "diversity",
    "ild": "diversity",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
}


def at(name: str, n_items: int | None = None) -> At:
    """Return the metric of a name such as "rmse" or "ndcg@10".

    Args:
        name: a key of METRICS in small letters or capitals, with @k where the metric looks at the first k of a list.
        n_items: size of the catalogue, to refuse a k beyond it; None leaves that to the lists.

    Raises:
        ParameterError: no such metric; @k is missing, out of place, no whole number, below 1 or beyond the catalogue.
    """
    if not isinstance(name, str):
        raise ParameterError(f"a metric is named by a text such as 'ndcg@10', got {name!r}")
    key, sign, length = name.strip().lower().replace("-", "_").partition("@")
    if key not in METRICS:
        near = OTHER_NAMES.get(key) or next(iter(get_close_matches(key, METRICS, n=1)), None)
        hint = f"did you mean '{near}{sign}{length}'? " if near else ""
        raise ParameterError(f"unknown metric '{name}': {hint}there are {', '.join(METRICS)}")
    metric = METRICS[key]
    if not metric.at_k:
        if sign:
            raise ParameterError(f"{key} looks at no list and takes no @k: write '{key}', not '{name}'")
        return At(key, metric, None)
    if not sign:
        raise ParameterError(f"{key} looks at the first k of a list: say how many, such as '{key}@10'")
    if not (length.isascii() and length.isdigit() and int(length) >= 1):
        raise ParameterError(f"'{name}': k must be a whole number of at least 1, such as '{key}@10'")
    k = int(length)
    if n_items is not None and k > n_items:
        raise ParameterError(f"'{name}' asks for lists of {k:,} of {n_items:,} items: choose k up to {n_items}")
    return At(f"{key}@{k}", metric, k)
