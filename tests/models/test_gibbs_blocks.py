"""The Gibbs sampler's rows by blocks: the draws of one machine, and its hyperparameters from sums over blocks."""

from __future__ import annotations

import numpy as np
import pytest

from palate.kernels import gibbs, keyed
from palate.kernels.prior import means
from palate.models.bayes.hyper import GroupSums, Hyper, RowSums, draw_prior, joined, row_sums
from palate.models.bayes.side import draw_rows
from palate.parallel import Workers, single_blas_thread
from palate.sparse import Rows

N_ROWS, N_COLUMNS, D = 50, 20, 6
SEED, SWEEP = 11, 3


def drawn(own, n_threads=1):
    """Return the draws of some of the rows, and their means, as a task would that knows their cells alone."""
    rng = np.random.default_rng(0)
    cells = np.unique(rng.integers(0, N_ROWS * N_COLUMNS, 300))
    values = rng.uniform(1, 5, len(cells)).astype(np.float32)
    rows = Rows.from_cells(*np.divmod(cells, N_COLUMNS), N_ROWS, N_COLUMNS, values).take(own)
    X, scales = rng.normal(size=(N_COLUMNS, D)).astype(np.float32), rng.uniform(0.5, 2, N_COLUMNS).astype(np.float32)
    M, g = rng.normal(size=(N_ROWS, D)).astype(np.float32)[own], rng.uniform(0.5, 2, N_ROWS).astype(np.float32)[own]
    L = np.eye(D, dtype=np.float32) + np.float32(0.1)
    needed = np.zeros(N_COLUMNS, bool)
    needed[rows.indices] = True
    LM = np.empty_like(M)
    means(M, L, LM)  # in a fixed order of operations, where BLAS may take another one for another number of rows
    E = keyed.normals(SEED, SWEEP, own, D, np.float32)
    rows, other = rows.select(needed), (X[needed], scales[needed])
    with Workers(n_threads) as workers:
        noise, prior = gibbs.Noise(g, np.float32(1.3)), gibbs.RowPrior(LM, L)
        return draw_rows(rows, rows.values - np.float32(3), other, noise, prior, E, workers)


@pytest.mark.parametrize("n", [1, 3, 16])
def test_draws_of_blocks_have_the_bits_of_all_rows(n):
    whole = drawn(np.arange(N_ROWS))
    for block in range(n):
        own = np.arange(block, N_ROWS, n)
        for part, every in zip(drawn(own), whole, strict=True):
            np.testing.assert_array_equal(part, every[own])


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_draws_of_blocks_do_not_depend_on_threads(n_threads):
    for part, every in zip(drawn(np.arange(9), n_threads), drawn(np.arange(9)), strict=True):
        np.testing.assert_array_equal(part, every)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_prior_is_drawn_from_sums_of_blocks(n):
    R = np.random.default_rng(1).normal(2, 1, (N_ROWS, D))
    whole = row_sums(R.copy())
    parts = [row_sums(R[block::n].copy()) for block in range(n)]
    added = joined([row_sums(np.zeros((0, D))), *parts, row_sums(np.zeros((0, D)))])
    assert added.n == whole.n == N_ROWS
    np.testing.assert_allclose(added.mean, R.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(added.scatter, np.cov(R.T) * (N_ROWS - 1), rtol=1e-10)
    groups = [GroupSums(4, 0.5 * np.eye(D))]
    drawn_of = [draw_prior(sums, groups, Hyper(), np.random.default_rng(2)) for sums in (whole, added)]
    for one, other in zip(*drawn_of, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_side_without_rows_draws_from_the_prior_alone():
    none = joined([row_sums(np.zeros((0, D)))])
    assert none.n == 0
    rng = np.random.default_rng(3)
    hyper = Hyper(wishart_scale=2.0, wishart_df=5.0)
    with single_blas_thread():
        L = np.mean([draw_prior(none, [], hyper, rng)[1] for _ in range(300)], axis=0)
        np.testing.assert_allclose(L, (D + 5) / 2 * np.eye(D), atol=0.7)  # the mean of a Wishart: df times its scale
        m = np.array([draw_prior(RowSums(1, np.ones(D), np.zeros((D, D))), [], hyper, rng)[0] for _ in range(300)])
        np.testing.assert_allclose(m.mean(axis=0), 0.5, atol=0.1)  # one row at 1 and a prior of one row at 0
