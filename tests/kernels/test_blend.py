from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_only import read_only


@pytest.fixture(scope="module")
def blend(kernel):
    return kernel("blend")


def blended(kernel, parts, weights, order):
    m, n = parts[0].shape
    T, W, S = np.zeros((m, n)), np.zeros(m), np.empty((m, n), np.float32)
    for X, w in zip(parts, weights, strict=True):
        mean, deviation = np.empty(m), np.empty(m)
        kernel.moments(X, *read_only((order,)), mean, deviation)
        kernel.add(X, mean, deviation, w, T, W)
    kernel.divide(T, W, S)
    return S


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), n_parts=st.integers(1, 3), n=st.integers(1, 8))
def test_scores_are_those_of_the_definition_in_any_order_and_batch(blend, seed, n_parts, n):
    rng = np.random.default_rng(seed)
    parts = [rng.integers(-2, 3, (4, n)) / rng.choice([1, 1e3, 1e-3]) for _ in range(n_parts)]
    parts[0][1] = 7.5  # says nothing of this person
    weights, order = rng.choice([0.0, 0.5, 0.5, 2.0], n_parts).tolist(), rng.permutation(n).astype(np.int32)
    S = blended(blend, parts, weights, order)
    for u in range(4):
        expected = naive.blended([X[u].tolist() for X in parts], weights)
        np.testing.assert_allclose(S[u], expected, rtol=1e-5, atol=1e-6)
        alone = blended(blend, [X[u : u + 1].copy() for X in parts], weights, order)
        np.testing.assert_array_equal(alone[0], S[u])
    places = rng.permutation(n)
    moved = blended(blend, [X[:, places].copy() for X in parts], weights, np.argsort(places)[order].astype(np.int32))
    np.testing.assert_array_equal(moved, S[:, places])


def test_moments_do_not_depend_on_how_items_are_numbered(blend):
    rng = np.random.default_rng(0)
    X, order, places = rng.normal(size=(3, 200)), rng.permutation(200).astype(np.int32), rng.permutation(200)
    found = []
    for scores, by in ((X, order), (X[:, places].copy(), np.argsort(places)[order].astype(np.int32))):
        mean, deviation = np.empty(3), np.empty(3)
        blend.moments(scores, *read_only((by,)), mean, deviation)
        found.append((mean.tolist(), deviation.tolist()))
    assert found[0] == found[1]
