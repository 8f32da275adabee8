from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from metrics import naive_metrics as naive
from metrics.made import cases, close, padded, quick, rows
from scipy.stats import entropy
from sklearn.metrics.pairwise import cosine_similarity

from palate.errors import ParameterError
from palate.metrics import catalogue, judge

features = st.floats(-4, 4).map(lambda x: round(x, 2))


@quick
@given(cases())
def test_what_is_shown_of_the_catalogue_is_the_naive_twins_and_scipys(case):
    lists, k, n = case.lists, case.k, case.n_items
    np.testing.assert_array_equal(catalogue.exposure(lists, n, k), naive.counts(case.cut, n))
    assert catalogue.coverage(lists, n, k) == pytest.approx(naive.coverage(case.cut, n), abs=1e-10)
    np.testing.assert_allclose(catalogue.gini(lists, n, k), naive.gini(case.cut, n), **close)
    counts = naive.counts(case.cut, n)
    wanted = entropy(counts, base=2) if any(counts) else np.nan
    np.testing.assert_allclose(catalogue.entropy(lists, n, k), wanted, **close)


@quick
@given(cases())
def test_overlap_of_lists_from_item_counts_is_that_of_all_pairs(case):
    got = catalogue.personalisation(case.lists, case.n_items, case.k)
    np.testing.assert_allclose(got, 1 - naive.list_overlap(case.cut), **close)
    np.testing.assert_allclose(catalogue.list_overlap(case.lists, case.n_items, case.k), 1 - got, **close)


@quick
@given(cases(), st.data())
def test_novelty_and_lift_are_the_naive_twins(case, data):
    n_users = data.draw(st.integers(1, 20))
    have = data.draw(arrays(np.int64, case.n_items, elements=st.integers(0, n_users)))
    got = catalogue.novelty(case.lists, have, n_users, case.k)
    np.testing.assert_allclose(got, [naive.novelty(s, have, n_users) for s in case.cut], **close)
    have += 1
    got = catalogue.popularity_lift(case.lists, rows(case.histories), have, case.k)
    np.testing.assert_allclose(got, naive.popularity_lift(case.cut, case.histories, have), **close)


@quick
@given(cases(), st.data())
def test_diversity_is_the_naive_twins_and_scikit_learns(case, data):
    table = data.draw(arrays(np.float64, (case.n_items, 3), elements=features))
    got = catalogue.intra_list_diversity(case.lists, table, case.k)
    np.testing.assert_allclose(got, [naive.diversity(s, table, naive.cosine) for s in case.cut], **close)
    for user, shown in enumerate(case.cut):
        if len(shown) > 1:
            pairs = cosine_similarity(table[shown])[np.triu_indices(len(shown), 1)]
            np.testing.assert_allclose(got[user], 1 - pairs.mean(), **close)
    genres = data.draw(arrays(np.int8, (case.n_items, 4), elements=st.integers(0, 1)))
    got = catalogue.intra_list_diversity_genres(case.lists, genres, case.k)
    np.testing.assert_allclose(got, [naive.diversity(s, genres, naive.jaccard) for s in case.cut], **close)


@quick
@given(cases(), st.data())
def test_serendipity_is_the_naive_twins(case, data):
    expected = data.draw(st.lists(st.permutations(range(case.n_items)), min_size=len(case.shown), max_size=99))
    expected = [one[: data.draw(st.integers(0, case.n_items))] for one in expected[: len(case.shown)]]
    got = catalogue.serendipity(
        judge(case.lists, rows(case.gains), case.n_items), padded(expected, case.n_items), case.k
    )
    wanted = [naive.serendipity(*one, case.k) for one in zip(case.shown, case.gains, expected, strict=True)]
    np.testing.assert_allclose(got, wanted, **close)


@quick
@given(cases(), st.data())
def test_calibration_is_scipys_divergence_of_naive_genre_shares(case, data):
    genres = data.draw(arrays(np.int64, (case.n_items, 3), elements=st.integers(0, 1)))
    got = catalogue.genre_calibration(case.lists, rows(case.histories), genres, case.k)
    for user, (shown, history) in enumerate(zip(case.cut, case.histories, strict=True)):
        p, q = naive.genre_shares(history, genres), naive.genre_shares(shown, genres)
        wanted = entropy(p, naive.mixed(p, q)) if p and q else np.nan
        np.testing.assert_allclose(got[user], wanted, **close)


def test_by_hand():
    lists = padded([[0, 1], [0], []], 2)
    assert catalogue.coverage(lists, 4, 2) == 0.5
    assert catalogue.coverage(lists, 4, 1) == 0.25
    assert catalogue.gini(lists, 4, 1) == 1 - 1 / 4
    assert catalogue.gini(padded([[0], [1], [2], [3]], 1), 4, 1) == 0
    assert catalogue.entropy(padded([[0, 1], [2, 3]], 2), 4, 2) == 2
    assert catalogue.entropy(lists, 4, 1) == 0
    np.testing.assert_array_equal(catalogue.novelty(lists, np.array([8, 2, 0, 0]), 8, 2), [1, 0, np.nan])
    assert catalogue.popularity_lift(lists, rows([[2], [], [0]]), np.array([3, 1, 1, 1]), 2) == 1  # 2 against 1
    assert catalogue.list_overlap(lists, 4, 2) == pytest.approx(1 / np.sqrt(2), abs=1e-15)
    assert catalogue.personalisation(padded([[0, 1], [2, 3]], 2), 4, 2) == 1


def test_diversity_by_hand():
    table = np.array([[1.0, 0], [0, 2], [3, 0], [0, 0]])
    lists = padded([[0, 2], [0, 1], [0, 3], [0], []], 2)
    np.testing.assert_array_equal(catalogue.intra_list_diversity(lists, table, 2), [0, 1, 1, np.nan, np.nan])
    genres = (table > 0).astype(int)
    np.testing.assert_array_equal(catalogue.intra_list_diversity_genres(lists, genres, 2), [0, 1, 1, np.nan, np.nan])


def test_places_without_an_item_are_not_the_last_item():
    """Position -1 would be item 2, which is like item 0."""
    table, lists = np.array([[1, 0], [0, 1], [1, 0]]), padded([[0, 1]], 4)
    for diversity in (catalogue.intra_list_diversity, catalogue.intra_list_diversity_genres):
        assert diversity(lists, table, 4) == 1
    assert catalogue.novelty(lists, np.array([2, 2, 8]), 8, 4) == 2
    assert catalogue.popularity_lift(lists, rows([[0]]), np.array([2, 2, 8]), 4) == 0
    assert catalogue.genre_calibration(lists, rows([[0, 1]]), table, 4) == 0
    assert catalogue.coverage(lists, 3, 4) == 2 / 3


def test_calibration_is_zero_for_the_same_genres_and_steck_bounds_the_rest():
    genres = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    lists = padded([[0, 1], [2], [0], [3], []], 2)
    history = rows([[2], [0, 1], [1], [0], [0]])
    got = catalogue.genre_calibration(lists, history, genres, 2)
    np.testing.assert_allclose(got, [0, 0, np.log(100), np.nan, np.nan], **close)


def test_serendipity_counts_hits_that_the_plain_list_lacks():
    ours = judge(padded([[0, 1, 2], [0, 1, 2], []], 3), rows([[0, 1], [], [0]]), 4)
    np.testing.assert_array_equal(catalogue.serendipity(ours, padded([[0, 3]] * 3, 2), 3), [1 / 3, np.nan, 0])


def test_lists_that_are_nearly_the_same_for_all_bring_one_line_of_warning(caplog):
    with caplog.at_level(logging.WARNING, logger="palate"):
        assert catalogue.list_overlap(padded([[0, 1, 2, 3, 4], [0, 1, 2, 3, 5]], 5), 6, 5) == pytest.approx(0.8)
        assert catalogue.personalisation(padded([[0], [0]], 1), 6, 1) == 0  # says the same by its name
        assert not caplog.records
        assert catalogue.list_overlap(padded([[0, 1], [1, 0]], 2), 6, 2) == pytest.approx(1)
    assert [r.getMessage() for r in caplog.records] == [
        "the lists of two users share 100 % of their items on average: nearly everybody is recommended the same"
    ]


def test_empty_lists_and_single_users_have_no_distribution_and_no_pairs():
    empty, one = padded([[], []], 2), padded([[0, 1]], 2)
    assert catalogue.coverage(empty, 3, 2) == 0
    for metric in (catalogue.gini, catalogue.entropy, catalogue.list_overlap, catalogue.personalisation):
        assert np.isnan(metric(empty, 3, 2))
    assert np.isnan(catalogue.list_overlap(one, 3, 2))
    assert np.isnan(catalogue.popularity_lift(empty, rows([[0], [1]]), np.ones(3), 2))
    assert np.isnan(catalogue.popularity_lift(one, rows([[]]), np.ones(3), 2))


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(2)
    lists = np.array([rng.permutation(30)[:6] for _ in range(40)], np.int32)
    lists[::5, 3:] = -1
    table, genres = rng.normal(size=(30, 4)), rng.integers(0, 2, (30, 4))
    ours = judge(lists, rows([rng.permutation(30)[:8].tolist() for _ in range(40)]), 30)

    def all_three():
        return (
            catalogue.intra_list_diversity(lists, table, 5),
            catalogue.intra_list_diversity_genres(lists, genres, 5),
            catalogue.serendipity(ours, lists[:, 2:4], 5),
        )

    whole = all_three()
    monkeypatch.setattr(catalogue, "CELLS", 60)
    for one, other in zip(whole, all_three(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


LISTS = padded([[0, 1]], 2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: catalogue.coverage(LISTS, 3, 3), "k must be from 1 to 2, the length of the lists, got 3"),
        (lambda: catalogue.gini(LISTS, 1, 1), "lists must hold item positions from 0 to 0"),
        (lambda: catalogue.novelty(LISTS, np.array([1, 9]), 5, 1), "counts must lie from 0 to 5, the number of users"),
        (lambda: catalogue.novelty(LISTS, np.array([1, -1]), 5, 1), "counts must lie from 0 to 5"),
        (lambda: catalogue.popularity_lift(LISTS, rows([[], []]), np.ones(2), 1), "history has 2 rows for 1 users"),
        (lambda: catalogue.popularity_lift(LISTS, rows([[2]]), np.ones(2), 1), "history items must be"),
        (lambda: catalogue.popularity_lift(LISTS, rows([[1]]), np.array([1, 0]), 1), "counts are 0 for all that users"),
        (lambda: catalogue.intra_list_diversity(LISTS, np.full((2, 1), np.nan), 2), "features must be finite numbers"),
        (lambda: catalogue.intra_list_diversity_genres(LISTS, np.full((2, 1), 2), 2), "genres must be a table of 0"),
        (lambda: catalogue.genre_calibration(LISTS, rows([[0]]), np.ones(2), 2), "genres must be a table of 0"),
        (lambda: catalogue.genre_calibration(LISTS, rows([[0]]), np.ones((2, 1)), 2, alpha=0), "alpha must be above 0"),
        (lambda: catalogue.genre_calibration(LISTS, rows([]), np.ones((2, 1)), 2), "history has 0 rows for 1 users"),
        (lambda: catalogue.serendipity(judge(LISTS, rows([[0]]), 2), LISTS[:0], 1), "expected must have a list"),
    ],
)
def test_wrong_input_is_refused(call, text):
    with pytest.raises(ParameterError, match=text):
        call()
