"""The fingerprint changes with every change of the rows, and with nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import interactions

from palate.data.fingerprint import fingerprint
from palate.errors import DataError

ROWS = {"users": [1, 1, 2], "items": [5, 6, 5], "values": [3, 4, 5], "times": [7, 8, 9]}


def made(**changes):
    return interactions(**{**ROWS, **changes})


def test_it_stays_the_same_from_release_to_release():
    assert fingerprint(made()) == "eeaea6cc1ef056e6d6d6706bface3acde080f54cb4ec7f237dc996032386fff9"
    assert (
        fingerprint(made(users=["a", "a", "bé"])) == "49f5e17e9186abeb7c84c2d7db6287443e12f1c1638bc4de30b23e3227741948"
    )


def test_the_same_rows_have_the_same_one():
    assert fingerprint(made()) == fingerprint(made())
    assert fingerprint(replace(made(), rating_range=(1, 5), dropped={"x": 1})) == fingerprint(made())


@pytest.mark.parametrize(
    "other",
    [
        {"users": [1, 1, 3]},
        {"users": ["1", "1", "2"]},
        {"items": [5, 6, 7]},
        {"values": [3, 4, 4]},
        {"times": [7, 8, 10]},
        {"times": None},
        {"users": ["a", "ab", "b"]},
        {"users": ["aa", "b", "b"]},
    ],
)
def test_every_change_is_seen(other):
    assert fingerprint(made(**other)) != fingerprint(made())


def test_order_counts_and_texts_are_not_run_together():
    data = made()
    assert fingerprint(data.take(np.array([0, 2, 1]))) != fingerprint(data)
    assert fingerprint(made(users=["ab", "c", "c"])) != fingerprint(made(users=["a", "bc", "bc"]))


def test_a_table_has_none():
    with pytest.raises(DataError, match="interactions must be Interactions, got dict"):
        fingerprint(ROWS)
