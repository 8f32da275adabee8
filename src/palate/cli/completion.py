"""What the Tab key offers: names of models, metrics and splits. Written out here, for importing them takes a second.

A test compares them with what there is.
"""

from __future__ import annotations

from collections.abc import Sequence

MODELS = ("popularity", "baseline", "mf", "als", "bayes", "ials", "bpr", "warp", "ease", "knn", "rp3beta")
METRICS = (
    *("rmse", "rmse_unclipped", "mae", "mae_unclipped", "r2", "spearman", "crps", "coverage_80", "coverage_95"),
    *("crps_draws", "crps_normal", "crps_stars", "log_score_draws", "log_score_mixture", "log_score_normal"),
    *("log_score_stars", "interval_coverage", "precision@10", "recall@10", "recall_truncated@10", "hit_rate@10"),
    *("ndcg@10", "ndcg_graded@10", "map@10", "mrr@10", "auc", "sampled_hit_rate@10", "sampled_ndcg@10"),
    *("coverage@10", "gini@10", "entropy@10", "novelty@10", "popularity_lift@10", "diversity@10"),
    *("diversity_genres@10", "list_overlap@10", "personalisation@10", "serendipity@10", "calibration@10"),
)
SPLITS = (
    *("random:0.2:42", "stratified:0.25:42", "last:1", "time:0.2", "rolling:4:0.1", "kfold:5:42"),
    *(f"official:u{number}" for number in range(1, 6)),
    *("cold-items:0.2:42", "cold-users:0.2:42"),
)


def model(incomplete: str) -> list[str]:
    """Return the keys of models that begin like this."""
    return _starting(MODELS, incomplete)


def models(incomplete: str) -> list[str]:
    """Return a list with commas whose last word is completed to keys of models."""
    return _last_of_list(MODELS, incomplete)


def metric(incomplete: str) -> list[str]:
    """Return the metrics that begin like this."""
    return _starting(METRICS, incomplete)


def metrics(incomplete: str) -> list[str]:
    """Return a list with commas whose last word is completed to metrics."""
    return _last_of_list(METRICS, incomplete)


def split(incomplete: str) -> list[str]:
    """Return the splits that begin like this."""
    return _starting(SPLITS, incomplete)


def _starting(words: Sequence[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _last_of_list(words: Sequence[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    there = before.split(",")
    return [f"{before}{comma}{word}" for word in _starting(words, last) if word not in there]
