"""Metrics of predicted ratings: one definition each, over arrays of the same length.

All are of predictions clipped to the rating range, unless their name says otherwise. Only `spearman_within_users`
looks at order, and takes raw predictions: clipping would make ties. Each refuses arrays of different shape, empty ones
and missing numbers with a `ParameterError`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.metrics.arrays import Array, Values, ratio
from palate.metrics.metric import Metric


def rmse(truth: Array, predicted: Array, rating_range: tuple[float, float]) -> float:
    """Return the root of the mean squared error of the clipped predictions, in the unit of the ratings."""
    return rmse_unclipped(truth, np.clip(predicted, *rating_range))


def rmse_unclipped(truth: Array, predicted: Array) -> float:
    """Return the root of the mean squared error of the raw predictions, in the unit of the ratings."""
    return float(np.sqrt(np.mean(np.square(_errors(truth, predicted)))))


def mae(truth: Array, predicted: Array, rating_range: tuple[float, float]) -> float:
    """Return the mean absolute error of the clipped predictions, in the unit of the ratings."""
    return mae_unclipped(truth, np.clip(predicted, *rating_range))


def mae_unclipped(truth: Array, predicted: Array) -> float:
    """Return the mean absolute error of the raw predictions, in the unit of the ratings."""
    return float(np.mean(np.abs(_errors(truth, predicted))))


def r2(truth: Array, predicted: Array, rating_range: tuple[float, float]) -> float:
    """Return the share of variance explained by the clipped predictions, 1 - sum (t - p)^2 / sum (t - mean t)^2.

    1 is perfect, 0 as good as the test part's own mean, which no model knows. NaN where all ratings are equal, so that
    nothing is there to explain (scikit-learn gives 0 or 1 there).
    """
    errors = _errors(truth, np.clip(predicted, *rating_range))
    exact = np.asarray(truth, np.float64)
    if exact.min() == exact.max():
        return float("nan")
    return float(1 - np.square(errors).sum() / np.square(exact - exact.mean()).sum())


def rmse_by_user(
    truth: Array, predicted: Array, user_index: Array, n_users: int, rating_range: tuple[float, float]
) -> Values:
    """Return each user's `rmse`, (n_users,); NaN for a user without ratings here. Their mean is not `rmse`."""
    squares = np.square(_errors(truth, np.clip(predicted, *rating_range)))
    return np.asarray(np.sqrt(_mean_by_user(squares, user_index, n_users)))


def mae_by_user(
    truth: Array, predicted: Array, user_index: Array, n_users: int, rating_range: tuple[float, float]
) -> Values:
    """Return each user's `mae`, (n_users,); NaN for a user without ratings here. Their mean is not `mae`."""
    return _mean_by_user(np.abs(_errors(truth, np.clip(predicted, *rating_range))), user_index, n_users)


def spearman_within_users(truth: Array, predicted: Array, user_index: Array, n_users: int) -> Values:
    """Return, per user, the rank correlation of ratings and raw predictions: is each user's own order right?

    Pearson's correlation of ranks within the user, ties given their mean rank (Spearman 1904), as scipy's spearmanr.
    Its mean over users, and over how many, is `summarise` of the result.

    Args:
        truth, predicted: (n,) ratings, predictions.
        user_index: (n,) position of each rating's user, from 0 to n_users - 1.
        n_users: how many users.

    Returns:
        (n_users,) from -1 to 1. NaN, and so no part of the mean, for a user with fewer than 2 distinct ratings, whose
        order cannot be wrong. 0 for one whose ratings differ and whose predictions are all equal (scipy: NaN): a model
        must not choose its users by predicting a constant.

    Raises:
        ParameterError: the arrays differ in shape, are empty or hold NaN, or a position is out of range.
    """
    _errors(truth, predicted)
    user = _checked_users(user_index, n_users, len(truth))
    x, y = _centred_ranks(np.asarray(truth), user), _centred_ranks(np.asarray(predicted), user)
    xx, xy, yy = (np.bincount(user, products, n_users) for products in (x * x, x * y, y * y))
    return np.where(xx > 0, ratio(xy, np.sqrt(xx * yy), otherwise=0.0), np.nan)


def _centred_ranks(values: Array, user: Array) -> Values:
    """Return each value's rank within its user, ties sharing the mean, less the user's mean rank; (n,), exact."""
    order = np.lexsort((values, user))
    by_user, by_value = user[order], values[order]
    new_user = np.concatenate([[True], by_user[1:] != by_user[:-1]])
    new = new_user | np.concatenate([[True], by_value[1:] != by_value[:-1]])
    ranks = np.empty(len(values))
    ranks[order] = _middle_of_runs(new) - _middle_of_runs(new_user)
    return ranks


def _middle_of_runs(starts: NDArray[np.bool_]) -> Values:
    """Return, for each place, the mean place of its run; True opens a run."""
    first = np.flatnonzero(starts)
    size = np.diff(np.concatenate([first, [len(starts)]]))
    return np.repeat(first + (size - 1) / 2, size)


def _mean_by_user(values: Values, user_index: Array, n_users: int) -> Values:
    user = _checked_users(user_index, n_users, len(values))
    return ratio(np.bincount(user, values, n_users), np.bincount(user, minlength=n_users))


def _checked_users(user_index: Array, n_users: int, n: int) -> Array:
    if len(user_index) != n or user_index.min() < 0 or user_index.max() >= n_users:
        raise ParameterError.of("user_index", f"must give each of {n} ratings a position from 0 to {n_users - 1}")
    return user_index


def _errors(truth: Array, predicted: Array) -> Values:
    if truth.shape != predicted.shape or not truth.size:
        raise ParameterError(
            f"truth and predicted must have one shape and a row, got {truth.shape} and {predicted.shape}",
            subject="predicted",
        )
    errors: Values = np.asarray(truth, np.float64) - predicted
    if np.isnan(errors).any():
        raise ParameterError(
            f"{np.isnan(errors).sum()} of {errors.size} ratings or predictions are missing (NaN)", subject="predicted"
        )
    return errors


# -- the terms of their sums, one a rating ----------------------------------------------------------------------------


def _squares(truth: Array, predicted: Array, rating_range: tuple[float, float] | None = None) -> tuple[Array, Array]:
    errors = _errors(truth, predicted if rating_range is None else np.clip(predicted, *rating_range))
    return np.square(errors), np.ones(len(errors))


def _sizes(truth: Array, predicted: Array, rating_range: tuple[float, float] | None = None) -> tuple[Array, Array]:
    errors = _errors(truth, predicted if rating_range is None else np.clip(predicted, *rating_range))
    return np.abs(errors), np.ones(len(errors))


def _squares_and_spread(truth: Array, predicted: Array, rating_range: tuple[float, float]) -> tuple[Array, Array]:
    exact = np.asarray(truth, np.float64)
    return _squares(truth, predicted, rating_range)[0], np.square(exact - exact.mean())


_error = partial(Metric, kind="rating", per="all", higher_is_better=False, unit="rating")

METRICS = (
    _error("rmse", "RMSE", rmse, terms=_squares, form="root",
           meaning="the typical error of a predicted rating, in the unit of the ratings; large errors weigh more"),
    _error("rmse_unclipped", "RMSE, unclipped", rmse_unclipped, terms=_squares, form="root",
           meaning="RMSE of the predictions as they are, also beyond the range of the ratings"),
    _error("mae", "MAE", mae, terms=_sizes,
           meaning="the mean error of a predicted rating, in the unit of the ratings"),
    _error("mae_unclipped", "MAE, unclipped", mae_unclipped, terms=_sizes,
           meaning="MAE of the predictions as they are, also beyond the range of the ratings"),
    Metric("r2", "R²", r2, kind="rating", per="all", higher_is_better=True, terms=_squares_and_spread, form="explained",
           meaning="how much of the differences between ratings is predicted; 1 is perfect, 0 as good as their mean"),
    Metric("spearman", "Spearman", spearman_within_users, kind="rating", per="user", higher_is_better=True,
           meaning="how alike the orders of a user's predictions and ratings are; 1 is the same order, 0 is chance"),
)  # fmt: skip
