"""Columns are found with certainty, or asked for by name; what is guessed is said."""

import logging

import pytest

from palate import Interactions
from palate.data.columns import find_columns
from palate.errors import DataError


@pytest.mark.parametrize(
    ("names", "numeric", "value", "said"),
    [
        (["User-ID", "ISBN", "Book-Rating"], ["Book-Rating"], "Book-Rating", "values are those of 'Book-Rating'"),
        (["user_id", "book_id", "my_rating"], ["my_rating"], "my_rating", "columns={'value': None} takes rows"),
        (["user_id", "book_id", "My Rating", "Average Rating"], [], "My Rating", "values are those of 'My Rating'"),
        (["user_id:token", "item_id:token", "rating:float"], [], "rating:float", ""),
        (["user", "item"], [], None, ""),
        (["", "user", "item"], [""], None, ""),
        (["Unnamed: 0", "index", "user", "item"], ["index"], None, ""),
        (["user", "item", "event"], [], None, "every row is a click of value 1; columns={'value': NAME} takes"),
        (["user", "item", "transactionid"], ["transactionid"], None, "values from 'transactionid'"),
    ],
)
def test_a_value_column_is_told_by_its_end_and_that_is_said(names, numeric, value, said, caplog):
    with caplog.at_level(logging.WARNING, "palate"):
        found = find_columns(names, numeric=numeric, source="a.csv")
    assert found.get("value") == value
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)


@pytest.mark.parametrize(
    ("names", "numeric", "message"),
    [
        (
            ["user", "item", "hours"],
            ["hours"],
            r"no column of values found among 'hours'; .*columns=\{'value': 'hours'\}",
        ),
        (["user", "item", "0"], ["0"], "no column of values found among '0'"),
        (["user", "item", "avg_rating"], ["avg_rating"], "no column of values found among 'avg_rating'"),
        (["user", "item", "my_rating", "her_rating"], [], r"\['my_rating', 'her_rating'\] could all be the value"),
        (["user", "user_id", "item"], [], r"\['user', 'user_id'\] could all be the user"),
        (["user", "item", *map(str, range(30))], [], ""),
    ],
)
def test_numbers_that_may_be_values_are_asked_for(names, numeric, message):
    if not message:
        return
    with pytest.raises(DataError, match=f"^a.csv: .*{message}"):
        find_columns(names, numeric=numeric, source="a.csv")


def test_columns_are_given_by_name_position_or_not_at_all():
    names = ["a", "b", "rating", "time", "3"]
    assert find_columns(names, {"user": 0, "item": "1", "value": None, "time": None}) == {"user": "a", "item": "b"}
    given = {"user": "a", "item": "b", "value": "3"}  # a name comes before a position
    assert find_columns(names, given) == {**given, "time": "time"}
    with pytest.raises(DataError, match="no column 5; the table has 'a', 'b', 'rating', 'time', '3'"):
        find_columns(names, {"user": 0, "item": 5})
    with pytest.raises(DataError, match="columns= cannot leave out the user: every row needs a user and an item"):
        find_columns(names, {"user": None})
    with pytest.raises(DataError, match="two columns have the name 'x'; say which by its position"):
        find_columns(["x", "x", "item"], {"user": "x"})


def test_long_lists_of_columns_are_cut_short():
    with pytest.raises(DataError, match="'19' and 180 more: say it with"):
        find_columns([str(k) for k in range(200)])


def test_a_frame_keeps_to_the_same_rules():
    table = {"user": [1, 2], "item": [1, 2], "liked": [True, False]}
    with pytest.raises(DataError, match="the table: no column of values found among 'liked'"):
        Interactions.from_table(table)
    assert Interactions.from_table(table, columns={"value": "liked"}).values.tolist() == [1, 0]
    assert Interactions.from_table(table, columns={"value": None}).values.tolist() == [1, 1]
