from __future__ import annotations

from dataclasses import replace

import naive
import numpy as np
import pytest
from small_mf import GIVEN, all_predictions, assert_same_bits, curve, model
from synthetic import interactions, low_rank

from palate.data.features import Features
from palate.models import Baseline, MatrixFactorization
from palate.models.contract.learner import Training
from palate.models.sgd.rating_blocks import BLOCK_BYTES, BlockedRatings, default_blocks, rounds
from palate.parallel import Workers
from palate.progress import silent

# -- the same answer --------------------------------------------------------------------------------------------------


def test_threads_do_not_change_a_bit(data):
    expected = model(n_blocks=4, n_threads=1).fit(data)
    for n_threads in (2, 3, 7):
        got = model(n_blocks=4, n_threads=n_threads).fit(data)
        assert_same_bits(got, expected)
        assert curve(got.history_) == curve(expected.history_)
        assert curve(got.refit_history_) == curve(expected.refit_history_)


def test_blocks_of_one_round_share_no_row_and_no_column_and_all_come_once(data):
    ratings = BlockedRatings.build(data, 5, seed=3)
    orders = set()
    for epoch in (1, 2, 3):
        turns = list(rounds(5, np.random.default_rng(epoch)))
        for blocks in turns:
            assert len(set(blocks // 5)) == len(set(blocks % 5)) == 5
        assert sorted(np.concatenate(turns)) == list(range(25))
        orders.add(tuple(np.concatenate(turns)))
    assert len(orders) == 3
    for g in range(25):
        cells = slice(ratings.ptr[g], ratings.ptr[g + 1])
        for h in range(25):
            others = slice(ratings.ptr[h], ratings.ptr[h + 1])
            if g // 5 != h // 5:
                assert not set(ratings.arrays[0][cells]) & set(ratings.arrays[0][others])
            if g % 5 != h % 5:
                assert not set(ratings.arrays[1][cells]) & set(ratings.arrays[1][others])


def test_blocks_follow_from_the_data():
    assert default_blocks(499_999, 10_000, 400) == 1
    assert default_blocks(500_000, 10, 400) == 8
    n_blocks = default_blocks(40_000_000, 320_000, 400)
    assert 320_000 * 400 / n_blocks <= BLOCK_BYTES < 320_000 * 400 / (n_blocks - 1)


def test_same_seed_same_bits_other_seed_other(data):
    one, two, other = (model(random_state=s).fit(data) for s in (7, 7, 8))
    assert_same_bits(one, two)
    assert (one.user_factors_ != other.user_factors_).any()


def test_refitting_forgets_the_first_fit(data):
    other = low_rank(seed=5)
    assert_same_bits(model().fit(other).fit(data), model().fit(data))


CHANGES = {
    "n_factors": 5,
    "n_epochs": 11,
    "learning_rate": 0.03,
    "reg": 0.1,
    "shrinkage": 2,
    "reg_biases": 0.1,
    "biases": False,
    "init": "uniform",
    "init_scale": 0.2,
    "schedule": "constant",
    "patience": 1,
    "validation_fraction": 0,
    "n_blocks": 3,
    "dtype": "float64",
    "random_state": 1,
}
BESIDE_THE_RESULT = {"n_threads", "store_history", "reg_features", "own_factors"}  # the last two need features


@pytest.mark.parametrize("name", sorted(set(MatrixFactorization.parameter_names()) - BESIDE_THE_RESULT))
def test_every_parameter_changes_the_result(data, name):
    base = {"random_state": 8} if name == "patience" else {}  # here a worse epoch stands before the best one
    before, after = model(**base).fit(data), model(**{**base, name: CHANGES[name]}).fit(data)
    assert (all_predictions(before) != all_predictions(after)).any()


def test_store_history_decides_whether_seen_items_are_kept(data):
    kept, not_kept = model().fit(data), model(store_history=False).fit(data)
    assert not_kept.seen_ is None
    np.testing.assert_array_equal(kept.seen_.indices, data.by_user().indices)
    assert_same_bits(kept, not_kept)


# -- against the paper ------------------------------------------------------------------------------------------------


DERIVED = dict.fromkeys(GIVEN)


@pytest.mark.parametrize(
    ("changes", "moved"),
    [({}, True), ({"biases": False}, False), ({**DERIVED, "biases": False}, False), (DERIVED, False)],
)
def test_one_block_is_the_naive_sequence_epoch_by_epoch(data, changes, moved):
    m = model(dtype="float64", schedule="constant", validation_fraction=0, **changes)
    training = Training(data, None, None, None, None, silent)
    used = m._used(training)
    run = m._run(training, 0, used, data, None, "training").one_epoch
    factors = [a.copy() for a in run.factors[:4]]
    mean = float(np.mean(data.values, dtype=np.float64)) if m.biases else 0.0
    if used.fit is not None:
        baseline = Baseline().fit(data)
        mean = baseline.mean_
        np.testing.assert_array_equal(factors[2], baseline.user_biases_)
        np.testing.assert_array_equal(factors[3], baseline.item_biases_)
    orders = []
    with Workers(1) as workers:
        for epoch in (1, 2):
            loss = run.ratings.epoch(run.factors, (None, None), m._steps(used, epoch), epoch, workers)
            ratings = list(zip(*(a.tolist() for a in run.ratings.arrays), strict=True))
            rates = used.learning_rate, used.reg, used.reg_biases
            *factors, expected = naive.sgd_epoch(*factors, mean, ratings, *rates, moved)
            assert loss == pytest.approx(expected / len(data), rel=1e-9)
            for got, wanted in zip(run.factors[:4], factors, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-10)
            orders.append(ratings)
    assert orders[0] != orders[1]
    whole = sorted(zip(data.user_index.tolist(), data.item_index.tolist(), data.values.tolist(), strict=True))
    assert sorted(orders[0]) == sorted(orders[1]) == whole


def test_derived_settings_are_those_of_standardised_ratings(data):
    m = model(**DERIVED).fit(data)
    spread = data.values.std(dtype=float)
    used = m.learning_rate_, m.reg_, m.init_scale_
    assert used == pytest.approx((0.012 / spread, 0.065 * spread, 0.02 * spread**0.5))
    baseline = Baseline().fit(data)
    assert (m.reg_users_, m.reg_items_) == (baseline.reg_users_, baseline.reg_items_)
    assert m.reg_biases_ == 0
    given = model(**GIVEN, biases=False).fit(data)
    assert (given.learning_rate_, given.reg_, given.reg_biases_, given.init_scale_) == (0.008, 0.065, 0.02, 0.02)
    assert (given.reg_users_, given.reg_items_) == (0, 0)


def test_biases_are_solved_once_more_for_the_factors_and_a_newcomers_with_theirs(data):
    m = model(**DERIVED, dtype="float64").fit(data)
    u, i, r = data.user_index, data.item_index, data.values.astype(float)
    left = r - np.sum(m.user_factors_[u] * m.item_factors_[i], axis=1)
    mean, b, c = naive.intercept(u, i, left, data.n_users, data.n_items, m.reg_users_, m.reg_items_)
    assert m.mean_ == pytest.approx(mean, abs=1e-6)
    np.testing.assert_allclose(m.user_biases_, b, atol=1e-6)
    np.testing.assert_allclose(m.item_biases_, c, atol=1e-6)
    new = m.fold_in(data)
    row = np.flatnonzero(u == 3)
    Q, t = m.item_factors_[i[row]], r[row] - m.mean_ - m.item_biases_[i[row]]
    folded = naive.ridge_row(Q, t, np.ones(len(row)), m.reg_ * len(row), m.reg_users_, np.zeros(5))
    np.testing.assert_allclose(np.append(new.factors[3], new.biases[3]), folded, atol=1e-8)


def answers(data, times, plus, features):
    """Return predictions of a model for ratings in another unit, known and folded in."""
    values = (data.values.astype(np.float64) * times + plus).astype(np.float32)
    other = replace(data, values=values, rating_range=None)
    of_users, of_items = features
    m = model(**DERIVED).fit(other, user_features=of_users, item_features=of_items)
    new = m.fold_in(other.take(np.flatnonzero(other.user_index < 9)), of_users)
    folded = (new.factors[:9] @ m.item_factors_.T + new.biases[:9, None]).ravel()
    return np.concatenate([m.predict_index(data.user_index, data.item_index, clip=False), folded])


@pytest.mark.parametrize("of_features", [False, True])
def test_the_unit_of_the_ratings_is_of_no_account(data, of_features):
    """Powers of two change no bit; others, and a shift, only the rounding."""
    ages = {"user_id": data.users.values, "age": np.arange(data.n_users) % 7}
    features = (Features.from_table(ages, "user") if of_features else None), None
    one = answers(data, 1, 0, features)
    np.testing.assert_array_equal(answers(data, 16, 0, features), 16 * one)
    near = 1e-4 * data.values.std()
    np.testing.assert_allclose(answers(data, 20, 0, features) / 20, one, atol=near)
    lower = answers(data, 1, -3, features)
    lower[: len(data)] += 3
    np.testing.assert_allclose(lower, one, atol=near)


def test_a_shrinkage_multiplies_a_given_and_a_derived_penalty(data):
    assert_same_bits(model(shrinkage=2).fit(data), model(reg=0.13).fit(data))
    one, double = (model(**DERIVED, shrinkage=s).fit(data).reg_ for s in (1, 2))
    assert double == 2 * one


def test_of_noise_alone_the_baseline_is_left():
    rng = np.random.default_rng(0)
    u, i = np.nonzero(rng.random((80, 60)) < 0.3)
    b, c = rng.normal(0, 0.5, 80), rng.normal(0, 0.5, 60)
    noise = interactions(u, i, 3 + b[u] + c[i] + rng.normal(0, 1, len(u)))
    m, baseline = MatrixFactorization(random_state=0).fit(noise), Baseline().fit(noise)
    assert np.sqrt(np.mean((all_predictions(m) - all_predictions(baseline)) ** 2)) < 0.03


def test_the_learning_rate_is_constant_or_falls_linearly_to_zero_after_the_last_epoch(data):
    for schedule, expected in (("constant", [0.04] * 4), ("linear", [0.04, 0.03, 0.02, 0.01])):
        m = model(n_epochs=4, learning_rate=0.04, schedule=schedule, validation_fraction=0).fit(data)
        assert [r["learning_rate"] for r in m.history_] == pytest.approx(expected)


def test_full_rank_without_penalty_reconstructs_the_matrix():
    truth = np.random.default_rng(0).uniform(1, 5, (6, 5)).astype(np.float32)
    u, i = (a.ravel() for a in np.mgrid[:6, :5])
    m = model(
        n_factors=5,
        n_epochs=2000,
        reg=0.0,
        biases=False,
        schedule="constant",
        init_scale=0.5,
        validation_fraction=0,
        dtype="float64",
    ).fit(interactions(u, i, truth.ravel()))
    np.testing.assert_allclose(m.predict(u, i, clip=False).reshape(6, 5), truth, atol=1e-3)


def test_a_huge_penalty_of_the_factors_leaves_the_biases_alone(data):
    settings = {"validation_fraction": 0, "dtype": "float64"}
    baseline = model(init_scale=0, **settings).fit(data)
    assert not baseline.user_factors_.any()
    m = model(reg=1e9, **settings).fit(data)
    np.testing.assert_allclose(all_predictions(m), all_predictions(baseline), atol=1e-3)
    np.testing.assert_allclose(m.user_biases_, baseline.user_biases_, atol=1e-3)


def test_a_huge_penalty_of_everything_leaves_the_mean(data):
    m = model(reg=1e9, reg_biases=1e9, validation_fraction=0).fit(data)
    assert m.mean_ == pytest.approx(data.values.mean(), rel=1e-5)
    np.testing.assert_allclose(all_predictions(m), m.mean_, atol=0.1)


@pytest.mark.parametrize("biases", [True, False])
def test_one_user_one_item_one_rating(biases):
    one = interactions(["Ann"], ["Tea"], [4.0])
    m = MatrixFactorization(**{**GIVEN, "learning_rate": 0.05}, biases=biases, n_epochs=300, random_state=0).fit(one)
    assert m.predict("Ann", "Tea") == pytest.approx([4.0], abs=0.3)
    assert m.epoch_chosen_on_ == "none"
    assert len(m.recommend("Ann")) == 0
    assert m.recommend("Ann", exclude_seen=False)["item_id"].to_list() == ["Tea"]


def test_all_ratings_equal(data):
    equal = interactions(data.user_index, data.item_index, np.full(len(data), 3.0))
    m = model(init_scale=0.01).fit(equal)
    np.testing.assert_allclose(all_predictions(m), 3.0, atol=0.05)
    assert m.rating_range_ == (3.0, 3.0)


def test_rows_without_ratings_score_the_mean_and_the_biases(data):
    keep = np.flatnonzero((data.user_index != 5) & (data.item_index != 7))
    m = model(validation_fraction=0).fit(data.take(keep))
    assert m.user_biases_[5] == m.item_biases_[7] == 0
    assert not m.user_factors_[5].any()
    user, item = data.users.values[5], data.items.values[7]
    np.testing.assert_array_equal(
        m.predict(user, data.items.values, clip=False), m.mean_ + m.item_biases_.astype(float)
    )
    np.testing.assert_array_equal(
        m.predict(data.users.values, item, clip=False), m.mean_ + m.user_biases_.astype(float)
    )
