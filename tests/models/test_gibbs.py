"""The sampler's conditionals by long-run averages on tiny problems, against closed forms."""

from __future__ import annotations

import naive
import numpy as np
import pytest
import small_gibbs as small
from scipy.special import ndtri
from scipy.stats import norm, wishart
from synthetic import interactions

from palate.models.bayes.hyper import Hyper, draw_wishart
from palate.models.bayes.ordinal import Stars, star_probabilities
from palate.models.bayes.side import Incidence, SideChain
from palate.models.bayes.start import Components, CountEncoding, projected
from palate.models.bayes.time_effects import TimeEffect, effect_names, found_groups, keys_of
from palate.parallel import single_blas_thread

FIXED = Hyper(ridge_shape=1e9, ridge_rate=1e9 / 0.7)  # a ridge that is as good as known


@pytest.fixture(autouse=True)
def one_blas_thread():
    """As `fit` has it: with more, the tiny products here would wait for each other."""
    with single_blas_thread():
        yield


def precision(seed, D=3):
    half = np.random.default_rng(seed).normal(0, 0.5, (D, D))
    return half @ half.T + np.eye(D)


def close(draws, mean, covariance, sds=5.0):
    """Check the long-run mean and covariance of draws (n, size) that hardly depend on each other."""
    n, sd = len(draws), np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(axis=0) - mean) < sds * sd / np.sqrt(n)).all()
    found = np.atleast_2d(np.cov(draws.T))
    error = np.sqrt((np.outer(sd, sd) ** 2 + covariance**2) / n)
    assert (np.abs(found - covariance) < sds * error).all()


def test_wishart_draws_have_the_mean_and_spread_of_the_distribution():
    S, rng = precision(0), np.random.default_rng(1)
    draws = np.array([draw_wishart(7.5, S, rng)[0] for _ in range(3000)])
    V = np.linalg.inv(S)
    mean, variance = 7.5 * V, 7.5 * (V**2 + np.outer(np.diag(V), np.diag(V)))
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * np.sqrt(variance / 3000)).all()
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.25)
    logs = np.linalg.slogdet(draws)[1]
    other = np.linalg.slogdet(wishart.rvs(7.5, V, 3000, random_state=2))[1]
    assert logs.mean() == pytest.approx(other.mean(), abs=5 * np.sqrt(2 * logs.var() / 3000))


def test_hyperparameters_are_drawn_from_their_normal_wishart():
    rng = np.random.default_rng(3)
    c = small.chain(0)
    small.draw_parameters(c, rng)
    side, h = c.users, small.HYPER
    R = side.X - side._parts.astype(float)
    n, center = len(R), R.mean(axis=0)
    S = h.wishart_scale * np.eye(3) + (R - center).T @ (R - center)
    S += n * h.mean_strength / (n + h.mean_strength) * np.outer(center, center)
    S += sum(group.ridge * group.B.T @ group.B for group in side.groups)
    df = 3 + h.wishart_df + n + sum(len(group.B) for group in side.groups)
    Ls, means = [], []
    for _ in range(2500):
        side.draw_hyper(rng)
        Ls.append(side.L)
        means.append(np.linalg.cholesky(side.L).T @ (side.mean - n * center / (n + h.mean_strength)))
    V = np.linalg.inv(S)
    sd = np.sqrt(df * (V**2 + np.outer(np.diag(V), np.diag(V))) / len(Ls))
    assert (np.abs(np.mean(Ls, axis=0) - df * V) < 4.5 * sd).all()
    close(np.array(means), np.zeros(3), np.eye(3) / (n + h.mean_strength))


def draws_of_weights(group, T, L, n, rng, skip=1):
    upper, found = np.linalg.cholesky(L).T, []
    R = T.astype(np.float32)
    for _ in range(n):
        for _ in range(skip):
            R = R - group.draw(R, upper, FIXED, rng, small.ALONE)
        found.append(group.B.reshape(-1))
    np.testing.assert_allclose(R, T - small.matrix(group) @ group.B, atol=1e-3)  # the steps are those of X B
    return np.array(found)


@pytest.mark.parametrize("kind", ["dense", "incidence"])
def test_weights_have_the_closed_posterior_of_a_ridge(kind):
    rng, L = np.random.default_rng(4), precision(5)
    group = small.chain(0).users.groups[kind == "incidence"]
    group.ridge = 0.7
    T = rng.normal(0, 1, (small.N_USERS, 3))
    mean, covariance = naive.ridge_posterior(small.matrix(group), T, L, 0.7)
    # one by one the weights forget slowly: every fourth draw
    draws = draws_of_weights(group, T, L, 1000, rng, 1 if kind == "dense" else 4)[20:]
    close(draws, mean.reshape(-1), covariance, 5.5)


def test_ridges_are_drawn_from_their_gamma():
    h, rng = Hyper(ridge_shape=2.0, ridge_rate=3.0), np.random.default_rng(0)
    draws = np.array([h.ridge(6, 8.0, rng) for _ in range(4000)])
    assert draws.mean() == pytest.approx(5 / 7, abs=5 * np.sqrt(5) / 7 / 63)
    assert draws.var() == pytest.approx(5 / 49, rel=0.2)


@pytest.mark.parametrize("kind", ["dense", "incidence"])
def test_a_groups_ridge_follows_its_weights(kind):
    rng, L = np.random.default_rng(8), precision(9)
    group = small.chain(0).users.groups[kind == "incidence"]
    T = rng.normal(0, 1, (small.N_USERS, 3)).astype(np.float32)
    upper, ratios = np.linalg.cholesky(L).T, []
    for _ in range(300):
        group.ridge = 0.7
        T = T - group.draw(T, upper, small.HYPER, rng, small.ALONE)
        shape = small.HYPER.ridge_shape + group.B.size / 2
        ratios.append(group.ridge * (small.HYPER.ridge_rate + np.trace(group.B @ L @ group.B.T) / 2) / shape)
    assert np.mean(ratios) == pytest.approx(1, abs=5 / np.sqrt(300 * shape))


def test_time_offsets_are_drawn_and_taken_out_of_the_errors():
    rng = np.random.default_rng(10)
    index = np.array([0, 0, 1, 2, 2, 2], np.int32)
    errors = rng.normal(0, 1, 6).astype(np.float32)
    free, w, draws, ratios = errors.astype(float), rng.uniform(0.5, 2, 6).astype(np.float32), [], []
    effect = TimeEffect("day", np.arange(6).reshape(3, 2), index, 2.0, 3.0)
    for _ in range(4000):
        effect.tau = 1.3
        effect.draw(errors, w, 0.8, rng)
        draws.append(effect.values)
        ratios.append(effect.tau * (3 + np.square(effect.values, dtype=float).sum() / 2) / 3.5)
        np.testing.assert_allclose(errors, free - effect.of_cells(), atol=1e-5)
        errors[:] = free - effect.of_cells()
    variance = np.array([1 / (1.3 + 0.8 * w[index == g].sum()) for g in range(3)])
    mean = np.array([0.8 * (w * free)[index == g].sum() for g in range(3)]) * variance
    np.testing.assert_allclose(effect.means, mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(effect.variances, variance, rtol=1e-5)
    close(np.array(draws, float), mean, np.diag(variance))
    assert np.mean(ratios) == pytest.approx(1, abs=5 / np.sqrt(3.5 * 4000))


def test_groups_of_times_are_found_again():
    keys = keys_of("day", np.array([0, 1, 1]), np.array([5, 6, 7]), np.array([86399, 86400, 3 * 86400]))
    assert keys.tolist() == [[0, 0], [1, 1], [1, 3]]
    assert keys_of("month", np.array([0]), np.array([5]), np.array([31 * 86400])).tolist() == [[5, 1]]
    assert keys_of("page", np.array([2]), np.array([5]), np.array([17])).tolist() == [[2, 17]]
    wanted = np.array([[1, 3], [1, 2], [0, 0], [1, 3], [9, 9]])
    assert found_groups(keys, wanted).tolist() == [2, -1, 0, 2, -1]
    assert effect_names("day, page") == ["day", "page"]
    assert effect_names(None) == []


def made_stars(n=3000):
    rng = np.random.default_rng(11)
    cuts, scores, sd = np.array([-1.0, 0.2, 0.8]), rng.normal(0, 1, n), rng.uniform(0.7, 1.3, n)
    index = np.searchsorted(cuts, scores + sd * rng.standard_normal(n))
    return Stars(np.array([1.0, 2.0, 3.0, 5.0]), index, 100), cuts, scores, sd


def test_latent_ratings_lie_in_their_slice_and_cut_points_are_found():
    (stars, cuts, scores, sd), rng = made_stars(), np.random.default_rng(12)
    found = []
    for _ in range(250):
        stars.draw(scores.astype(np.float32), sd, rng)
        edges = np.concatenate([[-np.inf], stars.cuts, [np.inf]])
        assert (np.diff(stars.cuts) > 0).all()
        assert (stars.latent >= edges[stars.index] - 1e-5).all()
        assert (stars.latent <= edges[stars.index + 1] + 1e-5).all()
        found.append(stars.cuts)
    assert 0.1 < stars.accepted < 0.7
    kept = np.array(found)[100:]
    assert (np.abs(kept.mean(axis=0) - cuts) < 0.12).all()
    assert (kept.std(axis=0) > 0.005).all()


def test_latent_ratings_are_drawn_from_cut_normals():
    stars = Stars(np.array([1.0, 2.0, 3.0]), np.array([0, 1, 2, 2, 0] + [1] * 50), 0)
    scores, sd = np.concatenate([[0.5, 0.1, -0.3, -30.0, 30.0], np.zeros(50)]), np.full(55, 1.2)
    rng, found = np.random.default_rng(0), []
    stars._root[:] = 0  # cut points stay
    stars._draws = 1
    for _ in range(3000):
        stars.draw(scores.astype(np.float32), sd, rng)
        found.append(stars.latent[:5])
    edges = np.concatenate([[-np.inf], stars.cuts, [np.inf]])
    s = scores[:5].astype(np.float32).astype(float)
    low, high = (edges[stars.index[:5]] - s) / 1.2, (edges[stars.index[:5] + 1] - s) / 1.2
    a, b = norm.pdf(low[:3]), norm.pdf(high[:3])
    mean = s[:3] + 1.2 * (a - b) / (norm.cdf(high[:3]) - norm.cdf(low[:3]))
    draws = np.array(found, float)
    assert (np.abs(draws[:, :3].mean(axis=0) - mean) < 5 * draws[:, :3].std(axis=0) / np.sqrt(3000)).all()
    assert np.isfinite(draws).all()  # and far in either tail, too
    assert (draws[:, 3] >= stars.cuts[1] - 1e-5).all()
    assert (draws[:, 4] <= stars.cuts[0] + 1e-5).all()


def test_cut_points_have_the_distribution_that_a_grid_gives():
    rng = np.random.default_rng(1)
    index = np.repeat([0, 1], [12, 28])
    scores, sd = rng.normal(0, 0.5, 40), np.ones(40)
    stars, found = Stars(np.array([1.0, 2.0]), index, 50), []
    for _ in range(2500):
        stars.draw(scores, sd, rng)
        found.append(stars.cuts[0])
    grid = np.linspace(-3, 2, 2001)
    below = norm.cdf(grid[:, None] - scores.astype(np.float32))
    log = np.log(np.where(index == 0, below, 1 - below)).sum(axis=1)
    p = np.exp(log - log.max())
    p /= p.sum()
    mean = p @ grid
    assert np.mean(found) == pytest.approx(mean, abs=0.03)
    assert np.std(found) == pytest.approx(np.sqrt(p @ (grid - mean) ** 2), rel=0.12)


def test_probabilities_of_stars_add_up():
    p = star_probabilities(np.array([0.0, 50.0]), np.array([1.0, 2.0]), ndtri([0.2, 0.5, 0.9]))
    np.testing.assert_allclose(p[0], [0.2, 0.3, 0.4, 0.1], atol=1e-12)
    np.testing.assert_allclose(p[1], [0, 0, 0, 1], atol=1e-12)


def test_a_row_without_cells_is_drawn_from_its_prior():
    rows, columns = small.DATA.take(np.flatnonzero(small.DATA.user_index > 0)), precision(3)
    side = SideChain(rows.by_user(), np.zeros((12, 3), np.float32), [], small.HYPER)
    side.L, side.mean = columns, np.array([0.3, -0.2, 1.0])
    other = SideChain(rows.by_item(), np.ones((small.N_ITEMS, 3), np.float32), [], small.HYPER)
    targets, rng, draws = np.ones(len(rows), np.float32), np.random.default_rng(0), []
    for _ in range(1000):
        side.draw_rows(targets, other, 1.0, rng.standard_normal(side.X.shape, np.float32), small.ALONE)
        draws.append(side.X[0])
    np.testing.assert_allclose(side.means[0], side.mean, rtol=1e-4)
    close(np.array(draws, float), side.mean, np.linalg.inv(columns))


def test_counts_and_components_of_newcomers_are_those_of_training():
    counts = np.array([1, 2, 5, 9, 20])
    one = CountEncoding.of(counts)
    again = CountEncoding.from_plain(one.plain())
    np.testing.assert_array_equal(one.matrix(np.arange(30)), again.matrix(np.arange(30)))
    np.testing.assert_allclose(one.matrix(counts)[:, 0].mean(), 0, atol=1e-6)
    assert (one.matrix(counts)[:, 2:].sum(axis=1) == 1).all()
    rows = small.DATA.by_user()
    found = Components.of(rows, small.N_ITEMS, 4)
    np.testing.assert_allclose(projected(rows, found.projection), found.users, atol=1e-4)
    assert Components.of(rows, small.N_ITEMS, 0).users.shape == (small.N_USERS, 0)


def test_counts_are_those_of_training_and_none_is_no_count():
    counts = np.array([0, 2, 5, 9, 20])
    one = CountEncoding.of(counts)
    features = one.matrix(counts)
    np.testing.assert_array_equal(one.matrix(np.array([1, 99])), features[[1, 4]])  # the nearest that training has
    np.testing.assert_allclose(features[0], counts @ features / 36, rtol=1e-6)
    np.testing.assert_array_equal(
        CountEncoding.of(counts[1:]).matrix(counts), features
    )  # rows without cells say nothing
    assert CountEncoding.of(np.array([3, 3, 0])) is None  # all alike: they tell nothing
    before = CountEncoding.from_plain(one.plain()[:9])  # of a file of before: none is a number, and there is no limit
    logs = (np.log1p([0, 99]) - one.mean) / one.scale
    np.testing.assert_allclose(before.matrix(np.array([0, 99]))[:, 0], logs, rtol=1e-6)


def test_incidence_is_one_over_the_root_of_the_number_of_cells():
    by_user, by_item = small.DATA.by_user(), small.DATA.by_item()
    X = small.matrix(Incidence.of(by_user, by_item, 3))
    np.testing.assert_allclose(np.square(X).sum(axis=1), 1)
    assert {(int(u), int(i)) for u, i in np.argwhere(X)} == set(
        zip(small.DATA.user_index.tolist(), small.DATA.item_index.tolist(), strict=True)
    )


def test_means_are_drawn_with_the_precision_just_drawn():
    rng, S = np.random.default_rng(0), np.array([[2.0, 0.5], [0.5, 1.0]])
    both = [draw_wishart(9.0, S, rng) for _ in range(4000)]
    whitened = np.array([np.linalg.cholesky(L).T @ x for L, x in both])  # of N(0, inv(L)), whatever L
    close(whitened, np.zeros(2), np.eye(2))


def test_components_are_the_same_each_time_where_the_incidence_has_few():
    u, i = np.nonzero((np.arange(30)[:, None] + np.arange(20)) % 3)  # of rank 3
    rows = interactions(u, i, np.ones(len(u))).by_user()
    first = Components.of(rows, 20, 15)
    assert first.users.shape == (30, 2)
    for _ in range(4):
        again = Components.of(rows, 20, 15)
        for name in ("users", "items", "projection", "item_projection"):
            np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_components_are_the_singular_vectors_of_the_scaled_incidence():
    rows = small.DATA.by_user()
    found = Components.of(rows, small.N_ITEMS, 4)
    X = np.zeros((small.N_USERS, small.N_ITEMS))
    X[small.DATA.user_index, small.DATA.item_index] = 1
    A = X / np.sqrt(X.sum(axis=1, keepdims=True)) / np.sqrt(X.sum(axis=0))
    U, S, Vt = np.linalg.svd(A)
    for k in range(4):
        a, b = found.users[:, k] / small.N_USERS**0.5, found.items[:, k] / small.N_ITEMS**0.5
        np.testing.assert_allclose(a @ A @ b, S[k + 1], rtol=1e-5)
        assert abs(a @ U[:, k + 1]) == pytest.approx(1, abs=1e-4)
        assert abs(b @ Vt[k + 1]) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(projected(small.DATA.by_item(), found.item_projection), found.items, atol=1e-4)
