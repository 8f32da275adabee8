"""Paths that `prepare` reads and writes: CSV as one machine reads it, and whatever lies there in clear words."""

from __future__ import annotations

import datetime

import polars as pl
import pytest

import palate
from palate.errors import DataError, ParameterError
from palate.spark.facts import begin_facts, write_facts
from palate.spark.prepared import Prepared
from palate.spark.preparing import prepare

TEXTS = {
    "ratings.csv": 'userId,movieId,rating,timestamp\n 7,"a,b",3.5,100\n10,"c ""d""",4,2001-09-09\n8,é,1,3.0\n',
    "clicks.tsv": "1.0\t001\n2.0\t7\n",
    "commas.tsv": "user\titem\tvalue\n1\t2\t3,5\n2\t2\t4\n",
    "truth.csv": "user,item,value\na,1,true\n7,2,False\n",
    "colons.dat": "1::2::3.0::978300760\n2::2::4.5::978300761\n",
}


def frame_of(dataframe):
    return pl.DataFrame(pl.from_arrow(dataframe.toArrow()))


def some(names, quick):
    """Return names as parameters, those that are not quick for `make check-long` alone."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.long) for name in names]


@pytest.mark.parametrize("name", some(TEXTS, ["ratings.csv"]))
def test_text_is_read_as_on_one_machine(spark, name, tmp_path):
    path = tmp_path / name
    path.write_text(TEXTS[name])
    one = palate.read_ratings(path)
    prepared = prepare(spark, str(path), str(tmp_path / "out"), n_blocks=1)
    for side, ids, index in (("user", one.users, one.user_index), ("item", one.items, one.item_index)):
        assert frame_of(prepared.ids(side)).sort("position")["id"].to_list() == ids.values.to_list()
        assert frame_of(prepared.rows).sort("user", "item")[side].to_list() == sorted_by_pair(one, index)
    assert frame_of(prepared.rows).sort("user", "item")["value"].to_list() == sorted_by_pair(one, one.values)
    if one.times is not None:
        assert frame_of(prepared.rows).sort("user", "item")["time"].to_list() == sorted_by_pair(one, one.times)


def sorted_by_pair(one, values):
    order = sorted(range(len(one)), key=lambda row: (one.user_index[row], one.item_index[row]))
    return values[order].tolist()


REFUSED = {
    "long.csv": ("user,item\n1,2\n3,4,5\n", r"more than the 2 fields of the first line \(3,4,5\): put fields"),
    "comment.csv": ("# by me\nuser,item\n1,2\n", "has 1 lines before its rows or header"),
    "wide.csv": ("who,what\n1,2\n", r"cannot tell which column holds the user and item id"),
    "empty.csv": ("", "is empty: there is no rating in it"),
    "page.csv": ("<html></html>\n", "is a web page"),
    "bad.csv": (b"user,item\n\xe9,1\n", "is not UTF-8: some user ids hold bytes that are none"),
    "rows.jsonl": ("{}", "is JSON: spark.read.json"),
    "none.parquet": (b"PAR1 no", "is no whole Parquet"),
}


@pytest.mark.parametrize("name", some(REFUSED, ["long.csv", "none.parquet"]))
def test_what_cannot_be_read_is_refused_in_words(spark, name, tmp_path):
    content, words = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=words) as raised:
        prepare(spark, str(path), str(tmp_path / "out"))
    assert "SQLSTATE" not in str(raised.value)
    assert name in str(raised.value)


def test_paths_that_cannot_be_are_refused_in_words(spark, tmp_path, ratings_table):
    out = str(tmp_path / "out")
    with pytest.raises(DataError, match="there is no such file or folder where Spark runs") as raised:
        prepare(spark, str(tmp_path / "absent.parquet"), out)
    assert raised.value.code == "not_found"
    assert raised.value.__cause__ is not None
    rows = spark.createDataFrame(ratings_table.to_arrow())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="a part of the path is a file"):
        prepare(spark, rows, str(tmp_path / "file" / "out"))
    with pytest.raises(DataError, match="exists already, and is not whole; overwrite=True writes over it"):
        prepare(spark, rows, str(tmp_path))
    with pytest.raises(DataError, match="is the name of a folder, got None"):
        prepare(spark, rows, None)
    with pytest.raises(DataError, match="does not know this kind of address"):
        prepare(spark, rows, "s3x://bucket/out")
    with pytest.raises(DataError, match=r"a path or a DataFrame of Spark, got DataFrame; spark.createDataFrame"):
        prepare(spark, ratings_table, out)


def test_parameters_are_checked_before_anything_runs(spark, tmp_path):
    for name, value, words in (
        ("n_blocks", 0, "n_blocks must be a whole number from 1 to 10,000, got 0"),
        ("long_share", 0, "long_share must be a number above 0, got 0"),
        ("format", "orc", "format must be 'parquet' or 'csv', got 'orc'"),
        ("on_missing", "skip", "on_missing must be 'error' or 'drop'"),
    ):
        with pytest.raises(ParameterError, match=words):
            prepare(spark, "x", str(tmp_path / "out"), **{name: value})


@pytest.mark.long  # of a split: tests/spark/test_story.py
def test_a_whole_folder_is_written_over_only_where_that_is_said(spark, prepared_clicks, tmp_path):
    rows = spark.createDataFrame(pl.DataFrame({"user": [1, 2, 2], "item": [5, 5, 6]}).to_arrow())
    with pytest.raises(DataError, match=r"exists already; overwrite=True writes over it"):
        prepare(spark, rows, prepared_clicks.path)
    out = str(tmp_path / "out")
    begin_facts(spark, out)
    with pytest.raises(DataError, match="is no prepared folder, or is half written: it has no facts"):
        Prepared.open(spark, out)
    prepare(spark, rows, out, n_blocks=1, overwrite=True)
    assert Prepared.open(spark, out).n_rows == 3
    write_facts(spark, out, {**Prepared.open(spark, out).facts, "format_version": 99})
    with pytest.raises(DataError, match="has format 99, and this Palate reads 1"):
        Prepared.open(spark, out)
    write_facts(spark, out, {"kind": "model folder"})
    with pytest.raises(DataError, match="is no prepared folder, but a model folder"):
        Prepared.open(spark, out)
    with pytest.raises(DataError, match="there is no prepared folder"):
        Prepared.open(spark, str(tmp_path / "absent"))


def test_types_of_columns_are_checked_before_anything_runs(spark, tmp_path):
    out = str(tmp_path / "out")
    nested = spark.createDataFrame([(1, [2], 3.0)], "user int, item array<int>, value double")
    with pytest.raises(DataError, match=r"column 'item' has type array<int>; the item must be one value a row"):
        prepare(spark, nested, out)
    truth = spark.createDataFrame([(True, 2)], "user boolean, item int")
    with pytest.raises(DataError, match="the DataFrame: column 'user' has type Boolean; ids are integers or text"):
        prepare(spark, truth, out)
    months = spark.sql("select 1 as user, interval '1' month as item")
    with pytest.raises(DataError, match=r"column 'item' has type interval month; the item must be one value"):
        prepare(spark, months, out)


@pytest.mark.long
def test_columns_of_databases_are_taken(spark, tmp_path):
    rows = spark.sql(
        "select cast(u as decimal(18, 0)) as `the.buyer`, cast(u as string) as sku, cast(u as decimal(5, 2)) as stars,"
        " timestamp'2024-03-11 12:30:00' as ts from values (2), (1) as t(u)"
    )
    columns = {"user": "the.buyer", "item": 1}
    prepared = prepare(spark, rows, str(tmp_path / "out"), columns=columns, ids="text", n_blocks=1)
    assert frame_of(prepared.ids("user")).sort("position")["id"].to_list() == ["1", "2"]
    assert frame_of(prepared.rows)["value"].to_list() == [1.0, 2.0]
    zone = spark.conf.get("spark.sql.session.timeZone")
    seconds = rows.selectExpr("unix_timestamp(ts) as s").collect()[0]["s"]
    assert frame_of(prepared.rows)["time"].to_list() == [seconds] * 2, zone
    assert datetime.datetime.fromtimestamp(seconds, datetime.UTC).year == 2024
