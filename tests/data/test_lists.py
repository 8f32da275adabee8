"""Genres, tags and the like are lists where texts hold several."""

import logging

import polars as pl
import pytest
from synthetic import low_rank

import palate
from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.items import item_table, matching_items
from palate.data.lists import as_list, with_lists
from palate.errors import DataError, ParameterError


@pytest.mark.parametrize(
    ("name", "texts", "lists"),
    [
        ("genres", ["Action|Comedy", "Drama", None], [["Action", "Comedy"], ["Drama"], None]),
        ("Genre", ["Drama, Romance", "Drama"], [["Drama", "Romance"], ["Drama"]]),
        ("tags", ["a;b", ""], [["a", "b"], []]),
        ("genres", ["(no genres listed)", "A|B|"], [[], ["A", "B"]]),
        ("categories", ["Shoes, Bags & Hats", "Tea"], None),
        ("genres", ["Drama", "Comedy"], None),
        ("title", ["Face|Off", "a, b"], None),
    ],
)
def test_lists_are_told_by_the_columns_name(name, texts, lists):
    frame = with_lists(pl.DataFrame({name: texts, "n": range(len(texts))}))
    assert frame[name].to_list() == (texts if lists is None else lists)


def test_a_single_text_is_a_list_of_one():
    assert as_list(pl.Series("genres", ["Drama", None]), ["Drama"]).to_list() == [["Drama"], None]


def test_item_tables_and_features_make_the_same_lists():
    table = {"item_id": [1, 2, 3], "genres": ["Action|Comedy", "Comedy", "Drama"], "title": ["A|B", "C", "D"]}
    items = item_table(Ids([1, 2, 3], "item"), table)
    assert matching_items(items, "genres=Comedy").tolist() == [True, True, False]
    assert items["title"].to_list() == ["A|B", "C", "D"]
    found = Features.from_table(table, "item")
    assert found.names == ("all", "genres=Action", "genres=Comedy", "genres=Drama")
    new = Features.from_table({"item_id": [9], "genres": ["Drama"]}, "item", encoding=found.encoding)
    assert new.matrix.tolist() == [[1, 0, 0, 1]]


CAST = ["Ann; Bob", "Bob; Eve", "Eve; Ann", "Ann", None]


@pytest.mark.parametrize(
    ("texts", "is_list"),
    [
        (CAST, True),
        (["a|b", "b|c", "a|c"], True),
        (["red, blue", "blue, green", "red, green", "red"], True),
        (["red,blue", "blue,green", "red,green"], False),  # a comma alone may be of a number: 1,000
        (["Good, the Bad and the Ugly, The", "Godfather, The", "Matrix, The", "Heat"], False),  # titles
        (["Shoes, Bags & Hats"] * 9 + ["Tea"] * 9, False),  # always together
        (["Paris, France", "Lyon, France", "Rome, Italy", "Bari, Italy"], False),  # addresses
        (["a|b", *map(str, range(40))], False),  # one cell of many
        (["a|b", "a|b", "a|b"], False),
    ],
)
def test_any_column_whose_parts_recur_holds_lists(texts, is_list):
    made = with_lists(pl.DataFrame({"anything": texts}))
    assert isinstance(made.schema["anything"], pl.List) == is_list
    if is_list:
        assert made["anything"].explode().drop_nulls().str.contains(r"[|,; ]").any() is False


def test_too_many_different_parts_are_no_categories():
    texts = [f"w{k}|w{(k * 7) % 1200}|w{(k * 11) % 1200}" for k in range(1200)]
    assert with_lists(pl.DataFrame({"words": texts})).schema["words"] == pl.String
    assert with_lists(pl.DataFrame({"words": texts[:400]})).schema["words"] == pl.String
    few = [f"w{k % 30}|w{(k * 7) % 31}" for k in range(400)]
    assert with_lists(pl.DataFrame({"words": few})).schema["words"] == pl.List(pl.String)


def test_titles_are_texts_whatever_stands_in_them():
    frame = pl.DataFrame({"title": ["a|b", "b|c", "a|c"], "Book-Title": ["a|b", "b|c", "a|c"]})
    assert set(with_lists(frame).schema.values()) == {pl.String}


def test_lists_are_said_by_hand_and_switched_off():
    frame = pl.DataFrame({"genres": ["a|b", "b"], "cast": ["x / y", "y"], "title": ["p+q", "r"]})
    assert with_lists(frame, False).schema == frame.schema
    said = with_lists(frame, {"genres": None, "cast": "/", "title": "+"})
    assert said["genres"].to_list() == ["a|b", "b"]
    assert said["cast"].to_list() == [["x", "y"], ["y"]]
    assert said["title"].to_list() == [["p", "q"], ["r"]]
    assert with_lists(frame, {"cast": "/"})["genres"].to_list() == [["a", "b"], ["b"]]  # the others are found
    for wrong in (["cast"], "cast", {"cast": 3}, {"cast": ""}, None):
        with pytest.raises(ParameterError, match="lists must be True, False, or"):
            with_lists(frame, wrong)
    with pytest.raises(DataError, match="column 'n' has type Int64; lists are made of text"):
        with_lists(pl.DataFrame({"n": [1, 2]}), {"n": "|"})


@pytest.mark.parametrize(
    ("column", "lists"),
    [
        (pl.Series([["a", "b"], ["b"]], dtype=pl.List(pl.Categorical)), [["a", "b"], ["b"]]),
        (pl.Series([[1, 2], None]), [["1", "2"], None]),
        (pl.Series([["a", "b"], ["b", "a"]], dtype=pl.Array(pl.String, 2)), [["a", "b"], ["b", "a"]]),
    ],
)
def test_columns_of_lists_are_lists_of_text(column, lists):
    frame = pl.DataFrame({"item_id": [1, 2], "tags": column})
    assert with_lists(frame)["tags"].to_list() == lists
    assert item_table(Ids([1, 2], "item"), frame)["tags"].to_list() == lists
    assert "tags=" in Features.from_table(frame, "item").names[-1]


@pytest.fixture
def films(tmp_path):
    """A log, items with people in lists, and users with hobbies."""
    data = low_rank()
    data.to_table().write_csv(tmp_path / "log.csv")
    cast = ["Ann; Bob", "Bob; Eve", "Eve; Ann", "Ann", "Cy; Ann"]
    items = data.items.values.to_list()
    table = {"item_id": items, "cast": [cast[k % 5] for k in range(len(items))], "title": [f"A; B {k}" for k in items]}
    pl.DataFrame(table).write_csv(tmp_path / "items.csv")
    users = data.users.values.to_list()
    hobbies = ["sea, ski", "ski, tea", "tea, sea"]
    pl.DataFrame({"user_id": users, "likes": [hobbies[k % 3] for k in range(len(users))]}).write_csv(tmp_path / "u.csv")
    return tmp_path


def test_lists_of_both_tables_enter_models_and_their_files(films, caplog):
    data = palate.load_dataset(films / "log.csv", items=films / "items.csv", users=films / "u.csv")
    assert data.items["cast"].to_list()[0] == ["Ann", "Bob"]
    assert data.items["title"][0].startswith("A; B")
    model = palate.ALS(3, n_epochs=2, random_state=0).fit(data, attributes=True)
    palate.save(model, films / "m")
    model = palate.load(films / "m")
    assert model.item_encoding_[0]["values"] == ["Ann", "Bob", "Cy", "Eve"]
    assert model.user_encoding_[0]["values"] == ["sea", "ski", "tea"]
    newcomers = {"user_id": [1, 2], "likes": ["tea, sea", "tea, golf"]}
    with caplog.at_level(logging.WARNING, "palate"):
        encoded = Features.from_table(newcomers, "user", encoding=model.user_encoding_)
    assert encoded.matrix[:, 1:].tolist() == [[1, 0, 1], [0, 0, 1]]
    assert (
        "likes: 1 words were not there when the features were made, such as 'golf': they count as none" in caplog.text
    )
    alone = Features.from_table({"user_id": [1], "likes": [["ski"]]}, "user", encoding=model.user_encoding_)
    assert alone.matrix[:, 1:].tolist() == [[0, 1, 0]]


def test_lists_switched_off_stay_off_in_every_table(films):
    """`fit` and `evaluate` look at the item table again."""
    off = palate.load_dataset(films / "log.csv", items=films / "items.csv", users=films / "u.csv", lists=False)
    assert off.items.schema["cast"] == pl.String
    model = palate.ALS(3, n_epochs=2, random_state=0).fit(off, attributes=True)
    assert model.item_table_.schema["cast"] == pl.String
    assert [spec["kind"] for spec in (*model.item_encoding_, *model.user_encoding_)] == ["category", "category"]
    train, test = palate.split(off)
    assert palate.evaluate(palate.Baseline(), train, test).fitted.item_table_.schema["cast"] == pl.String
    whole = palate.fixed_split(train, test)[0]
    assert whole.items.schema["cast"] == pl.String
    assert whole.lists is False


def test_a_sign_said_by_hand_holds_for_newcomers(films):
    both = {"cast": " ", "likes": ", "}
    data = palate.load_dataset(films / "log.csv", items=films / "items.csv", users=films / "u.csv", lists=both)
    model = palate.ALS(3, n_epochs=2, random_state=0).fit(data, attributes=True)
    assert model.item_encoding_[0]["between"] == " "
    palate.save(model, films / "m")
    encoding = palate.load(films / "m").item_encoding_
    new = Features.from_table({"item_id": [9], "cast": ["Ann; Bob"]}, "item", encoding=encoding)
    assert [name for name, cell in zip(new.names, new.matrix[0], strict=True) if cell] == [
        "all",
        "cast=Ann;",
        "cast=Bob",
    ]
    new = Features.from_table({"item_id": [9], "cast": ["Ann;_Bob"]}, "item", encoding=encoding, lists={"cast": "_"})
    assert new.matrix[0].sum() == 3


def test_what_is_said_of_no_table_is_refused(films):
    with pytest.raises(DataError, match="lists names the column 'crew', and the tables have item_id, cast, title"):
        palate.load_dataset(films / "log.csv", items=films / "items.csv", lists={"crew": ";"})
    with pytest.raises(ParameterError, match="lists are of the tables of items and users, and none is given"):
        palate.load_dataset(films / "log.csv", lists=False)
    with pytest.raises(ParameterError, match="title is a column of the item table, and none is given"):
        palate.load_dataset(films / "log.csv", title="name")
    with pytest.raises(DataError, match="lists names the column 'crew'"):
        palate.Dataset.from_tables(low_rank(), lists={"crew": ";"})


def test_columns_of_very_many_words_are_left_out_with_a_word(caplog):
    table = {"item_id": range(1100), "tags": [[f"w{k}"] for k in range(1100)], "year": range(1100)}
    with caplog.at_level(logging.WARNING, "palate"):
        assert Features.from_table(table, "item").names == ("all", "year")
    assert "features leave out tags: 1,100 different words" in caplog.text
    assert len(Features.from_table(table, "item", columns=["tags"]).names) == 1101
