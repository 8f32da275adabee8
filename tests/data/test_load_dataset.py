"""One door to all data: names, folders, files, and tables joined by id."""

import polars as pl
import pytest

from palate.data.sources.loading import load_dataset
from palate.errors import DataError, ParameterError

LOG = "user,item,rating\n1,7,5\n1,8,3\n2,7,4\n"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


def test_a_file_is_a_data_set_with_bare_tables(log):
    data = load_dataset(str(log))
    assert data.name == "log.csv"
    assert len(data.interactions) == 3
    assert data.items["title"].to_list() == ["7", "8"]
    assert data.users.to_dict(as_series=False) == {"user_id": [1, 2]}


def test_tables_are_joined_by_id(log, tmp_path):
    (tmp_path / "items.csv").write_text("item,title,genre\n8,Eight,Drama\n7,Seven,Comedy\n9,Nine,Comedy\n")
    (tmp_path / "users.csv").write_text("user,age\n2,50\n")
    data = load_dataset(str(log), items=tmp_path / "items.csv", users=tmp_path / "users.csv")
    assert data.items["title"].to_list() == ["Seven", "Eight"]
    assert data.users.to_dict(as_series=False) == {"user_id": [1, 2], "age": [None, 50]}


def test_a_name_gives_movielens_with_or_without_the_incomplete_movie(movielens):
    assert len(load_dataset("ml-100k").interactions) == len(movielens.interactions) == 99_991
    assert len(load_dataset("ml-100k", all_rows=True).interactions) == 100_000


def test_a_folder_is_recognised(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,4.5,100\n2,10,0.5,200\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n10,Ten (1999),Comedy|Drama\n")
    data = load_dataset(str(tmp_path))
    assert data.items["genres"].to_list() == [["Comedy", "Drama"]]
    assert data.interactions.rating_range == (0.5, 5.0)


@pytest.mark.parametrize(
    ("users", "text"),
    [
        ("user,age\nann,5\n", "ids are String, those of the ratings are Int64"),
        ("user,age\n1,5\n1,6\n", "the user table has id 1 more than once"),
    ],
)
def test_faulty_user_tables_are_refused(log, tmp_path, users, text):
    (tmp_path / "users.csv").write_text(users)
    with pytest.raises(DataError, match=text):
        load_dataset(str(log), users=tmp_path / "users.csv")


def test_nothing_there_and_options_where_there_are_none(tmp_path):
    with pytest.raises(DataError, match="no data at 'nowhere': give ml-100k, a file of ratings, or a MovieLens folder"):
        load_dataset("nowhere")
    with pytest.raises(ParameterError, match="reading options are for files: ids"):
        load_dataset("ml-100k", ids="text")


def test_rows_left_out_are_noted(tmp_path):
    (tmp_path / "log.csv").write_text(LOG + ",9,1\n")
    data = load_dataset(str(tmp_path / "log.csv"), on_missing="drop")
    assert data.notes == ("dropped 1 rows: user is missing",)
    assert isinstance(data.items, pl.DataFrame)


def test_user_tables_may_hold_other_columns_and_narrower_ids(log, tmp_path):
    table = pl.DataFrame({"user_id": [2, 1], "count": [5, 6], "score": [1, 2], "date": ["a", "b"], "item": [0, 0]})
    table.cast({"user_id": pl.Int32}).write_parquet(tmp_path / "users.parquet")
    users = load_dataset(str(log), users=tmp_path / "users.parquet").users
    assert users.columns == ["user_id", "count", "score", "date", "item"]
    assert users["count"].to_list() == [6, 5]


def test_options_of_the_ratings_reach_the_tables(tmp_path):
    (tmp_path / "log.csv").write_text("who,what,stars\n1,7,5\nB2,07,3\n")
    (tmp_path / "items.csv").write_bytes('what;name;genre\n7;Café "Z";A|B\n07;Tea;B\n'.encode("latin-1"))
    (tmp_path / "users.csv").write_bytes("who;town\n1;Köln\n".encode("latin-1"))
    columns = {"user": "who", "item": "what"}
    data = load_dataset(
        str(tmp_path / "log.csv"),
        items=tmp_path / "items.csv",
        users=tmp_path / "users.csv",
        columns=columns,
        encoding="latin-1",
        quote="none",
    )
    assert data.items.rows() == [("07", "Tea", ["B"]), ("7", 'Café "Z"', ["A", "B"])]
    assert data.users.rows() == [("1", "Köln"), ("B2", None)]


def test_ids_kept_as_text_find_their_items(log, tmp_path):
    (tmp_path / "items.csv").write_text("item,what,price\n7,Seven,1\n08,Eight,2\n")
    data = load_dataset(str(log), items=tmp_path / "items.csv", ids="text", title="what")
    assert data.items.to_dict(as_series=False) == {"item_id": ["7", "8"], "title": ["Seven", "8"], "price": [1, None]}


def test_decimal_commas_of_tables_are_numbers(log, tmp_path, caplog):
    (tmp_path / "items.csv").write_text("item;title;price;size\n7;A;2,5;1,5\n8;B;3;big\n")
    data = load_dataset(str(log), items=tmp_path / "items.csv")
    assert data.items["price"].to_list() == [2.5, 3]
    assert data.items["size"].to_list() == ["1,5", "big"]
    assert "'price' has decimal commas, such as '2,5'" in caplog.text


def test_reading_options_of_a_named_set_are_for_its_tables(tmp_path, movielens):
    (tmp_path / "films.csv").write_bytes("item_id,title\n1,Spielzeugge\xadschichte\n".encode("latin-1"))
    data = load_dataset("ml-100k", items=tmp_path / "films.csv", encoding="latin-1")
    assert data.items["title"][0] == "Spielzeugge\xadschichte"
