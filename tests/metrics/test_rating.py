from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from metrics.made import close, quick
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from palate.errors import ParameterError
from palate.metrics import rating, summarise

numbers = st.integers(-40, 40).map(lambda x: x / 8)
LIMITS = (-2.0, 2.0)


@st.composite
def rated(draw):
    n = draw(st.integers(1, 40))
    truth = draw(arrays(np.float32, n, elements=numbers))
    predicted = draw(arrays(np.float64, n, elements=numbers))
    return truth, predicted, draw(arrays(np.int32, n, elements=st.integers(0, 4)))


@quick
@given(rated())
def test_each_is_scikit_learns(case):
    truth, predicted, _ = case
    exact, clipped = truth.astype(np.float64), np.clip(predicted, *LIMITS)
    assert rating.mae_unclipped(truth, predicted) == pytest.approx(mean_absolute_error(exact, predicted), abs=1e-10)
    assert rating.mae(truth, predicted, LIMITS) == pytest.approx(mean_absolute_error(exact, clipped), abs=1e-10)
    assert rating.rmse(truth, predicted, LIMITS) == pytest.approx(root_mean_squared_error(exact, clipped), abs=1e-10)
    wanted = r2_score(exact, clipped) if len(set(exact)) > 1 else np.nan
    np.testing.assert_allclose(rating.r2(truth, predicted, LIMITS), wanted, **close)


@quick
@given(rated())
def test_spearman_within_users_is_scipys_user_by_user(case):
    truth, predicted, user = case
    wanted = np.full(6, np.nan)
    for one in range(6):
        x, y = truth[user == one], predicted[user == one]
        if len(set(x)) > 1:
            wanted[one] = spearmanr(x, y).statistic if len(set(y)) > 1 else 0
    np.testing.assert_allclose(rating.spearman_within_users(truth, predicted, user, 6), wanted, **close)


@quick
@given(rated())
def test_errors_by_user_are_those_of_each_users_ratings(case):
    truth, predicted, user = case
    for metric, by_user in ((rating.rmse, rating.rmse_by_user), (rating.mae, rating.mae_by_user)):
        got = by_user(truth, predicted, user, 6, LIMITS)
        wanted = [metric(truth[user == u], predicted[user == u], LIMITS) if u in user else np.nan for u in range(6)]
        np.testing.assert_allclose(got, wanted, **close)


def test_by_hand():
    truth, predicted = np.array([1.0, 2, 3, 4, 5, 3, 3]), np.array([2.0, 1, 3, 9, 9, 1, 2])
    user = np.array([0, 0, 1, 1, 2, 3, 3])
    assert rating.mae_unclipped(truth, predicted) == 14 / 7
    assert rating.mae(truth, predicted, (1, 5)) == 6 / 7
    assert rating.r2(np.array([1.0, 3]), np.array([1.0, 3]), (1, 5)) == 1
    assert rating.r2(np.array([1.0, 3]), np.array([2.0, 2]), (1, 5)) == 0
    assert np.isnan(rating.r2(np.array([3.0, 3]), np.array([3.0, 3]), (1, 5)))
    got = rating.spearman_within_users(truth, predicted, user, 5)
    np.testing.assert_array_equal(got, [-1, 1, np.nan, np.nan, np.nan])
    assert summarise(got).mean == 0
    assert summarise(got).n_users == 2
    np.testing.assert_array_equal(rating.spearman_within_users(truth[:2], np.ones(2), user[:2], 1), [0])


TWO = np.array([1.0, 2.0])


@pytest.mark.parametrize("user", [np.array([0]), np.array([0, 2]), np.array([-1, 0])])
def test_user_positions_that_do_not_fit_are_refused(user):
    for metric in (rating.spearman_within_users, lambda *a: rating.mae_by_user(*a, LIMITS)):
        with pytest.raises(ParameterError, match="user_index must give each of 2 ratings a position from 0 to 1"):
            metric(TWO, TWO, user, 2)


def test_missing_numbers_are_refused():
    with pytest.raises(ParameterError, match=r"1 of 2 ratings or predictions are missing \(NaN\)"):
        rating.r2(TWO, np.array([1, np.nan]), LIMITS)
    with pytest.raises(ParameterError, match="missing"):
        rating.spearman_within_users(TWO, np.array([1, np.nan]), np.array([0, 0]), 1)
    with pytest.raises(ParameterError, match="truth and predicted must have one shape"):
        rating.mae_unclipped(TWO, TWO[:1])
