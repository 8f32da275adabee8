"""Splits come back from a file as they were, and only for the data they were made of."""

import numpy as np
import polars as pl
import pytest
from synthetic import low_rank

from palate.data.splits.file import SCHEMA, load_splits, names_of
from palate.data.splits.making import make_splits, save_splits
from palate.data.splits.split import Split
from palate.errors import DataError, ParameterError
from palate.evaluation import compare


@pytest.fixture(scope="module")
def data():
    return low_rank()


@pytest.mark.parametrize("text", ["time:0.2", "rolling:3:0.1", "kfold:3:1", "random:0.2:42", "last:1"])
def test_it_comes_back_the_same(data, text, tmp_path):
    path = tmp_path / "mine.parquet"
    save_splits(text, path, data)
    made = make_splits(data, text)
    again = load_splits(path, data)
    assert names_of(path) == [s.name for s in again] == [s.name for s in made]
    for place, (a, b) in enumerate(zip(made, again, strict=True), 1):
        np.testing.assert_array_equal(a.train, b.train)
        np.testing.assert_array_equal(a.test, b.test)
        assert a.in_time == b.in_time
        assert (a.source, b.source) == (None, (str(path), place))
        assert not b.train.flags.writeable
    by_name = make_splits(data, f" {path} ")
    np.testing.assert_array_equal(by_name[-1].test, made[-1].test)
    whole = pl.read_parquet(path)
    assert whole["train"][0].to_list() == made[0].train.tolist()


def test_a_comparison_on_a_file_is_repeated_from_the_file(data, tmp_path):
    path = tmp_path / "mine.parquet"
    save_splits("kfold:2:1", path, data)
    found = compare(["baseline"], data, str(path), ["mae"])
    same = compare(["baseline"], data, "kfold:2:1", ["mae"])
    assert found.results.equals(same.results)
    assert f"--split {path} --fold 2 --metrics mae" in found.runs["command"][1]
    assert "--split kfold:2:1 --fold 2 --metrics mae" in same.runs["command"][1]
    windows = compare(["baseline"], data, "rolling:2:0.2", ["mae"])
    assert "--split rolling:2:0.2 --fold 2 --metrics mae" in windows.runs["command"][1]


def test_other_data_is_refused(data, tmp_path):
    path = tmp_path / "mine.parquet"
    save_splits("time:0.2", path, data)
    for other in (low_rank(seed=1), data.take(np.arange(600)[::-1]), data.take(np.arange(500))):
        with pytest.raises(
            DataError, match=r"mine\.parquet was made of other interactions \(600 rows; these are [56]00\)"
        ):
            load_splits(path, other)


def changed(path, **columns):
    pl.read_parquet(path).with_columns(**columns).write_parquet(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": pl.lit(2, pl.Int64)}, "is of version 2, this Palate reads 1: it needs a newer Palate"),
        ({"name": pl.lit(5)}, "is no file of splits: its columns are format_version"),
        ({"name": pl.lit(None, pl.String)}, "is damaged: it has missing values"),
        ({"test": pl.lit([1, None], pl.List(pl.Int64))}, "is damaged: it has missing values"),
        ({"test": pl.lit([], pl.List(pl.Int64))}, "is damaged: the split .* leaves no row in the test part"),
        ({"test": pl.lit([-1], pl.List(pl.Int64))}, "is damaged: the test part of .* row numbers from 0"),
        ({"test": pl.col("train")}, "is damaged: .*: 480 rows stand in both parts"),
        ({"in_time": pl.lit("often")}, "is damaged: in_time must be one of"),
        ({"test": pl.lit([600], pl.List(pl.Int64))}, "is damaged: it has row 600, and the data 600 rows"),
    ],
)
def test_damage_is_refused(data, tmp_path, change, said):
    path = tmp_path / "mine.parquet"
    save_splits("random:0.2:1", path, data)
    changed(path, **change)
    with pytest.raises(DataError, match=said):
        load_splits(path, data)


def test_bytes_that_are_no_table_are_refused(data, tmp_path):
    path = tmp_path / "mine.parquet"
    save_splits("random:0.2:1", path, data)
    whole = path.read_bytes()
    for damaged in (b"", b"PAR1", whole[: len(whole) // 2], b"x" * 100):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"mine\.parquet is damaged: "):
            load_splits(path, data)
    with pytest.raises(DataError, match=r"cannot read the splits of .*none\.parquet: No such file"):
        make_splits(data, str(tmp_path / "none.parquet"))
    pl.DataFrame(schema=SCHEMA).write_parquet(path)
    with pytest.raises(DataError, match="is no file of splits"):
        load_splits(path, data)


def test_what_is_no_split_is_not_saved(data, tmp_path):
    for splits in ([], [1]):
        with pytest.raises(ParameterError, match=r"give at least one split, or a string such as time:0\.2"):
            save_splits(splits, tmp_path / "a.parquet", data)
    with pytest.raises(ParameterError, match=r"a file of splits ends in \.parquet, got a\.csv"):
        save_splits("time:0.2", tmp_path / "a.csv", data)
    one = Split("mine", np.array([0]), np.array([700]))
    with pytest.raises(DataError, match="the split mine has row 700"):
        save_splits(one, tmp_path / "a.parquet", data)
    with pytest.raises(DataError, match="cannot write the splits to"):
        save_splits("time:0.2", tmp_path / "nowhere" / "a.parquet", data)
    assert not list(tmp_path.iterdir())
