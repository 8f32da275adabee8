from __future__ import annotations

import logging
from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.preprocessing import OneHotEncoder
from synthetic import interactions, low_rank

from palate import files, split
from palate.errors import DataError, DivergenceError, ParameterError
from palate.models import Baseline, MatrixFactorization
from palate.models.ridge import biases


def gradient(m, data, b, c):
    """Return the gradient of eq. 1 at (b, c), halved."""
    e = data.values.astype(float) - m.mean_ - b[data.user_index] - c[data.item_index]
    of_b = m.reg_users * b - np.bincount(data.user_index, e, len(b))
    return np.concatenate([of_b, m.reg_items * c - np.bincount(data.item_index, e, len(c))])


def objective(m, data, b, c):
    e = data.values.astype(float) - m.mean_ - b[data.user_index] - c[data.item_index]
    return e @ e + m.reg_users * b @ b + m.reg_items * c @ c


def test_a_small_example_by_hand():
    log = interactions(["a", "a", "b"], ["x", "y", "x"], [5, 3, 4])
    m = Baseline(1, reg_items=1).fit(log)
    # mean 4; with b_b = -c_x/2, b_a = -(c_x + c_y)/3: c_x (3 - 1/3 - 1/2) - c_y/3 = 1, c_y (2 - 1/3) - c_x/3 = -1
    c_y = (-1 + 1 / 3 * (1 / (13 / 6))) / (5 / 3 - 1 / 9 / (13 / 6))
    c_x = (1 + c_y / 3) / (13 / 6)
    assert m.mean_ == 4
    np.testing.assert_allclose(m.item_biases_, [c_x, c_y], rtol=1e-12)
    np.testing.assert_allclose(m.user_biases_, [-(c_x + c_y) / 3, -c_x / 2], rtol=1e-12)
    np.testing.assert_allclose(m.predict("b", "y"), 4 - c_x / 2 + c_y, rtol=1e-12)


@given(
    cells=st.dictionaries(st.tuples(st.integers(0, 6), st.integers(0, 5)), st.integers(-5, 5), min_size=1),
    regs=st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)),
)
def test_biases_are_those_of_the_normal_equations(cells, regs):
    (users, items), values = zip(*cells, strict=True), list(cells.values())
    log = interactions(users, items, values)
    m = Baseline(regs[0], reg_items=regs[1]).fit(log)
    parts = log.user_index, log.item_index, log.values
    mean, b, c = naive.biases(*parts, log.n_users, log.n_items, *regs)
    assert m.mean_ == pytest.approx(mean, abs=1e-12)
    np.testing.assert_allclose(m.user_biases_, b, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(m.item_biases_, c, rtol=1e-8, atol=1e-10)


def test_ridge_regression_on_one_hot_ids_agrees(data):
    """scikit-learn has one penalty for all, and the mean is taken off before."""
    X = OneHotEncoder().fit_transform(np.column_stack([data.user_index, data.item_index]))
    ridge = Ridge(3.0, fit_intercept=False, solver="lsqr", tol=1e-14, max_iter=10_000)
    ridge.fit(X, data.values - data.values.mean(dtype=np.float64))
    m = Baseline(3, reg_items=3).fit(data)
    np.testing.assert_allclose(np.concatenate([m.user_biases_, m.item_biases_]), ridge.coef_, atol=1e-9)


@pytest.mark.parametrize("regs", [(5, 2), (0.5, 40), (0, 1), (1, 0), (1e-9, 1e-9)])
def test_the_gradient_is_zero_and_no_direction_leads_lower(data, regs):
    m = Baseline(regs[0], reg_items=regs[1]).fit(data)
    b, c = m.user_biases_, m.item_biases_
    at_zero = np.linalg.norm(gradient(m, data, 0 * b, 0 * c))
    assert np.linalg.norm(gradient(m, data, b, c)) <= 1e-11 * at_zero
    least = objective(m, data, b, c)
    rng = np.random.default_rng(0)
    for _ in range(100):
        step = rng.normal(0, 0.01, len(b) + len(c))
        assert objective(m, data, b + step[: len(b)], c + step[len(b) :]) > least


def test_a_huge_penalty_leaves_the_mean_and_a_huge_one_of_one_side_the_other(data):
    m = Baseline(1e12, reg_items=1e12).fit(data)
    np.testing.assert_allclose(m.predict(100, data.items.values, clip=False), data.values.mean(dtype=float), atol=1e-9)
    m = Baseline(1e12, reg_items=0).fit(data)
    means = [data.values[data.item_index == i].mean(dtype=float) for i in range(30)]
    np.testing.assert_allclose(m.mean_ + m.item_biases_, means, atol=1e-9)
    np.testing.assert_allclose(m.user_biases_, 0, atol=1e-9)


def test_small_penalties_fit_a_full_matrix_of_biases_exactly():
    b, c = np.array([0.5, -0.25, -0.25]), np.array([1.0, 0, -1, 0])
    u, i = (a.ravel() for a in np.mgrid[:3, :4])
    m = Baseline(1e-9, reg_items=1e-9).fit(interactions(u, i, 3 + b[u] + c[i]))
    np.testing.assert_allclose(m.user_biases_, b, atol=1e-8)
    np.testing.assert_allclose(m.item_biases_, c, atol=1e-8)


def test_groups_that_share_nothing_and_long_chains_are_solved():
    chain = np.arange(400)
    users, items = np.concatenate([chain, chain[:-1], [900, 901]]), np.concatenate([chain, chain[1:], [900, 900]])
    log = interactions(users, items, np.random.default_rng(0).integers(1, 6, len(users)))
    m = Baseline(1e-3, reg_items=1e-3).fit(log)
    _, b, c = naive.biases(log.user_index, log.item_index, log.values, log.n_users, log.n_items, 1e-3, 1e-3)
    np.testing.assert_allclose(m.user_biases_, b, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(m.item_biases_, c, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("regs", [(5, 2), (0, 2), (5, 0), (None, None)])
def test_rows_without_ratings_have_no_bias(data, regs):
    keep = np.flatnonzero((data.user_index != 5) & (data.item_index != 7))
    m = Baseline(regs[0], reg_items=regs[1]).fit(data.take(keep))
    assert m.user_biases_[5] == m.item_biases_[7] == 0
    assert (np.delete(m.user_biases_, 5) != 0).all()
    assert m.predict(105, 1007) == m.mean_


def test_the_answer_depends_on_no_thread_and_hardly_on_the_order_of_rows(data):
    one = Baseline(n_threads=1).fit(data)
    for n_threads in (2, 3, 7):
        m = Baseline(n_threads=n_threads).fit(data)
        np.testing.assert_array_equal(m.user_biases_, one.user_biases_)
        np.testing.assert_array_equal(m.item_biases_, one.item_biases_)
        assert m.recommend(data.users.values, 4).equals(one.recommend(data.users.values, 4))
    shuffled = Baseline().fit(data.take(np.random.default_rng(0).permutation(len(data))))
    np.testing.assert_allclose(shuffled.user_biases_, one.user_biases_, atol=1e-12)


def test_every_other_parameter_changes_the_result(data):
    assert Baseline.parameter_names() == ["reg_users", "reg_items", "shrinkage", "store_history", "n_threads"]
    usual = Baseline().fit(data)
    for changed in (Baseline(6), Baseline(reg_items=6), Baseline(shrinkage=2)):
        assert (changed.fit(data).user_biases_ != usual.user_biases_).all()
    assert Baseline(store_history=False).fit(data).seen_ is None
    np.testing.assert_array_equal(usual.seen_.values, data.by_user().values)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        *((n, v, f"{n} must be a number of at least 0") for n in ("reg_users", "reg_items") for v in (-1, True)),
        *(("reg_users", v, "reg_users must be a number of at least 0") for v in (float("nan"), float("inf"), "5")),
        *(("store_history", v, "store_history must be False or True") for v in (1, None)),
        *(("n_threads", v, "n_threads must be None or a whole number of at least 1") for v in (0, 1.5, True)),
    ],
)
def test_parameters_outside_their_range_are_refused(data, name, value, text):
    with pytest.raises(ParameterError) as error:
        Baseline(**{name: value}).fit(data)
    assert str(error.value) == f"{text}, got {value!r}"


SIMULATED = {"n_users": 60, "n_items": 40, "noise": 0.8, "of_users": 0.5, "of_items": 0.3}


def simulated(seed, n_users, n_items, noise, of_users, of_items, part=0.4):
    """Return ratings of the model of the estimates: biases and noise with these standard deviations."""
    rng = np.random.default_rng(seed)
    u, i = np.nonzero(rng.random((n_users, n_items)) < part)
    b, c = rng.normal(0, of_users, n_users), rng.normal(0, of_items, n_items)
    return interactions(u, i, 3 + b[u] + c[i] + rng.normal(0, noise, len(u)))


def test_estimated_penalties_are_those_of_the_naive_twin():
    log = simulated(0, 12, 9, 0.8, 0.5, 0.3)
    m = Baseline().fit(log)
    parts = log.user_index, log.item_index, log.values.astype(float)
    found = naive.bias_penalties(*parts, log.n_users, log.n_items)
    np.testing.assert_allclose((m.reg_users_, m.reg_items_), found, rtol=0.01)


@pytest.mark.parametrize("regs", [(None, None), (5.0, None), (None, 0.5)])
def test_the_mean_is_the_intercept_where_a_penalty_is_estimated(data, regs):
    m = Baseline(regs[0], reg_items=regs[1], shrinkage=2).fit(data)
    given = [2 * reg for reg in regs if reg]
    assert all(reg in (m.reg_users_, m.reg_items_) for reg in given)
    parts = data.user_index, data.item_index, data.values
    mean, b, c = naive.intercept(*parts, data.n_users, data.n_items, m.reg_users_, m.reg_items_)
    assert m.mean_ == pytest.approx(mean, abs=1e-10)
    np.testing.assert_allclose(m.user_biases_, b, atol=1e-10)
    np.testing.assert_allclose(m.item_biases_, c, atol=1e-10)
    np.testing.assert_allclose([m.user_biases_.sum(), m.item_biases_.sum()], 0, atol=1e-10)


def test_estimates_find_the_variances_that_the_ratings_were_made_with():
    """A tenth too high, for users are taken as independent of items."""
    fits = [Baseline().fit(simulated(seed, **SIMULATED)) for seed in range(10)]
    users, items = (np.array([getattr(m, name) for m in fits]) for name in ("reg_users_", "reg_items_"))
    for found, true in ((users, (0.8 / 0.5) ** 2), (items, (0.8 / 0.3) ** 2)):
        assert 0.9 < np.exp(np.log(found).mean()) / true < 1.25


def test_where_people_do_not_differ_their_penalty_is_great_and_without_noise_it_is_small():
    m = Baseline().fit(simulated(0, 60, 40, 0.8, 0.0, 0.3))
    assert m.reg_users_ > 20 > 15 > m.reg_items_
    exact = Baseline().fit(simulated(0, 60, 40, 0.0, 0.5, 0.3))
    assert max(exact.reg_users_, exact.reg_items_) < 0.05


def test_a_shrinkage_multiplies_given_and_estimated_penalties(data):
    m = Baseline(2, reg_items=4, shrinkage=0.5).fit(data)
    np.testing.assert_array_equal(m.user_biases_, Baseline(1, reg_items=2).fit(data).user_biases_)
    one, double = Baseline().fit(data), Baseline(shrinkage=2).fit(data)
    assert (double.reg_users_, double.reg_items_) == (2 * one.reg_users_, 2 * one.reg_items_)


def scaled(data, times, plus=0.0):
    values = (data.values.astype(np.float64) * times + plus).astype(np.float32)
    return interactions(data.users.at(data.user_index), data.items.at(data.item_index), values)


def test_the_unit_of_the_ratings_is_of_no_account(data):
    """Powers of two change no bit; others, and a shift, only the rounding."""
    m = Baseline().fit(data)
    b, predicted = m.user_biases_, m.predict_index(data.user_index, data.item_index)
    by_16 = Baseline().fit(scaled(data, 16))
    np.testing.assert_array_equal(by_16.user_biases_, 16 * b)
    np.testing.assert_array_equal(by_16.predict_index(data.user_index, data.item_index), 16 * predicted)
    assert (by_16.reg_users_, by_16.reg_items_) == (m.reg_users_, m.reg_items_)
    for times, plus in ((20, 0), (1, -3)):
        other = Baseline().fit(scaled(data, times, plus)).predict_index(data.user_index, data.item_index)
        np.testing.assert_allclose(other, times * predicted + plus, atol=1e-4 * times * data.values.std())


def test_a_weight_of_two_is_a_row_twice(data):
    weights = np.where(np.arange(len(data)) % 3, 1, 2).astype(np.float32)
    twice = data.take(np.repeat(np.arange(len(data)), weights.astype(int)))
    m, other = Baseline().fit(replace(data, weights=weights)), Baseline().fit(twice)
    assert m.reg_users_ == pytest.approx(other.reg_users_)
    np.testing.assert_allclose(m.item_biases_, other.item_biases_, atol=1e-10)


def test_the_penalties_that_were_used_are_kept_in_files(data, tmp_path):
    m = Baseline().fit(data)
    files.save(m, tmp_path / "m.safetensors")
    back = files.load(tmp_path / "m.safetensors")
    assert (back.reg_users_, back.reg_items_) == (m.reg_users_, m.reg_items_)
    some = data.take(np.flatnonzero(data.user_index < 3))
    np.testing.assert_array_equal(back.fold_in(some).biases, m.fold_in(some).biases)
    np.testing.assert_array_equal(m.fold_in(some).biases[:3], m.user_biases_[:3])


def test_two_penalties_of_0_are_refused(data):
    message = "reg_users and reg_items are both 0: .*; give one of them a penalty, such as reg_items=0.1"
    with pytest.raises(ParameterError, match=message):
        Baseline(0, reg_items=0.0).fit(data)


def test_a_solution_that_was_not_found_is_refused_with_what_to_change(data, monkeypatch):
    monkeypatch.setattr(biases, "MOST_STEPS", 2)
    m = Baseline(1e-6, reg_items=0)
    with pytest.raises(DivergenceError) as error:
        m.fit(data)
    assert str(error.value) == (
        "the biases were not found in 2 steps: with reg_users=1e-06 and reg_items=0 "
        "users' biases can hardly be told from items'; give them larger penalties"
    )
    assert not hasattr(m, "mean_")


def test_parts_without_rows_or_of_other_ids_are_refused(data):
    with pytest.raises(DataError, match="the training part has no rating"):
        Baseline().fit(data.take(np.empty(0, int)))
    with pytest.raises(DataError, match="validation has other ids than the training part"):
        Baseline().fit(data, validation=low_rank(n_users=41))


def test_validation_is_not_used_and_there_is_no_history_and_no_seed(data):
    called = []
    m = Baseline().fit(data, validation=data.take(np.arange(9)), progress=called.append)
    np.testing.assert_array_equal(m.item_biases_, Baseline().fit(data).item_biases_)
    assert (m.history_, m.best_epoch_, m.epoch_chosen_on_, m.interrupted_) == ([], 0, "none", False)
    assert not hasattr(m, "seed_")
    assert called == []


def test_refitting_forgets_the_first_fit(data):
    twice = Baseline().fit(low_rank(seed=5)).fit(data)
    np.testing.assert_array_equal(twice.item_biases_, Baseline().fit(data).item_biases_)


def test_one_rating_equal_ratings_and_huge_ones():
    one = Baseline().fit(interactions(["Ann"], ["Tea"], [4.0]))
    assert one.predict("Ann", "Tea") == [4.0]
    assert len(one.recommend("Ann")) == 0
    huge = Baseline().fit(interactions([1, 1, 2], [1, 2, 1], [1e15, -1e15, 0]))
    assert np.isfinite(huge.predict(1, [1, 2], clip=False)).all()


def test_equal_values_are_warned_of(data, caplog):
    with caplog.at_level(logging.WARNING):
        m = Baseline().fit(interactions(data.user_index, data.item_index))
    assert (
        "all 600 values are 1: there is nothing to learn from their size; clicks need a model that ranks" in caplog.text
    )
    np.testing.assert_allclose(m.predict(0, range(30), clip=False), 1, atol=1e-12)


def test_predictions_are_mean_and_biases_clipped_on_request(data):
    m = Baseline(0.01, reg_items=0.01).fit(data.take(np.arange(100)))
    raw = m.predict(np.repeat(data.users.values, 30), np.tile(data.items.values, 40), clip=False)
    expected = (m.mean_ + m.user_biases_[:, None]) + m.item_biases_
    np.testing.assert_array_equal(raw, expected.ravel())
    assert raw.max() > 5
    assert m.predict(np.repeat(data.users.values, 30), np.tile(data.items.values, 40)).max() == 5


def test_few_steps_are_enough_on_movielens(movielens, monkeypatch):
    monkeypatch.setattr(biases, "MOST_STEPS", 15)
    assert Baseline().fit(movielens.interactions).mean_ == pytest.approx(3.30, abs=0.01)
    monkeypatch.setattr(biases, "MOST_STEPS", 5)
    with pytest.raises(DivergenceError, match="not found in 5 steps"):
        Baseline().fit(movielens.interactions)


def test_error_on_movielens(movielens):
    """Better than the mean, not as good as factors."""
    train, test = split(movielens.interactions)
    m = Baseline().fit(train)
    errors = test.values - m.predict_index(test.user_index, test.item_index)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(0.9428, abs=0.001)
    factors = MatrixFactorization(20, random_state=0).fit(train)
    better = test.values - factors.predict_index(test.user_index, test.item_index)
    assert np.mean(better**2) < np.mean(errors**2) < test.values.var()
