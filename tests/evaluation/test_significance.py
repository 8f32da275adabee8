"""Intervals and tests against SciPy, against plain loops, and against what chance must give."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from palate.evaluation.significance import FoldSums, bootstrap, effect_size, holm, permutation, wilcoxon
from palate.metrics.units import from_sums


def column(values, den=None, form="mean"):
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 1 else values
    den = np.ones_like(values) if den is None else np.asarray(den, float).reshape(values.shape)
    return FoldSums(values, den, form)


def errors(rng, n=30, folds=1):
    """Return sums of squared errors of two models over the same ratings of n users."""
    counts = rng.integers(1, 9, (n, folds)).astype(float)
    one = rng.gamma(2, 1, (n, folds)) * counts
    return counts, one, one * rng.uniform(0.5, 1.6, (n, folds))


def test_a_value_is_the_mean_of_the_folds_and_folds_without_rows_are_passed_over():
    of = column([[1.0, 8.0, 0.0], [3.0, 0.0, 0.0]], [[1, 2, 0], [3, 0, 0]], "root")
    assert of.value() == pytest.approx((np.sqrt(4 / 4) + np.sqrt(8 / 2)) / 2)
    assert np.isnan(column([0.0], [0.0]).value())
    assert column([3.0, 1.0], [4.0, 4.0], "explained").value() == pytest.approx(0.5)


def test_bootstrap_is_the_metric_of_drawn_users():
    rng = np.random.default_rng(0)
    counts, one, other = errors(rng, 12, 2)
    columns = [FoldSums(one, counts, "root"), FoldSums(other, counts, "root")]
    found = bootstrap(columns, 50, 7)
    drawn = np.random.default_rng(7).integers(12, size=(50, 12))
    for row, users in enumerate(drawn):
        for place, num in enumerate((one, other)):
            folds = [np.sqrt(num[users, k].sum() / counts[users, k].sum()) for k in range(2)]
            assert found[row, place] == pytest.approx(np.mean(folds), rel=1e-12)


def test_bootstrap_agrees_with_scipys():
    values = np.random.default_rng(1).gamma(2, 1, 80)
    found = np.quantile(bootstrap([column(values)], 9999, 0)[:, 0], [0.025, 0.975])
    theirs = stats.bootstrap((values,), np.mean, method="percentile", random_state=1).confidence_interval
    np.testing.assert_allclose(found, theirs, atol=0.03)


def test_blocks_of_draws_do_not_matter(monkeypatch):
    of = [column(np.random.default_rng(0).random(40))]
    whole = bootstrap(of, 100, 3)
    monkeypatch.setattr("palate.evaluation.significance.CELLS", 200)
    np.testing.assert_allclose(bootstrap(of, 100, 3), whole, rtol=1e-14)  # sums in blocks round otherwise


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 8), folds=st.integers(1, 3), form=st.sampled_from(["mean", "root"]), seed=st.integers(0, 999))
def test_few_users_are_tested_by_all_exchanges(n, folds, form, seed):
    counts, one, other = errors(np.random.default_rng(seed), n, folds)

    def value(num):
        return np.mean(from_sums(form, num.sum(axis=0), counts.sum(axis=0)))

    observed = abs(value(one) - value(other))
    reached = []
    for swap in product([False, True], repeat=n):
        rows = np.array(swap)[:, None]
        difference = abs(value(np.where(rows, other, one)) - value(np.where(rows, one, other)))
        reached.append(difference >= observed * (1 - 1e-9))
    (p,) = permutation([(FoldSums(one, counts, form), FoldSums(other, counts, form))], 9999, 0)
    assert p == pytest.approx(np.mean(reached))


def test_the_exact_test_is_scipys():
    rng = np.random.default_rng(5)
    a, b = rng.random(9), rng.random(9) + 0.2
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    (p,) = permutation([(column(a), column(b))], 9999, 0)
    assert p == pytest.approx(theirs.pvalue)


def test_random_exchanges_come_near_the_exact_p():
    rng = np.random.default_rng(2)
    a = rng.random(12)
    b = a + rng.normal(0.1, 0.25, 12)
    pair = [(column(a), column(b))]
    (exact,), (drawn,) = permutation(pair, 2**12, 0), permutation(pair, 2**12 - 1, 0)
    assert 0.01 < exact < 0.6
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 2**12))
    (least,) = permutation([(column(np.zeros(30)), column(np.ones(30)))], 999, 0)
    assert least == 1 / 1000  # never 0: the observed one is among them


@pytest.mark.parametrize("form", ["mean", "root"])
def test_without_a_difference_p_is_uniform(form):
    found = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        counts = rng.integers(1, 9, (25, 1)).astype(float)
        one, other = (rng.gamma(2, 1, (25, 1)) * counts for _ in range(2))
        found.append(permutation([(FoldSums(one, counts, form), FoldSums(other, counts, form))], 499, seed)[0])
    for level in (0.05, 0.2, 0.5):
        low, high = stats.binom.ppf([0.0005, 0.9995], 400, level)
        assert low <= np.sum(np.array(found) <= level) <= high


def test_intervals_of_the_difference_cover():
    inside = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        a = rng.normal(0.3, 1, 60)
        b = rng.normal(0, 1, 60)
        drawn = bootstrap([column(a), column(b)], 400, seed)
        low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975])
        inside += low <= 0.3 <= high
    assert 0.90 <= inside / 300 <= 0.98


def test_a_difference_of_the_same_users_is_found_where_intervals_overlap():
    rng = np.random.default_rng(3)
    users = rng.normal(1, 0.5, 200)
    a, b = column(users), column(users + rng.normal(0.03, 0.1, 200))
    (p,) = permutation([(a, b)], 9999, 0)
    assert p < 0.01
    drawn = bootstrap([a, b], 999, 0)
    (_, high), (low, _) = (np.quantile(drawn[:, k], [0.025, 0.975]) for k in (0, 1))
    assert low < high


def test_equal_models_have_p_one():
    a = column(np.arange(30.0))
    assert permutation([(a, a)], 199, 0).tolist() == [1.0]
    assert wilcoxon(a, a) == 1.0
    assert np.isnan(effect_size(a, a))


def test_wilcoxon_is_scipys_on_users_own_values():
    rng = np.random.default_rng(4)
    counts, one, other = errors(rng, 40, 2)
    counts[0] = one[0] = other[0] = 0  # a user with nothing
    own = [np.sqrt(x[1:].sum(axis=1) / counts[1:].sum(axis=1)) for x in (one, other)]
    found = wilcoxon(FoldSums(one, counts, "root"), FoldSums(other, counts, "root"))
    assert found == pytest.approx(stats.wilcoxon(*own).pvalue)


def test_effect_size_is_the_mean_over_the_spread_of_differences():
    a, b = column([1.0, 2.0, 3.0, 6.0]), column([0.0, 2.0, 2.0, 4.0])
    differences = np.array([1.0, 0.0, 1.0, 2.0])
    assert effect_size(a, b) == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert effect_size(b, a) == -effect_size(a, b)
    up = column([1.0, 2.0], [9.0, 9.0], "explained"), column([2.0, 4.0], [9.0, 9.0], "explained")
    assert effect_size(*up) > 0  # smaller errors explain more


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.5, 0.5])), [1.0, 1.0])
    np.testing.assert_allclose(holm(np.array([0.2])), [0.2])
    assert holm(np.array([])).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_steps_reject(p):
    corrected = holm(np.array(p))
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for place, index in enumerate(np.argsort(p, kind="stable")):
            if p[index] * (len(p) - place) > level:
                break
            rejected.add(int(index))
        assert set(np.flatnonzero(corrected <= level).tolist()) == rejected
    assert (corrected >= np.array(p)).all()
