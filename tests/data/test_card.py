import json
from dataclasses import replace

import numpy as np
import pytest

from palate import Interactions
from palate.data.card import card
from palate.errors import DataError


@pytest.fixture
def log():
    rows = {
        "user": ["a", "a", "a", "b", "c", "c", ""],
        "item": [1, 2, 3, 1, 1, 2, 1],
        "rating": [1, 2, 3, 4, 4, 5, 5],
        "time": [0, 86_400, 0, 0, 0, 172_800, 0],
    }
    return Interactions.from_table(rows, on_missing="drop")


def test_card_counts(log):
    made = card(log)
    assert (made.users, made.items, made.ratings) == (3, 3, 6)
    assert made.sparsity == pytest.approx(1 - 6 / 9)
    assert made.mean == pytest.approx(19 / 6)
    assert made.histogram == [("1", 1), ("2", 1), ("3", 1), ("4", 2), ("5", 1)]
    assert list(made.per_user.values()) == [1, 1.5, 2, 2.5, 3]
    assert list(made.per_item.values()) == [1, 1.5, 2, 2.5, 3]
    assert (made.first, made.last) == ("1970-01-01", "1970-01-03")
    assert made.top == [("1", 3, 3), ("2", 2, 3.5), ("3", 1, 3)]
    assert made.notes == ("dropped 1 rows: user is missing",)


def test_card_is_json_and_reads_well(log):
    made = card(log)
    record = json.loads(json.dumps(made.to_dict()))
    assert record["ratings"] == 6
    assert record["histogram"][0] == ["1", 1]
    facts = dict(made.facts())
    assert facts["sparsity"] == "33.33%"
    assert facts["time span"] == "1970-01-01 to 1970-01-03"


def test_only_users_and_items_with_a_row_count(log):
    made = card(log.take(np.array([0, 3])))
    assert (made.users, made.items, made.ratings, made.sparsity) == (2, 1, 2, 0)
    assert made.per_item == dict.fromkeys(made.per_item, 2)
    assert made.top == [("1", 2, 2.5)]


def test_many_values_are_counted_in_bins_and_clicks_have_no_time_span():
    data = Interactions.from_table({"user": np.arange(100), "item": np.arange(100), "plays": np.arange(100) + 1})
    made = card(data)
    assert [count for _, count in made.histogram] == [10] * 10
    assert made.histogram[0][0] == "1 to 10.9"
    assert made.first is made.last is None
    assert "time span" not in dict(made.facts())


def test_card_of_movielens(movielens):
    made = card(movielens)
    assert (made.users, made.items, made.ratings) == (943, 1_681, 99_991)
    assert made.top[0] == ("Star Wars (1977)", 583, pytest.approx(4.3585, abs=1e-4))
    assert len(made.top) == 10
    assert (made.first, made.last) == ("1997-09-20", "1998-04-22")
    assert sum(count for _, count in made.histogram) == 99_991
    assert list(made.per_user.values()) == [20, 33, 65, 148, 737]
    assert made.notes == movielens.notes


def test_no_row_no_card(log):
    with pytest.raises(DataError, match="is empty: there is no rating to make a card of"):
        card(log.take(np.array([], int)))


def test_times_outside_all_dates_are_shown_as_seconds(log):
    odd = replace(log, times=np.array([-(10**15), *[0] * 4, 874_724_710_000]))
    assert (card(odd).first, card(odd).last) == ("-1000000000000000 s from 1970", "874724710000 s from 1970")


@pytest.mark.parametrize("values", [1e9 + 100 * np.arange(20), 16_000_000 + np.arange(5), [-3e38, 3e38, *range(20)]])
def test_labels_of_the_histogram_differ(values):
    rows = np.arange(len(values))
    made = card(Interactions.from_table({"user": rows, "item": rows, "rating": values}))
    assert len({label for label, _ in made.histogram}) == len(made.histogram) == min(10, len(np.unique(values)))
    assert sum(count for _, count in made.histogram) == len(rows)
