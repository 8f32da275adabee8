"""Rows behind a log: its ids keep their places."""

import numpy as np
import pytest

from palate import Interactions
from palate.errors import DataError

LOG = Interactions.from_table({"user": ["b", "c"], "item": [2, 3], "rating": [4, 2]}, rating_range=(1, 5))


def rows_of(**columns):
    return Interactions.from_table(columns)


def test_new_ids_stand_behind_the_known_ones_sorted():
    both = LOG.append(rows_of(user=["d", "a", "b"], item=[2, 9, 1], rating=[1, 5, 3]))
    assert both.users.values.to_list() == ["b", "c", "a", "d"]
    assert both.items.values.to_list() == [2, 3, 1, 9]
    assert both.to_table().rows() == [("b", 2, 4), ("c", 3, 2), ("d", 2, 1), ("a", 9, 5), ("b", 1, 3)]
    assert both.rating_range == (1, 5)
    np.testing.assert_array_equal(both.user_index[:2], LOG.user_index)
    assert len(LOG) == 2
    assert LOG.append(rows_of(user=["b"], item=[3], rating=[1])).users is LOG.users


def test_pairs_that_stand_again_are_refused_or_merged():
    again = rows_of(user=["b"], item=[2], rating=[1])
    with pytest.raises(DataError, match="1 of 1 new rows have a user-item pair of the log: on_duplicate='last'"):
        LOG.append(again)
    for how, value in (("last", 1), ("mean", 2.5), ("sum", 5)):
        assert LOG.append(again, on_duplicate=how).to_table().rows() == [("b", 2, value), ("c", 3, 2)]
    with pytest.raises(DataError, match="after on_duplicate='sum' value is outside 1 to 5, such as 7"):
        LOG.append(rows_of(user=["b"], item=[2], rating=[3]), on_duplicate="sum")


def test_the_later_row_is_the_last_by_time():
    log = rows_of(user=[1], item=[1], rating=[4], time=[10**9])
    early = rows_of(user=[1], item=[1], rating=[2], time=[10**8])
    assert log.append(early, on_duplicate="last").values.tolist() == [4]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"user": [1], "item": [2], "rating": [3]}, "user ids are text in the log and integer in the new rows"),
        (
            {"user": ["x"], "item": [2], "rating": [3], "time": [10**9]},
            "the log without times, the other part with them",
        ),
        ({"user": ["x"], "item": [2], "rating": [9]}, "value is outside 1 to 5, such as 9"),
    ],
)
def test_rows_that_do_not_fit(rows, message):
    with pytest.raises(DataError, match=message):
        LOG.append(rows_of(**rows))
    with pytest.raises(DataError, match="rows must be Interactions, got dict"):
        LOG.append({"user": ["x"]})


def test_times_and_weights_are_joined():
    def weighed(user, weight):
        table = {"user": [user], "item": [1], "rating": [3], "time": [10**9], "w": [weight]}
        return Interactions.from_table(table, columns={"weight": "w"})

    both = weighed(1, 2).append(weighed(2, 3))
    assert both.weights.tolist() == [2, 3]
    assert both.times.tolist() == [10**9, 10**9]
    with pytest.raises(DataError, match="the new rows without weights"):
        weighed(1, 2).append(rows_of(user=[2], item=[1], rating=[3], time=[10**9]))
