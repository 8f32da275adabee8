"""Metrics: small functions over arrays, one definition each.

rating        errors of predicted ratings
distribution  scores of a predictive distribution
ranking, area ranked lists, and scores over the whole catalogue, against relevant items
catalogue     what lists show of the catalogue: coverage, novelty, diversity, overlap
sampled       ranking among sampled negatives, for comparison with old papers only
summary       mean, worst tenth, and who is no part of it
groups        a metric by group of users, with intervals
metric        what is known of a metric, written once
units         each user's share of a metric
registry      all of them by name
"""

from palate.metrics.area import auc
from palate.metrics.arrays import take_rows
from palate.metrics.groups import by_group, quantile_groups, user_column
from palate.metrics.metric import Metric
from palate.metrics.ranking import Judged, judge
from palate.metrics.rating import mae, rmse, rmse_unclipped
from palate.metrics.registry import METRICS, At, at, label_of, named
from palate.metrics.sampled import SampledRanks, sampled_ranks
from palate.metrics.summary import Summary, summarise

__all__ = [
    "METRICS",
    "At",
    "Judged",
    "Metric",
    "SampledRanks",
    "Summary",
    "at",
    "auc",
    "by_group",
    "judge",
    "label_of",
    "mae",
    "named",
    "quantile_groups",
    "rmse",
    "rmse_unclipped",
    "sampled_ranks",
    "summarise",
    "take_rows",
    "user_column",
]
