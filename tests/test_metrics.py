from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from palate.metrics import mae, rmse, rmse_unclipped

numbers = st.floats(-100, 100, width=32)
pairs = st.integers(1, 30).flatmap(
    lambda n: st.tuples(arrays(np.float32, n, elements=numbers), arrays(np.float64, n, elements=numbers))
)


@given(pairs, st.tuples(numbers, numbers).map(sorted))
def test_metrics_are_scikit_learns_of_the_clipped_predictions(pair, limits):
    truth, predicted = pair
    clipped = np.clip(predicted, *limits)
    exact = truth.astype(np.float64)
    assert rmse(truth, predicted, tuple(limits)) == pytest.approx(root_mean_squared_error(exact, clipped))
    assert mae(truth, predicted, tuple(limits)) == pytest.approx(mean_absolute_error(exact, clipped))
    assert rmse_unclipped(truth, predicted) == pytest.approx(root_mean_squared_error(exact, predicted))


def test_by_hand():
    truth, predicted = np.array([1.0, 5.0]), np.array([0.0, 8.0])
    assert rmse(truth, predicted, (1, 5)) == 0
    assert mae(truth, predicted, (2, 4)) == 1
    assert rmse_unclipped(truth, predicted) == np.sqrt(5)


@pytest.mark.parametrize("metric", [rmse_unclipped, lambda t, p: rmse(t, p, (1, 5)), lambda t, p: mae(t, p, (1, 5))])
@pytest.mark.parametrize("shapes", [(2, 3), (0, 0), ((2, 1), 2)])
def test_arrays_that_do_not_fit_are_refused(metric, shapes):
    with pytest.raises(ValueError, match="truth and predicted must have one shape and a row, got"):
        metric(np.ones(shapes[0]), np.ones(shapes[1]))
