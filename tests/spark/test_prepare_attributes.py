"""Features on Spark: matched by id to the positions, whoever of them has rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import test_cli

import palate
from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.items import item_table
from palate.errors import DataError, ParameterError
from palate.spark.item_tables import write_item_table
from palate.spark.prepared import Prepared
from palate.spark.preparing import prepare

run = test_cli.run


def frame_of(dataframe):
    return pl.DataFrame(pl.from_arrow(dataframe.toArrow()))


def features_by_position(prepared, side):
    known = prepared.n(side)
    width = len(prepared.features(side)["names"])
    table = np.full((known, width), np.nan, np.float32)
    for block, held, n in (
        frame_of(prepared.layout(side)).filter(kind="features").select("block", "features", "dest").rows()
    ):
        assert n == width
        table[block :: prepared.n_blocks] = np.frombuffer(held, np.float32).reshape(-1, width)
    return table


@pytest.mark.long
def test_features_of_both_sides_lie_beside_their_rows(spark, tmp_path):
    rows = pl.DataFrame({"user": [3, 1, 2, 3], "item": ["b", "a", "c", "a"], "value": [1.0, 2.0, 3.0, 4.0]})
    users = Features.from_table({"user": [9, 3, 2, 1, -4], "age": [10, 20, 30, 40, 50]}, "user")
    items = Features.from_table({"item": ["c", "b", "a"], "kind": ["x", "y", "x"]}, "item")
    prepared = prepare(
        spark,
        spark.createDataFrame(rows.to_arrow()),
        str(tmp_path / "out"),
        user_features=users,
        item_features=items,
        n_blocks=3,
    )
    whole = palate.Interactions.from_table(rows).with_ids(users.ids, items.ids)
    ids = frame_of(prepared.ids("user")).sort("position")
    assert ids["id"].to_list() == whole.users.values.to_list() == [1, 2, 3, 9, -4]
    assert ids["count"].to_list() == [1, 1, 2, 0, 0]
    for side, features, known in (("user", users, whole.users), ("item", items, whole.items)):
        np.testing.assert_array_equal(features_by_position(prepared, side), features.on(known))
        assert prepared.features(side)["names"] == list(features.names)
        assert prepared.features(side)["encoding"] == [dict(spec) for spec in features.encoding]


def test_features_are_made_of_a_table(spark, tmp_path):
    with pytest.raises(ParameterError, match=r"user_features must be Features, got dict: make it with"):
        prepare(spark, spark.range(1), str(tmp_path / "c"), user_features={"user": [1]})


@pytest.mark.long
def test_features_that_do_not_fit_are_refused(spark, tmp_path):
    rows = spark.createDataFrame(pl.DataFrame({"user": [1, 2, 3, 4, 5], "item": [1, 1, 1, 1, 1]}).to_arrow())
    few = Features.from_table({"user": [1, 9], "age": [10, 20]}, "user")
    with pytest.raises(DataError, match=r"4 users have no row in the table of features, such as 2, 3, 4: add rows"):
        prepare(spark, rows, str(tmp_path / "a"), user_features=few)
    text = Features.from_table({"item": ["1"], "age": [10]}, "item")
    with pytest.raises(DataError, match="the item features' ids are text, those of the ratings integer"):
        prepare(spark, rows, str(tmp_path / "b"), item_features=text)


@pytest.mark.long
def test_tables_are_named_on_the_command_line(spark, tmp_path, run):
    place = {name: str(tmp_path / name) for name in ("ratings.csv", "films.csv", "people.parquet", "out")}
    rows = pl.DataFrame({"user": ["1", "2", "07"], "item": [3, 1, 3], "value": [1.0, 2.0, 3.0]})
    films = pl.DataFrame({"movieId": [9, 3, 1], "title": ["I", "C", "A"], "year": [1990, 1999, 2010]})
    people = pl.DataFrame({"user_id": ["1", "2", "07"], "age": [10, 20, 30]})
    rows.write_csv(place["ratings.csv"])
    films.write_csv(place["films.csv"])
    people.write_parquet(place["people.parquet"])
    tables = ("--items", "films.csv", "--item-features", "films.csv", "--user-features", "people.parquet")
    words = [place.get(word, word) for word in ("ratings.csv", "--out", "out", *tables)]
    code, _, err = run("spark", "prepare", *words, "--blocks", "1")
    assert code == 0, err
    prepared = Prepared.open(spark, place["out"])
    assert frame_of(prepared.item_table).sort("position")["title"].to_list() == ["A", "C", "I"]
    for side, table in (("user", people), ("item", films)):
        ids = Ids(frame_of(prepared.ids(side)).sort("position")["id"], side)
        one = Features.from_table(table, side)
        assert prepared.features(side)["names"] == list(one.names)
        np.testing.assert_array_equal(features_by_position(prepared, side), one.on(ids))


@pytest.mark.parametrize("option", ["--items", "--user-features"])
def test_wrong_paths_of_tables_are_told_before_the_work(spark, tmp_path, run, option):
    pl.DataFrame({"user": [1], "item": [1]}).write_csv(tmp_path / "ratings.csv")
    out = tmp_path / "out"
    code, _, err = run("spark", "prepare", str(tmp_path / "ratings.csv"), "--out", str(out), option, "nowhere.csv")
    assert code == 1
    assert "nowhere.csv" in err
    assert "there is no such file or folder" in " ".join(err.split())
    assert not out.exists()


ITEMS = {"movieId": ["b", "a", "z"], "movieTitle": ["B", None, "Z"], "genres": ["x|y", "x", "y|x"]}


@pytest.mark.long
def test_item_tables_in_memory_are_kept_as_on_one_machine(spark, tmp_path):
    rows = pl.DataFrame({"user": [1, 2, 3], "item": ["a", "b", "c"]})
    prepared = prepare(spark, spark.createDataFrame(rows.to_arrow()), str(tmp_path / "out"), items=ITEMS, n_blocks=1)
    table = frame_of(prepared.item_table).sort("position")
    one = item_table(palate.Interactions.from_table(rows).items, ITEMS)
    assert table.drop("position").to_dicts() == one.to_dicts()
    assert table["position"].to_list() == [0, 1, 2]


@pytest.mark.long
def test_item_tables_of_spark_are_kept_by_id(spark, prepared_clicks, tmp_path):
    table = spark.createDataFrame(
        [(3, "C", [1]), (1, None, None), (9, "I", [2])], "id int, `film.title` string, t array<int>"
    )
    known = spark.createDataFrame([(1, 0), (2, 1), (3, 2)], "id bigint, position int")
    write_item_table(spark, table, known, "integer", str(tmp_path))
    kept = frame_of(spark.read.parquet(str(tmp_path / "item_table"))).sort("position")
    assert kept["title"].to_list() == ["1", "2", "C"]
    assert kept["t"].to_list() == [None, None, [1]]
    assert prepared_clicks.item_table is None
    for bad, kind, words in (
        ("select 1 as id union all select 1", "integer", "the item table has id 1 more than once"),
        ("select 7 as id", "integer", r"shares no id with the ratings \(such as 1\)"),
        ("select 'a' as id", "integer", "ids are string, those of the ratings are integers; read both with ids='text'"),
        ("select 1 as id, map(1, 2) as m", "integer", "column 'm' has type map<int,int>: drop it"),
        ("select 1 as nothing", "integer", "needs one column item_id"),
    ):
        with pytest.raises(DataError, match=words):
            write_item_table(spark, spark.sql(bad), known, kind, str(tmp_path))
