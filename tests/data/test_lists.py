"""Genres, tags and the like are lists where texts hold several."""

import polars as pl
import pytest

from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.items import item_table, matching_items
from palate.data.lists import as_list, with_lists


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
    assert as_list(pl.Series("genres", ["Drama", None])).to_list() == [["Drama"], None]


def test_item_tables_and_features_make_the_same_lists():
    table = {"item_id": [1, 2, 3], "genres": ["Action|Comedy", "Comedy", "Drama"], "title": ["A|B", "C", "D"]}
    items = item_table(Ids([1, 2, 3], "item"), table)
    assert matching_items(items, "genres=Comedy").tolist() == [True, True, False]
    assert items["title"].to_list() == ["A|B", "C", "D"]
    found = Features.from_table(table, "item")
    assert found.names == ("all", "genres=Action", "genres=Comedy", "genres=Drama")
    new = Features.from_table({"item_id": [9], "genres": ["Drama"]}, "item", encoding=found.encoding)
    assert new.matrix.tolist() == [[1, 0, 0, 1]]
