from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from metrics import naive_metrics as naive
from metrics.made import close, quick
from scipy.integrate import quad
from scipy.stats import kstest, norm

from palate.errors import ParameterError
from palate.metrics import distribution

numbers = st.integers(-40, 40).map(lambda x: x / 8)
STARS = np.array([0.5, 1, 2, 3, 5])


@st.composite
def drawn(draw):
    n, n_draws = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    return draw(arrays(np.float32, n, elements=numbers)), draw(arrays(np.float64, (n_draws, n), elements=numbers))


@st.composite
def starred(draw):
    n = draw(st.integers(1, 4))
    weights = draw(arrays(np.float64, (n, len(STARS)), elements=st.integers(0, 5)))
    weights[:, 2] += 1
    truth = draw(arrays(np.float64, n, elements=st.sampled_from(STARS)))
    return truth, weights / weights.sum(axis=1, keepdims=True)


@quick
@given(drawn())
def test_crps_of_draws_is_that_of_all_pairs(case):
    truth, draws = case
    wanted = [naive.crps_draws(float(y), one.tolist()) for y, one in zip(truth, draws.T, strict=True)]
    np.testing.assert_allclose(distribution.crps_draws(truth, draws), wanted, **close)


@quick
@given(starred(), numbers)
def test_crps_of_stars_is_its_integral_and_that_of_as_many_draws(case, elsewhere):
    truth, probabilities = case
    for y in (truth, np.full(len(truth), elsewhere)):
        wanted = [naive.crps_stars(a, p.tolist(), STARS.tolist()) for a, p in zip(y, probabilities, strict=True)]
        np.testing.assert_allclose(distribution.crps_stars(y, probabilities, STARS), wanted, **close)
    draws = np.repeat(STARS, 2)[:, None]
    np.testing.assert_allclose(
        distribution.crps_draws(truth[:1], draws), distribution.crps_stars(truth[:1], np.full((1, 5), 0.2), STARS)
    )


@pytest.mark.parametrize(("y", "mean", "std"), [(3, 3, 1), (1, 4.5, 0.3), (5, 3.2, 2), (4, 3.9, 0.01)])
def test_crps_of_a_normal_is_its_integral(y, mean, std):
    below = quad(lambda x: norm.cdf(x, mean, std) ** 2, min(mean, y) - 12 * std, y, epsabs=1e-13, points=[mean])[0]
    above = quad(lambda x: norm.sf(x, mean, std) ** 2, y, max(mean, y) + 12 * std, epsabs=1e-13, points=[mean])[0]
    got = distribution.crps_normal(np.array([y]), np.array([mean]), np.array([std]))
    assert got[0] == pytest.approx(below + above, abs=1e-10)


def test_a_distribution_on_one_point_scores_the_absolute_error():
    truth, point = np.array([1.0, 4.0]), np.array([3.0, 3.5])
    for got in (
        distribution.crps_normal(truth, point, np.zeros(2)),
        distribution.crps_draws(truth, point[None]),
        distribution.crps_draws(truth, np.tile(point, (9, 1))),
    ):
        np.testing.assert_allclose(got, [2, 0.5], **close)
    np.testing.assert_allclose(distribution.crps_stars(truth, np.array([[0.0, 0, 0, 1, 0]] * 2), STARS), [2, 1])


@quick
@given(drawn(), st.floats(0.1, 3))
def test_log_scores_are_scipys_densities(case, std):
    truth, draws = case
    spread = np.full(len(truth), std)
    wanted = -norm.logpdf(truth, draws[0], spread)
    np.testing.assert_allclose(distribution.log_score_normal(truth, draws[0], spread), wanted, **close)
    noise = std + np.arange(len(draws))[:, None]
    wanted = np.log(len(draws)) - np.logaddexp.reduce(norm.logpdf(truth, draws, noise), axis=0)
    np.testing.assert_allclose(distribution.log_score_mixture(truth, draws, noise), wanted, **close)
    if len(draws) > 1 and (draws.std(axis=0) > 0).all():
        wanted = -norm.logpdf(truth, draws.mean(axis=0), draws.std(axis=0, ddof=1))
        np.testing.assert_allclose(distribution.log_score_draws(truth, draws), wanted, **close)


def test_a_mixture_of_one_or_of_equal_draws_is_a_normal_and_far_tails_stay_finite():
    truth, mean = np.array([1.0, 400.0]), np.array([2.0, 3.0])
    wanted = distribution.log_score_normal(truth, mean, np.full(2, 0.5))
    np.testing.assert_allclose(distribution.log_score_mixture(truth, mean[None], 0.5), wanted, **close)
    np.testing.assert_allclose(distribution.log_score_mixture(truth, np.tile(mean, (6, 1)), 0.5), wanted, **close)


@quick
@given(starred())
def test_log_score_of_stars_is_minus_log_of_the_truths_probability(case):
    truth, probabilities = case
    with np.errstate(divide="ignore"):
        wanted = [-np.log(p[STARS.tolist().index(y)]) for y, p in zip(truth, probabilities, strict=True)]
    np.testing.assert_allclose(distribution.log_score_stars(truth, probabilities, STARS), wanted, **close)


def test_scores_are_proper():
    """Drawn from one distribution, it scores better than a narrower, a wider and a shifted one."""
    truth = np.random.default_rng(0).normal(3, 1, 40_000)
    for score in (distribution.crps_normal, distribution.log_score_normal):
        best, *others = (
            score(truth, np.full(truth.shape, m), np.full(truth.shape, s)).mean()
            for m, s in ((3, 1), (3, 0.7), (3, 1.4), (3.3, 1))
        )
        assert best < min(others)
    draws = np.random.default_rng(1).normal(3, 1, (400, 300))
    near = distribution.crps_draws(truth[:300], draws).mean()
    assert near == pytest.approx(distribution.crps_normal(truth[:300], np.full(300, 3), np.ones(300)).mean(), rel=0.02)


def test_intervals_cover_what_they_say():
    rng = np.random.default_rng(3)
    truth, mean, std = rng.normal(3, 1, 20_000), np.full(20_000, 3.0), np.ones(20_000)
    low, high = distribution.interval_normal(mean, std, 0.8)
    assert distribution.interval_coverage(truth, low, high) == pytest.approx(0.8, abs=0.01)
    np.testing.assert_allclose([low[0], high[0]], norm.interval(0.8, 3, 1), **close)
    low, high = distribution.interval_draws(rng.normal(3, 1, (4000, 50)), 0.9)
    np.testing.assert_allclose(low, norm.interval(0.9, 3, 1)[0], atol=0.15)
    np.testing.assert_allclose(high, norm.interval(0.9, 3, 1)[1], atol=0.15)


def test_an_interval_over_stars_ends_at_the_first_that_reach_the_tails():
    p = np.array([[0.1, 0.2, 0.4, 0.2, 0.1], [0, 0, 1, 0, 0], [0.5, 0, 0, 0, 0.5]])
    low, high = distribution.interval_stars(p, STARS, 0.8)
    np.testing.assert_array_equal(low, [0.5, 2, 0.5])
    np.testing.assert_array_equal(high, [3, 2, 5])
    low, high = distribution.interval_stars(p[:1], STARS, 0.4)
    np.testing.assert_array_equal([low[0], high[0]], [1, 2])


def test_coverage_counts_both_ends():
    truth = np.array([1.0, 2, 3, 4])
    assert distribution.interval_coverage(truth, np.array([1.0, 0, 4, 0]), np.array([2.0, 2, 5, 9])) == 0.75


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(4)
    truth, draws = rng.normal(size=50), rng.normal(size=(20, 50))
    whole = distribution.crps_draws(truth, draws), distribution.log_score_mixture(truth, draws, 0.3)
    monkeypatch.setattr(distribution, "CELLS", 60)
    parts = distribution.crps_draws(truth, draws), distribution.log_score_mixture(truth, draws, 0.3)
    np.testing.assert_allclose(whole, parts, rtol=1e-13)


def test_transforms_are_uniform_where_the_distributions_are_right():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), 4000)
    place = (rng.random((4000, 1)) > np.cumsum(probabilities, axis=1)).sum(axis=1)
    truth = STARS[place]
    found = distribution.pit_stars(truth, probabilities, STARS, 1)
    assert kstest(found, "uniform").pvalue > 0.01
    np.testing.assert_array_equal(found, distribution.pit_stars(truth, probabilities, STARS, 1))
    wide = np.full_like(probabilities, 0.2)
    middle = distribution.pit_stars(np.full(4000, STARS[2]), wide, STARS, 1)
    assert kstest(middle, "uniform").pvalue < 1e-9
    assert (middle > 0.4 - 1e-12).all()
    assert (middle < 0.6 + 1e-12).all()


ONE, TWO = np.ones(1), np.ones(2)
EVEN = np.full((2, 5), 0.2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: distribution.crps_draws(np.ones((2, 1)), np.ones((3, 2))), "truth must be a row of at least one"),
        (lambda: distribution.crps_draws(np.ones(0), np.ones((3, 0))), "truth must be a row of at least one"),
        (lambda: distribution.crps_draws(TWO, np.ones((2, 3))), r"draws must have shape \(n_draws, 2\), got \(2, 3\)"),
        (lambda: distribution.crps_draws(TWO, np.ones((0, 2))), r"draws must have shape \(n_draws, 2\)"),
        (lambda: distribution.crps_draws(TWO, np.full((1, 2), np.nan)), "draws has 2 missing numbers"),
        (lambda: distribution.crps_normal(TWO, ONE, TWO), r"mean must have shape \(2,\), got \(1,\)"),
        (lambda: distribution.crps_normal(TWO, TWO, -TWO), "std must not be negative, got -1.0"),
        (lambda: distribution.log_score_normal(TWO, TWO, np.array([1, 0])), "every std above 0, 1 of 2 are not"),
        (lambda: distribution.log_score_draws(TWO, np.ones((1, 2))), "needs at least 2 of them"),
        (lambda: distribution.log_score_draws(TWO, np.ones((3, 2))), "every std above 0, 2 of 2 are not"),
        (lambda: distribution.log_score_mixture(TWO, np.ones((1, 2)), 0.0), "noise_std must be above 0"),
        (lambda: distribution.log_score_mixture(TWO, np.ones((1, 2)), np.ones((3, 2))), "does not fit draws"),
        (lambda: distribution.crps_stars(TWO, EVEN[:, :4], STARS), r"probabilities must have shape \(2, 5\)"),
        (lambda: distribution.crps_stars(TWO, EVEN, STARS[::-1]), "stars must ascend"),
        (lambda: distribution.crps_stars(TWO, EVEN * [[1], [2]], STARS), "1 rows of probabilities are no distribution"),
        (lambda: distribution.crps_stars(TWO, EVEN * np.nan, STARS), "2 rows of probabilities are no distribution"),
        (lambda: distribution.log_score_stars(TWO * 6, EVEN, STARS), "rating 6.0 in row 0 is none of the stars"),
        (lambda: distribution.pit_stars(TWO * 6, EVEN, STARS), "rating 6.0 in row 0 is none of the stars"),
        (lambda: distribution.interval_normal(TWO, TWO, 80), "level must lie between 0 and 1, such as 0.8; got 80"),
        (lambda: distribution.interval_coverage(TWO, TWO, -TWO), "2 of 2 intervals end below where they begin"),
    ],
)
def test_wrong_input_is_refused(call, text):
    with pytest.raises(ParameterError, match=text):
        call()
