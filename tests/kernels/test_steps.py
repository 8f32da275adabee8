"""Steps on rows, by whole vectors: as the Python they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from palate.kernels.simd import steps


@njit
def compiled(P, Q, M, found):
    found[0] = steps.product(P, 1, Q, 2)
    found[2] = steps.step_pair(P, 0, Q, 1, P.dtype.type(3), P.dtype.type(0.5), P.dtype.type(0.9), P.dtype.type(0.25))
    found[1] = steps.difference_product(P, 1, Q, 2, 0)
    steps.step_triple(P, 1, Q, 2, 0, (P.dtype.type(0.9), P.dtype.type(0.8), P.dtype.type(0.7)), P.dtype.type(0.5))
    steps.step_one(P, 2, Q, 0, 1, P.dtype.type(0.6), P.dtype.type(0.3))
    steps.add_row(P, 2, M, P.dtype.type(0.1))
    steps.fetch_row(M, 0)


@pytest.mark.parametrize("n_factors", [1, 15, 16, 17, 100, 150])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_compiled_steps_are_the_python_ones(n_factors, dtype, tolerance):
    width = steps.padded_width(n_factors, np.dtype(dtype).itemsize)
    assert n_factors <= width < n_factors + 64 // np.dtype(dtype).itemsize
    rng = np.random.default_rng(0)
    P, Q, M = (steps.padded_rows(3, n_factors, dtype) for _ in range(3))
    for X in (P, Q, M):
        assert X.shape == (3, width)
        assert X.ctypes.data % 64 == 0
        X[:, :n_factors] = rng.normal(size=(3, n_factors))
    one, other = [X.copy() for X in (P, Q, M)], [X.copy() for X in (P, Q, M)]
    found, expected = np.zeros(3), np.zeros(3)
    compiled(*one, found)
    compiled.py_func(*other, expected)
    np.testing.assert_allclose(found, expected, rtol=10 * tolerance, atol=10 * tolerance)
    for new, wanted, before in zip(one, other, (P, Q, M), strict=True):
        np.testing.assert_allclose(new, wanted, rtol=tolerance, atol=tolerance)
        assert before is M or not np.array_equal(new, before)
        assert not new[:, n_factors:].any()


@pytest.mark.parametrize("n_factors", [1, 7, 16, 33])
def test_a_product_needs_no_padding(n_factors):
    rng = np.random.default_rng(1)
    P, Q = (rng.normal(size=(3, n_factors)) for _ in range(2))
    assert product(P, Q) == pytest.approx(P[1] @ Q[2])


@njit
def product(P, Q):
    return steps.product(P, 1, Q, 2)
