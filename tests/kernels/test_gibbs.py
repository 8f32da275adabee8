"""Draws of rows and of weights, residuals and sums; against NumPy."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from read_only import read_only

from palate.kernels import Cells
from palate.kernels.simd import tile

N_COLUMNS = 9


@pytest.fixture(scope="module")
def gibbs(kernel):
    return kernel("gibbs")


def problem(seed, n_rows, k):
    """Return cells by row, the fixed side with its scales, the rows' scales, prior, and standard normal numbers."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, N_COLUMNS, n_rows)
    counts[rng.integers(n_rows)] = 0  # some row has no cell
    indices = np.concatenate([np.sort(rng.permutation(N_COLUMNS)[:n]) for n in counts]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    targets = rng.normal(0, 1, len(indices)).astype(np.float32)
    h = rng.uniform(0.5, 2, N_COLUMNS).astype(np.float32)
    Q = rng.normal(0, 0.6, (N_COLUMNS, k + 1)).astype(np.float32)
    g = rng.uniform(0.5, 2, n_rows).astype(np.float32)
    half = rng.normal(0, 0.5, (k + 1, k + 1))
    L = (half @ half.T + np.eye(k + 1)).astype(np.float32)
    M, E = rng.normal(size=(2, n_rows, k + 1)).astype(np.float32)
    return read_only(Cells(indptr, indices, targets)), (Q, h, g), (M, L), E


def drawn(gibbs, cells, other, prior, E, parts):
    """Return draws and means of all rows, written in parts."""
    Q, h, g, scale = other
    M, L = prior
    X, means = np.full_like(M, np.nan), np.full_like(M, np.nan)
    fixed = gibbs.PaddedColumns(*gibbs.padded_apart(Q), h)
    for first, last in parts:
        gibbs.draw_rows(
            cells, fixed, gibbs.Noise(g, np.float32(scale)), gibbs.RowPrior(M @ L, L), E, first, last, X, means
        )
    return X, means


def check_rows(gibbs, seed, n_rows, k):
    cells, (Q, h, g), (M, L), E = problem(seed, n_rows, k)
    indptr, indices, targets = cells
    X, means = drawn(gibbs, cells, (Q, h, g, 1.7), (M, L), E, [(0, n_rows)])
    for u in range(n_rows):
        n = slice(indptr[u], indptr[u + 1])
        q = Q[indices[n]].astype(float)
        Z, y, w = np.column_stack([q[:, :-1], np.ones(len(q))]), targets[n] - q[:, -1], 1.7 * g[u] * h[indices[n]]
        mean, draw = naive.gibbs_row(Z, y, w, L.astype(float), M[u].astype(float), E[u].astype(float))
        np.testing.assert_allclose(means[u], mean, rtol=2e-3, atol=2e-4)
        np.testing.assert_allclose(X[u], draw, rtol=2e-3, atol=2e-4)
        if n.start == n.stop:  # the prior's own draw
            np.testing.assert_allclose(means[u], M[u], rtol=2e-3, atol=2e-4)


@settings(max_examples=6)
@given(seed=st.integers(0, 2**31), n_rows=st.integers(1, 18), k=st.integers(1, 9))
def test_rows_are_the_naive_draws(gibbs, seed, n_rows, k):
    check_rows(gibbs, seed, n_rows, k)


@pytest.mark.parametrize("n_rows", [1, 15, 16, 17, 33])
def test_rows_are_the_naive_draws_around_a_vectors_lanes(gibbs, n_rows):
    check_rows(gibbs, n_rows, n_rows, 3)


@pytest.mark.parametrize("k", [1, 7, 8, 16, 17, 33])
def test_rows_are_the_naive_draws_around_a_tiles_width(gibbs, k):
    check_rows(gibbs, k, 3, k)


def test_a_row_of_many_cells_is_summed_block_by_block(gibbs):
    rng = np.random.default_rng(0)
    from palate.kernels.ridge import CELLS

    n = 2 * CELLS + 3
    indices, targets = rng.integers(0, N_COLUMNS, n).astype(np.int32), rng.normal(size=n).astype(np.float32)
    _, (Q, h, g), (M, L), E = problem(1, 1, 4)
    cells = read_only(Cells(np.array([0, n]), indices, targets))
    X, means = drawn(gibbs, cells, (Q, h, g, 0.3), (M, L), E, [(0, 1)])
    q = Q[indices].astype(float)
    Z = np.column_stack([q[:, :-1], np.ones(n)])
    given_all = (
        Z,
        targets - q[:, -1],
        0.3 * g[0] * h[indices].astype(float),
        L.astype(float),
        M[0].astype(float),
        E[0].astype(float),
    )
    mean, draw = naive.gibbs_row(*given_all)
    np.testing.assert_allclose(means[0], mean, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(X[0], draw, rtol=1e-3, atol=1e-4)


@settings(max_examples=5)
@given(seed=st.integers(0, 2**31), cut=st.integers(1, 32))
def test_a_range_of_rows_gives_the_bits_of_all_at_once(gibbs, seed, cut):
    cells, other, prior, E = problem(seed, 33, 5)
    whole = drawn(gibbs, cells, (*other, 1.0), prior, E, [(0, 33)])
    parts = drawn(gibbs, cells, (*other, 1.0), prior, E, [(cut, 33), (0, cut)])
    alone = drawn(gibbs, cells, (*other, 1.0), prior, E, [(cut, cut + 1)])
    for one, other, single in zip(whole, parts, alone, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one[cut], single[cut])
        assert np.isnan(single[:cut]).all()
        assert np.isnan(single[cut + 1 :]).all()


@settings(max_examples=8)
@given(seed=st.integers(0, 2**31), n_rows=st.integers(1, 12), k=st.integers(1, 9))
def test_residuals_and_sums_are_the_naive_ones(gibbs, seed, n_rows, k):
    cells, (Q, h, g), (P, _), _ = problem(seed, n_rows, k)
    indptr, indices, targets = cells
    out, sums, totals = np.empty_like(targets), np.empty((n_rows, 5)), np.zeros(N_COLUMNS)
    both = gibbs.padded_apart(P), gibbs.padded_apart(Q)
    gibbs.residuals(cells, *both, 0, n_rows, out)
    gibbs.sums_of_errors(cells, h, 0, n_rows, sums)
    cut = n_rows // 2
    for first, last in ((0, cut), (cut, n_rows)):
        gibbs.column_sums(cells, g, first, last, totals)
    owner = np.repeat(np.arange(n_rows), np.diff(indptr))
    for n, (u, i) in enumerate(zip(owner, indices, strict=True)):
        score = naive.prediction(P[:, :-1], Q[:, :-1], P[:, -1], Q[:, -1], 0.0, u, i)
        assert out[n] == pytest.approx(targets[n] - score, rel=1e-4, abs=1e-5)
    e, w = targets.astype(float), h[indices].astype(float)
    for column, each in enumerate((w, w * e, w * e**2, e, e**2)):
        np.testing.assert_allclose(sums[:, column], np.bincount(owner, each, n_rows), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(totals, np.bincount(indices, g[owner] * e**2, N_COLUMNS), rtol=1e-6)
    part = np.full_like(targets, np.nan)
    gibbs.residuals(cells, *both, n_rows - 1, n_rows, part)
    np.testing.assert_array_equal(part[indptr[-2] :], out[indptr[-2] :])
    assert np.isnan(part[: indptr[-2]]).all()


@settings(max_examples=8)
@given(seed=st.integers(0, 2**31), n_features=st.integers(1, 9), width=st.integers(1, 8))
def test_weights_are_the_naive_draws_and_what_is_left_is_kept(gibbs, seed, n_features, width):
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.3, 1, 7).astype(np.float32)
    have = rng.random((7, n_features)) < 0.5
    have[:, 0] = False  # a feature that no row has: its prior
    X = have * scales[:, None].astype(float)
    T, B, E = (rng.normal(size=(n, width)).astype(np.float32) for n in (7, n_features, n_features))
    R = (T - X @ B).astype(np.float32)
    feature, row = np.nonzero(have.T)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(feature, minlength=n_features))]).astype(np.int64)
    expected = naive.gibbs_weights(X, T.astype(float), B, 0.7, E.astype(float))
    cells = read_only(Cells(indptr, row.astype(np.int32), np.ones(len(row), np.float32)))
    gibbs.draw_weights(cells, scales, np.float32(0.7), E, R, B)
    np.testing.assert_allclose(B, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(B[0], E[0] / np.sqrt(0.7), rtol=1e-5)
    np.testing.assert_allclose(R, T - X @ expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "stride"), [(0, 1), (1, 1), (3, 1), (2, 3)])
def test_subtracted_lanes_compiled_and_in_python(dtype, n, stride):
    lanes = tile.VECTOR_BYTES // np.dtype(dtype).itemsize
    F = np.random.default_rng(0).normal(size=12 * lanes).astype(dtype)

    @njit
    def call(F, target, one, other, n, stride):
        tile.subtract_lanes(F, target, one, other, n, stride)

    expected, python, compiled = F.reshape(12, lanes).copy(), F.copy(), F.copy()
    for j in range(n):
        expected[8 + j] = expected[8 + j] - expected[0] * expected[1 + j * stride]
    tile.subtract_lanes(python, 8, 0, 1, n, stride)
    call(compiled, 8, 0, 1, n, stride)
    for found in (python, compiled):
        np.testing.assert_allclose(found, expected.reshape(-1), rtol=1e-5 if dtype == np.float32 else 1e-13)


@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(1, 5), k=st.integers(1, 7))
@settings(max_examples=20, deadline=None)
def test_rows_follow_their_prior_by_the_precision_they_have_of_it(gibbs, seed, n_rows, k):
    cells, (Q, h, g), (_, L), _ = problem(seed, n_rows, k)
    indptr, indices, _ = cells
    K = np.full((n_rows, k + 1, k + 1), np.nan, np.float32)
    cut = n_rows // 2
    for first, last in ((cut, n_rows), (0, cut)):
        gibbs.shrinkages(cells, Q, h, gibbs.Noise(g, np.float32(1.7)), L, first, last, K)
    for u in range(n_rows):
        own = indices[indptr[u] : indptr[u + 1]]
        Z = np.column_stack([Q[own, :-1], np.ones(len(own))]).astype(float)
        A = L + (Z.T * (1.7 * g[u] * h[own].astype(float))) @ Z
        np.testing.assert_allclose(K[u], np.linalg.solve(A, L.astype(float)), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_scaled_lanes_compiled_and_in_python(dtype, n):
    lanes = tile.VECTOR_BYTES // np.dtype(dtype).itemsize
    before = np.random.default_rng(n).normal(size=(8, lanes)).astype(dtype)
    expected = before.copy()
    expected[2 : 2 + n] *= before[1]
    run = njit(lambda F, target, one, n: tile.scale_lanes(F, target, one, n))
    for call in (run, tile.scale_lanes):
        found = before.ravel().copy()
        call(found, 2, 1, n)
        np.testing.assert_array_equal(found.reshape(before.shape), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copied_rows_compiled_and_in_python(dtype):
    lanes = tile.VECTOR_BYTES // np.dtype(dtype).itemsize
    rng = np.random.default_rng(0)
    Q, W, V = (rng.normal(size=(3, n * lanes)).astype(dtype) for n in (2, 3, 4))
    run = njit(lambda Q, i, factor, W, V, j: tile.copy_row(Q, i, factor, W, V, j))
    for call in (run, tile.copy_row):
        w, v = W.copy(), V.copy()
        call(Q, 2, dtype(1.5), w, v, 1)
        np.testing.assert_array_equal(w[1], np.append(Q[2], W[1, 2 * lanes :]))
        np.testing.assert_array_equal(v[1], np.append(dtype(1.5) * Q[2], V[1, 2 * lanes :]))
        for row in (0, 2):
            np.testing.assert_array_equal(w[row], W[row])
            np.testing.assert_array_equal(v[row], V[row])
