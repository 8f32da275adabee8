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


@given(data=st.data(), numbers=st.lists(st.integers(-4, 4) | st.floats(-1, 1), min_size=1, max_size=60))
def test_nth_largest_is_that_of_the_full_sort(order, data, numbers):
    n = data.draw(st.integers(1, len(numbers)))
    values = np.append(np.array(numbers, np.float64), [9.0, -9.0])  # beyond the size: not looked at
    assert order.nth_largest(values, len(numbers), n) == sorted(numbers)[-n]
    assert sorted(values[:-2].tolist()) == sorted(numbers)
    assert values[-2:].tolist() == [9.0, -9.0]


@given(keys=st.lists(st.integers(0, 999), unique=True, max_size=200))
def test_sort_pairs_takes_values_with_their_keys(order, keys):
    sorted_keys = np.append(np.array(keys, np.int64), -1)
    values = np.append(np.array(keys, np.float64) / 2, -1)
    order.sort_pairs(sorted_keys, values, len(keys))
    assert sorted_keys.tolist() == [*sorted(keys), -1]
    np.testing.assert_array_equal(values[:-1], sorted_keys[:-1] / 2)
