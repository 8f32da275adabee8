from __future__ import annotations

import math
from itertools import permutations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_only import read_only

from palate.kernels import Factors
from palate.kernels.order import stable_order
from palate.kernels.sgd import Means, Ratings, Steps
from palate.kernels.simd.steps import padded_width

# uint64 counters wrap on purpose; Python warns of it, compiled code does not
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning")


@pytest.fixture(scope="module")
def sgd(kernel):
    return kernel("sgd")


def problem(seed, n_users, n_items, k, n, dtype=np.float64):
    """Return (P, Q, b, c), mean and the ratings, all random."""
    rng = np.random.default_rng(seed)
    P, Q = (np.zeros((m, padded_width(k, np.dtype(dtype).itemsize)), dtype) for m in (n_users, n_items))
    for X in (P, Q):
        X[:, :k] = rng.normal(0, 0.5, (len(X), k))
    b, c = (rng.normal(0, 0.5, m).astype(dtype) for m in (n_users, n_items))
    rows, cols = (rng.integers(0, m, n).astype(np.int32) for m in (n_users, n_items))
    return (P, Q, b, c), dtype(3.25), Ratings(rows, cols, rng.uniform(1, 5, n).astype(np.float32))


def steps(rate, reg, reg_biases, dtype=np.float64, biases=True):
    rate_b = 2 * rate if biases else 0.0
    return Steps(*map(dtype, (2 * rate, 1 - 2 * rate * reg, rate_b, 1 - rate_b * reg_biases)))


sizes = {
    "seed": st.integers(0, 2**32),
    "n_users": st.integers(1, 5),
    "n_items": st.integers(1, 5),
    "k": st.integers(1, 9),
    "n": st.integers(1, 25),
}


@settings(max_examples=60)
@given(
    **sizes,
    rate=st.floats(1e-4, 0.05),
    reg=st.floats(0, 1),
    reg_biases=st.floats(0, 1),
    biases=st.booleans(),
    kind=st.sampled_from([(np.float64, 1e-9), (np.float32, 2e-3)]),
)
def test_descend_is_the_naive_epoch(sgd, seed, n_users, n_items, k, n, rate, reg, reg_biases, biases, kind):
    dtype, tolerance = kind
    factors, mean, ratings = problem(seed, n_users, n_items, k, n, dtype)
    *expected, loss = naive.sgd_epoch(
        *factors, float(mean), list(zip(*ratings, strict=True)), rate, reg, reg_biases, biases
    )
    got = sgd.descend(Factors(*factors, mean), None, None, ratings, steps(rate, reg, reg_biases, dtype, biases))
    assert got == pytest.approx(loss, rel=tolerance)
    for new, wanted in zip(factors, expected, strict=True):
        np.testing.assert_allclose(new, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_minus_the_gradient_of_the_objective(sgd, seed):
    factors, mean, _ = problem(seed, 1, 1, 4, 1)
    rate, reg, reg_biases, r, h = 1e-3, 0.3, 0.7, np.float32(4.5), 1e-6
    before = [a.copy() for a in factors]
    zero = np.zeros(1, np.int32)
    one = Ratings(zero, zero, np.array([r]))
    sgd.descend(Factors(*factors, mean), None, None, one, steps(rate, reg, reg_biases))
    for which, array in enumerate(before):
        for at in np.ndindex(array.shape):
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in before]
                moved[which][at] += sign * h
                values.append(naive.objective(*moved, mean, 0, 0, float(r), reg, reg_biases))
            gradient = (values[0] - values[1]) / (2 * h)
            assert factors[which][at] - array[at] == pytest.approx(-rate * gradient, rel=1e-6, abs=1e-10)


def test_mix_is_the_published_splitmix64(sgd):
    # the first outputs of the generator started at 0 (Steele, Lea & Flood 2014, fig. 16)
    outputs = [int(sgd.mix(np.uint64(n))) for n in (1, 2, 3)]
    assert outputs == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def shuffled(sgd, n, key, start=0, stop=None):
    rows = np.arange(n, dtype=np.int32)
    cols, vals = rows + np.int32(100), (rows + 1000).astype(np.float32)
    sgd.shuffle(Ratings(rows, cols, vals), start, n if stop is None else stop, np.uint64(key))
    np.testing.assert_array_equal(cols, rows + 100)
    np.testing.assert_array_equal(vals, rows + 1000)
    return rows


@settings(max_examples=40)
@given(n=st.integers(0, 40), key=st.integers(0, 2**64 - 1), cuts=st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_shuffle_permutes_its_part_and_keeps_triples_together(sgd, n, key, cuts):
    start, stop = sorted(min(c, n) for c in cuts)
    rows = shuffled(sgd, n, key, start, stop)
    np.testing.assert_array_equal(np.sort(rows[start:stop]), np.arange(start, stop))
    np.testing.assert_array_equal(rows[:start], np.arange(start))
    np.testing.assert_array_equal(rows[stop:], np.arange(stop, n))
    np.testing.assert_array_equal(rows, shuffled(sgd, n, key, start, stop))


def test_other_key_other_order(sgd):
    assert shuffled(sgd, 30, 1).tolist() != shuffled(sgd, 30, 2).tolist()


def test_every_order_is_equally_likely(sgd):
    drawn = 2400
    counts = dict.fromkeys(permutations(range(4)), 0)
    for n in range(drawn):
        counts[tuple(shuffled(sgd, 4, int(sgd.mix(np.uint64(n)))).tolist())] += 1
    expected = drawn / math.factorial(4)
    chi_square = sum((c - expected) ** 2 / expected for c in counts.values())
    assert chi_square < 58  # 23 degrees of freedom: a fair shuffle stays below in 9,999 of 10,000 cases


def test_descend_blocks_touches_the_given_blocks_alone(sgd):
    factors, mean, ratings = problem(3, 4, 4, 3, 40)
    order, ptr = stable_order(ratings[0] % 2 * 2 + ratings[1] % 2, 4)
    ratings = Ratings(*(a[order] for a in ratings))
    before = [a.copy() for a in factors], [a.copy() for a in ratings]
    losses, step = np.zeros(4), steps(0.01, 0.1, 0.1)
    model = Factors(*factors, mean)
    sgd.descend_blocks(model, None, None, ratings, ptr, np.array([0, 3]), np.uint64(7), step, losses)

    expected = [a.copy() for a in before[0]]
    for g in (0, 3):
        part = slice(ptr[g], ptr[g + 1])
        now = list(zip(*(a[part] for a in ratings), strict=True))
        first = int(sgd.below(np.uint64(7 + g), len(now)))
        assert first > 0
        now = now[first:] + now[:first]
        *expected, loss = naive.sgd_epoch(*expected, mean, now, 0.01, 0.1, 0.1)
        assert losses[g] == pytest.approx(loss)
    for new, wanted in zip(factors, expected, strict=True):
        np.testing.assert_allclose(new, wanted, rtol=1e-10)
    assert losses[1] == losses[2] == 0
    for now, was in zip(ratings, before[1], strict=True):
        np.testing.assert_array_equal(now, was)


def test_a_block_alone_is_shuffled(sgd):
    factors, mean, ratings = problem(3, 4, 4, 3, 40)
    before = list(zip(*(a.copy() for a in ratings), strict=True))
    expected, losses = [a.copy() for a in factors], np.zeros(1)
    one = np.array([0])
    model, how = Factors(*factors, mean), steps(0.01, 0.1, 0.1)
    sgd.descend_blocks(model, None, None, ratings, np.array([0, 40]), one, np.uint64(7), how, losses)
    now = list(zip(*ratings, strict=True))
    assert now != before
    assert sorted(now) == sorted(before)
    *expected, loss = naive.sgd_epoch(*expected, mean, now, 0.01, 0.1, 0.1)
    assert losses[0] == pytest.approx(loss)
    for new, wanted in zip(factors, expected, strict=True):
        np.testing.assert_allclose(new, wanted, rtol=1e-10)


@pytest.mark.parametrize("reg", [0.3, 4.0])
def test_penalties_pull_to_the_sums_of_features(sgd, reg):
    """With means, the step is minus the gradient of the objective whose penalty is of the distance from them."""
    factors, mean, ratings = problem(5, 3, 3, 4, 12)
    means = tuple(np.random.default_rng(1).normal(0, 0.3, X.shape) for X in factors)
    shifted = [X - M for X, M in zip(factors, means, strict=True)]
    rate, reg_b = 0.02, 0.7
    P, Q, b, c = (X.copy() for X in factors)
    for u, i, r in zip(*ratings, strict=True):
        e = r - naive.prediction(P, Q, b, c, mean, u, i)
        p, q = P[u].copy(), Q[i].copy()
        P[u] += 2 * rate * (e * q - reg * (p - means[0][u]))
        Q[i] += 2 * rate * (e * p - reg * (q - means[1][i]))
        b[u] += 2 * rate * (e - reg_b * (b[u] - means[2][u]))
        c[i] += 2 * rate * (e - reg_b * (c[i] - means[3][i]))
    of_users, of_items = Means(means[0], means[2]), Means(means[1], means[3])
    sgd.descend(Factors(*factors, mean), of_users, of_items, ratings, steps(rate, reg, reg_b))
    for new, wanted, old in zip(factors, (P, Q, b, c), shifted, strict=True):
        np.testing.assert_allclose(new, wanted, rtol=1e-9, atol=1e-12)
        assert not np.allclose(new, old)


@settings(max_examples=30)
@given(**sizes, kind=st.sampled_from([(np.float64, 1e-10), (np.float32, 1e-4)]))
def test_squared_errors_is_the_naive_sum(sgd, seed, n_users, n_items, k, n, kind):
    dtype, tolerance = kind
    factors, mean, ratings = problem(seed, n_users, n_items, k, n, dtype)
    expected = naive.squared_errors(*factors, float(mean), list(zip(*ratings, strict=True)), 2.0, 4.0)
    got = sgd.squared_errors(*read_only((Factors(*factors, mean), ratings)), dtype(2), dtype(4))
    assert got == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_squared_errors_keeps_nan_for_divergence_must_be_seen(sgd):
    factors, mean, ratings = problem(0, 2, 2, 3, 5)
    factors[0][:] = np.nan
    assert math.isnan(sgd.descend(Factors(*factors, mean), None, None, ratings, steps(0.01, 0, 0)))
    raw, _ = sgd.squared_errors(*read_only((Factors(*factors, mean), ratings)), 1.0, 5.0)
    assert math.isnan(raw)
