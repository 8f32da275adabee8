"""How metrics are called and read in figures, reports and sentences."""

from __future__ import annotations

from palate.metrics.registry import METRICS

_SHOWN = {
    "rmse": "RMSE",
    "rmse_unclipped": "RMSE, unclipped",
    "mae": "MAE",
    "mae_unclipped": "MAE, unclipped",
    "r2": "R²",
    "auc": "AUC",
    "ndcg": "NDCG",
    "ndcg_graded": "NDCG, graded",
    "map": "MAP",
    "mrr": "MRR",
    "sampled_ndcg": "sampled NDCG",
}
_MEANS = {
    "rmse": "the typical error of a predicted rating, in the unit of the ratings; large errors weigh more",
    "mae": "the mean error of a predicted rating, in the unit of the ratings",
    "ndcg": "how much of what people went on to choose stands in their lists, and how near the top; 1 is perfect",
    "recall": "the share of what people went on to choose that stands in their lists",
    "precision": "the share of a list that people went on to choose",
    "hit_rate": "the share of people with at least one good recommendation",
    "map": "precision at each good recommendation, averaged; 1 is perfect",
    "mrr": "one over the place of the first good recommendation; 1 is perfect",
    "auc": "the chance that a good item stands above another one; 0.5 is guessing",
    "novelty": "how rare the recommended items are among users, in bits: one more bit is half as many users",
    "coverage": "the share of the catalogue that is recommended to anybody",
    "list_overlap": "how alike two people's lists are: 1 means that everybody gets the same",
    "popularity_lift": "by what share the lists are more popular than what their users chose before; 0 is faithful",
    "diversity": "how different the items of a list are from each other",
    "gini": "how unequally items are shown: 0 is all alike, 1 is one item only",
}


def shown(metric: str) -> str:
    """Return a metric's name for people: "ndcg@10" is NDCG@10."""
    key, at, k = metric.partition("@")
    return f"{_SHOWN.get(key, key.replace('_', ' '))}{at}{k}"


def meaning(metric: str) -> str:
    """Return in a few words what a metric says, or "" for one that only specialists ask for."""
    return _MEANS.get(metric.partition("@")[0], "")


def higher_is_better(metric: str) -> bool | None:
    """Return which end is good; None where neither is, or where the metric is not one of `palate.metrics`."""
    known = METRICS.get(metric.partition("@")[0])
    return known.higher_is_better if known else None


def sense(metric: str) -> str:
    """Return "higher is better", "lower is better" or ""."""
    up = higher_is_better(metric)
    return "" if up is None else f"{'higher' if up else 'lower'} is better"


def most(metric: str) -> str:
    """Return "highest" or "lowest", whichever is best."""
    return "lowest" if higher_is_better(metric) is False else "highest"
