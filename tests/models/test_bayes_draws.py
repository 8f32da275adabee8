"""Scores in the kept draws of a `BayesianMF`: of its users, and of newcomers, whose row each draw completes."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import interactions, low_rank

from palate.models import BayesianMF
from palate.sparse import Rows

SMALL = {"n_factors": 2, "n_sweeps": 25, "n_burn_in": 5, "n_components": 2, "n_chains": 1, "random_state": 0}
ITEMS = np.array([7, 0, 3], np.int32)
ROW = Rows.of_sizes([3], np.array([1, 4, 6], np.int32), np.array([4.0, 2.0, 5.0], np.float32))


@pytest.fixture(scope="module", params=["gaussian", "ordinal"])
def model(request):
    data = low_rank(20, 15, 150)
    if request.param == "ordinal":
        data = interactions(data.user_index, data.item_index, np.round(data.values).tolist())
    return BayesianMF(likelihood=request.param, **SMALL).fit(data)


def test_a_user_has_the_scores_of_each_draw(model):
    scores = model._scores_in_draws(3, None, ITEMS, 0)
    every = scores.every()
    for s in range(scores.n_draws):
        for at, item in enumerate(ITEMS):
            x, z = model.user_draws_[3, s].astype(float), model.item_draws_[item, s].astype(float)
            assert every[s, at] == pytest.approx(x[:-1] @ z[:-1] + x[-1] + z[-1] + float(model.mean_draws_[s]))
        np.testing.assert_array_equal(scores.of(s), every[s])


def test_a_newcomer_has_draws_about_the_folded_row(model):
    """Their mean is the fold-in of the draw, their covariance the inverse precision given all else."""
    S, mean = 4, model.learned_.draws[4]
    draws = np.array(
        [model._scores_in_draws(ROW, None, ITEMS, seed).user.drawn(model.learned_.draws, [S])[0] for seed in range(800)]
    )
    factors = model._fold(ROW, None)[0][0].reshape(-1, 2)[S] * np.sqrt(len(model.mean_draws_))
    sd = draws.std(axis=0)
    np.testing.assert_allclose(draws.mean(axis=0)[:2], factors, atol=5 * sd[:2].max() / np.sqrt(800))
    assert np.linalg.eigvalsh(np.linalg.inv(np.cov(draws.T)) - 0.8 * mean.precision.astype(float)).min() > 0


def test_a_newcomer_has_as_many_draws_as_are_kept_and_each_again_for_the_same_seed(model):
    scores, again, other = (model._scores_in_draws(ROW, None, ITEMS, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(scores.every(), again.every())
    np.testing.assert_array_equal(scores.every()[5], scores.of(5))
    assert not np.isclose(scores.every(), other.every()).any()


def test_somebody_with_nothing_has_the_draws_of_the_prior(model):
    scores = model._scores_in_draws(Rows.empty(1), None, ITEMS, 1).every()
    assert np.isfinite(scores).all()
    assert (scores.std(axis=0) > 0).all()
