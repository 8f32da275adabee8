"""Features on Spark: matched by id to the positions, whoever of them has rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import palate
from palate.data.features import Features
from palate.errors import DataError, ParameterError
from palate.spark.preparing import prepare


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


def test_features_that_do_not_fit_are_refused(spark, tmp_path):
    rows = spark.createDataFrame(pl.DataFrame({"user": [1, 2, 3, 4, 5], "item": [1, 1, 1, 1, 1]}).to_arrow())
    few = Features.from_table({"user": [1, 9], "age": [10, 20]}, "user")
    with pytest.raises(DataError, match=r"4 users have no row in the table of features, such as 2, 3, 4: add rows"):
        prepare(spark, rows, str(tmp_path / "a"), user_features=few)
    text = Features.from_table({"item": ["1"], "age": [10]}, "item")
    with pytest.raises(DataError, match="the item features' ids are text, those of the ratings integer"):
        prepare(spark, rows, str(tmp_path / "b"), item_features=text)
    with pytest.raises(ParameterError, match=r"user_features must be Features, got dict: make it with"):
        prepare(spark, rows, str(tmp_path / "c"), user_features={"user": [1]})
