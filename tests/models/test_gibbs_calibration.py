"""Whether the chain samples the model it states: Geweke's joint distribution test (2004), simulation-based calibration
(Talts et al. 2018), and the truth of simulated ratings."""

from __future__ import annotations

import numpy as np
import pytest
import small_gibbs as small
from scipy.stats import chi2, ks_2samp, norm
from synthetic import interactions

from palate.models import BayesianMF
from palate.parallel import single_blas_thread

pytestmark = pytest.mark.no_cover  # other tests see these lines, in less time
LEAST_CHANCE = 1e-5  # of one function; two dozen are looked at, by explicit seeds


@pytest.fixture(autouse=True)
def one_blas_thread():
    """As `fit` has it: with more, the tiny products here would wait for each other."""
    with single_blas_thread():
        yield


def moments(values):
    """Return the first two moments of each function: (n, functions) to (n, 2 functions)."""
    return np.concatenate([values, values**2], axis=1)


def from_the_prior(n, seed):
    """Return the functions of n independent draws of parameters and ratings, (n, functions)."""
    c, rng, found = small.chain(seed), np.random.default_rng(seed), []
    for _ in range(n):
        small.draw_parameters(c, rng)
        small.draw_ratings(c, rng)
        found.append(list(small.seen(c).values()))
    return np.array(found, float)


def from_the_chain(n_chains, n_sweeps, seed):
    """Return the mean moments of chains that begin with a draw of the prior and get new ratings after each sweep.

    Were the sweep right, each state of each chain would be one more draw of the prior; the chains are independent.
    """
    rng, found = np.random.default_rng(seed), []
    for number in range(n_chains):
        c, own = small.chain(1000 * seed + number), []
        small.draw_parameters(c, rng)
        small.draw_ratings(c, rng)
        for sweep in range(1, n_sweeps + 1):
            c.sweep(sweep, small.ALONE)
            small.draw_ratings(c, rng)
            own.append(list(small.seen(c).values()))
        found.append(moments(np.array(own, float)).mean(axis=0))
    return np.array(found)


def check_joint_distribution(n_prior, n_chains, n_sweeps):
    names = small.names()
    one, other = moments(from_the_prior(n_prior, 1)), from_the_chain(n_chains, n_sweeps, 2)
    errors = np.sqrt(one.var(axis=0, ddof=1) / len(one) + other.var(axis=0, ddof=1) / len(other))
    z = (other.mean(axis=0) - one.mean(axis=0)) / errors
    limit = norm.isf(LEAST_CHANCE / 2)
    told = [f"{name}, moment {moment}" for moment in (1, 2) for name in names]
    wrong = {name: round(float(one), 1) for name, one in zip(told, z, strict=True) if abs(one) > limit}
    assert not wrong


def ranks(n_runs, n_draws, thin, seed):
    """Return the ranks of the truth among thinned draws given its ratings, (n_runs, functions); chains begin there."""
    rng, found = np.random.default_rng(seed), []
    for number in range(n_runs):
        c = small.chain(1000 * seed + number)
        small.draw_parameters(c, rng)
        small.draw_ratings(c, rng)
        truth = np.array(list(small.seen(c).values()), float)
        below = np.zeros(len(truth), int)
        for draw in range(n_draws):
            for sweep in range(thin):
                c.sweep(1 + draw * thin + sweep, small.ALONE)
            below += np.array(list(small.seen(c).values()), float) < truth
        found.append(below)
    return np.array(found)


def check_calibration(n_runs, n_draws, thin):
    found = ranks(n_runs, n_draws, thin, 3)
    names = small.names()
    wrong = {}
    for name, own in zip(names, found.T, strict=True):
        if name in ("rating", "ratings"):  # the data, which the chain leaves
            continue
        counts = np.bincount(own, minlength=n_draws + 1)
        expected = n_runs / (n_draws + 1)
        chance = chi2.sf((np.square(counts - expected) / expected).sum(), n_draws)
        if chance < LEAST_CHANCE:
            wrong[name] = counts.tolist()
    assert not wrong


def test_scale_moves_between_the_sides_and_the_prior_stays():
    # the ratings do not see the move, so the prior alone must be what it leaves as it was
    c, rng = small.chain(0), np.random.default_rng(7)
    before, after = [], []
    for _ in range(3000):
        small.draw_parameters(c, rng)
        product = c.users.X[0, :-1] @ c.items.X[0, :-1]
        before.append(scales_of(c))
        c._rescale(rng)
        after.append(scales_of(c))
        assert c.users.X[0, :-1] @ c.items.X[0, :-1] == pytest.approx(product, rel=1e-3, abs=1e-4)
    one, other = np.array(before[:1500]), np.array(after[1500:])
    for k in range(one.shape[1]):
        assert ks_2samp(one[:, k], other[:, k]).pvalue > LEAST_CHANCE
    assert (np.abs(np.array(after) - before).mean(axis=0) > 0.05).all()


def scales_of(c):
    return [
        np.log(c.users.L[0, 0]),
        np.log(c.items.L[1, 1]),
        *(np.log(np.square(s.X[:, :-1]).sum()) for s in (c.users, c.items)),
    ]


@pytest.mark.long
def test_sweeps_with_new_ratings_keep_the_prior():
    check_joint_distribution(1000, 40, 40)


def test_the_truth_ranks_anywhere_among_the_draws():
    check_calibration(40, 3, 15)


@pytest.mark.long
def test_many_sweeps_with_new_ratings_keep_the_prior():
    check_joint_distribution(20_000, 200, 250)


@pytest.mark.long
def test_the_truth_of_many_simulations_ranks_anywhere_among_the_draws():
    check_calibration(200, 9, 40)


def simulated(seed, n_users=60, n_items=50, rank=2):
    """Return ratings of a factorization with noise by user and item, and which are held out."""
    rng = np.random.default_rng(seed)
    truth = 3.5 + rng.normal(0, 0.5, (n_users, 1)) + rng.normal(0, 0.5, n_items)
    truth = truth + rng.normal(0, 0.7, (n_users, rank)) @ rng.normal(0, 0.7, (rank, n_items))
    noise = 0.6 / np.sqrt(rng.gamma(3, 1 / 3, (n_users, 1)) * rng.gamma(3, 1 / 3, n_items))
    users, items = np.nonzero(rng.random((n_users, n_items)) < 0.7)
    values = (truth + noise * rng.standard_normal(truth.shape))[users, items]
    return interactions(users, items, values), rng.random(len(users)) < 0.4


def test_a_known_model_is_recovered():
    data, held_out = simulated(0)
    train, test = data.take(np.flatnonzero(~held_out)), data.take(np.flatnonzero(held_out))
    m = BayesianMF(4, n_sweeps=150, n_burn_in=50, incidence=False, n_components=0, scale_df=6.0, random_state=0)
    m.set_params(n_threads=1).fit(train)
    found = m.predictive_of(test)
    low, high = found.interval(0.8)
    inside = (low <= test.values) & (test.values <= high)
    assert inside.mean() == pytest.approx(0.8, abs=0.06)
    errors = test.values - found.mean()
    sd = errors.std()
    z = errors / sd
    constant = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert found.crps(test.values).mean() < 0.985 * constant.mean()
    assert sd < 0.9 * test.values.std()
    # who rates erratically is told
    spread = np.array([np.std(errors[test.user_index == u]) for u in range(60)])
    assert np.corrcoef(-np.log(m.user_scales_.mean(axis=1)), np.log(spread))[0, 1] > 0.35
