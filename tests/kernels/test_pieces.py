"""Rows in pieces: sums over parts of a row's cells, and what is solved from them, against whole rows and NumPy."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_only import read_only

from palate.kernels import Cells, ridge
from palate.kernels.simd import gradients
from palate.kernels.simd.tile import ROWS

MEAN, UNOBSERVED = 3.1, 0.3
EXACT = {np.float64: {"rtol": 1e-9, "atol": 1e-9}, np.float32: {"rtol": 1e-4, "atol": 1e-4}}  # by the type of numbers


@pytest.fixture(scope="module")
def dtype(typed):
    return typed[1]


@pytest.fixture(scope="module")
def pieces(typed):
    """Return the module; where it is Python, so is what it is made of."""
    kernel, _ = typed
    module = kernel("pieces")
    if not hasattr(module._sum_ratings, "py_func"):
        for part in (kernel("ridge"), kernel("simd.gradients")):
            for name, value in vars(part).items():
                if hasattr(getattr(module, name, None), "py_func"):
                    setattr(module, name, value)
    return module


class Problem:
    """Rows of cells on a few columns; the first row has none."""

    def __init__(self, seed: int, k: int, dtype, n_rows: int = 4, n_columns: int = 90) -> None:
        rng = np.random.default_rng(seed)
        counts = np.array([0, 1, *rng.integers(2, n_columns, n_rows - 2)])
        self.k, self.dtype = k, np.dtype(dtype).type
        self.indices = np.concatenate([np.sort(rng.permutation(n_columns)[:n]) for n in counts]).astype(np.int32)
        self.indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.values = rng.uniform(1, 5, len(self.indices)).astype(np.float32)
        self.weights = rng.uniform(0.5, 2, len(self.indices)).astype(dtype)
        self.Q = rng.normal(0, 0.6, (n_columns, k)).astype(dtype)
        self.c = rng.normal(0, 0.3, n_columns).astype(dtype)
        self.l, self.h = (rng.uniform(0.5, 2, n_rows).astype(dtype) for _ in range(2))
        self.M, self.N = rng.normal(0, 1, (n_rows, k)).astype(dtype), rng.normal(0, 1, n_rows).astype(dtype)
        self.P = rng.normal(0, 0.5, (n_rows, k)).astype(dtype)
        self.gram = (UNOBSERVED * self.Q.T @ self.Q).astype(dtype)
        width = int(ridge.padded(k, self.Q.itemsize))
        self.padded = np.zeros((max(width, -(-k // int(ROWS)) * int(ROWS)), width), dtype)
        self.padded[:k, :k] = self.gram
        read_only((self.Q, self.c, self.l, self.h, self.M, self.N, self.gram, self.padded, self.weights, self.values))

    def side(self, biases: bool = True) -> ridge.RatingColumns:
        return ridge.RatingColumns(self.Q, self.c, self.dtype(MEAN), biases)

    def columns(self) -> ridge.ClickColumns:
        return ridge.ClickColumns(self.Q, self.padded, self.dtype(UNOBSERVED))

    def parts(self, n: int):
        """Yield the cells of which every n-th is one, and their weights."""
        rows = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        for part in range(n):
            own = np.arange(len(self.indices)) % n == part
            indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[own], minlength=len(self.indptr) - 1))])
            cells = Cells(indptr, self.indices[own], self.values[own])
            yield read_only(cells), read_only(self.weights[own])


def summed(problem, n, add):
    """Return the sums of n parts of the rows, added one after the other."""
    total = None
    for cells, weights in problem.parts(n):
        sums = np.full((4, problem.k * (problem.k + 1) // 2 + 2 * problem.k + 4), np.nan, problem.dtype)
        add(cells, weights, sums)
        total = sums if total is None else total + sums
    return read_only(total)


def rating_sums(pieces, problem, n, weighted=True):
    def add(cells, weights, sums):
        pieces.sum_ratings(cells, weights if weighted else None, problem.side(), 0, 4, sums)

    return summed(problem, n, add)


def click_sums(pieces, problem, n):
    def add(cells, weights, sums):
        pieces.sum_clicks(Cells(cells.indptr, cells.indices, weights), problem.columns(), 0, 4, sums)

    return summed(problem, n, add)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 20), n=st.integers(1, 4), weighted=st.booleans())
def test_sums_of_parts_are_the_naive_twins(pieces, dtype, seed, k, n, weighted):
    problem, exact = Problem(seed, k, dtype), EXACT[dtype]
    assert pieces.width(k) == k * (k + 1) // 2 + 2 * k + 4
    ratings, clicks = rating_sums(pieces, problem, n, weighted), click_sums(pieces, problem, n)
    for u in range(4):
        part = slice(problem.indptr[u], problem.indptr[u + 1])
        Q, w = problem.Q[problem.indices[part]], problem.weights[part]
        ones = np.ones(len(w))
        t = problem.values[part].astype(float) - MEAN - problem.c[problem.indices[part]]
        weights = w if weighted else ones
        np.testing.assert_allclose(ratings[u], naive.sums_of_row(Q, weights, weights * t, t), **exact)
        expected = naive.sums_of_row(Q, w, UNOBSERVED + w, ones)
        expected[-4:] = 0, 0, (UNOBSERVED + w).sum(), len(w)
        np.testing.assert_allclose(clicks[u], expected, **exact)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 20), biases=st.booleans(), by=st.booleans(), n=st.integers(1, 3))
def test_rows_solved_from_sums_are_those_of_their_cells(pieces, dtype, seed, k, biases, by, n):
    problem, exact = Problem(seed, k, dtype), EXACT[dtype]
    penalties, prior = ridge.Penalties(problem.l, problem.h), ridge.PriorMeans(problem.M, problem.N) if by else None
    P, b, losses = np.full((4, k), np.nan, dtype), np.full(4, np.nan, dtype), np.full(4, np.nan)
    sums = rating_sums(pieces, problem, n)
    assert pieces.solve_ratings(sums, penalties, prior, biases, 0, 4, P, b, losses) == -1
    whole, their = np.zeros((4, k), dtype), np.zeros(4, dtype)
    cells = read_only(Cells(problem.indptr, problem.indices, problem.values))
    asked = cells, problem.weights, problem.side(biases), penalties, prior
    assert ridge.solve_ratings(*asked, 0, 4, whole, their) == -1
    close(P, whole, exact["rtol"])
    close(b, their, exact["rtol"])
    for u in range(1, 4):
        part = slice(problem.indptr[u], problem.indptr[u + 1])
        i = problem.indices[part]
        t = problem.values[part].astype(float) - MEAN - problem.c[i]
        m, mean = (problem.M[u], problem.N[u]) if by else (0, 0)
        loss = (problem.weights[part] * (t - b[u] - problem.Q[i] @ P[u]) ** 2).sum()
        loss += problem.l[u] * ((P[u] - m) ** 2).sum() + (problem.h[u] * (b[u] - mean) ** 2 if biases else 0)
        assert losses[u] == pytest.approx(loss, rel=10 * exact["rtol"], abs=10 * exact["atol"])
    assert losses[0] == 0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 20), by=st.booleans(), n=st.integers(1, 3))
def test_clicks_from_sums_are_those_of_their_cells_and_so_are_steps(pieces, dtype, seed, k, by, n):
    problem, near = Problem(seed, k, dtype), 1e-12 if dtype is np.float64 else 1e-5
    M = problem.M if by else None
    sums = click_sums(pieces, problem, n)
    cells = read_only(Cells(problem.indptr, problem.indices, problem.weights))
    P, losses, whole, their = (np.zeros((4, k), dtype), np.zeros(4), np.zeros((4, k), dtype), np.zeros(4))
    assert pieces.solve_clicks(sums, problem.padded, problem.l, M, 0, 4, P, losses) == -1
    assert ridge.solve_clicks(cells, problem.columns(), problem.l, M, 0, 4, whole, their) == -1
    close(P, whole, 10 * near)
    close(losses, their, 10 * near)
    wide = np.zeros((k, problem.padded.shape[1]), dtype)
    wide[:, :k] = problem.gram
    side = ridge.ClickColumns(problem.Q, read_only(wide), problem.dtype(UNOBSERVED))
    for steps in (0, 1, 3):
        P, whole = problem.P.copy(), problem.P.copy()
        limits = gradients.Limits(steps, problem.dtype(0))
        pieces.improve_clicks(sums, problem.gram, problem.l, M, limits, 0, 4, P, losses)
        gradients.improve_rows(cells, side, problem.l, M, limits, 0, 4, whole, their)
        close(P, whole, near)
        close(losses, their, near)
    u, A = 3, problem.gram + np.diag(np.full(k, problem.l[3]))
    part = slice(problem.indptr[u], problem.indptr[u + 1])
    own, w = problem.Q[problem.indices[part]], problem.weights[part]
    right = (UNOBSERVED + w) @ own + (problem.l[u] * problem.M[u] if by else 0)
    steps = min(3, k)
    P, limits = problem.P.copy(), gradients.Limits(steps, problem.dtype(0))
    pieces.improve_clicks(sums, problem.gram, problem.l, M, limits, 0, 4, P, losses)
    x = naive.conjugate_gradients(A + (own.T * w) @ own, right, problem.P[u], steps)
    np.testing.assert_allclose(P[u], x, rtol=1e-7 if dtype is np.float64 else 1e-3, atol=10 * EXACT[dtype]["atol"])


def close(found, expected, relative):
    """Compare to a share of the largest number: each row's own would ask for more than its arithmetic has."""
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * max(scale, 1e-3))


def test_steps_end_at_the_residual_that_is_asked_for(pieces, dtype):
    problem, near = Problem(3, 12, dtype), EXACT[dtype]["atol"]
    sums, ends = click_sums(pieces, problem, 2), np.zeros(4)
    exact, P = np.zeros((4, 12), dtype), np.zeros((4, 12), dtype)
    pieces.solve_clicks(sums, problem.padded, problem.l, None, 0, 4, exact, ends)
    pieces.improve_clicks(sums, problem.gram, problem.l, None, gradients.Limits(200, dtype(near)), 0, 4, P, ends)
    np.testing.assert_allclose(P, exact, rtol=1e-6 if dtype is np.float64 else 1e-3, atol=10 * near)
    again = exact.copy()
    pieces.improve_clicks(
        sums, problem.gram, problem.l, None, gradients.Limits(5, dtype(1e3 * near)), 0, 4, again, ends
    )
    np.testing.assert_array_equal(again, exact)  # where nothing is left to gain, not a bit changes


def test_a_row_of_sums_without_a_solution_is_named(pieces, dtype):
    problem = Problem(0, 6, dtype)
    P, b, losses = np.zeros((4, 6), dtype), np.zeros(4, dtype), np.zeros(4)
    none = read_only(-100 * np.ones(4, dtype))
    ratings, clicks = rating_sums(pieces, problem, 1), click_sums(pieces, problem, 1)
    for biases, penalties in ((False, (none, problem.h)), (True, (problem.l, none))):
        assert pieces.solve_ratings(ratings, ridge.Penalties(*penalties), None, biases, 0, 4, P, b, losses) == 1
    assert pieces.solve_clicks(clicks, problem.padded, none, None, 0, 4, P, losses) == 1


@pytest.mark.parametrize("by", [False, True])
def test_a_row_without_cells_is_the_mean_of_its_prior(pieces, dtype, by):
    problem = Problem(1, 5, dtype)
    P, b, losses = np.full((4, 5), np.nan, dtype), np.full(4, np.nan, dtype), np.full(4, np.nan)
    M, prior = (problem.M, ridge.PriorMeans(problem.M, problem.N)) if by else (None, None)
    expected = (problem.M[0], problem.N[0]) if by else (np.zeros(5, dtype), 0.0)
    ratings, clicks = rating_sums(pieces, problem, 2), click_sums(pieces, problem, 2)
    pieces.solve_ratings(ratings, ridge.Penalties(problem.l, problem.h), prior, True, 0, 1, P, b, losses)
    np.testing.assert_array_equal(np.append(P[0], [b[0], losses[0]]), [*expected[0], expected[1], 0])
    for solve in (
        lambda: pieces.solve_clicks(clicks, problem.padded, problem.l, M, 0, 1, P, losses),
        lambda: pieces.improve_clicks(
            clicks, problem.gram, problem.l, M, gradients.Limits(3, dtype(0)), 0, 1, P, losses
        ),
    ):
        P[:], losses[:] = np.nan, np.nan
        solve()
        np.testing.assert_array_equal(np.append(P[0], losses[0]), [*expected[0], 0])


def test_one_part_of_ratings_without_biases_gives_the_bits_of_the_row(pieces):
    problem = Problem(2, 17, np.float32)
    sums = rating_sums(pieces, problem, 1)
    P, whole, b = np.zeros((4, 17), np.float32), np.zeros((4, 17), np.float32), np.zeros(4, np.float32)
    penalties, prior = ridge.Penalties(problem.l, problem.h), ridge.PriorMeans(problem.M, problem.N)
    pieces.solve_ratings(sums, penalties, prior, False, 0, 4, P, b, np.zeros(4))
    cells = read_only(Cells(problem.indptr, problem.indices, problem.values))
    ridge.solve_ratings(cells, problem.weights, problem.side(False), penalties, prior, 0, 4, whole, b)
    if hasattr(pieces._solve_ratings, "py_func"):
        np.testing.assert_array_equal(P, whole)
    else:
        np.testing.assert_allclose(P, whole, rtol=1e-5)
