from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def layout(kernel):
    return kernel("layout")


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), m=st.integers(1, 9), spread=st.sampled_from([0.01, 1.0, 100.0]))
def test_pushes_are_the_sums_of_the_papers_equation(layout, seed, m, spread):
    points = np.random.default_rng(seed).normal(0, spread, (m, 2)).astype(np.float32)
    r, s, z = np.full((3, m), 7.0, np.float32)
    layout.push(np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1]), r, s, z)
    pushes, sums = naive.tsne_pushes(points)
    np.testing.assert_allclose(np.stack([r, s], 1), pushes, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(z, sums, rtol=1e-4, atol=1e-5)


def test_points_at_one_place_do_not_push_each_other(layout):
    x = np.zeros(3, np.float32)
    r, s, z = np.empty((3, 3), np.float32)
    layout.push(x, x, r, s, z)
    assert r.tolist() == s.tolist() == [0, 0, 0]
    assert z.tolist() == [2, 2, 2]
