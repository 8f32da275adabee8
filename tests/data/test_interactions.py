import logging

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palate import Interactions
from palate.data.columns import find_columns, is_usual
from palate.data.interactions import on_shared_ids
from palate.errors import DataError

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=30
)


def table_of(rows, times=True):
    names = ("user", "item", "rating", "time") if times else ("user", "item", "rating")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=False))


def merged_naively(rows, how, times):
    """One row for each pair, in order of first appearance: a dict of lists, nothing clever."""
    groups = {}
    for row, (user, item, value, time) in enumerate(rows):
        groups.setdefault((user, item), []).append((time if times else 0, row, value))
    out = []
    for (user, item), group in groups.items():
        last = max(group)  # latest time, then last row
        values = [value for _, _, value in group]
        value = {"last": last[2], "mean": sum(values) / len(values), "sum": sum(values)}[how]
        out.append((user, item, value, last[0]))
    return out


@settings(deadline=None)
@given(ROWS, st.sampled_from(["last", "mean", "sum"]), st.booleans())
def test_merging_repeated_pairs_equals_the_naive_twin(rows, how, times):
    got = Interactions.from_table(table_of(rows, times), on_duplicate=how).to_table()
    wanted = merged_naively(rows, how, times)
    for column, values in zip(got.columns, zip(*wanted, strict=True), strict=False):
        np.testing.assert_allclose(got[column].to_numpy(), values, rtol=1e-6)
    assert len(got) == len(wanted)


@settings(deadline=None)
@given(ROWS)
def test_compressed_rows_hold_every_row_sorted(rows):
    data = Interactions.from_table(table_of(rows), on_duplicate="last")
    made = data.by_user()
    cells = [(u, int(i), float(v)) for u in range(data.n_users) for i, v in zip(*made.row(u), strict=True)]
    assert cells == sorted(zip(data.user_index.tolist(), data.item_index.tolist(), data.values.tolist(), strict=True))


def test_repeated_pairs_are_named_by_row_when_they_are_errors():
    rows = [(1, 1, 5, 0), (2, 1, 4, 0), (1, 1, 3, 0), (2, 1, 2, 0), (1, 2, 2, 0)]
    with pytest.raises(DataError, match=r"a user-item pair stands again: 2 of 5 \(rows 2, 3\)"):
        Interactions.from_table(table_of(rows))


def test_rows_are_numbered_as_given_even_after_others_were_dropped():
    table = {"user": [None, 1, 1, 2], "item": [1, 1, 1, 1]}
    with pytest.raises(DataError, match=r"stands again: 1 of 4 \(row 2\)"):
        Interactions.from_table(table, on_missing="drop")


def test_merged_and_dropped_rows_are_counted_and_logged(caplog):
    table = {"user": ["a", "a", "b", ""], "item": [1, 1, 2, 3], "rating": [1, 2, 9, 4]}
    with caplog.at_level(logging.WARNING, "palate"):
        data = Interactions.from_table(
            table, rating_range=(1, 5), on_missing="drop", on_invalid="drop", on_duplicate="mean"
        )
    assert data.dropped == {"user is missing": 1, "value is outside 1 to 5": 1, "repeated pairs merged (mean)": 1}
    assert data.to_table().rows() == [("a", 1, 1.5)]
    assert "the table: dropped 1 rows: user is missing" in caplog.text


def test_no_value_column_means_clicks():
    data = Interactions.from_table({"user": ["b", "a", None], "item": [2, 1, 1]}, on_missing="drop")
    assert data.values.tolist() == [1, 1]
    assert data.values.dtype == np.float32
    assert data.times is None


@pytest.mark.parametrize("make", [dict, pl.DataFrame, lambda t: pl.DataFrame(t).lazy(), pd.DataFrame, pa.table])
def test_any_table_of_the_arrow_world_is_taken(make):
    rows = {"userId": [7, 3], "movieId": ["x", "y"], "rating": [4.5, 1.0], "timestamp": [10, 20]}
    data = Interactions.from_table(make(rows))
    assert data.to_table().rows() == [(7, "x", 4.5, 10), (3, "y", 1.0, 20)]
    assert repr(data) == "Interactions(2 rows, 2 users, 2 items)"


def test_what_is_no_table_is_refused():
    with pytest.raises(DataError, match="cannot read a table from int"):
        Interactions.from_table(7)


@pytest.mark.parametrize("kind", [pl.DataFrame, pd.DataFrame, dict])
def test_interactions_do_not_change_with_the_callers_arrays(kind):
    arrays = {"user": np.array([1, 2]), "item": np.array([5, 6]), "rating": np.array([1, 2], np.float32)}
    arrays["time"] = np.array([3, 4])
    data = Interactions.from_table(kind(arrays))
    for array in arrays.values():
        array[:] = 9
    assert data.to_table().rows() == [(1, 5, 1, 3), (2, 6, 2, 4)]


def test_arrays_are_frozen():
    data = Interactions.from_table({"user": [1], "item": [1], "rating": [2], "time": [3]})
    for array in (data.user_index, data.item_index, data.values, data.times):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_part_keeps_the_ids_of_the_whole():
    data = Interactions.from_table({"user": [1, 2, 3], "item": [4, 5, 6], "rating": [1, 2, 3]})
    part = data.take(np.array([2, 0]))
    assert part.to_table().rows() == [(3, 6, 3), (1, 4, 1)]
    assert (part.n_users, part.n_items, len(part)) == (3, 3, 2)


def test_parts_meet_on_the_union_of_their_ids():
    first = Interactions.from_table({"user": ["b", "c"], "item": [1, 2]})
    second = Interactions.from_table({"user": ["a", "c"], "item": [2, 9]})
    rows = [part.to_table().rows() for part in (first, second)]
    shared = on_shared_ids([first, second])
    assert [part.to_table().rows() for part in shared] == rows
    assert shared[0].users == shared[1].users
    assert shared[0].items.values.to_list() == [1, 2, 9]
    with pytest.raises(DataError, match="item ids are integers in one part and text in another"):
        on_shared_ids([first, Interactions.from_table({"user": ["a"], "item": ["x"]})])


@pytest.mark.parametrize(
    ("names", "given", "found"),
    [
        (["userId", "movieId", "rating", "timestamp"], None, ["userId", "movieId", "rating", "timestamp"]),
        (["Date", "Customer ID", "ISBN"], None, ["Customer ID", "ISBN", "Date"]),
        (["a", "item", "b"], {"user": "a", "value": "b"}, ["a", "item", "b"]),
        (["user", "uid", "item"], {"user": "uid"}, ["uid", "item"]),
    ],
)
def test_columns_are_found_by_usual_names_or_given(names, given, found):
    assert list(find_columns(names, given).values()) == found


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (["x", "item"], None, r"cannot tell which column holds the user id; the table has 'x', 'item'"),
        (["x", "y"], None, "holds the user and item id"),
        (["user", "item", "score", "stars"], None, r"\['score', 'stars'\] could all be the value"),
        (["user", "item"], {"value": "z"}, "no column 'z'; the table has 'user', 'item'"),
        (["user", "item"], {"rating": "item"}, "knows the roles user, item, value, time, weight; got rating"),
        (["user", "item"], {"user": "item", "item": "item"}, "gives one column two roles"),
    ],
)
def test_columns_that_cannot_be_told(names, given, message):
    with pytest.raises(DataError, match=message):
        find_columns(names, given)


def test_usual_names_are_told_in_any_spelling():
    assert is_usual("UserID")
    assert is_usual('"user id"')
    assert is_usual("item_id:token")
    assert not is_usual("alice")


@pytest.mark.parametrize(
    ("values", "rating_range", "message"),
    [
        ([3, 4, 2], (1, 5), "value is outside 1 to 5, such as 7: 1 of 2 user-item pairs; take on_duplicate='last'"),
        ([3e38, 3e38, 2], None, "after on_duplicate='sum' value is not finite: 1 of 2 user-item pairs"),
    ],
)
def test_sums_keep_the_range_and_the_finite_numbers(values, rating_range, message):
    table = {"user": [1, 1, 2], "item": [1, 1, 1], "rating": values}
    with pytest.raises(DataError, match=message):
        Interactions.from_table(table, rating_range=rating_range, on_duplicate="sum")
    mean = Interactions.from_table(table, rating_range=rating_range, on_duplicate="mean").values[0]
    assert mean == pytest.approx((values[0] + values[1]) / 2)


def test_arrays_given_stay_writable_and_those_held_are_not():
    from_table = Interactions.from_table({"user": [1, 2], "item": [1, 2]})
    own = np.array([0, 1], np.int32), np.array([0, 1], np.int32), np.ones(2, np.float32), np.zeros(2, np.int64)
    built = Interactions(*own, from_table.users, from_table.items)
    for array, held in zip(own, (built.user_index, built.item_index, built.values, built.times), strict=True):
        array[0] = 0
        with pytest.raises(ValueError, match="read-only"):
            held[0] = 1


@pytest.mark.parametrize("columns", [["user"], "user", {"user": 0.5}, {"user": ["a"]}, {1: "a"}, {"time": False}])
def test_columns_that_are_no_mapping(columns):
    with pytest.raises(DataError, match=r"columns= maps roles to names or positions of columns, such as .*; got "):
        Interactions.from_table({"user": [1], "item": [1]}, columns=columns)


def test_lazy_table_that_fails(tmp_path):
    lazy = pl.LazyFrame({"user": ["x"], "item": [1]}).with_columns(pl.col("user").cast(pl.Int64))
    for one in (lazy, pl.scan_parquet(tmp_path / "absent.parquet")):
        with pytest.raises(DataError, match="cannot read a table from LazyFrame: "):
            Interactions.from_table(one)
