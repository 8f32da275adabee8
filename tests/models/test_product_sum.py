"""The sketched sum of products, against the sum itself."""

from __future__ import annotations

import numpy as np
import pytest

from palate.models.bayes import product_sum
from palate.models.bayes.product_sum import ProductSum
from palate.parallel import GRAIN, Workers


def terms(n_rows, n_columns, rank, n=20, noise=0.3):
    """Return factors of products that share a mean."""
    rng = np.random.default_rng(0)
    P, Q = rng.standard_normal((n_rows, rank)), rng.standard_normal((n_columns, rank))
    draws = [(X + noise * rng.standard_normal((n, *X.shape))).astype(np.float32) for X in (P, Q)]
    return list(zip(*draws, strict=True))


def summed(parts, shape):
    total = ProductSum(*shape, parts[0][0].shape[1])
    for L, R in parts:
        total.add(L, R)
    return total


@pytest.mark.parametrize("shape", [(14, 11), (11, 14), (700, 30), (30, 700), (1, 5)])
def test_where_one_side_is_narrow_the_sum_is_exact(shape, monkeypatch):
    monkeypatch.setattr(product_sum, "WIDTH", 32)
    parts = terms(*shape, 3)
    left, right, error = summed(parts, shape).factors(99, len(parts))
    mean = np.mean([L.astype(float) @ R.T for L, R in parts], axis=0)
    np.testing.assert_allclose(left @ right.T, mean, atol=2e-5)
    assert error < 2e-5


@pytest.mark.parametrize("room", [1, 7, 9])
def test_how_much_is_gathered_changes_nothing(room, monkeypatch):
    monkeypatch.setattr(product_sum, "BUFFER", room)
    parts = terms(8, 9, 3, n=5)
    left, right, _ = summed(parts, (8, 9)).factors(8, 5)
    np.testing.assert_allclose(left @ right.T, np.mean([L @ R.T for L, R in parts], axis=0), atol=2e-5)


def test_a_wide_sum_is_near_and_says_how_near(monkeypatch):
    monkeypatch.setattr(product_sum, "WIDTH", 48)
    parts = terms(300, 200, 6)
    mean = np.mean([L.astype(float) @ R.T for L, R in parts], axis=0)
    left, right, told = summed(parts, mean.shape).factors(24, len(parts))
    missed = np.sqrt(np.mean((mean - left @ right.T) ** 2))
    S = np.linalg.svd(mean, compute_uv=False)
    least = np.sqrt((S[24:] ** 2).sum() / mean.size)
    assert missed < 2 * least
    assert told == pytest.approx(missed, rel=0.1)
    monkeypatch.setattr(product_sum, "WIDTH", 200)  # now one side is narrow, and only the cut is left out
    left, right, told = summed(parts, mean.shape).factors(24, len(parts))
    assert np.sqrt(np.mean((mean - left @ right.T) ** 2)) == pytest.approx(least, rel=1e-3)
    assert told == pytest.approx(least, rel=0.1)


def test_blocks_threads_and_halves_of_a_sum_say_the_same(monkeypatch):
    monkeypatch.setattr(product_sum, "WIDTH", 16)
    monkeypatch.setattr(GRAIN, "asked", 16)
    monkeypatch.setattr(product_sum, "HELD", 3)
    parts = terms(150, 90, 5, n=4)
    whole = summed(parts, (150, 90))
    half = summed(parts[:2], (150, 90))
    half.join(summed(parts[2:], (150, 90)))
    L, R = (np.hstack(side) for side in zip(*parts, strict=True))
    found = []
    for n_threads in (1, 2, 3):
        total = ProductSum(150, 90, 5)
        with Workers(n_threads) as workers:
            total.add_blocks(L.__getitem__, R, workers)
        found.append(total.factors(8, 4))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    for total in (whole, half):
        left, right, _ = total.factors(8, 4)
        np.testing.assert_allclose(left @ right.T, found[0][0] @ found[0][1].T, atol=1e-4)


def test_a_sum_of_nothing_is_nothing():
    left, right, error = ProductSum(4, 3, 2).factors(2, 1)
    assert not (left @ right.T).any()
    assert error == 0
