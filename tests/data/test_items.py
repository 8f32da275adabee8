from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from palate.data.ids import Ids
from palate.data.items import attribute_table, item_table, matching_items
from palate.errors import DataError, ParameterError

IDS = Ids([10, 20, 30], "item")
TABLE = pl.DataFrame(
    {
        "item_id": [1, 2, 3, 4],
        "title": ["A", "B", "A=C", None],
        "year": [1990, 2000, None, 1990],
        "stars": [1.5, 2.5, 3.5, None],
        "released": [date(1990, 1, 1), date(2000, 6, 1), None, date(1991, 1, 1)],
        "genres": [["Comedy", "War"], ["War"], [], None],
        "made": [datetime(2020, 1, 1, 12), datetime(2020, 1, 2), None, datetime(2021, 1, 1)],
        "kind": pl.Series(["x", "y", "x", None], dtype=pl.Categorical),
    }
)


def keep(where) -> list[int]:
    return TABLE.filter(pl.Series(matching_items(TABLE, where)))["item_id"].to_list()


def test_one_row_an_item_in_index_order_with_all_columns():
    given = pl.DataFrame({"year": [3, 1, 9], "movie_id": [30, 10, 99], "title": ["Thirty", "Ten", "Beyond"]})
    table = item_table(IDS, given)
    assert table.columns == ["item_id", "title", "year"]
    assert table.rows() == [(10, "Ten", 1), (20, "20", None), (30, "Thirty", 3)]
    assert given.columns == ["year", "movie_id", "title"]


def test_without_a_table_or_titles_the_ids_stand_for_the_titles():
    assert item_table(IDS).rows() == [(10, "10"), (20, "20"), (30, "30")]
    assert item_table(IDS, {"item_id": [20], "year": [7]}).rows() == [(10, "10", None), (20, "20", 7), (30, "30", None)]
    assert item_table(Ids(["a"], "item"), {"item": ["a"], "title": [5]}).rows() == [("a", "5")]


def test_the_tables_other_columns_may_be_called_like_a_logs():
    given = {
        "item_id": [10],
        "item": ["x"],
        "rating": [4.0],
        "score": [1.0],
        "count": [9],
        "date": [1],
        "ts": [2],
        "user": [3],
    }
    table = item_table(IDS, given)
    assert table.columns == ["item_id", "title", "item", "rating", "score", "count", "date", "ts", "user"]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int32, pl.UInt32, pl.UInt64])
def test_integer_ids_of_any_width_are_taken(dtype):
    given = pl.DataFrame({"item_id": pl.Series([20], dtype=dtype), "title": ["Twenty"]})
    assert item_table(IDS, given)["title"].to_list() == ["10", "Twenty", "30"]


def test_categorical_ids_are_taken_as_text():
    given = pl.DataFrame({"item_id": pl.Series(["b"], dtype=pl.Categorical), "title": ["Bee"]})
    assert item_table(Ids(["a", "b"], "item"), given)["title"].to_list() == ["a", "Bee"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"title": ["A"]}, "the item table needs one column item_id with the items' ids; it has 'title'"),
        (
            {"movie": [10], "product": [10]},
            "the item table needs one column item_id with the items' ids; it has 'movie'",
        ),
        ({"item_id": [10, 20, 10]}, "the item table has id 10 more than once"),
        ({"item_id": ["10"]}, "the item table's ids are String, those of the ratings are Int64"),
        ({"item_id": [1, 2]}, r"the item table shares no id with the ratings \(such as 10\)"),
        (7, "cannot read a table from int"),
    ],
)
def test_faulty_tables_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        item_table(IDS, given)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("year=1990", [1, 4]),
        ("year==1990", [1, 4]),
        ("year == 1990", [1, 4]),
        ("year=1990.0", [1, 4]),
        (f"year<{2**63}", [1, 2, 4]),
        (f"year=-{2**70}", []),
        ("title==A", [1]),
        ("genres == War", [1, 2]),
        ("made=2020-01-01", [1]),
        ("made>2020-01-01", [2, 4]),
        ("made>2020-01-01T11:00+01:00", [1, 2, 4]),
        (["year==1990", pl.col("title") == "A"], [1]),
        ([pl.col("year") < 1991, pl.col("stars") > 0], [1]),
        ("year != 1990", [2]),
        ("year>1990", [2]),
        ("year>=1990", [1, 2, 4]),
        ("year<2000", [1, 4]),
        ("year<=2000", [1, 2, 4]),
        ("stars>1.5", [2, 3]),
        ("title=A=C", [3]),
        ("  title = B ", [2]),
        ("title>=B", [2]),
        ("kind=x", [1, 3]),
        ("genres=War", [1, 2]),
        ("genres!=War", [3]),
        ("released>=1991-01-01", [2, 4]),
        ("released=1990-01-01", [1]),
        (["genres=War", "year<2000"], [1]),
        ([], [1, 2, 3, 4]),
        (pl.col("year") + 1 > 1999, [2]),
        (pl.col("title").is_null(), [4]),
    ],
)
def test_conditions(where, expected):
    assert keep(where) == expected


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("Comedy", "cannot read the condition 'Comedy'; write it like genres=Comedy or year>=1990"),
        ("year=", "cannot read the condition 'year='"),
        *((f"year{odd}", f"cannot read the condition 'year{odd}'") for odd in ("===1990", "=>1990", "=<1", "=", "<>5")),
        *((f"year<={odd}", f"'year' holds Int64; cannot compare it with '{odd}'") for odd in ("nan", "inf", "1e999")),
        ("made>noon", "'made' holds Datetime(time_unit='us', time_zone=None); cannot compare it with 'noon'"),
        *((odd, "where= takes text such as 'year>=1990' or Polars expressions, got 5") for odd in (5, [5])),
        (b"year=1", "where= takes text such as 'year>=1990' or Polars expressions, got "),
        ("=1990", "cannot read the condition '=1990'"),
        ("mood=Glad", "the item table has no column 'mood'; it has item_id, title, year"),
        ("genres>War", "'genres' holds lists; ask with = or !=, not >"),
        ("year>=new", "'year' holds Int64; cannot compare it with 'new'"),
        ("released>1990", "'released' holds Date; cannot compare it with '1990'"),
        (pl.col("mood") == 1, "where= cannot be applied to the item table: "),
        (pl.col("year"), "where= "),
        (pl.col("year").max() > 1, "where= must give true or false for each item"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(where, message):
    with pytest.raises(ParameterError) as error:
        matching_items(TABLE, where)
    assert str(error.value).startswith(message)


def test_column_types_become_those_that_a_model_keeps():
    from datetime import UTC, datetime

    frame = pl.DataFrame(
        {
            "item_id": pl.Series([1, 2], dtype=pl.Int32),
            "price": [1.5, float("nan")],
            "kind": pl.Series(["a", "b"], dtype=pl.Categorical),
            "made": [datetime(2024, 1, 1, tzinfo=UTC), None],
        }
    )
    table = item_table(Ids([1, 2], "item"), frame)
    kinds = {"item_id": pl.Int64, "title": pl.String, "price": pl.Float64, "kind": pl.String, "made": pl.Datetime("us")}
    assert dict(table.schema) == kinds
    assert table["price"].to_list() == [1.5, None]


def test_a_column_that_a_model_cannot_keep_is_named():
    frame = pl.DataFrame({"item_id": [1], "box": [{"a": 1}]})
    with pytest.raises(DataError, match=r"column 'box' has type Struct.*: drop it, or cast it to text"):
        item_table(Ids([1], "item"), frame)


@pytest.mark.parametrize("where", ["genres=war", "genres!=war"])
def test_a_text_that_no_item_has_is_refused_with_those_there_are(where):
    table = pl.DataFrame({"item_id": [1, 2], "title": ["a", "b"], "genres": [["War"], ["Comedy"]]})
    with pytest.raises(ParameterError, match="no item has genres 'war'; there is Comedy, War"):
        matching_items(table, where)


def test_integers_are_compared_as_integers():
    table = pl.DataFrame({"item_id": [2**53, 2**53 + 1], "big": pl.Series([1, 2**64 - 1], dtype=pl.UInt64)})
    assert matching_items(table, f"item_id={2**53 + 1}").tolist() == [False, True]
    assert matching_items(table, "big=1").tolist() == [True, False]
    assert matching_items(table, f"big>{2**63 - 1}").tolist() == [False, True]


def test_a_title_must_be_text():
    with pytest.raises(DataError, match=r"the item table's column 'title' must hold text, not List\(String\): cast or"):
        item_table(IDS, {"item_id": [10], "title": [["Ran", "1985"]]})


@pytest.mark.parametrize("name", ["user_id", "uid", "Customer"])
def test_attributes_of_users_are_joined_by_their_ids(name):
    given = pl.DataFrame({"item": [7], name: pl.Series([20], dtype=pl.UInt16), "date": [1], "count": [2], "score": [3]})
    table = attribute_table(IDS, given, "user")
    assert table.columns == ["user_id", "item", "date", "count", "score"]
    assert table.rows() == [(10, None, None, None, None), (20, 7, 1, 2, 3), (30, None, None, None, None)]
    text = pl.DataFrame({"user": pl.Series(["b"], dtype=pl.Categorical), "age": [5]})
    assert attribute_table(Ids(["b"], "user"), text, "user").rows() == [("b", 5)]
    with pytest.raises(DataError, match="the user table needs one column user_id with the users' ids; it has 'age'"):
        attribute_table(IDS, {"age": [1]}, "user")
    with pytest.raises(DataError, match="the user table has id 10 more than once"):
        attribute_table(IDS, {"user_id": [10, 10]}, "user")


@pytest.mark.parametrize("name", ["name", "Book-Title", "movie_title", "track_name"])
def test_titles_are_found_by_their_usual_names_and_that_is_said(name, caplog):
    table = item_table(IDS, {"item_id": [10, 20], name: ["Ten", "Twenty"], "year": [1, 2]})
    assert table.columns == ["item_id", "title", "year"]
    assert table["title"].to_list() == ["Ten", "Twenty", "30"]
    assert f"the titles are those of '{name}'; for others, call the column of titles 'title'" in caplog.text


def test_a_table_without_titles_is_said_and_one_can_be_named(caplog):
    given = {"item_id": [10], "what": ["Ten"]}
    assert item_table(IDS, given)["title"].to_list() == ["10", "20", "30"]
    assert "has no column of titles, so ids stand for them: call the column of titles 'title'" in caplog.text
    assert item_table(IDS, given, title="what")["title"].to_list() == ["Ten", "20", "30"]
    assert item_table(IDS, {**given, "title": ["x"]}, title="what")["title"][0] == "Ten"
    with pytest.raises(DataError, match="the item table has no column 'who' of titles; it has 'what'"):
        item_table(IDS, given, title="who")


def test_ids_of_a_table_are_found_named_or_alone():
    for given, name in (({"anime_id": [10]}, None), ({"code": [10]}, "code"), ({"id": [10]}, None)):
        assert item_table(IDS, {**given, "title": ["Ten"]}, id_name=name)["title"][0] == "Ten"
    both = {"item_id": [1], "code": [10], "title": ["Ten"]}
    assert item_table(IDS, both, id_name="code")["title"][0] == "Ten"
    assert item_table(IDS, {"id": [10], "title": ["Ten"]}, id_name="absent")["title"][0] == "Ten"


def test_whole_numbers_name_ids_that_are_text():
    table = item_table(Ids(["7", "A7"], "item"), {"item_id": [7], "title": ["Seven"]})
    assert table["title"].to_list() == ["Seven", "A7"]


def test_rows_without_id_are_counted(caplog):
    table = item_table(IDS, {"item_id": [None, 10, None], "title": ["x", "Ten", "y"]})
    assert table["title"].to_list() == ["Ten", "20", "30"]
    assert "the item table: dropped 2 rows without id" in caplog.text


def test_a_text_that_no_item_has_is_a_slip_or_in_a_changing_catalogue_a_wish():
    table = pl.DataFrame({"item_id": [1, 2], "stock": ["none", None], "tags": [["a"], ["b"]]})
    for where, met in (("stock=here", []), ("stock!=here", [1]), ("tags=c", []), ("tags!=c", [1, 2])):
        with pytest.raises(ParameterError, match="no item has"):
            matching_items(table, where)
        assert table.filter(pl.Series(matching_items(table, where, known_values=False)))["item_id"].to_list() == met


def test_a_value_may_begin_with_a_sign_after_two_equals():
    table = pl.DataFrame({"item_id": [1, 2], "genres": [["<b>"], ["Drama"]]})
    assert matching_items(table, "genres==<b>").tolist() == [True, False]
    with pytest.raises(ParameterError, match="cannot read the condition 'genres=<b>'"):
        matching_items(table, "genres=<b>")
