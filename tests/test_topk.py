from __future__ import annotations

import tracemalloc

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palate.parallel import GRAIN
from palate.sparse import Rows
from palate.topk import LONG, SPARE, TILE, score_pairs, topk


def factors_of(seed, n_users, n_items, k, dtype=np.float32, whole=False):
    """Return (P, Q, b, c, mean); whole numbers from -1 to 1 make many exact ties."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return (rng.integers(-1, 2, shape) if whole else rng.normal(size=shape)).astype(dtype)

    return draw(n_users, k), draw(n_items, k), draw(n_users), draw(n_items), 3.5


def compressed(lists):
    """Return lists of items, one a user, as compressed rows."""
    return Rows.of_sizes([len(x) for x in lists], np.array([i for x in lists for i in sorted(x)], np.int32))


def everybody(factors):
    return np.arange(len(factors[0]), dtype=np.int32)


def check(factors, n, excluded=None, allowed=None, places=None):
    """Compare with the full sort, items and scores exactly: of all users at once, and of each alone."""
    excluded = excluded or [()] * len(factors[0])
    given = () if not any(len(x) for x in excluded) else [compressed(excluded)]
    filters = {"excluded": given, "allowed": allowed, "places": places, "n_threads": 1}
    items, scores = topk(factors, everybody(factors), n, **filters)
    for u in everybody(factors):
        own_items, own_scores = topk(factors, np.array([u], np.int32), n, **filters)
        np.testing.assert_array_equal(own_items[0], items[u])
        np.testing.assert_array_equal(own_scores[0], scores[u])
    truth = naive.all_scores(*factors)
    for u in range(len(truth)):
        expected = naive.best(truth[u], n, excluded[u], allowed, places)
        assert items[u, : len(expected)].tolist() == expected
        assert (items[u, len(expected) :] == -1).all()
        np.testing.assert_array_equal(scores[u, : len(expected)], truth[u, expected])
        assert np.isnan(scores[u, len(expected) :]).all()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    n_users=st.integers(1, 6),
    n_items=st.integers(1, 60),
    k=st.integers(1, 6),
    n=st.integers(1, 40),
    dtype=st.sampled_from([np.float32, np.float64]),
    whole=st.booleans(),
    share_out=st.sampled_from([0, 0.3, 1]),
    share_in=st.sampled_from([None, 0, 0.5]),
    by_place=st.booleans(),
)
def test_topk_is_the_full_sort(seed, n_users, n_items, k, n, dtype, whole, share_out, share_in, by_place):
    rng = np.random.default_rng(seed)
    excluded = [np.flatnonzero(rng.random(n_items) < share_out) for _ in range(n_users)]
    allowed = None if share_in is None else rng.random(n_items) < share_in
    places = rng.permutation(n_items).astype(np.int32) if by_place else None
    check(factors_of(seed, n_users, n_items, k, dtype, whole), n, excluded, allowed, places)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32),
    n_items=st.integers(90, 400),
    n=st.integers(LONG - SPARE - 2, 300),
    whole=st.booleans(),
    share_out=st.sampled_from([0, 0.3, 0.9]),
    share_in=st.sampled_from([None, 0.5]),
)
def test_long_lists_by_partitions_are_the_full_sort(seed, n_items, n, whole, share_out, share_in):
    rng = np.random.default_rng(seed)
    excluded = [np.flatnonzero(rng.random(n_items) < share_out) for _ in range(3)]
    allowed = None if share_in is None else rng.random(n_items) < share_in
    check(factors_of(seed, 3, n_items, 3, whole=whole), n, excluded, allowed, rng.permutation(n_items).astype(np.int32))


def test_long_lists_of_many_users_hold_a_few_rows_of_scores_at_once(monkeypatch):
    monkeypatch.setattr(GRAIN, "scored_bytes", 4 * 150 * 2)
    rng = np.random.default_rng(2)
    check(factors_of(2, 7, 150, 3, whole=True), LONG, [rng.permutation(150)[:9] for _ in range(7)])


def test_several_tiles_and_blocks_of_users():
    factors = factors_of(1, GRAIN.listed + 3, 2 * TILE + 5, 4)
    rng = np.random.default_rng(1)
    check(factors, 10, [rng.permutation(2 * TILE + 5)[:50] for _ in range(GRAIN.listed + 3)])


def test_all_scores_equal_gives_the_first_items():
    P, Q, b, c, mean = factors_of(0, 3, 3 * TILE, 2)
    factors = P, np.zeros_like(Q), b, np.zeros_like(c), mean
    items, scores = topk(factors, everybody(factors), 5, excluded=[compressed([[0, 2], [], [4]])])
    assert items.tolist() == [[1, 3, 4, 5, 6], [0, 1, 2, 3, 4], [0, 1, 2, 3, 5]]
    assert (np.ptp(scores, axis=1) == 0).all()


def test_duplicated_items_come_in_index_order():
    P, Q, b, c, mean = factors_of(2, 8, 40, 3)
    check((P, np.tile(Q, (5, 1)), b, np.tile(c, 5), mean), 30)


def test_near_ties_that_a_float32_product_orders_wrongly():
    """Scores differ by less than float32 can tell, in an order of their own; only the exact dot knows it."""
    rng = np.random.default_rng(3)
    n_items, k = 5000, 8
    P, base = rng.normal(size=(4, k)), rng.normal(size=k)
    Q = base + rng.normal(0, 1e-9, (n_items, k))
    factors = P, Q, np.zeros(4), np.zeros(n_items), 0.0
    rough = P.astype(np.float32) @ Q.astype(np.float32).T
    truth = naive.all_scores(*factors)
    for u in range(4):
        assert np.argsort(-rough[u], kind="stable")[:10].tolist() != naive.best(truth[u], 10)
    check(factors, 10)


@pytest.mark.parametrize("gap", [1e-5, 1e-6, 3e-7, 1e-7])
def test_near_ties_around_the_margin(gap):
    rng = np.random.default_rng(4)
    P, base = rng.normal(size=(6, 16)), rng.normal(size=16)
    Q = (base * (1 + gap * rng.normal(size=(3000, 1)))).astype(np.float32)
    check((P.astype(np.float32), Q, np.zeros(6, np.float32), rng.normal(0, gap, 3000).astype(np.float32), 3.5), 10)


def test_scores_that_differ_by_less_than_float64_shows_beside_the_mean_are_ties():
    """The mean swallows the dots: all scores are equal, though a product without the mean would order them."""
    rng = np.random.default_rng(5)
    P, Q = rng.uniform(1, 2, (40, 2)) * 1e-10, rng.uniform(1, 2, (500, 2)) * 1e-10
    factors = P, Q, rng.normal(size=40), np.zeros(500), 3.5293
    items, _ = topk(factors, everybody(factors), 10)
    assert (items == np.arange(10)).all()


def test_more_than_the_catalogue_and_users_without_an_allowed_item():
    factors = factors_of(6, 4, 7, 2)
    check(factors, 50, [[], range(7), [3], []])
    check(factors, 5, allowed=np.zeros(7, bool))
    check(factors, 5, [[0, 1], [], [2], [3]], allowed=np.array([1, 1, 0, 1, 0, 0, 0], bool))


def test_no_user():
    factors = factors_of(7, 4, 7, 2)
    items, scores = topk(factors, np.empty(0, np.int32), 3)
    assert items.shape == scores.shape == (0, 3)


def test_several_exclusions_are_joined_and_may_overlap():
    factors = factors_of(8, 2, 20, 2)
    one, other = [[1, 5], [2]], [[5, 7], []]
    items, scores = topk(factors, everybody(factors), 20, excluded=[compressed(one), compressed(other)])
    expected = topk(factors, everybody(factors), 20, excluded=[compressed([[1, 5, 7], [2]])])
    np.testing.assert_array_equal(items, expected[0])
    np.testing.assert_array_equal(scores, expected[1])
    assert not {1, 5, 7} & set(items[0].tolist())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_equals_its_users_one_by_one_bit_for_bit(dtype):
    factors = factors_of(9, 200, 3000, 5, dtype)
    users = np.random.default_rng(9).permutation(200).astype(np.int32)
    items, scores = topk(factors, users, 10)
    for at in range(0, 200, 7):
        one = topk(factors, users[at : at + 1], 10)
        np.testing.assert_array_equal(one[0][0], items[at])
        np.testing.assert_array_equal(one[1][0], scores[at])
    np.testing.assert_array_equal(score_pairs(factors, np.repeat(users, 10), items.ravel()), scores.ravel())


def test_threads_do_not_change_a_bit():
    factors = factors_of(10, 8 * GRAIN.listed, 2500, 6)
    expected = topk(factors, everybody(factors), 10, n_threads=1)
    for n_threads in (2, 3, 7):
        got = topk(factors, everybody(factors), 10, n_threads=n_threads)
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])


def test_no_score_matrix_is_ever_made():
    n_users, n_items = 3000, 20_000
    factors = factors_of(11, n_users, n_items, 8)
    tracemalloc.start()
    try:
        topk(factors, everybody(factors), 10, excluded=[compressed([[1]] * n_users)], n_threads=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12e6  # the full matrix of float32 scores has 240 MB


@pytest.mark.parametrize("size", [1e-3, 1e-7, 1e-20, 1e-38, 1e-44])
@pytest.mark.parametrize("biased", [False, True])
def test_users_of_short_factors_get_the_full_sort(size, biased):
    """Without biases the margin shrinks with the factors: else all items would be scored twice for newcomers."""
    rng = np.random.default_rng(4)
    P, Q = (rng.normal(size=(n, 8)).astype(np.float32) for n in (12, 3000))
    c = rng.normal(size=3000) * size if biased else np.zeros(3000)
    check((P * np.float32(size), Q, np.zeros(12), c, 0.0), 10)
