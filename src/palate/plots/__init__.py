"""Figures, each a function that returns a Matplotlib figure, in one house style that colour-blind people can read.

In a notebook each draws itself, once, with its words for those who cannot see it.

house          palette, an empty figure, curves of several models
of_data        a log of ratings, its tables, its card
of_training    training curves; the original system's beside ours
of_comparison  a metric with intervals, by group of users, against another metric
of_errors      calibration; whole distributions; errors by popularity and activity
of_sampling    traces of a sampler, and whether it has settled
of_tuning      a search for parameters
figure         a figure that draws itself in a notebook
words, alt     each figure in words: the finding, and the numbers behind it
"""

from palate.plots import alt, of_comparison, of_data, of_errors, of_sampling, of_training, of_tuning
from palate.plots.of_data import of_rows, save_all
from palate.plots.words import in_words

ages = in_words(of_data.ages, alt.ages)
calibration = in_words(of_errors.calibration, alt.calibration)
card_spread = in_words(of_data.card_spread, alt.card_spread)
card_values = in_words(of_data.card_values, alt.card_values)
comparison = in_words(of_comparison.comparison, alt.comparison)
error_by = in_words(of_errors.error_by, alt.error_by)
genres = in_words(of_data.genres, alt.genres)
groups = in_words(of_comparison.groups, alt.groups)
importances = in_words(of_tuning.importances, alt.importances)
occupations = in_words(of_data.occupations, alt.occupations)
pit = in_words(of_errors.pit, alt.pit)
popularity = of_rows(in_words(of_data.popularity, alt.popularity))
rating_distribution = of_rows(in_words(of_data.rating_distribution, alt.rating_distribution))
ratings_over_time = of_rows(in_words(of_data.ratings_over_time, alt.ratings_over_time))
ratings_per_item = of_rows(in_words(of_data.ratings_per_item, alt.ratings_per_item))
ratings_per_user = of_rows(in_words(of_data.ratings_per_user, alt.ratings_per_user))
reproduction = in_words(of_training.reproduction, alt.reproduction)
sampling = in_words(of_sampling.sampling, alt.sampling)
trade_off = in_words(of_comparison.trade_off, alt.trade_off)
training = in_words(of_training.training, alt.training)
training_curves = in_words(of_training.training_curves, alt.training_curves)
tuning_history = in_words(of_tuning.tuning_history, alt.tuning_history)

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
