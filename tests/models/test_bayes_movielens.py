"""`BayesianMF` on MovieLens 100K, a short chain: its error, and whether its distributions are right, for few, too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from palate.data.splits.making import make_splits
from palate.metrics.distribution import coverage_80, coverage_95, crps_normal, pit_stars
from palate.models import BayesianMF
from palate.models.contract.predictive import Predictive


@pytest.fixture(scope="module")
def judged(movielens):
    """Return a short chain's distributions of the test part, the truth, and how often training saw user and item."""
    (split, *_) = make_splits(movielens, "random:0.2:42")
    of_train, test = movielens.take(split.train), movielens.interactions.take(split.test)
    model = BayesianMF(n_sweeps=140, n_burn_in=60, n_chains=1, random_state=0).fit(of_train)
    train = of_train.interactions
    counts = [
        np.bincount(index, minlength=n)[at]
        for index, n, at in (
            (train.user_index, train.n_users, test.user_index),
            (train.item_index, train.n_items, test.item_index),
        )
    ]
    return model.predictive_of(test), test.values.astype(float), *counts


def test_errors_are_below_those_of_models_without_its_parts(judged):
    found, truth, *_ = judged
    assert np.sqrt(np.mean((np.clip(found.mean(), 1, 5) - truth) ** 2)) < 0.875  # biases and factors alone have 0.89


def test_intervals_hold_their_share(judged):
    found, truth, *_ = judged
    assert coverage_80(truth, found) == pytest.approx(0.8, abs=0.03)
    assert coverage_95(truth, found) == pytest.approx(0.95, abs=0.03)


def test_transforms_are_uniform(judged):
    found, truth, *_ = judged
    uniform = pit_stars(truth, found.probabilities, found.levels, random_state=0)
    assert kstest(uniform, "uniform").statistic < 0.03
    narrow = Predictive(found.means, found.sds / 2, found.cuts, found.levels)
    too_sure = pit_stars(truth, narrow.probabilities, narrow.levels, random_state=0)
    assert kstest(too_sure, "uniform").statistic > 0.05


def test_distributions_beat_one_normal_of_the_same_mean(judged):
    found, truth, *_ = judged
    mean = found.mean()
    constant = crps_normal(truth, mean, np.full(len(truth), np.std(truth - mean)))
    assert found.crps(truth).mean() < 0.99 * constant.mean()


@pytest.mark.parametrize(("whose", "few"), [(2, 20), (3, 10)], ids=["people", "films"])
def test_those_with_few_ratings_are_told_as_honestly(judged, whose, few):
    found, truth, *_ = judged
    who = judged[whose] < few
    assert who.sum() > 200
    part = Predictive(found.means[who], found.sds[who], found.cuts, found.levels)
    assert coverage_80(truth[who], part) == pytest.approx(0.8, abs=0.06)
    assert coverage_95(truth[who], part) == pytest.approx(0.95, abs=0.04)
