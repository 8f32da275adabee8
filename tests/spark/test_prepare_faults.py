"""Faulty rows on Spark: one machine's kinds, counts and words, and its policies."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import palate
from palate.errors import DataError
from palate.spark.prepared import Prepared
from palate.spark.preparing import prepare

NAN, INF = float("nan"), float("inf")


def frame_of(dataframe):
    return pl.DataFrame(pl.from_arrow(dataframe.toArrow()))


def given(spark, columns):
    return spark.createDataFrame(pl.DataFrame(columns).to_arrow()).repartition(3)


def faults_of(error):
    return [{key: fault[key] for key in fault if key not in ("rows", "samples")} for fault in error.faults]


FAULTY = {
    "missing and invalid numbers": (
        {"user": [1, None, 3, 4, 4], "item": [1.0, 2.5, NAN, 2.0**60, 7.0], "value": [1.0, INF, None, 9.0, NAN]},
        {"rating_range": (1, 5)},
    ),
    "texts": (
        {"user": ["a", "", "NULL", "b", "b"], "item": [1, 2, 3, 4, 5], "value": ["1", "x", " 2 ", "1,5", "inf"]},
        {},
    ),
    "times": ({"user": [1, 2], "item": [1, 2], "time": [1_700_000_000_000, None]}, {}),
    "weights": (
        {"user": [1, 2, 3], "item": [1, 2, 3], "w": [0.0, -1.0, 1.0]},
        {"columns": {"weight": "w", "value": None}},
    ),
    "repeated": ({"user": [1, 1, 1, 2], "item": [1, 1, 1, 2], "value": [1.0, 2.0, 3.0, 4.0]}, {}),
    "all": ({"user": [1, 1, 2], "item": [3, 3, None], "value": [1.0, 2.0, 3.0]}, {}),
    "another name": ({"uid": [1, 2], "movieId": [3, None], "stars": [1.0, NAN]}, {}),
    "whole columns": ({"user": [1, 2], "item": [3, 4], "value": ["a", "b"]}, {}),
}


def some(names, quick):
    """Return names as parameters, those that are not quick for `make check-long` alone."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.long) for name in names]


@pytest.mark.parametrize("name", some(FAULTY, ["missing and invalid numbers", "all"]))
def test_faults_are_counted_and_worded_as_on_one_machine(spark, name, tmp_path):
    columns, options = FAULTY[name]
    with pytest.raises(DataError) as here:
        palate.Interactions.from_table(columns, **options)
    with pytest.raises(DataError) as there:
        prepare(spark, given(spark, columns), str(tmp_path / "out"), **options)
    assert faults_of(there.value) == faults_of(here.value)
    assert there.value.code == "faults"
    assert there.value.subject == "the DataFrame"
    remedies = [[str(remedy) for remedy in error.value.remedies] for error in (here, there)]
    assert remedies[0] == remedies[1]
    assert all(fault["rows"] == [] and 1 <= len(fault["samples"]) <= 5 for fault in there.value.faults)
    with pytest.raises(DataError, match="half written"):
        Prepared.open(spark, str(tmp_path / "out"))


def test_an_error_shows_some_of_the_rows(spark, tmp_path):
    columns = {"user": [1, 2, 3] * 4, "movieId": [7] * 12, "rating": [None] * 8 + [1.0] * 4}
    with pytest.raises(DataError) as raised:
        prepare(spark, given(spark, columns), str(tmp_path / "out"))
    row = "{user 1, movieId 7, rating null}"
    assert f"value is missing: 8 of 12 (rows {row}, {row}, {row}, " in str(raised.value)
    assert raised.value.faults[0]["samples"][0] == row
    assert "user-item pair stands again: 1 of 12 (row {user 3, movieId 7})" in str(raised.value)


@pytest.mark.long
def test_faulty_rows_are_dropped_and_counted_by_reason(spark, tmp_path, caplog):
    columns = {
        "user": [1, None, 3, 4, 5, 6],
        "item": ["a", None, "c", "NULL", "é", "b"],
        "value": [1.0, 2.0, NAN, 7.0, 3.0, INF],
    }
    options = {"on_missing": "drop", "on_invalid": "drop", "rating_range": (1, 5)}
    one = palate.Interactions.from_table(columns, **options)
    caplog.clear()
    prepared = prepare(spark, given(spark, columns), str(tmp_path / "out"), **options, n_blocks=1)
    assert prepared.facts["dropped"] == one.dropped
    assert frame_of(prepared.ids("item"))["id"].to_list() == one.items.values.to_list() == ["a", "é"]
    assert "the DataFrame: dropped 1 rows: user is missing" in caplog.text


@pytest.mark.long
def test_where_every_row_is_dropped_that_is_said(spark, tmp_path):
    columns = {"user": [1, 2], "item": [None, None], "value": [1.0, 2.0]}
    with pytest.raises(DataError, match="the DataFrame: no row is left after dropping 2 faulty rows") as raised:
        prepare(spark, given(spark, columns), str(tmp_path / "out"), on_missing="drop")
    assert raised.value.code == "empty"


@pytest.mark.long
def test_no_rows_are_an_error(spark, tmp_path):
    empty = spark.createDataFrame([], "user int, item int")
    with pytest.raises(DataError, match="the DataFrame is empty: there is no rating in it") as raised:
        prepare(spark, empty, str(tmp_path / "out"))
    assert raised.value.code == "empty"


REPEATED = {
    "user": [1, 2, 1, 1, 2, 3],
    "item": ["b", "b", "b", "a", "b", "c"],
    "value": [1.0, 5.0, 4.0, 2.0, 0.1, 3.0],
    "time": [30, 1, 20, 5, 2, 9],
    "w": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
}


@pytest.mark.long  # a merge is in the next test, too
@pytest.mark.parametrize("how", ["last", "mean", "sum"])
def test_repeated_pairs_are_merged_as_on_one_machine(spark, how, tmp_path):
    options = {"on_duplicate": how, "columns": {"weight": "w"}}
    one = palate.Interactions.from_table(REPEATED, **options)
    prepared = prepare(spark, given(spark, REPEATED), str(tmp_path / "out"), n_blocks=2, **options)
    rows = frame_of(prepared.rows).sort("user", "item")
    wanted = pl.DataFrame(
        {"user": one.user_index, "item": one.item_index, "value": one.values, "time": one.times, "weight": one.weights}
    )
    assert rows.equals(wanted.sort("user", "item"))
    assert prepared.facts["dropped"] == one.dropped == {f"repeated pairs merged ({how})": 2}
    weights = frame_of(prepared.ids("user")).sort("position")["weight"].to_numpy()
    np.testing.assert_array_equal(weights, np.bincount(one.user_index, one.weights))


def test_merged_values_out_of_range_are_refused_as_on_one_machine(spark, tmp_path):
    options = {"on_duplicate": "sum", "rating_range": (0, 6), "columns": {"weight": "w"}}
    columns = {**REPEATED, "value": [3.0, 5.0, 4.0, 2.0, 0.5, 3.0]}
    with pytest.raises(DataError) as here:
        palate.Interactions.from_table(columns, **options)
    with pytest.raises(DataError) as there:
        prepare(spark, given(spark, columns), str(tmp_path / "out"), **options)
    assert str(there.value) == str(here.value).replace("the table", "the DataFrame")


def test_the_last_row_needs_a_time(spark, tmp_path):
    columns = {name: REPEATED[name] for name in ("user", "item", "value")}
    with pytest.raises(DataError, match=r"rows on Spark have no order.*on_duplicate='mean'") as raised:
        prepare(spark, given(spark, columns), str(tmp_path / "out"), on_duplicate="last")
    assert raised.value.code == "times"
