"""What is odd in data that are no fault is said in one line."""

import logging

import numpy as np
import pytest

from palate import Interactions
from palate.data.remarks import odd_value


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0] * 6 + [5, 6, 7, 8], 0),  # three fifths of zeros
        ([0] + [5, 6, 7, 8, 9, 10] * 2, 0),  # a gap below
        ([0, 1, 2, 3, 4, 5], None),
        ([0, 1] * 5, None),  # likes and dislikes
        ([0] * 9 + [1], None),
        ([-1] * 2 + [6, 7, 8, 9, 10], -1),
        ([-1, -0.5, 0, 0.5, 1], None),
        ([99, *range(-10, 11)], 99),
        ([-99, *range(-10, 11)], -99),
        ([0, 0, 0, 0.5, 1, 1.5], 0),
        ([1, 2, 3, 4, 5], None),
    ],
)
def test_values_apart_from_the_others(values, found):
    many = np.tile(np.array(values, np.float32), 20)
    mark = odd_value(many)
    assert (None if mark is None else mark[0]) == found
    if mark is not None:
        assert mark[1] == pytest.approx(np.mean(many == found))


def test_few_rows_and_rare_heights_say_nothing():
    assert odd_value(np.array([0, 0, 0, 4, 5], np.float32)) is None
    assert odd_value(np.array([1, 2, 3] * 20 + [5000], np.float32)) is None


def said_of(caplog, table, **options):
    with caplog.at_level(logging.WARNING, "palate"):
        Interactions.from_table(table, **options)
    return caplog.text


def test_a_pile_of_zeros_is_said_unless_the_range_holds_it(caplog):
    table = {"user": range(50), "item": range(50), "rating": [0, 0, 0, 4, 5] * 10}
    assert not said_of(caplog, table, rating_range=(0, 5))
    assert "60 % of the values are 0, apart from the others; if that means 'not rated'" in said_of(caplog, table)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ([5, 6], "all times lie near 1970, such as 6: seconds since 1970 are expected; columns={'time': None} leaves"),
        ([20_240_311, 20_240_312], "such as 20240312: write days as 2024-03-11"),
        ([5, 10**9], ""),
        ([10**9, 5], ""),
    ],
)
def test_times_near_1970_are_questioned(time, message, caplog):
    said = said_of(caplog, {"user": [1, 2], "item": [1, 2], "time": time})
    assert message in said
    assert bool(message) == bool(said)


def test_ids_with_spaces_and_rounded_numbers_are_said(caplog):
    said = said_of(caplog, {"user": ["ann", "ann "], "item": ["1.20564E+18", "1e5"]})
    assert "1 user ids have spaces around them, such as 'ann ', and stay so" in said
    assert "item ids such as '1.20564E+18' look like numbers that a spreadsheet rounded" in said
