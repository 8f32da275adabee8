"""The largest similarities of each item, against the definition; ties, ranges of items, and what is left unwritten."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_only import read_only

from palate.kernels import Cells


@pytest.fixture(scope="module")
def similarities(kernel):
    return kernel("similarities")


def compressed(X):
    row, column = np.nonzero(X)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(X)))]).astype(np.int64)
    return read_only(Cells(indptr, column.astype(np.int32), X[row, column].astype(np.float64)))


def largest(similarities, X, weights, shrinkage, n, cuts=()):
    n_items = X.shape[1]
    indices, values = np.full((n_items, n), -1, np.int32), np.full((n_items, n), np.nan, np.float32)
    starts, counts = n * np.arange(n_items + 1), np.zeros(n_items, np.int64)
    ends = [0, *cuts, n_items]
    for first, last in reversed(list(pairwise(ends))):
        matrix, out = (
            (compressed(X.T), compressed(X)),
            similarities.Largest(starts, indices.ravel(), values.ravel(), counts),
        )
        similarities.largest_similarities(*matrix, similarities.Weights(*weights), shrinkage, first, last, out)
    return indices, values, counts


def test_rows_have_room_for_as_many_as_they_can_have_and_are_then_moved_together(similarities):
    rng = np.random.default_rng(1)
    X = (rng.random((12, 90)) < 0.06).astype(float)
    X[:, 0] = np.eye(12)[0]
    X[0, 1:] = 0  # the first user had the first item alone
    weights = similarities.Weights(np.ones(12), np.ones(90), np.ones(90))
    _, values, counts = largest(similarities, X, weights, 0.0, 7)
    met = (X.T @ X > 0).sum(axis=1) - (X.sum(axis=0) > 0)
    assert (met == 0).any()  # no room at all
    starts = np.cumsum([0, *np.where(met > 0, np.minimum(met + rng.integers(0, 3, 90), 7), 0)])
    out = similarities.Largest(
        starts, np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32), np.zeros(90, np.int64)
    )
    similarities.largest_similarities(compressed(X.T), compressed(X), weights, 0.0, 0, 90, out)
    np.testing.assert_array_equal(out.counts, counts)
    end = similarities.close_gaps(out)
    assert end == counts.sum() < starts[-1]
    np.testing.assert_array_equal(out.values[:end], values[np.arange(7) < counts[:, None]])


def expected(X, weights, shrinkage):
    w, a, b = weights
    C = (X.T * w) @ X
    with np.errstate(divide="ignore", invalid="ignore"):
        S = C / (1 / np.outer(b, a) + shrinkage)
    S = np.where(np.outer(b, a) > 0, S, 0)
    np.fill_diagonal(S, 0)
    return S


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), n_users=st.integers(1, 7), n_items=st.integers(2, 8), n=st.integers(1, 8))
def test_the_largest_of_each_row_are_kept(similarities, seed, n_users, n_items, n):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, (n_users, n_items)) * (rng.random((n_users, n_items)) < 0.6).astype(float)
    weights = (
        rng.choice([0.0, 0.5, 1.0], n_users),
        rng.choice([0.0, 1.0, 2.0], n_items),
        rng.choice([0.5, 1.0], n_items),
    )
    n = min(n, n_items - 1)
    cut = int(rng.integers(0, n_items))
    indices, values, counts = largest(similarities, X, weights, 0.7, n, (cut,))
    S = expected(X, weights, 0.7)
    for i in range(n_items):
        best = [j for j in sorted(range(n_items), key=lambda j: (-S[i, j], j)) if S[i, j] > 0][:n]
        assert indices[i, : counts[i]].tolist() == sorted(best)
        np.testing.assert_allclose(values[i, : counts[i]], S[i, sorted(best)], rtol=1e-6)
        assert (indices[i, counts[i] :] == -1).all()


@given(scores=st.lists(st.sampled_from([0.5, 1.0, 1.5]), max_size=60), n=st.integers(1, 20), seed=st.integers(0, 9))
def test_of_items_met_in_any_order_the_largest_and_of_equal_ones_the_first_are_kept(similarities, scores, n, seed):
    items = np.random.default_rng(seed).permutation(len(scores) + 3)[: len(scores)]
    indices, values = np.full(n, -1, np.int32), np.full(n, np.nan, np.float32)
    room, best = (
        np.empty(len(scores)),
        sorted(zip(scores, items.tolist(), strict=True), key=lambda x: (-x[0], x[1]))[:n],
    )
    kept = similarities.keep_largest(items.copy(), np.array(scores, float), room, indices, values)
    assert kept == len(best)
    assert indices[:kept].tolist() == sorted(item for _, item in best)
    assert values[:kept].tolist() == [score for score, _ in sorted(best, key=lambda x: x[1])]


def test_of_equal_similarities_the_first_items_are_kept(similarities):
    X = np.ones((3, 9))
    indices, values, counts = largest(similarities, X, (np.ones(3), np.ones(9), np.ones(9)), 0.0, 4)
    assert indices[8].tolist() == [0, 1, 2, 3]
    assert indices[2].tolist() == [0, 1, 3, 4]
    assert (values == 3).all()
    assert (counts == 4).all()


@pytest.mark.parametrize("size", [1.0, 1e-35, 1e32], ids=["plain", "tiny", "huge"])
@pytest.mark.parametrize("shrinkage", [0.0, 0.7])
@pytest.mark.parametrize("filled", [0.02, 0.3])
def test_many_items_in_groups_keep_the_same_as_all_looked_through(similarities, size, shrinkage, filled):
    """200 items are dealt into 64 groups; sizes beyond single precision fall back to looking at all."""
    rng = np.random.default_rng(3)
    X = rng.integers(1, 3, (20, 200)) * (rng.random((20, 200)) < filled).astype(float)
    weights = np.ones(20), size * rng.choice([0.5, 1.0, 2.0], 200), rng.choice([0.5, 1.0], 200)
    indices, _, counts = largest(similarities, X, weights, shrinkage, 3)
    S = expected(X, weights, shrinkage)
    for i in range(200):
        best = [j for j in sorted(range(200), key=lambda j: (-S[i, j], j)) if S[i, j] > 0][:3]
        kept = indices[i, : counts[i]].tolist()
        assert len(kept) == len(best)
        assert kept == sorted(kept)
        np.testing.assert_allclose(np.sort(S[i, kept]), np.sort(S[i, best]), rtol=1e-12)
        if shrinkage == 0 and size == 1.0:  # then ties are exact
            assert kept == sorted(best)
