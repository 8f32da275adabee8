"""Mixtures of normal distributions against SciPy and numerical integration; `Predictive` and its parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from palate.errors import ParameterError
from palate.models.bayes.predictive import PARTS, grouped
from palate.models.contract.predictive import Predictive

NO_CUTS = np.zeros((5, 0))


@pytest.fixture(scope="module")
def mixture(kernel):
    return kernel("mixture")


def mixtures(seed, n=3, parts=5):
    rng = np.random.default_rng(seed)
    return rng.normal(3, 0.7, (n, parts)), rng.uniform(0.4, 1.4, (n, parts))


def cdf(M, S, y):
    return norm.cdf((np.asarray(y)[..., None] - M[:, None]) / S[:, None]).mean(axis=2)


@settings(max_examples=6)
@given(seed=st.integers(0, 2**31))
def test_distribution_functions_and_quantiles_are_scipys(mixture, seed):
    M, S = mixtures(seed)
    points = np.sort(np.random.default_rng(seed).normal(3, 2, (3, 4)), axis=1)
    found = np.full((3, 4), np.nan)
    mixture.cdfs(M, S, points, 1, 3, found)
    np.testing.assert_allclose(found[1:], cdf(M, S, points)[1:], atol=1e-14)
    assert np.isnan(found[0]).all()
    levels, at = np.array([0.001, 0.1, 0.5, 0.975]), np.empty((3, 4))
    mixture.quantiles(M, S, levels, 0, 3, at)
    np.testing.assert_allclose(cdf(M, S, at), np.tile(levels, (3, 1)), atol=1e-9)


@settings(max_examples=6)
@given(seed=st.integers(0, 2**31), truth=st.floats(-1, 7))
def test_the_crps_is_the_integral(mixture, seed, truth):
    M, S = mixtures(seed)
    grid = np.linspace(-20, 25, 20_001)
    F = cdf(M, S, np.tile(grid, (3, 1)))
    below, above = grid < truth, grid >= truth
    expected = np.trapezoid(np.where(below, F**2, 0), grid, axis=1)
    expected += np.trapezoid(np.where(above, (1 - F) ** 2, 0), grid, axis=1)
    found = np.empty(3)
    mixture.crps(M, S, np.full(3, truth), 0, 3, found)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_crps_of_one_part_is_the_formula_of_a_normal(mixture):
    found, z = np.empty(1), (4 - 3) / 0.8
    mixture.crps(np.array([[3.0]]), np.array([[0.8]]), np.array([4.0]), 0, 1, found)
    assert found[0] == pytest.approx(0.8 * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)))


def test_a_predictive_of_normal_parts():
    M, S = mixtures(0)
    p = Predictive(M, S, NO_CUTS, np.arange(1.0, 6), 1)
    draws = np.random.default_rng(1).normal(M[:, :, None], S[:, :, None], (3, 5, 40_000)).reshape(3, -1)
    assert not p.is_ordinal
    np.testing.assert_allclose(p.mean(), draws.mean(axis=1), atol=0.02)
    np.testing.assert_allclose(p.std(), draws.std(axis=1), atol=0.02)
    low, high = p.interval(0.8)
    inside = (draws >= low[:, None]) & (draws <= high[:, None])
    np.testing.assert_allclose(inside.mean(axis=1), 0.8, atol=0.01)
    np.testing.assert_allclose((draws < low[:, None]).mean(axis=1), 0.1, atol=0.01)
    np.testing.assert_allclose(p.probabilities.sum(axis=1), 1)
    edges = np.array([-np.inf, 1.5, 2.5, 3.5, 4.5, np.inf])
    for level in range(5):
        share = ((draws > edges[level]) & (draws <= edges[level + 1])).mean(axis=1)
        np.testing.assert_allclose(p.probabilities[:, level], share, atol=0.01)
    pairs = np.abs(draws - np.random.default_rng(2).permuted(draws, axis=1)).mean(axis=1)
    np.testing.assert_allclose(p.crps(np.full(3, 4.0)), np.abs(draws - 4).mean(axis=1) - pairs / 2, atol=0.01)
    np.testing.assert_allclose(p.cdf(np.full((3, 1), 2.5))[:, 0], p.probabilities[:, :2].sum(axis=1))


@pytest.mark.parametrize("level", [0, 1, 1.2, -0.5, "0.8", None])
def test_intervals_of_no_level_are_refused(level):
    with pytest.raises(ParameterError, match="level must be a number between 0 and 1, got"):
        Predictive(*mixtures(0), NO_CUTS, np.arange(1.0, 6), 1).interval(level)


def test_a_predictive_of_stars():
    M, S = mixtures(2)
    M -= 3
    cuts = np.sort(np.random.default_rng(0).normal(0, 1, (5, 3)), axis=1)
    levels = np.array([1.0, 2.0, 4.0, 5.0])
    p = Predictive(M, S, cuts, levels, 1)
    latent = np.random.default_rng(1).normal(M[:, :, None], S[:, :, None], (3, 5, 40_000))
    stars = levels[(latent[..., None] > cuts[:, None, :]).sum(axis=-1)].reshape(3, -1)
    assert p.is_ordinal
    for k, level in enumerate(levels):
        np.testing.assert_allclose(p.probabilities[:, k], (stars == level).mean(axis=1), atol=0.01)
    np.testing.assert_allclose(p.mean(), stars.mean(axis=1), atol=0.02)
    np.testing.assert_allclose(p.std(), stars.std(axis=1), atol=0.02)
    np.testing.assert_allclose(p.cdf(np.full((3, 1), 2.5))[:, 0], (stars <= 2).mean(axis=1), atol=0.01)
    low, high = p.interval(0.6)
    for n in range(3):
        assert low[n] in levels
        assert high[n] in levels
        assert (stars[n] < low[n]).mean() <= 0.2 + 0.01
        assert (stars[n] <= low[n]).mean() >= 0.2 - 0.01
        assert (stars[n] <= high[n]).mean() >= 0.8 - 0.01
    # of a distribution over stars: E|X - y| - E|X - X'| / 2
    expected = p.probabilities @ np.abs(levels - 4)
    expected -= np.einsum("nk,kl,nl->n", p.probabilities, np.abs(levels[:, None] - levels), p.probabilities) / 2
    np.testing.assert_allclose(p.crps(np.full(3, 4.0)), expected, atol=1e-12)


@pytest.mark.parametrize("n_kept", [1, 12, 16, 30, 96, 100])
def test_draws_in_groups_keep_mean_and_variance_and_nearly_the_crps(n_kept):
    rng = np.random.default_rng(n_kept)
    M, S = rng.normal(3, 0.3, (20, n_kept)), rng.uniform(0.7, 1.2, (20, n_kept))
    m, s = grouped(M, S)
    assert m.shape == s.shape
    assert m.shape[1] <= PARTS
    np.testing.assert_allclose(m.mean(axis=1), M.mean(axis=1), rtol=1e-12)
    variance = [means.var(axis=1) + np.square(sds).mean(axis=1) for means, sds in ((M, S), (m, s))]
    np.testing.assert_allclose(variance[1], variance[0], rtol=1e-12)
    truth = rng.normal(3, 1, 20)
    whole, few = (Predictive(*one, NO_CUTS, np.arange(5.0), 1).crps(truth) for one in ((M, S), (m, s)))
    assert few.mean() == pytest.approx(whole.mean(), rel=5e-3)  # of noise that differs far more than in a chain


def test_a_number_of_draws_that_nothing_divides_loses_a_few_and_not_the_shape():
    rng = np.random.default_rng(1)
    M, S = rng.normal(3, 0.3, (4, 101)), rng.uniform(0.7, 1.2, (4, 101))
    m, s = grouped(M, S)
    assert m.shape == s.shape == (4, PARTS)
    assert np.abs(m.mean(axis=1) - M[:, :96].mean(axis=1)).max() < 1e-12
