from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_only import read_only

from palate.kernels import Cells, Factors


@pytest.fixture(scope="module")
def select(kernel):
    return kernel("select")


PLACES, NOTHING = read_only((np.arange(2, dtype=np.int32), np.empty(0, np.int32)))


def factors_of(seed, n_users, n_items, k, dtype=np.float64, whole=False):
    """Return (P, Q, b, c); whole numbers from -1 to 1 make many exact ties."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return (rng.integers(-1, 2, shape) if whole else rng.normal(size=shape)).astype(dtype)

    return read_only((draw(n_users, k), draw(n_items, k), draw(n_users), draw(n_items)))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    n_users=st.integers(1, 4),
    n_items=st.integers(1, 6),
    k=st.integers(1, 20),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_score_pairs_is_the_naive_score_bit_for_bit(select, seed, n_users, n_items, k, dtype):
    factors = factors_of(seed, n_users, n_items, k, dtype)
    rows, cols = (read_only(a.ravel().astype(np.int32)) for a in np.mgrid[:n_users, :n_items])
    out = np.empty(len(rows))
    mean = np.float64(3.5)  # typed, so that the uncompiled kernel sums in float64 too
    select.score_pairs(Factors(*factors, mean), rows, cols, out)
    assert out.tolist() == [naive.prediction(*factors, mean, u, i) for u, i in zip(rows, cols, strict=True)]
    S = np.empty((n_users, n_items))
    select.score_all(Factors(*factors, mean), rows[::n_items], S)
    assert S.ravel().tolist() == out.tolist()


def test_score_all_goes_on_beyond_the_items_that_are_taken_at_once(select):
    factors, rows = factors_of(0, 2, 300, 5, np.float32), read_only(np.array([1, 0, 1], np.int32))
    S, out, mean = np.empty((3, 300)), np.empty(900), np.float64(3.5)
    select.score_all(Factors(*factors, mean), rows, S)
    every = read_only(np.tile(np.arange(300, dtype=np.int32), 3))
    select.score_pairs(Factors(*factors, mean), read_only(np.repeat(rows, 300)), every, out)
    np.testing.assert_array_equal(S.ravel(), out)


@settings(max_examples=60)
@given(
    scores=st.lists(st.integers(-3, 3) | st.floats(-2, 2, width=32), min_size=1, max_size=200),
    m=st.integers(1, 12),
    width=st.integers(1, 200),
)
def test_push_tile_keeps_the_highest_scores_with_their_items(select, scores, m, width):
    row = np.array([scores], np.float32)
    H, J = np.full((1, m), -np.inf, np.float32), np.full((1, m), -1, np.int32)
    for first in range(0, len(scores), width):
        select.push_tile(row[:, first : first + width], first, H, J)
    found = J[0] >= 0
    kept = sorted(H[0, found].tolist(), reverse=True)
    assert kept == sorted(row[0].tolist(), reverse=True)[:m]
    np.testing.assert_array_equal(row[0, J[0, found]], H[0, found])
    assert len(set(J[0, found].tolist())) == found.sum() == min(m, len(scores))
    assert H[0, 0] == H[0].min()


def test_push_tile_leaves_out_what_exclude_marked(select):
    S = np.arange(12, dtype=np.float32).reshape(2, 6)
    at, ptr = np.array([0, 3]), np.array([0, 3, 4])
    select.exclude(S, 4, at, ptr, np.array([2, 5, 9, 4], np.int32))
    assert np.argwhere(-np.inf == S).tolist() == [[0, 1], [0, 5], [1, 0]]  # items 5 and 9; item 4
    H, J = np.full((2, 6), -np.inf, np.float32), np.full((2, 6), -1, np.int32)
    select.push_tile(S, 4, H, J)
    assert sorted(J[0].tolist()) == [-1, -1, 4, 6, 7, 8]
    assert sorted(J[1].tolist()) == [-1, 5, 6, 7, 8, 9]


@settings(max_examples=60)
@given(scores=st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=15), n=st.integers(1, 6), seed=st.integers(0, 99))
def test_insert_keeps_the_best_in_order_whatever_comes_first(select, scores, n, seed):
    top_scores, top_items = np.full(n, np.nan), np.full(n, -1, np.int32)
    used, places = 0, read_only(np.arange(len(scores), dtype=np.int32))
    for item in np.random.default_rng(seed).permutation(len(scores)):
        used = select.insert(top_scores, top_items, used, scores[item], item, places)
    assert used == min(n, len(scores))
    assert top_items[:used].tolist() == naive.best(scores, n)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), n_items=st.integers(1, 40), k=st.integers(0, 40))
def test_score_row_is_within_the_margin_of_the_exact_scores(select, seed, n_items, k):
    rng = np.random.default_rng(seed)
    p, Q, c = (read_only(rng.standard_normal(shape).astype(np.float32)) for shape in (k, (n_items, k), n_items))
    S = np.empty(n_items, np.float32)
    select.score_row(p, Q, c, S)
    exact = naive.all_scores(p[None], Q, np.zeros(1), c, 0.0)[0]
    sizes = np.abs(Q).astype(np.float64) @ np.abs(p) + np.abs(c)
    assert (np.abs(S - exact) <= (k + 1) * np.finfo(np.float32).eps * sizes).all()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32), n_items=st.integers(1, 25), n=st.integers(1, 8), m=st.integers(1, 12), data=st.data()
)
def test_decide_is_right_whatever_the_candidates_were(select, seed, n_items, n, m, data):
    """The heap holds the best m by scores with an error below the margin; ties and near-ties need the full scan."""
    factors = factors_of(seed, 1, n_items, 3, whole=True)
    excluded = np.array(sorted(data.draw(st.sets(st.integers(0, n_items - 1), max_size=n_items))), np.int32)
    P, Q, _, c = factors
    margin, rng = 2.0, np.random.default_rng(seed)
    places = read_only(rng.permutation(n_items).astype(np.int32))
    rough = (Q @ P[0] + c + rng.uniform(-margin, margin, n_items) * 0.99).astype(np.float32)
    rough[excluded] = -np.inf
    H, J = np.full((1, m), -np.inf, np.float32), np.full((1, m), -1, np.int32)
    select.push_tile(rough[None], 0, H, J)
    top = select.Top(np.full((1, n), np.nan), np.full((1, n), -1, np.int32))
    left_out = read_only(Cells(np.array([0, len(excluded)]), excluded, np.ones(len(excluded), np.float32)))
    heaps = select.Heaps(H, J)
    rows, margins = np.zeros(1, np.int32), np.array([margin])
    select.decide_rows(Factors(*factors, 3.0), places, rows, heaps, margins, left_out, top)
    scores = naive.all_scores(*factors, 3.0)[0]
    expected = naive.best(scores, n, excluded.tolist(), places=places)
    assert top[1][0, : len(expected)].tolist() == expected
    assert (top[1][0, len(expected) :] == -1).all()
    np.testing.assert_array_equal(top[0][0, : len(expected)], scores[expected])


@pytest.mark.parametrize("rough", [0.0, 0.25, 0.5, 0.75])
def test_decide_trusts_no_candidate_that_the_margin_allows_another_to_reach(select, rough):
    """Item 0 scores 1 like item 1, or more, but the product put it lower; within the margin of 1 that may happen."""
    for first in (1.0, 1.25):
        terms = read_only(Factors(np.ones((1, 1)), np.array([[first], [1.0]]), np.zeros(1), np.zeros(2), 0.0))
        heap, candidates = np.array([rough], np.float32), np.array([1], np.int32)
        scores, items = np.full(1, np.nan), np.full(1, -1, np.int32)
        select.decide(terms, PLACES, np.int32(0), heap, candidates, 1.0, NOTHING, scores, items)
        assert items[0] == 0
        assert scores[0] == first


def test_decide_scans_only_where_it_must(select):
    """Beyond the margin the candidates decide: an item that the product cannot have missed is not looked at."""
    terms = read_only(Factors(np.ones((1, 1)), np.array([[9.0], [1.0]]), np.zeros(1), np.zeros(2), 0.0))
    scores, items = np.full(1, np.nan), np.full(1, -1, np.int32)
    heap, candidates = np.array([-0.5], np.float32), np.array([1], np.int32)
    select.decide(terms, PLACES, np.int32(0), heap, candidates, 1.0, NOTHING, scores, items)
    assert items[0] == 1


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    n_items=st.integers(1, 200),
    n=st.integers(1, 12),
    share=st.sampled_from([0, 0.4, 1]),
)
def test_best_of_rows_is_the_full_sort(select, seed, n_items, n, share):
    rng = np.random.default_rng(seed)
    S = rng.integers(-1, 2, (3, n_items)).astype(np.float32)
    S[rng.random(S.shape) < share] = -np.inf
    places = read_only(rng.permutation(n_items).astype(np.int32))
    scores, items = np.full((3, n), np.nan), np.full((3, n), -1, np.int32)
    select.best_of_rows(S, places, scores, items)
    for row in range(3):
        expected = naive.best(S[row], n, np.flatnonzero(np.isneginf(S[row])), places=places)
        assert items[row].tolist() == expected + [-1] * (n - len(expected))
        np.testing.assert_array_equal(scores[row, : len(expected)], S[row, expected])
