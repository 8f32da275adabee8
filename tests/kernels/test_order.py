from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def order(kernel):
    return kernel("order")


@given(keys=st.lists(st.integers(0, 6), max_size=40))
def test_a_stable_order_is_numpys(order, keys):
    keys = np.array(keys, np.int32)
    found, starts = order.stable_order(keys, 7)
    np.testing.assert_array_equal(found, np.argsort(keys, kind="stable"))
    np.testing.assert_array_equal(starts, np.searchsorted(np.sort(keys), np.arange(8)))


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=5), n_streams=st.integers(1, 5))
def test_dealing_keeps_each_group_and_takes_from_its_parts_in_turn(order, sizes, n_streams):
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    given_order = np.arange(starts[-1]) + 100
    found = order.dealt(given_order, starts, n_streams)
    for start, stop in pairwise(starts.tolist()):
        group = given_order[start:stop].tolist()
        length = -(-len(group) // n_streams)
        parts = [group[n * length : (n + 1) * length] for n in range(n_streams)]
        expected = [part[n] for n in range(length) for part in parts if n < len(part)]
        assert found[start:stop].tolist() == expected
