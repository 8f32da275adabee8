from __future__ import annotations

import naive
import numpy as np
import pytest
from small_mf import all_predictions, assert_same_bits, curve, model
from synthetic import interactions, low_rank

from palate.models import MatrixFactorization
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


@pytest.mark.parametrize("biases", [True, False])
def test_one_block_is_the_naive_sequence_epoch_by_epoch(data, biases):
    m = model(dtype="float64", biases=biases, schedule="constant", validation_fraction=0)
    run = m._run(Training(data, None, None, None, None, silent), 0, data, None, "training").one_epoch
    factors = [a.copy() for a in run.factors[:4]]
    mean = float(np.mean(data.values, dtype=np.float64)) if biases else 0.0
    orders = []
    with Workers(1) as workers:
        for epoch in (1, 2):
            loss = run.ratings.epoch(run.factors, (None, None), m._steps(epoch), epoch, workers)
            ratings = list(zip(*(a.tolist() for a in run.ratings.arrays), strict=True))
            *factors, expected = naive.sgd_epoch(*factors, mean, ratings, m.learning_rate, m.reg, m.reg_biases, biases)
            assert loss == pytest.approx(expected / len(data), rel=1e-9)
            for got, wanted in zip(run.factors[:4], factors, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-10)
            orders.append(ratings)
    assert orders[0] != orders[1]
    whole = sorted(zip(data.user_index.tolist(), data.item_index.tolist(), data.values.tolist(), strict=True))
    assert sorted(orders[0]) == sorted(orders[1]) == whole


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
    m = MatrixFactorization(biases=biases, n_epochs=300, learning_rate=0.05, random_state=0).fit(one)
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
