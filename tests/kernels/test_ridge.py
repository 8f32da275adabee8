"""Ridge regressions of rows: tiles, Cholesky, the two losses, priors, conjugate gradients; against NumPy."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_only import read_only

from palate.kernels import Cells
from palate.kernels.simd import tile


@pytest.fixture(scope="module")
def ridge(kernel):
    return kernel("ridge")


@pytest.fixture(scope="module")
def gradients(kernel):
    return kernel("simd.gradients")


def problem(seed, k, dtype=np.float64, n_rows=4, n_columns=9):
    """Return cells by row with weights, the fixed side, penalties and a prior; one row has no cell."""
    rng = np.random.default_rng(seed)
    counts = np.array([0, 1, *rng.integers(2, n_columns, n_rows - 2)])
    indices = np.concatenate([np.sort(rng.permutation(n_columns)[:n]) for n in counts]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    values = rng.uniform(1, 5, len(indices)).astype(np.float32)
    weights = rng.uniform(0.5, 2, len(indices)).astype(dtype)
    Q, c = rng.normal(0, 0.6, (n_columns, k)).astype(dtype), rng.normal(0, 0.3, n_columns).astype(dtype)
    penalties = rng.uniform(0.3, 2, n_rows).astype(dtype), rng.uniform(0.3, 2, n_rows).astype(dtype)
    prior = rng.normal(0, 1, (n_rows, k)).astype(dtype), rng.normal(0, 1, n_rows).astype(dtype)
    return read_only(((indptr, indices, values, weights), (Q, c), penalties, prior))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tile_is_the_product_compiled_and_in_python(dtype):
    rng = np.random.default_rng(0)
    step = tile.STEP_BYTES // np.dtype(dtype).itemsize
    V, W = rng.normal(size=(5, 2 * tile.ROWS)).astype(dtype), rng.normal(size=(5, 3 * step)).astype(dtype)
    A = rng.normal(size=(2 * tile.ROWS, 3 * step)).astype(dtype)
    expected = A.copy()
    expected[tile.ROWS :, step : 2 * step] += V[:4, tile.ROWS :].T @ W[:4, step : 2 * step]
    python, compiled = A.copy(), A.copy()
    tile.add_tile(V, W, python, 4, tile.ROWS, step)
    from numba import njit

    @njit
    def call(V, W, A, n, f, g):
        tile.add_tile(V, W, A, n, f, g)

    call(V, W, compiled, 4, tile.ROWS, step)
    for found in (python, compiled):
        np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == np.float32 else 1e-13)
    again = A.copy()
    call(V, W, again, 0, tile.ROWS, step)
    np.testing.assert_array_equal(again, A)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 40))
def test_cholesky_in_blocks_is_numpys(ridge, seed, k):
    rng = np.random.default_rng(seed)
    width = int(ridge.padded(k, 8))
    M = rng.normal(size=(k, k))
    A = np.zeros((width + tile.ROWS, width))
    A[:k, :k] = M @ M.T + np.eye(k)
    kept, x = A[:k, :k].copy(), rng.normal(size=k)
    found = x.copy()
    assert ridge.factorize(A, np.zeros((ridge.CELLS, width + tile.ROWS)), k)
    np.testing.assert_allclose(np.triu(A[:k, :k]), np.linalg.cholesky(kept).T, rtol=1e-8, atol=1e-10)
    square = ridge.substitute(A, found, k)
    np.testing.assert_allclose(found, np.linalg.solve(kept, x), rtol=1e-6, atol=1e-9)
    assert square == pytest.approx(x @ np.linalg.solve(kept, x))
    assert not ridge.factorize(-np.eye(width + tile.ROWS, width), np.zeros((ridge.CELLS, width + tile.ROWS)), k)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 20), weighted=st.booleans(), biases=st.booleans(), by=st.booleans())
def test_rows_of_ratings_are_the_naive_twins(ridge, seed, k, weighted, biases, by):
    cells, (Q, c), (reg, h), (M, N) = problem(seed, k)
    P, b = np.full((4, k), np.nan), np.full(4, np.nan)
    weights = cells[3] if weighted else None
    prior = ridge.PriorMeans(M, N) if by else None
    side = ridge.RatingColumns(Q, c, np.float64(3.1), biases)
    asked = Cells(*cells[:3]), weights, side, ridge.Penalties(reg, h), prior
    assert ridge.solve_ratings(*asked, 0, 4, P, b) == -1
    for u in range(4):
        part = slice(cells[0][u], cells[0][u + 1])
        w = weights[part] if weighted else np.ones(part.stop - part.start)
        t = cells[2][part].astype(float) - 3.1 - c[cells[1][part]]
        m = np.append(M[u], N[u] if biases else 0) if by else np.zeros(k + 1)
        if part.stop == part.start:  # the mean of the prior, whatever the penalties are
            np.testing.assert_allclose(np.append(P[u], b[u]), np.append(M[u], N[u]) if by else 0, atol=1e-12)
            continue
        x = naive.ridge_row(Q[cells[1][part]], t, w, reg[u], h[u] if biases else None, m)
        np.testing.assert_allclose(np.append(P[u], b[u]), x, rtol=1e-7, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 20), by=st.booleans())
def test_rows_of_clicks_are_the_naive_twins_and_their_losses_are_told(ridge, gradients, seed, k, by):
    cells, (Q, _), (reg, _), (M, _) = problem(seed, k)
    indptr, indices, _, weights = cells
    o = 0.3
    gram = np.zeros((max(ridge.padded(k, 8), -(-k // tile.ROWS) * tile.ROWS), ridge.padded(k, 8)))
    ridge.gram_part(Q, 0, len(Q), gram)
    np.testing.assert_allclose(np.triu(gram[:k, :k]), np.triu(Q.T @ Q), atol=1e-10)
    P, losses = np.full((4, k), np.nan), np.zeros(4)
    clicks, prior = Cells(indptr, indices, weights), M if by else None
    assert ridge.solve_clicks(clicks, ridge.ClickColumns(Q, read_only(o * gram), o), reg, prior, 0, 4, P, losses) == -1
    G = np.zeros((k, ridge.padded(k, 8)))
    G[:, :k] = o * Q.T @ Q
    by_steps, their = np.zeros((4, k)), np.zeros(4)
    asked = clicks, ridge.ClickColumns(Q, read_only(G), o), reg, prior
    gradients.improve_rows(*asked, gradients.Limits(200, 1e-14), 0, 4, by_steps, their)
    np.testing.assert_allclose(by_steps, P, rtol=1e-6, atol=1e-8)
    few, now = np.zeros((4, k)), np.zeros(4)
    gradients.improve_rows(*asked, gradients.Limits(2, 0.0), 0, 4, few, now)
    for u in range(4):
        part = slice(indptr[u], indptr[u + 1])
        mean = M[u] if by else np.zeros(k)

        def loss(p, part=part, mean=mean, u=u):
            return naive.click_loss(p, Q, indices[part], weights[part], o) + reg[u] * ((p - mean) ** 2).sum()

        if u == 0:  # without a cell: the mean of its prior, and no loss
            assert losses[0] == their[0] == now[0] == 0
            for found in (P[0], by_steps[0], few[0]):
                np.testing.assert_array_equal(found, mean)
            continue
        lowest = loss(P[u])
        assert losses[u] == pytest.approx(lowest, rel=1e-9, abs=1e-9)
        assert their[u] == pytest.approx(lowest, rel=1e-7, abs=1e-9)
        assert now[u] == pytest.approx(loss(few[u]), rel=1e-9, abs=1e-9)
        assert now[u] >= lowest - 1e-9
        rng = np.random.default_rng(seed)
        for _ in range(10):
            assert loss(P[u] + 1e-3 * rng.normal(size=k)) > lowest


def test_a_row_without_a_solution_is_named(ridge):
    cells, (Q, c), (reg, h), _ = problem(0, 6)
    P, b = np.zeros((4, 6)), np.zeros(4)
    none = read_only(-100 * np.ones(4))
    for biases, penalties in ((False, ridge.Penalties(none, h)), (True, ridge.Penalties(reg, none))):
        side = ridge.RatingColumns(Q, c, 0.0, biases)
        assert ridge.solve_ratings(Cells(*cells[:3]), cells[3], side, penalties, None, 0, 4, P, b) == 1


def test_many_cells_are_added_block_by_block(ridge):
    rng = np.random.default_rng(1)
    n, k = 3 * ridge.CELLS + 5, 7
    Q, c = read_only((rng.normal(size=(n, k)), np.zeros(n)))
    values = rng.normal(size=n).astype(np.float32)
    cells = read_only(Cells(np.array([0, n]), np.arange(n, dtype=np.int32), values))
    P, b = np.zeros((1, k)), np.zeros(1)
    penalties = read_only(ridge.Penalties(np.array([2.0]), np.array([3.0])))
    ridge.solve_ratings(cells, None, ridge.RatingColumns(Q, c, np.float64(0.5), True), penalties, None, 0, 1, P, b)
    x = naive.ridge_row(Q, values.astype(float) - 0.5, np.ones(n), 2.0, 3.0, np.zeros(k + 1))
    np.testing.assert_allclose(np.append(P[0], b[0]), x, rtol=1e-8)


def test_prior_means_are_the_product(kernel):
    rng = np.random.default_rng(2)
    F, W = rng.normal(size=(5, 3)), rng.normal(size=(3, 4))
    F[2, 1] = 0
    M = np.empty((5, 4))
    kernel("prior").means(F, read_only(W), M)
    np.testing.assert_allclose(M, F @ W, atol=1e-14)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_rows_of_weights_are_the_product_dense_and_sparse(kernel, seed):
    weights = kernel("weights")
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 2, (6, 11)).astype(np.float32) * (rng.random((6, 11)) < 0.6)
    B = rng.normal(size=(11, 11)).astype(np.float32) * (rng.random((11, 11)) < 0.5)
    rows, weights_of = compressed(X), compressed(B)
    users = np.array([4, 0, 0, 5], np.int32)
    dense, sparse = np.empty((4, 11), np.float32), np.empty((4, 11), np.float32)
    for intercepts in (np.zeros(0), rng.normal(size=11)):
        weights.scores(rows, read_only(B), read_only(intercepts), users, dense)
        weights.scores_sparse(rows, weights_of, read_only(intercepts), users, sparse)
        expected = X[users] @ B + (X[users].any(axis=1)[:, None] * intercepts if len(intercepts) else 0)
        np.testing.assert_allclose(dense, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(sparse, expected, rtol=1e-4, atol=1e-5)
    alone = np.empty((1, 11), np.float32)
    weights.scores(rows, read_only(B), read_only(intercepts), users[:1], alone)
    np.testing.assert_array_equal(alone[0], dense[0])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_ease_from_co_occurrences_to_weights(kernel, seed):
    weights = kernel("weights")
    rng = np.random.default_rng(seed)
    X = (rng.random((12, 40)) < 0.3) * rng.uniform(0.5, 2, (12, 40)).astype(np.float32)
    G = np.empty((40, 40))
    for first, last in ((0, 17), (17, 40)):
        weights.co_occurrences(compressed(X.T), compressed(X), first, last, G)
    np.testing.assert_allclose(G, X.T @ X, rtol=1e-6)
    P = np.linalg.inv(G + 3 * np.eye(40))
    B = np.tril(P)
    for first, last in ((0, 13), (13, 40)):
        weights.ease_weights(B, P.diagonal().copy(), first, last)
    expected = -P / P.diagonal()
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(B, expected, rtol=1e-9, atol=1e-12)


def compressed(X):
    """Return compressed rows of a matrix."""
    row, column = np.nonzero(X)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(X)))]).astype(np.int64)
    return read_only(Cells(indptr, column.astype(np.int32), np.asarray(X[row, column], np.float32)))
