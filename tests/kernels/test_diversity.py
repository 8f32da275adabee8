from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_only import read_only


@pytest.fixture(scope="module")
def diversity(kernel):
    return kernel("diversity")


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), m=st.integers(1, 12), d=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_the_order_is_that_of_the_paper(diversity, seed, m, d):
    rng = np.random.default_rng(seed)
    r = np.sort(rng.integers(0, 5, m) / 4)[::-1]
    likeness = rng.integers(-4, 5, (m, m)) / 4
    likeness = (likeness + likeness.T) / 2
    order = np.empty(m, np.int64)
    diversity.reorder(*read_only((np.ascontiguousarray(r), likeness)), d, order)
    assert order.tolist() == naive.diversified(r.tolist(), likeness.tolist(), d)
    if d == 0:
        assert order.tolist() == list(range(m))
