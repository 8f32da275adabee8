"""Metrics by name: ``at("ndcg@10")``. Each metric stands beside its function, at the end of that module."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from palate.errors import ParameterError
from palate.metrics import area, catalogue, distribution, ranking, rating, sampled
from palate.metrics.metric import Metric

METRICS: dict[str, Metric] = {
    metric.key: metric
    for module in (rating, distribution, ranking, area, sampled, catalogue)
    for metric in module.METRICS
}

OTHER_NAMES = {  # what papers and other libraries call them, and scores of distributions that no model gives
    **dict.fromkeys(("hit", "hits", "hr", "success"), "hit_rate"),
    **dict.fromkeys(("average_precision", "ap", "mean_average_precision"), "map"),
    **dict.fromkeys(("reciprocal_rank", "rr", "mean_reciprocal_rank"), "mrr"),
    **dict.fromkeys(("roc_auc", "auroc"), "auc"),
    **dict.fromkeys(("crps_draws", "crps_normal", "crps_stars"), "crps"),
    "prec": "precision",
    "diversity_intra_list": "diversity",
    "ild": "diversity",
    "interval_coverage": "coverage_80",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
}


@dataclass(frozen=True)
class At:
    """A metric by the name it was asked by: ``name`` "ndcg@10", its ``metric``, and ``k`` (None where it has none)."""

    name: str
    metric: Metric
    k: int | None

    @property
    def label(self) -> str:
        """The name for people: "NDCG@10"."""
        return self.metric.label if self.k is None else f"{self.metric.label}@{self.k}"

    def __call__(self, **available: Any) -> Any:
        """Return the metric, taking what it needs from ``available``.

        Raises:
            ParameterError: something it needs is not there.
        """
        missing = [name for name in self.metric.inputs if available.get(name) is None]
        if missing:
            raise ParameterError.of(
                self.name, f"needs {' and '.join(missing)}, which this model or data does not have", code="not_offered"
            )
        given = {name: available[name] for name in self.metric.inputs}
        return self.metric.function(**given, **({} if self.k is None else {"k": self.k}))


def at(name: str, n_items: int | None = None) -> At:
    """Return the metric of a name such as "rmse" or "ndcg@10".

    Args:
        name: a key of METRICS in small letters or capitals, with @k where the metric looks at the first k of a list.
        n_items: size of the catalogue, to refuse a k beyond it; None leaves that to the lists.

    Raises:
        ParameterError: no such metric; @k is missing, out of place, no whole number, below 1 or beyond the catalogue.
    """
    if not isinstance(name, str):
        raise ParameterError(
            f"a metric is named by a text such as 'ndcg@10', got {name!r}", value=name, subject="metrics"
        )
    key, sign, length = name.strip().lower().replace("-", "_").partition("@")
    if key not in METRICS:
        near = OTHER_NAMES.get(key) or next(iter(get_close_matches(key, METRICS, n=1)), None)
        hint = f"did you mean '{near}{sign}{length}'? " if near else ""
        raise ParameterError(
            f"unknown metric '{name}': {hint}there are {', '.join(METRICS)}", subject=name, code="unknown_name"
        )
    metric = METRICS[key]
    if not metric.at_k:
        if sign:
            raise ParameterError(f"{key} looks at no list and takes no @k: write '{key}', not '{name}'", subject=name)
        return At(key, metric, None)
    if not sign:
        raise ParameterError.of(key, f"looks at the first k of a list: say how many, such as '{key}@10'")
    if not (length.isascii() and length.isdigit() and int(length) >= 1):
        raise ParameterError.of(f"'{name}'", f": k must be a whole number of at least 1, such as '{key}@10'")
    k = int(length)
    if n_items is not None and k > n_items:
        raise ParameterError.of(f"'{name}'", f"asks for lists of {k:,} of {n_items:,} items: choose k up to {n_items}")
    return At(f"{key}@{k}", metric, k)


def named(name: str) -> At:
    """Return the metric that a result names; one that is not known here has a label, and neither end is its best."""
    key, _, k = name.partition("@")
    label = key.replace("_", " ")
    metric = METRICS.get(key) or Metric(key, label, at, kind="catalogue", per="all", higher_is_better=None, meaning="")
    return At(name, metric, int(k) if k.isdigit() else None)


def label_of(name: str) -> str:
    """Return what people call a metric that a result names: "ndcg@10" is NDCG@10."""
    return named(name).label
