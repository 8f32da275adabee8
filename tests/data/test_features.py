"""Features: numbers scaled, categories one-hot, lists multi-hot, what is missing named; the same for newcomers."""

import datetime

import numpy as np
import polars as pl
import pytest

from palate.data.features import Features, is_encoding
from palate.data.ids import Ids
from palate.errors import DataError

PEOPLE = {
    "user_id": [3, 1, 2, 4],
    "age": [20, 40, None, 30],
    "town": ["A", "B", None, "A"],
    "likes": [["Tea", "Rum"], [], ["Tea"], None],
    "vip": [True, False, True, True],
}


def test_a_table_becomes_named_numbers():
    found = Features.from_table(PEOPLE, "user")
    assert found.names == (
        *("all", "age", "age=missing", "town=A", "town=B", "town=missing"),
        *("likes=Rum", "likes=Tea", "likes=missing", "vip"),
    )
    spread = np.std([20, 40, 30])
    expected = [
        [1, -10 / spread, 0, 1, 0, 0, 1, 1, 0, 0.25 / 0.4330127],
        [1, 10 / spread, 0, 0, 1, 0, 0, 0, 0, -0.75 / 0.4330127],
        [1, 0, 1, 0, 0, 1, 0, 1, 0, 0.25 / 0.4330127],
        [1, 0, 0, 1, 0, 0, 0, 0, 1, 0.25 / 0.4330127],
    ]
    np.testing.assert_allclose(found.matrix, expected, rtol=1e-5)
    assert repr(found) == "Features(4 users, 10 columns)"
    np.testing.assert_array_equal(found.on(Ids([2, 3], "user")), found.matrix[[2, 0]])
    assert all(is_encoding(dict(spec)) for spec in found.encoding)


def test_newcomers_are_encoded_alike():
    found = Features.from_table(PEOPLE, "user")
    table = {"user_id": ["x"], "vip": [False], "age": [50], "town": ["C"], "likes": [["Rum", "Gin"]], "more": [1]}
    new = Features.from_table(table, "user", encoding=found.encoding)
    assert new.names == found.names
    row = dict(zip(new.names, new.matrix[0].tolist(), strict=True))
    assert row["age"] == pytest.approx(20 / np.std([20, 40, 30]))
    assert (row["town=A"], row["town=B"], row["town=missing"]) == (0, 0, 0)
    assert (row["likes=Rum"], row["likes=Tea"]) == (1, 0)


def test_texts_without_repeats_are_left_out_unless_named_and_days_are_numbers():
    table = pl.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "title": ["One", "Two", "Three"],
            "day": [datetime.date(1970, 1, 2), datetime.date(1970, 1, 4), None],
            "kind": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
            "empty": pl.Series([None, None, None], dtype=pl.String),
        }
    )
    assert Features.from_table(table, "item").names == ("all", "day", "day=missing", "kind=x", "kind=y")
    named = Features.from_table(table, "item", columns=["title"])
    assert named.names == ("all", "title=One", "title=Three", "title=Two")
    same = Features.from_table({"item_id": [1, 2], "n": [3, 3]}, "item")
    np.testing.assert_array_equal(same.matrix, [[1, 0], [1, 0]])


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({"user": [1], "age": [2]}, {"side": "person"}, "side must be 'user' or 'item', got 'person'"),
        ({"age": [2]}, {}, "the user table needs one column user_id"),
        ({"user_id": [1, 1], "age": [2, 3]}, {}, "user ids repeat"),
        ({"user_id": [1], "age": [2]}, {"columns": ["size"]}, "the user table has no column 'size'; it has age"),
        ({"user_id": [1, 2], "name": ["a", "b"]}, {}, "no column to make features of; it has user_id, name"),
        ({"user_id": [1, 2], "age": [1.0, float("inf")]}, {}, "column 'age' holds an infinite number"),
        ({"user_id": [1], "x": [{"a": 1}]}, {"columns": ["x"]}, "column 'x' has type Struct"),
    ],
)
def test_what_cannot_be_encoded_is_refused(table, options, message):
    with pytest.raises(DataError, match=message):
        Features.from_table(table, **{"side": "user", **options})


def test_tables_that_do_not_fit_an_encoding_or_the_ids_are_refused():
    found = Features.from_table(PEOPLE, "user")
    with pytest.raises(DataError, match="the user table lacks the column 'town'; it has age, likes, vip"):
        Features.from_table({k: v for k, v in PEOPLE.items() if k != "town"}, "user", encoding=found.encoding)
    with pytest.raises(DataError, match="column 'age' has type String, and was a number when the features were made"):
        Features.from_table({**PEOPLE, "age": ["x"] * 4}, "user", encoding=found.encoding)
    with pytest.raises(DataError, match="column 'age' holds an infinite number"):
        Features.from_table({**PEOPLE, "age": [float("inf")] * 4}, "user", encoding=found.encoding)
    with pytest.raises(DataError, match="2 users have no row in the table of features, such as 5, 6: add rows"):
        found.on(Ids([1, 5, 6], "user"))
    with pytest.raises(DataError, match="the user features' ids are integer, those of the ratings text"):
        found.on(Ids(["1"], "user"))


@pytest.mark.parametrize(
    "spec",
    [
        *(3, {}, {"column": "a", "missing": False, "kind": "number", "mean": 0.0, "scale": 0}),
        {"column": "a", "missing": 1, "kind": "category", "values": []},
        {"column": "a", "missing": True, "kind": "category", "values": [1]},
        {"column": "a", "missing": True, "kind": "code", "values": []},
        {"column": "a", "missing": True, "kind": "list", "values": [], "more": 1},
    ],
)
def test_encodings_from_outside_are_checked(spec):
    assert not is_encoding(spec)
