"""`prepare`: positions of one machine, whatever the partitions, and blocks that hold each cell once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

import palate
from palate.errors import SparkError
from palate.spark.laying_out import Needed, _cut, gathered
from palate.spark.prepared import Prepared, other
from palate.spark.preparing import prepare
from palate.sparse import Rows


def frame_of(dataframe):
    return pl.DataFrame(pl.from_arrow(dataframe.toArrow()))


@cache
def layout_of(prepared, side):
    """Return the records of a side's blocks, read once."""
    return frame_of(prepared.layout(side))


def cells_of(prepared, side):
    """Return (row, column, value) by position, as the records of a side's blocks hold them."""
    n, cells = prepared.n_blocks, []
    for record in layout_of(prepared, side).filter(pl.col("kind").is_in(["cells", "long"])).to_dicts():
        received = received_by(prepared, side, record["block"])
        indptr, indices, values = (
            np.frombuffer(record[name], kind)
            for name, kind in (("indptr", np.int64), ("indices", np.int32), ("values", np.float32))
        )
        rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)) + record["row"]
        if record["kind"] == "cells":
            rows = rows * n + record["block"]
        assert all((np.diff(received[row]) > 0).all() for row in np.split(indices, indptr[1:-1]))  # ascending
        cells.append(np.column_stack([rows, received[indices], values]))
    table = np.concatenate(cells)
    return table[np.lexsort((table[:, 1], table[:, 0]))]


def received_by(prepared, side, block):
    """Return the positions that a block receives, by the routes of the other side."""
    routes = layout_of(prepared, other(side)).filter(kind="routes", dest=block).sort("block")
    parts = [np.frombuffer(rows, np.int32) * prepared.n_blocks + b for b, rows in routes.select("block", "rows").rows()]
    return np.concatenate(parts)


@pytest.mark.parametrize("name", ["prepared_ratings", pytest.param("prepared_clicks", marks=pytest.mark.long)])
def test_positions_and_rows_are_those_of_one_machine(name, request, ratings_table):
    prepared = request.getfixturevalue(name)
    table = ratings_table if name == "prepared_ratings" else ratings_table.select("user_id", "item_id")
    one = palate.Interactions.from_table(table)
    for side, ids, index in (("user", one.users, one.user_index), ("item", one.items, one.item_index)):
        known = frame_of(prepared.ids(side)).sort("position")
        assert known["id"].to_list() == ids.values.to_list()
        assert_array_equal(known["position"], np.arange(len(ids)))
        assert_array_equal(known["count"], np.bincount(index))
        assert_array_equal(known["weight"], np.bincount(index))
        assert_array_equal(known["block"], np.arange(len(ids)) % prepared.n_blocks)
    wanted = pl.DataFrame({"user": one.user_index, "item": one.item_index, "value": one.values})
    if one.times is not None:
        wanted = wanted.with_columns(time=pl.Series(one.times))
    assert frame_of(prepared.rows).sort("user", "item").equals(wanted.sort("user", "item"))
    assert (prepared.n_rows, prepared.n_users, prepared.n_items) == (len(one), one.n_users, one.n_items)
    assert prepared.value_sum == pytest.approx(one.values.sum())


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize("name", ["prepared_ratings", pytest.param("prepared_clicks", marks=pytest.mark.long)])
def test_blocks_hold_each_cell_once(name, side, request):
    prepared = request.getfixturevalue(name)
    rows = frame_of(prepared.rows).sort(side, other(side)).select(side, other(side), "value")
    assert_array_equal(cells_of(prepared, side), rows.to_numpy())
    assert bool(prepared.long(side)) == (prepared.n_blocks == 4)
    counts = frame_of(prepared.ids(side)).sort("position")["count"].to_numpy()
    for block, held in layout_of(prepared, side).filter(kind="counts").select("block", "counts").rows():
        assert_array_equal(np.frombuffer(held), counts[block :: prepared.n_blocks])
    needed = [[len(received_by(prepared, other(side), dest))] for dest in range(prepared.n_blocks)]
    assert_array_equal(prepared.needed(side).sum(axis=0), np.ravel(needed))


@pytest.mark.long
def test_the_same_rows_in_any_partitions_give_the_same_files(spark, ratings_table, prepared_ratings, tmp_path):
    shuffled = spark.createDataFrame(ratings_table.sample(fraction=1, shuffle=True, seed=1).to_arrow()).repartition(7)
    again = prepare(spark, shuffled, str(tmp_path / "again"), rating_range=(0.5, 5), n_blocks=4)
    assert {**again.facts, "source": ""} == {**prepared_ratings.facts, "source": ""}
    for name in ("users", "items", "rows", "by_user", "by_item"):
        folders = [f"{prepared.path}/{name}" for prepared in (again, prepared_ratings)]
        ours, theirs = (files_of(folder) for folder in folders)
        assert ours == theirs, name


def files_of(folder):
    """Return the content of each file of a folder, in the order of its names."""
    return [pl.read_parquet(path).to_dicts() for path in sorted(Path(folder).glob("part-*"))]


def test_what_a_block_receives_is_ordered_by_block_and_place():
    needed = Needed.of(np.array([5, 1, 4, 5, 9], np.int32), 4, 10)
    assert [route.tolist() for route in needed.routes] == [[1], [0, 1, 2], [], []]
    rows = Rows.from_cells(np.zeros(4, np.int32), needed.rank[[9, 5, 4, 1]], 1, 4)
    assert needed.received[rows.indices].tolist() == [1, 0, 2, 3]  # 1, 4, 5, 9


def test_a_folder_is_opened_again(spark, prepared_ratings):
    again = Prepared.open(spark, prepared_ratings.path)
    assert again.facts == prepared_ratings.facts
    assert repr(again).endswith(f"{again.n_rows} rows, 60 users, 40 items, 4 blocks)")


def test_two_blocks_in_one_task_are_an_error():
    columns = {name: np.zeros(2, np.int32) for name in ("row", "column")}
    batch = pa.RecordBatch.from_pydict({"key": np.array([0, 1], np.int32), **columns, "value": np.ones(2, np.float32)})
    with pytest.raises(SparkError, match="two blocks met in one task"):
        gathered([batch], (0, 1))


def test_cells_are_cut_into_parts_of_whole_rows(monkeypatch):
    monkeypatch.setattr("palate.spark.laying_out.PART", 3)
    rows = Rows.of_sizes([2, 0, 5, 1, 1, 1, 0], np.arange(10, dtype=np.int32))
    parts = list(_cut(rows))
    assert len(parts) > 1
    assert [part["part"] for part in parts] == list(range(len(parts)))
    assert np.concatenate([part["indices"] for part in parts]).tolist() == list(range(10))
    sizes = np.concatenate([np.diff(part["indptr"]) for part in parts])
    assert sizes.tolist() == rows.sizes.tolist()
    assert all(part["indptr"][0] == 0 for part in parts)
    assert max(len(part["indices"]) for part in parts) <= 7  # a part ends with the row that fills it
