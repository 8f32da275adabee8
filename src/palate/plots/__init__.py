"""Figures, each a function that returns a Matplotlib figure, in one house style that colour-blind people can read.

house          palette, an empty figure, curves of several models
of_data        a log of ratings, its tables, its card
of_training    training curves; the original system's beside ours
of_comparison  a metric with intervals, by group of users, against another metric
of_errors      calibration; whole distributions; errors by popularity and activity
of_sampling    traces of a sampler, and whether it has settled
of_tuning      a search for parameters
alt            each figure in words: the finding, and the numbers behind it
"""

from palate.plots import alt
from palate.plots.of_comparison import comparison, groups, trade_off
from palate.plots.of_data import (
    ages,
    card_spread,
    card_values,
    genres,
    occupations,
    popularity,
    rating_distribution,
    ratings_over_time,
    ratings_per_item,
    ratings_per_user,
    save_all,
)
from palate.plots.of_errors import calibration, error_by, pit
from palate.plots.of_sampling import sampling
from palate.plots.of_training import reproduction, training, training_curves
from palate.plots.of_tuning import importances, tuning_history

__all__ = [
    "ages",
    "alt",
    "calibration",
    "card_spread",
    "card_values",
    "comparison",
    "error_by",
    "genres",
    "groups",
    "importances",
    "occupations",
    "pit",
    "popularity",
    "rating_distribution",
    "ratings_over_time",
    "ratings_per_item",
    "ratings_per_user",
    "reproduction",
    "sampling",
    "save_all",
    "trade_off",
    "training",
    "training_curves",
    "tuning_history",
]
