"""What `BayesianMF` takes for parameters that are None; equations of `palate.models.bayes.derived`."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from palate import BayesianMF, Interactions
from palate.data.ids import Ids
from palate.models.bayes.derived import NoiseEstimate, factors_for, noise_left, settings_for, unidentified

SHORT = {"n_sweeps": 12, "n_burn_in": 4, "n_components": 2, "random_state": 0, "n_threads": 1}


def ratings(n_users=40, n_items=30, n=300, *, noise=0.8, spread=0.5, seed=0):
    """Return ratings of biases and noise alone."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(n_users * n_items, n, replace=False)
    u, i = np.divmod(cells, n_items)
    b, c = rng.normal(0, spread, n_users), rng.normal(0, spread, n_items)
    values = (3.5 + b[u] + c[i] + rng.normal(0, noise, n)).astype(np.float32)
    ids = Ids(range(n_users), "user"), Ids(range(n_items), "item")
    return Interactions(u.astype(np.int32), i.astype(np.int32), values, None, *ids, None)


@pytest.mark.parametrize(("n", "tolerance"), [(20_000, 0.03), (1500, 0.1)])
def test_biases_leave_the_noise_where_there_is_nothing_else(n, tolerance):
    found = [noise_left(ratings(500, 300, n, seed=seed)) for seed in range(2)]
    assert np.mean(found) == pytest.approx(0.64, rel=tolerance)


def test_the_variance_has_the_square_of_the_unit_and_knows_no_origin():
    data = ratings()
    values = data.values
    assert noise_left(replace(data, values=values * np.float32(16))) == 256 * noise_left(data)
    assert noise_left(replace(data, values=values * np.float32(20))) == pytest.approx(400 * noise_left(data), rel=2e-5)
    assert noise_left(replace(data, values=values - np.float32(3))) == pytest.approx(noise_left(data), rel=2e-5)
    assert noise_left(replace(data, values=0 * values)) == 0


def test_ratings_that_rows_fit_by_themselves_are_counted_on_both_sides():
    data = ratings()
    by_hand = sum(min(int((index == k).sum()), 5) for index in (data.user_index, data.item_index) for k in set(index))
    assert unidentified(data.by_user(), data.by_item(), 4) == by_hand


@pytest.mark.parametrize(
    ("n_users", "n_items", "n_ratings", "n_factors"),
    [
        (943, 1682, 100_000, 16),
        (1500, 2000, 28_000, 16),
        (2, 2, 3, 16),
        (6040, 3706, 1_000_000, 32),
        (99, 9, 10**7, 32),
    ],
)
def test_long_rows_have_more_factors(n_users, n_items, n_ratings, n_factors):
    assert factors_for(n_users, n_items, n_ratings) == n_factors


def test_what_follows_from_the_data_is_stored_and_given_as_numbers_it_is_the_same():
    data = ratings()
    model = BayesianMF(**SHORT).fit(data)
    assert model.n_factors_ == 16
    assert model.item_draws_.shape[2] == 17
    assert model.noise_shape_ == unidentified(data.by_user(), data.by_item(), 16) / 2
    assert model.noise_rate_ == model.noise_shape_ * 0.75 * noise_left(data)  # of this spread the unit is 1
    assert model.wishart_df_ == 3  # a tenth of the items
    assert 16 * ((model.wishart_scale_ - 1) / 3) ** 2 == pytest.approx(noise_left(data) / 20)
    names = ("n_factors", "noise_shape", "noise_rate", "wishart_df", "wishart_scale")
    given = {name: getattr(model, f"{name}_") for name in names}
    np.testing.assert_array_equal(BayesianMF(**SHORT, **given).fit(data).user_draws_, model.user_draws_)
    half = BayesianMF(3, **SHORT, noise_shape=7.0).fit(data)
    assert (half.n_factors_, half.noise_shape_, half.noise_rate_) == (3, 7.0, 7.0 * 0.75 * noise_left(data))


def test_the_prior_of_rows_counts_as_six_rows_for_each_number_of_one():
    many = NoiseEstimate(left=1.0, unidentified=10, n_ratings=100, n_rows=5000)
    found = settings_for(BayesianMF(), many, 16)
    assert (found.wishart_df, found.wishart_scale) == (102, pytest.approx(1 + 102 * (0.05 / 16) ** 0.5))


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({"wishart_scale": 3.0}, (0.0, 3.0)),
        ({"wishart_df": 0.0}, (0.0, 1.0)),
        ({"wishart_df": 2.0, "wishart_scale": 4.0}, (2.0, 4.0)),
    ],
)
def test_numbers_given_for_the_prior_of_rows_mean_what_they_meant(given, used):
    model = BayesianMF(3, **SHORT, **given).fit(ratings(n=100))
    assert (model.wishart_df_, model.wishart_scale_) == used


def test_a_model_that_goes_on_has_the_factors_of_the_one_before():
    data = ratings(n=200)
    start = BayesianMF(3, **SHORT).fit(data)
    assert BayesianMF(**SHORT).fit(data, start=start).n_factors_ == 3


def test_on_another_scale_the_answers_are_the_same_within_the_error_of_a_chain():
    data, settings = ratings(n=400), {**SHORT, "n_sweeps": 60, "n_burn_in": 20}

    def answers(factor=1.0, offset=0.0, seed=0):
        values = data.values * np.float32(factor) + np.float32(offset)
        model = BayesianMF(**{**settings, "random_state": seed}).fit(replace(data, values=values))
        return (model.predict_rows(data) - offset) / factor

    first = answers()
    between_chains = np.sqrt(np.mean((answers(seed=1) - first) ** 2))
    for factor, offset in ((20, 0), (1, -3)):
        assert np.sqrt(np.mean((answers(factor, offset) - first) ** 2)) < 1.5 * between_chains
    np.testing.assert_array_equal(answers(16), first)


def test_of_equal_and_of_exact_ratings_something_is_noise_left():
    data = ratings(noise=0)
    assert NoiseEstimate.of(data, 4, latent=True).left == pytest.approx(4 / 3)
    assert NoiseEstimate.of(data, 4).left >= 1e-3 * data.values.var()
    assert NoiseEstimate.of(replace(data, values=np.ones_like(data.values)), 4).left == 1


def test_a_chain_that_takes_noise_for_taste_is_told(caplog):
    few = ratings(150, 100, 500)
    settings = {**SHORT, "n_sweeps": 60, "n_burn_in": 30, "n_chains": 1}
    weak = {"noise_shape": 1.0, "noise_rate": 1e-4, "wishart_df": 0.0}
    BayesianMF(**settings, **weak).fit(few)
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    said = record.getMessage()
    assert said.startswith("the chain takes noise for taste: its noise variance is ")
    assert " % of what biases leave, and rows can fit " in said
    assert "leave noise_shape and noise_rate to the data (None), or take fewer n_factors: more sweeps do not" in said
    caplog.clear()
    derived = BayesianMF(**settings).fit(few)
    assert not caplog.records
    assert np.mean([r["noise_precision"] for r in derived.history_[30:]]) == pytest.approx(
        1 / (0.75 * noise_left(few)), rel=0.2
    )
