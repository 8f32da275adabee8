"""`BayesianMF` of ratings of any size: in the unit of their spread, and exactly so where that is a power of two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import interactions, low_rank

from palate import files
from palate.data.splits.making import split
from palate.errors import DivergenceError, ParameterError
from palate.models import BayesianMF
from palate.models.bayes.chain import draw_log_scale
from palate.models.bayes.posterior import POWERS
from palate.models.bayes.units import LOWEST_SPREAD, unit_of

TINY = {"n_factors": 2, "n_sweeps": 25, "n_burn_in": 5, "n_components": 2, "n_chains": 2, "random_state": 0}
WITH_TIME = {"time_effects": "day,month", "mean_sd": 2.0, "mean_center": 3.0}


@pytest.fixture(scope="module")
def data():
    return low_rank(20, 15, 150)


def times(data, factor):
    """Return the ratings times a factor, in every place where they have a size."""
    low, high = data.rating_range
    return replace(data, values=data.values * np.float32(factor), rating_range=(low * factor, high * factor))


def fitted(data, factor, **more):
    for name in ("mean_sd", "mean_center"):
        if name in more:
            more[name] *= factor
    train, validation = split(times(data, factor), 0.2, 0)
    return BayesianMF(**{**TINY, **more}).fit(train, validation=validation)


@pytest.mark.parametrize("doublings", [-46, -3, 1, 5, 46])
@pytest.mark.parametrize("more", [{}, WITH_TIME], ids=["plain", "with time"])
def test_ratings_times_a_power_of_two_give_answers_times_that_power(data, doublings, more):
    factor = 2.0**doublings
    one, other = fitted(data, 1, **more), fitted(data, factor, **more)
    users, items = data.users.values.to_list(), data.items.values[0]
    when = {"times": 5} if more else {}
    for m in (one, other):
        assert m.history_[-1].keys() == one.history_[-1].keys()
    same = np.testing.assert_array_equal
    for a, b in zip(
        one.predict(users, items, return_std=True, **when),
        other.predict(users, items, return_std=True, **when),
        strict=True,
    ):
        same(a * factor, b)
    for a, b in zip(one.predict_interval(users, items), other.predict_interval(users, items), strict=True):
        same(a * factor, b)
    same(one.sample_scores(users, random_state=1) * factor, other.sample_scores(users, random_state=1))
    same(one.recommend(users, n=3)["item_id"], other.recommend(users, n=3)["item_id"])
    few = data.take(np.arange(40))
    same(
        one.recommend_for(few, n=3)["score"].to_numpy() * factor,
        other.recommend_for(times(few, factor), n=3)["score"].to_numpy(),
    )
    parts = one.explain(users[0], items).parts, other.explain(users[0], items).parts
    same(parts[0]["contribution"].to_numpy() * factor, parts[1]["contribution"].to_numpy())
    same(one.similar_items([items])["score"], other.similar_items([items])["score"])
    same(one.questions(3)["gain"], other.questions(3)["gain"])
    same(one.information_gain(users[0], 3)["gain"], other.information_gain(users[0], 3)["gain"])
    same(
        one.predictive_of(few).crps(few.values) * factor,
        other.predictive_of(times(few, factor)).crps(few.values * factor),
    )


@pytest.mark.parametrize("doublings", [-3, 5])
def test_what_is_learned_and_told_is_in_the_unit_of_the_ratings(data, doublings):
    factor = 2.0**doublings
    one, other = fitted(data, 1, **WITH_TIME), fitted(data, factor, **WITH_TIME)
    for name in BayesianMF.learned_.kind.ARRAYS:
        before, after = getattr(one, name), getattr(other, name)
        if name == "item_draws_":
            np.testing.assert_array_equal(before[:, :, :-1], after[:, :, :-1])
            before, after = before[:, :, -1], after[:, :, -1] / np.float32(factor)
        np.testing.assert_array_equal(before * factor ** POWERS.get(name, 0), after, name)
    assert {name: value * factor**2 for name, value in one.time_variances_.items()} == other.time_variances_
    first, second = one.history_[-1], other.history_[-1]
    for name, power in (("loss", 2), ("train_rmse_unclipped", 1), ("validation_rmse", 1), ("noise_precision_2", -2)):
        assert first[name] * factor**power == second[name], name
    assert first["user_norm"] == second["user_norm"]
    means = one.sampling_summary()["mean"][0], other.sampling_summary()["mean"][0]
    assert means[0] / factor**2 == means[1]
    assert one.sampling_summary()["rhat"].to_list() == other.sampling_summary()["rhat"].to_list()


def test_stars_have_no_size(data):
    stars = interactions(data.user_index, data.item_index, np.round(data.values).tolist(), rating_range=(1, 5))
    one, other = fitted(stars, 1, likelihood="ordinal"), fitted(stars, 8, likelihood="ordinal")
    np.testing.assert_array_equal(one.user_draws_, other.user_draws_)
    np.testing.assert_array_equal(8 * one.predict(0, [0, 1]), other.predict(0, [0, 1]))


def test_a_warm_start_is_taken_into_the_unit(data):
    one, other = fitted(data, 1), fitted(data, 32)
    more = BayesianMF(**TINY).fit(data, start=one), BayesianMF(**TINY).fit(times(data, 32), start=other)
    np.testing.assert_array_equal(more[0].predict_rows(data) * 32, more[1].predict_rows(data))


def test_a_checkpoint_in_a_unit_goes_on_bit_for_bit_and_in_no_other(data, tmp_path):
    class StopError(Exception):
        pass

    def until_ten(step):
        if step.step == 10:
            raise StopError

    def model():
        m = BayesianMF(**TINY)
        m.checkpoint = files.Checkpoint(tmp_path / "chain", seconds=0)
        return m

    large = times(data, 32)
    whole = BayesianMF(**TINY).fit(large)
    with pytest.raises(StopError):
        model().fit(large, progress=until_ten)
    with pytest.raises(ParameterError, match="the checkpoint is of another fit"):
        model().fit(times(data, 64))
    np.testing.assert_array_equal(model().fit(large).user_draws_, whole.user_draws_)


@pytest.mark.parametrize("change", [(1e-14, 0), (1e5, 0), (1e10, 0), (1e14, 0), (1, 1e6)], ids=str)
def test_ratings_of_any_size_are_learned_from_and_kept_in_files(change, tmp_path):
    factor, offset = change
    data = low_rank()
    values = (data.values.astype(np.float64) * factor + offset).astype(np.float32)
    train, test = split(replace(data, values=values, rating_range=None), 0.2, 0)
    m = BayesianMF(**{**TINY, "n_sweeps": 60, "n_burn_in": 20}).fit(train, validation=test)
    truth = test.values.astype(np.float64)
    error, spread = np.sqrt(np.mean((m.predict_rows(test) - truth) ** 2)), truth.std()
    assert 0.4 < error / spread < 0.7
    low, high = m.predictive_of(test).interval(0.8)
    assert 0.7 < np.mean((low <= truth) & (truth <= high)) < 0.95
    files.save(m, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(files.load(tmp_path / "model.safetensors").predict_rows(test), m.predict_rows(test))


@pytest.mark.parametrize("value", [0, 4, 1e14, -1e9])
def test_equal_ratings_of_any_size(data, value):
    m = BayesianMF(**TINY).fit(replace(data, values=np.full(len(data), value, np.float32), rating_range=None))
    assert np.isfinite(m.predict_rows(data)).all()
    assert np.isfinite(m.predictive_of(data).std()).all()


def test_the_unit_is_a_power_of_two_that_follows_the_ratings():
    values = np.random.default_rng(0).normal(3, 1, 1000).astype(np.float32)
    assert unit_of(values) == 1
    assert [unit_of(values * np.float32(2.0**k)) for k in (-40, -1, 3, 40)] == [2.0**k for k in (-40, -1, 3, 40)]
    assert unit_of(np.full(5, 7.0)) == 1
    for spread in np.geomspace(1e-10, 1e10, 50):
        assert LOWEST_SPREAD <= spread / unit_of(np.array([-spread, spread])) < 2 * LOWEST_SPREAD
    assert unit_of(np.array([0, 1e-40])) == 2.0**-50


@pytest.mark.parametrize("sharp", [1e-300, 1e-9, 1e-3, 0.3, 5.0, 1e6, np.inf])
def test_a_scale_is_drawn_in_bounded_time_whatever_the_precisions(sharp):
    drawn = draw_log_scale(np.full(500, sharp), np.random.default_rng(0))
    assert np.isfinite(drawn).all()
    if not 1e-20 < sharp < 1e20:
        return
    y = np.linspace(-60, 60, 2_000_001) if sharp < 1 else np.linspace(-4, 4, 200_001)
    with np.errstate(over="ignore"):
        density = np.exp(-sharp * (np.cosh(y) - 1))
    cdf = np.cumsum(density) / density.sum()
    found = np.sort(np.interp(drawn, y, cdf))
    assert np.abs(found - (np.arange(500) + 0.5) / 500).max() < 0.073  # Kolmogorov's distance: one in a hundred


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wishart_scale": 1e12}, r"with wishart_scale=1000000000000\.0; try wishart_scale=None$"),
        ({"init_scale": 1e6, "mean_sd": 1.0}, r"; try mean_sd=None, init_scale=0\.4$"),
    ],
)
def test_a_chain_that_leaves_the_finite_numbers_names_the_priors_to_try(changes, said):
    two = interactions([1, 1], [1, 2], [3, 4])
    with pytest.raises(DivergenceError, match=r"the chain left the finite numbers .*" + said):
        BayesianMF(**{**TINY, "n_factors": 3, **changes}).fit(two)
    assert np.isfinite(BayesianMF(**{**TINY, "n_factors": 3}).fit(two).predict_rows(two)).all()
