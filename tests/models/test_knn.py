"""ItemKNN and RP3beta: against their definitions; limits, ties, bounded memory, explanations."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import naive
import numpy as np
import pytest
from synthetic import interactions, low_rank

from palate.data.interactions import Rows
from palate.errors import DataError, ParameterError
from palate.models import ItemKNN, RP3beta
from palate.models.items.knn import most_met


@pytest.fixture(scope="module")
def data():
    return low_rank(25, 12, 120)


def matrix(data, values=None):
    X = np.zeros((data.n_users, data.n_items))
    X[data.user_index, data.item_index] = 1 if values is None else values
    return X


def dense(model):
    rows, n = Rows(model.weights_indptr_, model.weights_indices_, model.weights_values_), len(model.items_)
    B = np.zeros((n, n))
    for j in range(n):
        items, values = rows.row(j)
        B[j, items] = values
    return B


@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize(("shrinkage", "n", "power"), [(0.0, 11, None), (5.0, 3, None), (5.0, 3, 0.7)])
def test_nearest_neighbours_are_those_of_the_definition(data, shrinkage, idf, n, power):
    m = ItemKNN(n, shrinkage=shrinkage, idf=idf, user_power=power, positive="any").fit(data)
    order = m.item_order.order  # of equal weights those of the more popular items are kept
    expected = np.zeros((12, 12))
    expected[np.ix_(order, order)] = naive.knn(matrix(data)[:, order], shrinkage, idf, n, power or 0)
    np.testing.assert_allclose(dense(m), expected, rtol=1e-6)
    np.testing.assert_allclose(m.score_rows(np.arange(25)), matrix(data) @ expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("alpha", "beta", "n", "more"),
    [
        (1.0, 0.0, 11, {}),
        (0.7, 0.6, 11, {}),
        (0.7, 0.3, 11, {"alpha_users": 0.4}),
        (0.7, 0.3, 4, {"alpha_users": 1.3, "normalize": True}),
    ],
)
def test_the_walk_is_that_of_the_definition(data, alpha, beta, n, more):
    m = RP3beta(n, alpha=alpha, beta=beta, positive="any", **more).fit(data)
    np.testing.assert_allclose(dense(m), naive.rp3beta(matrix(data), alpha, beta, n, **more), rtol=1e-5)
    assert (m.alpha_users_, m.beta_) == (more.get("alpha_users", alpha), beta)
    weighted = RP3beta(4, alpha=alpha, beta=beta, positive="values", **more).fit(data)
    expected = naive.rp3beta(matrix(data, data.values.astype(float)), alpha, beta, 4, **more)
    np.testing.assert_allclose(dense(weighted), expected, rtol=1e-5)


@pytest.mark.parametrize("times", [1, 20])
def test_what_is_left_to_the_data_follows_from_the_walks(data, times):
    """Of 20 times the users each user has 20 times the walks, and popular items are held back more."""
    users, items = (
        np.concatenate([data.user_index + 25 * k for k in range(times)]),
        np.tile(data.item_index, times),
    )
    many = interactions(users, items, np.ones(len(users)))
    X = np.tile(matrix(data), (times, 1))
    walk, neighbors = RP3beta().fit(many), ItemKNN().fit(many)
    assert walk.beta_ == pytest.approx(naive.beta_of_walks(X))
    assert neighbors.shrinkage_ == pytest.approx(naive.shrinkage_of_lengths(X))
    given = RP3beta(alpha_users=walk.alpha, beta=walk.beta_).fit(many)
    np.testing.assert_array_equal(given.weights_values_, walk.weights_values_)
    given = ItemKNN(shrinkage=neighbors.shrinkage_, user_power=0.5).fit(many)
    np.testing.assert_array_equal(given.weights_values_, neighbors.weights_values_)


def test_what_is_left_to_the_data_is_sane_at_any_size():
    def derived(users, items):
        rows = interactions(users, items, np.ones(len(users)))
        return RP3beta(5).fit(rows).beta_, ItemKNN(5).fit(rows).shrinkage_

    alone = np.arange(500)
    beta, shrinkage = derived(alone, alone)  # nobody shares an item with anybody
    assert beta == pytest.approx(0.65 / 2500, rel=1e-3)
    assert shrinkage == pytest.approx(1 / (2 * beta) - 1)
    beta, shrinkage = derived(np.repeat(np.arange(4000), 2), np.tile([0, 1], 4000))  # everybody had everything
    assert beta == pytest.approx(0.65 * (1 - np.exp(-3.2)))
    assert shrinkage == 0


def test_shrinkage_is_0_where_nobody_weighs_anything():
    rows = interactions([0, 0, 1, 1], [0, 1, 0, 1], np.ones(4))  # both had everything
    assert ItemKNN(idf=True).fit(rows).shrinkage_ == 0


def test_settings_that_are_given_mean_what_they_meant_before_users_were_weighted(data):
    assert ItemKNN(positive="any").fit(data).user_power_ == 0.5
    assert ItemKNN(shrinkage=3.0, positive="any").fit(data).user_power_ == 0
    assert ItemKNN(idf=True, positive="any").fit(data).user_power_ == 0


@pytest.mark.parametrize(
    ("make", "given"), [(ItemKNN, {"shrinkage": 3.0}), (RP3beta, {"beta": 0.2})], ids=["knn", "rp3beta"]
)
def test_counts_enter_as_logarithms_unless_a_setting_is_given_that_is_meant_for_them(data, make, given):
    counts = interactions(data.user_index, data.item_index, 2.0 ** (np.arange(len(data.values)) % 17) / 2)
    X = matrix(counts, counts.values.astype(float))
    logs = np.log1p(X / counts.values.min())
    m = make(11, positive="values").fit(counts)
    if make is ItemKNN:
        expected = naive.knn(logs * m.log_scale_, m.shrinkage_, False, 11, 0.5)
    else:
        expected = naive.rp3beta(logs * m.log_scale_, 0.6, m.beta_, 11)
    np.testing.assert_allclose(dense(m), expected, rtol=1e-5)
    of_all = logs * m.log_scale_ @ expected
    np.testing.assert_allclose(m.score_rows(np.arange(25)), of_all, rtol=1e-4, atol=1e-6)
    newcomer = counts.take(np.flatnonzero(counts.user_index == 3))
    known, new = m.recommend([3], 5), m.recommend_for(newcomer, n=5)
    assert known["item_id"].to_list() == new["item_id"].to_list()
    for rule, more, log in (
        ("values", given, False),
        ("values", {**given, "log_values": True}, True),
        ("any", {}, False),
    ):
        assert make(positive=rule, **more).fit(counts).log_values_ == log
    raw = make(11, positive="values", **given).fit(counts)
    assert (raw.least_value_, raw.log_scale_) == (0, 1)
    np.testing.assert_allclose(raw.score_rows(np.arange(25)), X @ dense(raw), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("more", [{}, {"alpha_users": 0.4}])
def test_files_older_than_the_settings_are_read_with_what_was_used_then(data, more):
    m = RP3beta(alpha=0.7, beta=0.3, positive="any").fit(data)
    state = m.state()
    parameters = {
        name: v for name, v in state.parameters.items() if name not in ("alpha_users", "normalize", "log_values")
    }
    learned = {
        name: v
        for name, v in state.learned.items()
        if name not in ("alpha_users_", "beta_", "log_values_", "least_value_", "log_scale_")
    }
    old = RP3beta.from_state(replace(state, parameters={**parameters, **more}, learned=learned))
    assert (old.alpha_users_, old.beta_, old.normalize) == (more.get("alpha_users", 0.7), 0.3, False)
    assert (old.log_values_, old.least_value_, old.log_scale_) == (False, 0, 1)


def test_a_walk_without_powers_ends_somewhere_for_sure(data):
    m = RP3beta(11, alpha=1.0, beta=0.0, positive="any").fit(data)
    X = matrix(data)
    back = (X / X.sum(axis=0)).T @ (X / X.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(dense(m).sum(axis=1) + np.diag(back), 1, rtol=1e-5)


def test_equal_columns_have_cosine_one_and_shrinkage_lowers_rare_pairs_most():
    cells = [(u, i) for u in range(8) for i in (0, 1)] + [(8, 2), (8, 3)]
    rows = interactions(*map(list, zip(*cells, strict=True)), [1.0] * len(cells))
    plain = dense(ItemKNN(2, shrinkage=0.0).fit(rows))
    assert plain[0, 1] == plain[2, 3] == pytest.approx(1)
    shrunk = dense(ItemKNN(2, shrinkage=2.0).fit(rows))
    assert shrunk[0, 1] == pytest.approx(8 / 10)
    assert shrunk[2, 3] == pytest.approx(1 / 3)


def test_beta_holds_popular_items_back(data):
    def mean_popularity(beta):
        m = RP3beta(11, beta=beta, positive="any").fit(data)
        found = m.recommend(data.users.values.to_list(), 3)
        counts = np.bincount(data.item_index, minlength=12)
        return counts[m.items_.index(found["item_id"])].mean()

    assert mean_popularity(0.0) > mean_popularity(1.2)


def test_who_had_everything_says_nothing_with_idf():
    cells = [(0, i) for i in range(6)] + [(1, 0), (1, 1), (2, 0), (2, 1)]
    rows = interactions(*map(list, zip(*cells, strict=True)), [1.0] * len(cells))
    B = dense(ItemKNN(5, shrinkage=0.0, idf=True).fit(rows))
    assert B[0, 1] == pytest.approx(1)
    assert B[2:].sum() == 0


def test_reasons_are_the_weights_of_ones_own_items(data):
    m = ItemKNN(4, positive="any").fit(data)
    user, item = data.users.values[3], data.items.values[5]
    parts = m.explain(user, item).parts
    own = set(data.items.values.gather(data.item_index[data.user_index == 3]).to_list())
    assert set(parts["item_id"]) <= own
    B = dense(m)
    for item_id, value in parts.select("item_id", "contribution").iter_rows():
        assert value == pytest.approx(B[m.items_.index([item_id])[0], 5], rel=1e-6)


def test_no_square_of_the_items_is_ever_held():
    rng = np.random.default_rng(0)
    u, i = rng.integers(0, 300, 4000), rng.integers(0, 6000, 4000)
    pairs = np.unique(np.column_stack([u, i]), axis=0)
    data = interactions(pairs[:, 0], pairs[:, 1], np.ones(len(pairs)))
    ItemKNN(5).fit(data)
    for n in (5, 400):
        tracemalloc.start()
        m = ItemKNN(n, n_threads=1).fit(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert 0.3 * m.memory_estimate(data) < peak < m.memory_estimate(data) + 2e6
        assert peak < 0.4 * 4 * data.n_items**2


def test_memory_is_asked_for_pairs_that_can_be_had_together_not_for_all(data):
    users = np.repeat(np.arange(3000), 2)  # each with two items of their own
    rows = interactions(users, np.arange(6000), np.ones(6000))
    most = [len(m.fit(rows).weights_values_) for m in (ItemKNN(), RP3beta())]
    assert most == [6000, 6000]
    assert ItemKNN().memory_estimate(rows) - ItemKNN(1).memory_estimate(rows) == 0  # not 6,000 x 400 weights
    assert (most_met(rows.user_index, rows.item_index, 6000) == 1).all()
    X = matrix(data)
    met = (X.T @ X > 0).sum(axis=1) - 1
    assert (most_met(data.user_index, data.item_index, 12) >= met).all()
    liked = ItemKNN(positive=4).memory_estimate(data), ItemKNN(positive="any").memory_estimate(data)
    assert liked[0] < liked[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ItemKNN(0), "n_neighbors must be a whole number of at least 1, got 0"),
        (lambda: ItemKNN(shrinkage=-1), "shrinkage must be a number of at least 0, got -1"),
        (lambda: ItemKNN(idf="yes"), "idf must be"),
        (lambda: RP3beta(alpha=0), "alpha must be a number above 0"),
        (lambda: RP3beta(beta=11), "beta must be a number"),
        (lambda: RP3beta(alpha_users=0), "alpha_users must be a number above 0"),
        (lambda: RP3beta(normalize=2), "normalize must be"),
        (lambda: ItemKNN(user_power=-1), "user_power must be a number of at least 0"),
        (lambda: RP3beta(positive="likes"), "positive must be none, 'any'"),
    ],
)
def test_parameters_outside_their_range_are_refused(data, make, message):
    with pytest.raises(ParameterError, match=message):
        make().fit(data)


def test_ratings_need_a_rule(data):
    with pytest.raises(DataError, match="say how values count, positive="):
        RP3beta().fit(data)
