"""Splits on Spark: the strings of one machine, by a hash that no partitioning, order or type of ids changes."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest

import palate
from palate.errors import DataError, ParameterError
from palate.spark.leaks import check_parts, check_time, without_overlap
from palate.spark.splits import BUCKETS, hash_of, make_splits, nth_lowest, split

PAIR = ["user", "item"]


@pytest.fixture(scope="module")
def small():
    """Sixty ratings of eight users with whole ids, times all different within a user."""
    rng = np.random.default_rng(1)
    pairs = rng.permutation(8 * 12)[:60]
    frame = pl.DataFrame({"user": pairs // 12, "item": pairs % 12}).cast(pl.Int64)
    times = pl.Series(10**9 + 1000 * rng.permutation(60) ** 2)
    return frame.with_columns(value=pl.Series(rng.integers(1, 6, 60), dtype=pl.Float32), time=times)


@pytest.fixture(scope="module")
def ratings(spark, small):
    return spark.createDataFrame(small.to_arrow()).coalesce(1).cache()


@pytest.fixture(scope="module")
def one_machine(small):
    return palate.Interactions.from_table(small)


def pairs_of(frame):
    table = pl.DataFrame(pl.from_arrow(frame.select(*PAIR).toArrow()))
    return sorted((int(user), int(item)) for user, item in table.rows())


def check_same(found, one_machine, text, **options):
    several = palate.make_splits(one_machine, text)
    assert [parts.name for parts in found] == [one.name for one in several]
    for parts, one in zip(found, several, strict=True):
        assert parts.in_time == one.in_time
        for frame, rows in ((parts.train, one.train), (parts.test, one.test)):
            ids = (side.at(index[rows]).to_list() for side, index in zip(*sides(one_machine), strict=True))
            assert pairs_of(frame) == sorted(zip(*ids, strict=True))


def sides(data):
    return (data.users, data.items), (data.user_index, data.item_index)


M64, P1, P2, P3 = 2**64 - 1, 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P4, P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def turned(x, by):
    return (x << by | x >> 64 - by) & M64


def xxhash64(data, seed):
    """XXH64 of fewer than 32 bytes, as its specification has it."""
    h = (seed + P5 + len(data)) & M64
    while len(data) >= 8:
        h ^= turned(int.from_bytes(data[:8], "little") * P2 & M64, 31) * P1 & M64
        h, data = (turned(h, 27) * P1 + P4) & M64, data[8:]
    if len(data) >= 4:
        h ^= int.from_bytes(data[:4], "little") * P1 & M64
        h, data = (turned(h, 23) * P2 + P3) & M64, data[4:]
    for byte in data:
        h = turned(h ^ (byte * P5 & M64), 11) * P1 & M64
    h = (h ^ h >> 33) * P2 & M64
    h = (h ^ h >> 29) * P3 & M64
    return h ^ h >> 32


def test_the_hash_is_one_that_others_can_compute(spark):
    rows = spark.createDataFrame([(1, 2), (10**12, 345), (1, -23)], "user long, item int")
    found = [row[0] % 2**64 for row in rows.select(hash_of(rows, 42, *PAIR)).collect()]
    start = xxhash64((42).to_bytes(8, "little"), 42)  # Spark begins with 42, too
    pairs = ((b"1", b"2"), (b"1000000000000", b"345"), (b"1", b"-23"))
    assert found == [xxhash64(item, xxhash64(user, start)) for user, item in pairs]


def test_a_row_falls_into_the_same_part_however_the_rows_come(spark, small, ratings):
    train, test = split(spark, ratings, "random:0.3:7")
    found = pairs_of(test)
    assert 8 <= len(found) <= 28
    assert sorted(found + pairs_of(train)) == sorted(small.select(PAIR).rows())
    texts = small.with_columns(pl.col(PAIR).cast(pl.String)).sample(fraction=1, shuffle=True, seed=3)
    some = texts.filter(pl.col("user") != "3").rename({"user": "customer", "item": "sku"})
    other = spark.createDataFrame(some.to_arrow()).repartition(3)
    again = split(spark, other, "random:0.3:7", columns={"user": "customer", "item": "sku"})[1]
    assert pairs_of(again) == [pair for pair in found if pair[0] != 3]
    assert again.columns == ["user", "item", "value", "time"]


@pytest.mark.parametrize("text", ["last:2", "time:0.2", pytest.param("rolling:2:0.2", marks=pytest.mark.long)])
def test_splits_by_time_are_those_of_one_machine(spark, ratings, one_machine, text):
    found = make_splits(spark, ratings, text)
    check_same(found, one_machine, text)
    check_time(found[0].train, found[0].test, text, within_users=text == "last:2")


def test_folds_hold_each_row_once(spark, small, ratings):
    folds = make_splits(spark, ratings, "kfold:3:1")
    assert [fold.name for fold in folds] == [f"kfold:3:1 fold {k}" for k in (1, 2, 3)]
    tested = [pair for fold in folds for pair in pairs_of(fold.test)]
    assert sorted(tested) == sorted(small.select(PAIR).rows())


def test_a_part_of_each_user_and_a_part_of_the_items(spark, small, ratings):
    drawn = pairs_of(split(spark, ratings, "stratified:0.25")[1])
    sizes = small.group_by("user").len().rows()
    for user, size in sizes:
        assert sum(pair[0] == user for pair in drawn) == np.round(0.25 * size)
    train, test = split(spark, ratings, "cold-items:0.3:5")
    cold, warm = ({item for _, item in pairs_of(part)} for part in (test, train))
    assert not cold & warm
    assert len(cold) == np.ceil(0.3 * len(cold | warm))


@pytest.mark.long
def test_a_file_of_one_machine_gives_its_rows(spark, small, ratings, one_machine, tmp_path):
    path = str(tmp_path / "splits.parquet")
    palate.save_splits("rolling:2:0.2", path, one_machine)
    shuffled = spark.createDataFrame(small.sample(fraction=1, shuffle=True, seed=0).to_arrow())
    check_same(make_splits(spark, shuffled, path, made_of=one_machine), one_machine, "rolling:2:0.2")
    with pytest.raises(ParameterError, match="give the interactions that it was made of, made_of"):
        make_splits(spark, ratings, path)
    with pytest.raises(DataError, match="made of other interactions"):
        make_splits(spark, ratings, path, made_of=one_machine.take(np.arange(50)))


@pytest.mark.long  # of a command: tests/spark/test_story.py
def test_what_was_prepared_is_split_alike_and_written(spark, prepared_ratings, ratings_table, tmp_path):
    path = str(tmp_path / "parts")
    train, test = split(spark, prepared_ratings, "random:0.2:42", path)
    raw = split(spark, spark.createDataFrame(ratings_table.to_arrow()), "random:0.2:42")[1]
    rows = [pl.DataFrame(pl.from_arrow(part.select(*PAIR).toArrow())).sort(PAIR).rows() for part in (test, raw)]
    assert rows[0] == rows[1]
    assert train.columns == ["user", "item", "value", "time"]
    assert pl.read_parquet(f"{path}/test/*.parquet").height == len(rows[0])
    with pytest.raises(DataError, match="exists already"):
        split(spark, prepared_ratings, "random:0.2:42", path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("official:u1", "goes by the order of the rows"),
        ("randem:0.2", "unknown split"),
        ("random:1.2:42", "must lie between 0 and 1"),
        (0.2, "is a text such as random:0.2:42, got 0.2"),
    ],
)
def test_wrong_strings_are_refused(spark, ratings, text, words):
    with pytest.raises(ParameterError, match=words):
        make_splits(spark, ratings, text)


def test_rows_that_cannot_be_split_are_refused(spark, ratings):
    with pytest.raises(ParameterError, match=r"is 3 splits, and this gives one: take make_splits"):
        split(spark, ratings, "kfold:3:1")
    with pytest.raises(DataError, match="needs times, and these ratings have none"):
        split(spark, ratings.drop("time"), "last:1")
    with pytest.raises(DataError, match="needs times that are numbers or moments, and these are string"):
        split(spark, ratings.withColumn("time", ratings["time"].cast("string")), "time:0.2")
    with pytest.raises(DataError, match="leaves no row in the train part"):
        split(spark, ratings, "last:90")
    with pytest.raises(DataError, match="has 4 windows of 24 rows, and the data has 60"):
        make_splits(spark, ratings, "rolling:4:0.4")


@pytest.mark.long  # of few times: the splits by time
def test_the_place_of_a_time_is_found_by_counts(spark):
    far = [0, 3, 3, 3, BUCKETS, BUCKETS + 1, 5 * BUCKETS**2]
    times = spark.createDataFrame([(time,) for time in far], "palate_time long")
    assert [nth_lowest(times, place) for place in (1, 3, 5, 6)] == [3, 3, BUCKETS + 1, 5 * BUCKETS**2]


def test_moments_count_in_seconds(spark):
    rows = [(1, item, datetime(2024, 1, 1, 0, 0, item)) for item in range(5)]
    frame = spark.createDataFrame(rows, "user int, item int, time timestamp")
    assert pairs_of(split(spark, frame, "time:0.3")[1]) == [(1, 3), (1, 4)]


def test_leaks_are_refused(spark):
    train = spark.createDataFrame([(1, 2, 10), (1, 3, 20), (2, 2, 5)], "user int, item int, time int")
    test = spark.createDataFrame([(1, 3, 15), (2, 4, 5)], "user int, item int, time int")
    with pytest.raises(
        DataError, match="mine: 1 of 2 test rows are also in the training part, such as user 1 and item 3"
    ):
        check_parts(train, test, "mine")
    assert pairs_of(without_overlap(train, test)) == [(2, 4)]
    check_parts(train, without_overlap(train, test), "mine")
    with pytest.raises(DataError, match="1 of 3 training rows are later than the first test row of the same user"):
        check_time(train, test, "mine", within_users=True)
    with pytest.raises(DataError, match="2 of 3 training rows are later than the first test row: training"):
        check_time(train, test, "mine")
    with pytest.raises(DataError, match="have no times"):
        check_time(train.drop("time"), test, "mine")
