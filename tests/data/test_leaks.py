"""Shared pairs and the future are found, counted and refused."""

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import interactions, low_rank

from palate.data.splits.leaks import check_parts, check_time, overlap, without_overlap
from palate.errors import DataError
from palate.evaluation import evaluate, measure
from palate.models import Baseline


def parts(train_rows, test_rows):
    data = low_rank()
    return data.take(np.array(train_rows)), data.take(np.array(test_rows))


@given(st.lists(st.integers(0, 99), min_size=1, max_size=40), st.lists(st.integers(0, 99), min_size=1, max_size=40))
def test_shared_pairs_are_found(train_rows, test_rows):
    train, test = parts(train_rows, test_rows)
    expected = [row in set(train_rows) for row in test_rows]
    assert overlap(train, test).tolist() == expected
    left = without_overlap(train, test)
    assert left.item_index.tolist() == test.item_index[~np.array(expected)].tolist()
    if not any(expected):
        check_parts(train, test, "mine")
        return
    with pytest.raises(
        DataError, match=f"^mine: {sum(expected)} of {len(test_rows)} test rows are also in the training"
    ):
        check_parts(train, test, "mine")


def test_the_message_names_a_pair_and_the_way_out():
    train, test = parts([1, 2], [3, 2])
    user, item = (ids.values[int(i)] for ids, i in ((test.users, test.user_index[1]), (test.items, test.item_index[1])))
    with pytest.raises(DataError) as error:
        evaluate(Baseline(), train, test, name="mine")
    assert str(error.value) == (
        f"mine: 1 of 2 test rows are also in the training part, such as user {user} and item {item}: figures on them "
        "would say nothing; take them out with on_overlap='drop', or with test = without_overlap(train, test) of "
        "palate.data.splits.leaks"
    )
    model = Baseline().fit(train)
    assert measure(model, train, without_overlap(train, test), ["mae"]).values["mae"] >= 0


def test_nothing_to_share():
    train, test = parts([1], [2])
    assert not overlap(train.take(np.array([], int)), test).any()


def test_equal_times_are_no_future():
    data = interactions([1, 2, 3], [1, 2, 3], [3] * 3, times=[5, 5, 6])
    check_time(data.take(np.array([0])), data.take(np.array([1])), "mine")
    with pytest.raises(
        DataError, match=r"1 of 1 training rows are later .* 1970-01-01 00:00:06 after 1970-01-01 00:00:05"
    ):
        check_time(data.take(np.array([2])), data.take(np.array([1])), "mine")


def test_the_former_place_still_works_and_warns():
    with pytest.warns(DeprecationWarning, match=r"palate\.data\.leaks is palate\.data\.splits\.leaks now"):
        former = importlib.import_module("palate.data.leaks")
    assert former.without_overlap is without_overlap
