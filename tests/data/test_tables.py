"""Tables of pandas, with pyarrow and without, mixed columns, and shapes that are no log."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from palate import Baseline, Interactions
from palate.data import tables
from palate.data.tables import as_frame, to_pandas
from palate.errors import DataError, MissingExtraError


@pytest.fixture(params=["pyarrow", "plain"], autouse=True)
def plain_install(request, monkeypatch):
    """Once as with pyarrow, and once as without it, when Polars takes no more than numbers from pandas."""
    if request.param == "pyarrow":
        return

    def without_pyarrow(name, values):
        raise ModuleNotFoundError("pyarrow is required")

    monkeypatch.setattr(tables, "_by_arrow", without_pyarrow)


DAY = 1_577_836_800


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (["ann", "bob"], ["ann", "bob"]),
        (pd.array(["ann", "bob"], dtype="string"), ["ann", "bob"]),
        (pd.array([1, 2], dtype="Int64"), [1, 2]),
        (pd.array([2**62 + 1, 2], dtype="Int64"), [2**62 + 1, 2]),
        (pd.Categorical(["ann", "bob"]), ["ann", "bob"]),
        ([1.0, 2.0], [1, 2]),
    ],
)
def test_ids_of_any_type_of_pandas(column, found):
    frame = pd.DataFrame({"user": column, "item": [1, 2], "rating": [3.0, 4]})
    assert Interactions.from_table(frame).to_table()["user_id"].to_list() == found


@pytest.mark.parametrize(
    "column",
    [
        pd.to_datetime(["2020-01-01", "2020-01-02"]),
        pd.to_datetime(["2020-01-01T01:00", "2020-01-02T01:00"]).tz_localize("Europe/Berlin"),
        np.array(["2020-01-01", "2020-01-02"], "M8[s]"),
    ],
)
def test_times_of_any_type_of_pandas(column):
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "time": column})
    assert Interactions.from_table(frame).times.tolist() == [DAY, DAY + 86_400]


def test_what_is_missing_in_pandas_is_missing():
    frame = pd.DataFrame({"user": pd.array([1, None], dtype="Int64"), "item": ["a", None]})
    with pytest.raises(DataError, match=r"user is missing: 1 of 2 \(row 1\)\n  item is missing: 1 of 2 \(row 1\)"):
        Interactions.from_table(frame)


def test_item_tables_of_pandas_are_taken():
    log = Interactions.from_table({"user": [1, 2], "item": ["tea", "rum"], "rating": [3, 4]})
    items = pd.DataFrame({"item_id": ["tea", "rum"], "title": ["Tea", "Rum"]})
    assert Baseline().fit(log, items=items).recommend(1, n=1)["title"].to_list() == ["Rum"]


MIXED = {"user": [9, 32, "foo", None], "item": [1, 2, 3, 4]}


@pytest.mark.parametrize("make", [pd.DataFrame, dict], ids=["pandas", "dict"])
def test_mixed_ids_are_faults_with_rows_and_the_column(make):
    with pytest.raises(DataError) as caught:
        Interactions.from_table(make({"userID": MIXED["user"], "item": MIXED["item"]}))
    for part in (
        "mixes numbers and text, such as 'foo': 1 of 4 (row 2) in 'userID'",
        "(row 3)",
        "ids='text' takes all",
    ):
        assert part in str(caught.value)
    data = Interactions.from_table(make(MIXED), on_invalid="drop", on_missing="drop")
    assert data.users.values.to_list() == [9, 32]
    as_text = Interactions.from_table(make(MIXED), ids="text", on_missing="drop")
    assert as_text.users.values.to_list() == ["32", "9", "foo"]
    assert as_text.items.values.to_list() == ["1", "2", "3"]


def test_what_is_neither_number_nor_text_is_no_id():
    with pytest.raises(DataError, match=r"user mixes numbers and text, such as True: 1 of 3 \(row 2\)"):
        Interactions.from_table({"user": ["a", "b", True], "item": [1, 2, 3]})


@pytest.mark.parametrize("make", [pd.DataFrame, dict], ids=["pandas", "dict"])
def test_mixed_values_and_times_are_read_or_listed(make):
    table = {"user": [1, 2, 3], "item": [1, 2, 3], "rating": [3, "4", 2.5], "time": ["2020-01-01", DAY, DAY + 5]}
    data = Interactions.from_table(make(table))
    assert (data.values.tolist(), data.times.tolist()) == ([3, 4, 2.5], [DAY, DAY, DAY + 5])
    with pytest.raises(DataError, match=r"value cannot be read, such as 'x': 1 of 3 \(row 1\) in 'rating'"):
        Interactions.from_table(make({**table, "rating": [3, "x", 4]}))


PIVOT = pd.DataFrame(
    [[5, np.nan], [1, 4]], index=pd.Index(["u1", "u2"], name="user"), columns=pd.Index(["i1", "i2"], name="item")
)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (PIVOT, r"Its index holds user: reset_index\(\) makes columns of it, melt\(\) one row a rating of a pivot"),
        (PIVOT.reset_index(), r"One row a rating is needed: melt\(\) \(pandas\) or unpivot\(\) \(Polars\)"),
        (PIVOT.stack(), r"one column of pandas is no table. Its index holds user, item: reset_index\(\)"),
        (PIVOT.stack().rename("rating").to_frame(), r"Its index holds user, item: reset_index\(\)"),
        (pl.DataFrame({"user": [1], "i1": [2]}), r"One row a rating is needed: melt\(\)"),
        (sparse.csr_matrix([[1]]), r"a SciPy matrix is no table: Interactions.from_scipy\(matrix"),
        (np.array([[1, 2, 3]]), r"by position, such as .* a matrix goes in by Interactions.from_scipy"),
        (None, "NoneType is no table; read_ratings reads a file"),
        ("ratings.csv", "str is no table; read_ratings reads a file"),
        (
            pd.DataFrame([[1, 2, 3]], columns=["user", "item", "item"]),
            "two columns have the name 'item': leave one out",
        ),
    ],
)
def test_other_shapes_are_refused_with_the_way_in(table, message):
    with pytest.raises(DataError, match=message):
        Interactions.from_table(table)


def test_columns_without_names_are_given_by_position():
    rows = [[1, 2, 3.0], [2, 3, 4.0]]
    for table in (pd.DataFrame(rows), np.array(rows)):
        data = Interactions.from_table(table, columns={"user": 0, "item": 1, "value": 2})
        assert data.to_table().rows() == [(1, 2, 3), (2, 3, 4)]


def test_rows_go_back_to_pandas():
    data = Interactions.from_table({"user": ["a", "b"], "item": [1, 2], "rating": [3, 4], "time": [DAY, DAY]})
    frame = data.to_pandas()
    assert list(frame.columns) == ["user_id", "item_id", "value", "time"]
    assert frame["user_id"].tolist() == ["a", "b"]
    frame["value"] += 1  # its own memory
    assert data.values.tolist() == [3, 4]
    again = Interactions.from_table(frame, columns={"value": "value"})
    assert again.values.tolist() == [4, 5]


def test_pandas_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="to_pandas needs pandas: pip install pandas"):
        to_pandas(pl.DataFrame({"a": [1]}))


def test_frames_of_polars_are_not_copied():
    frame = pl.DataFrame({"a": [1]})
    assert as_frame(frame) is frame


PLACES = {"user": 0, "item": 1, "value": 2}


@pytest.mark.parametrize("n", [1, 2, 3, 4, 150])
@pytest.mark.parametrize("make", [tuple, list])
@pytest.mark.parametrize("gather", [list, iter])
def test_rows_without_names_are_one_row_a_rating(n, make, gather):
    rows = [make((k + 1, 100 + k, 3.5)) for k in range(n)]
    log = Interactions.from_table(gather(rows), columns=PLACES)
    assert log.to_table().rows() == [tuple(row) for row in rows]


@pytest.mark.parametrize("n", [2, 3, 4])
def test_arrays_are_one_row_a_rating_however_many_there_are(n):
    array = np.array([(k + 1, 100 + k, 3) for k in range(n)])
    assert Interactions.from_table(array, columns=PLACES).to_table().rows() == [tuple(row) for row in array.tolist()]


def test_rows_of_texts_and_numbers_are_read():
    log = Interactions.from_table([("ann", 20, 3.0), ("bob", 30, 4)], columns=PLACES)
    assert log.to_table().rows() == [("ann", 20, 3.0), ("bob", 30, 4.0)]


def test_a_row_of_another_length_is_named():
    with pytest.raises(DataError, match="row 1 has not 3 values"):
        Interactions.from_table([(1, 20, 3.0), (1, 30)], columns=PLACES)


def test_fields_of_later_records_are_found():
    rows = [{"user": k, "item": k} for k in range(150)] + [{"user": 150, "item": 1, "rating": 4.5}]
    with pytest.raises(DataError, match="value is missing: 150 of 151"):
        Interactions.from_table(rows)
    rows = [{"user": k, "item": k, "rating": 4} for k in range(150)] + [{"user": 150, "item": 1, "rating": 4.5}]
    assert Interactions.from_table(rows).values[-1] == 4.5


@pytest.mark.parametrize("unit", ["D", "h", "m", "s", "ms", "us", "ns"])
@pytest.mark.parametrize("structured", [False, True])
def test_times_of_numpy_are_read_in_every_unit(unit, structured):
    time = np.array(["2020-01-01", "2020-01-02"], f"M8[{unit}]")
    table = {"user": np.array([1, 2]), "item": np.array([3, 4]), "time": time}
    if structured:
        kinds = [(name, column.dtype) for name, column in table.items()]
        table = np.array(list(zip(*table.values(), strict=True)), dtype=kinds)
    assert Interactions.from_table(table).times.tolist() == [DAY, DAY + 86_400]


def test_complex_numbers_are_no_values():
    frame = pd.DataFrame({"user": [1, 2], "item": [3, 4], "rating": [1 + 2j, 3j]})
    with pytest.raises(DataError, match="value cannot be read"):
        Interactions.from_table(frame)


def test_rows_without_names_are_asked_for_by_position():
    with pytest.raises(DataError, match=r"by position, such as columns=\{'user': 0"):
        Interactions.from_table([(1, 20, 3.0), (2, 20, 3.0)])


@pytest.mark.parametrize("big", [[2**64, 2**65], np.array([2**64 - 1, 2**64 - 2], np.uint64)])
def test_integers_beyond_64_bits_are_read_as_text(big):
    table = {"user": big, "item": [1, 1]}
    with pytest.raises(DataError, match="ids='text' takes integers beyond 64 bits as text"):
        Interactions.from_table(table)
    assert Interactions.from_table(table, ids="text").users.values.to_list() == sorted(str(one) for one in big)


def test_a_frame_with_one_name_twice_is_refused_with_the_way_out():
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["user", "item", "rating", "rating"])
    with pytest.raises(DataError, match=r"two columns have the name 'rating': .*duplicated\(\)"):
        Interactions.from_table(frame)
    assert Interactions.from_table(frame.loc[:, ~frame.columns.duplicated()]).values.tolist() == [3]


@pytest.mark.parametrize("users", [2, "ab", None])
def test_ids_of_a_matrix_are_a_list(users):
    matrix = sparse.csr_matrix(np.eye(2))
    if users is None:
        users = pd.array([1, None], dtype="Int64")
        match = "must be all integers"
    else:
        match = "user ids are given as a list or a column"
    with pytest.raises(DataError, match=match):
        Interactions.from_scipy(matrix, users=users)


def test_a_matrix_with_places_beyond_its_shape_is_refused():
    matrix = sparse.csr_matrix(np.eye(3))
    matrix.indices[0] = 99
    with pytest.raises(DataError, match="the sparse matrix is damaged"):
        Interactions.from_scipy(matrix)
