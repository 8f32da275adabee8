"""Parts that somebody else made: one data set and its split, in whatever shape they come."""

import logging
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import palate
from palate import Dataset, Interactions, fixed_split, load_split
from palate.data.fingerprint import fingerprint
from palate.errors import DataError, ParameterError
from palate.evaluation import compare, evaluate, evaluate_splits


def rows(users, items, values=None, times=None, **more):
    table = {"user": users, "item": items}
    table |= {} if values is None else {"rating": values}
    table |= {} if times is None else {"timestamp": times}
    return Interactions.from_table(table, **more)


@pytest.fixture
def parts():
    """Two parts, of ids of their own; user 4 and item 40 are in the test part alone."""
    train = rows([1, 1, 2, 2, 3], [10, 20, 10, 30, 20], [5.0, 3.0, 4.0, 1.0, 2.0])
    return train, rows([1, 3, 4], [30, 40, 10], [2.0, 4.0, 5.0])


def test_the_two_parts_come_back_from_the_split(parts):
    data, split = fixed_split(*parts, name="theirs")
    assert (data.name, split.name, split.in_time) == ("theirs", "theirs", "")
    for given, part in zip(parts, split.apply(data), strict=True):
        assert part.interactions.to_table().rows() == given.to_table().rows()
        assert part.interactions.users.values.to_list() == [1, 2, 3, 4]
        assert part.interactions.items.values.to_list() == [10, 20, 30, 40]
    assert "1 user and 1 item of the test part have no training row" in split.describe(data).says


def test_parts_in_time_say_so_and_others_do_not():
    train = rows([1, 1, 2], [1, 2, 1], [1, 2, 3], [10**9, 10**9 + 5, 10**9 + 9])
    later = rows([2, 1], [2, 3], [1, 2], [10**9 + 9, 10**9 + 20])
    assert fixed_split(train, later)[1].in_time == "all"
    assert fixed_split(later, train)[1].in_time == ""


def test_tables_of_both_parts_are_joined_the_training_parts_first(parts):
    train = Dataset.from_tables(parts[0], items={"item_id": [10, 20, 30], "title": ["a", "b", "c"], "year": [1, 2, 3]})
    test = Dataset.from_tables(parts[1], items={"item_id": [10, 30, 40], "title": ["x", "y", "d"], "year": [7, 8, 9]})
    data, _ = fixed_split(train, test)
    assert data.items.rows() == [(10, "a", 1), (20, "b", 2), (30, "c", 3), (40, "d", 9)]
    assert data.users["user_id"].to_list() == [1, 2, 3, 4]
    data, _ = fixed_split(*parts, items={"item_id": [40], "title": ["of both"]}, users={"user_id": [4], "age": [30]})
    assert data.items["title"].to_list() == ["10", "20", "30", "of both"]
    assert data.users["age"].to_list() == [None, None, None, 30]


def test_parts_that_do_not_fit_are_refused(parts):
    train, test = parts
    with pytest.raises(DataError, match="test must be Interactions"):
        fixed_split(train, {"user": [1]})
    with pytest.raises(DataError, match="user ids are integers in one part and text in another"):
        fixed_split(train, rows(["a"], [10], [1.0]))
    timed = rows([1], [30], [2.0], [10**9])
    with pytest.raises(DataError, match="the training part has no times, and the test part has them: read both"):
        fixed_split(train, timed)
    weighed = Interactions.from_table({"user": [1], "item": [30], "w": [2.0]}, columns={"weight": "w", "value": None})
    with pytest.raises(DataError, match=r"the training part has them: read both alike$"):
        fixed_split(weighed, test)
    with pytest.raises(
        DataError, match=r"shares no user and no item with the training part .it begins with user 7 and"
    ):
        fixed_split(train, rows([7], [70], [1.0]))
    with pytest.raises(DataError, match="1 of 2 test rows are also in the training part, such as user 1 and item 10"):
        fixed_split(train, rows([1, 1], [10, 30], [1.0, 1.0]))
    with pytest.raises(ParameterError, match="on_overlap"):
        fixed_split(train, test, on_overlap="keep")
    lists = Dataset.from_tables(train, items={"item_id": [10, 20], "genres": [["a"], ["b"]]})
    texts = Dataset.from_tables(test, items={"item_id": [10, 40], "genres": ["a", "b"]})
    with pytest.raises(DataError, match=r"the item tables of the two parts do not fit each other .*: give one table"):
        fixed_split(lists, texts)


def test_shared_rows_can_be_dropped(parts, caplog):
    with caplog.at_level(logging.WARNING, "palate"):
        data, split = fixed_split(parts[0], rows([1, 1], [10, 30], [1.0, 1.0]), on_overlap="drop")
    assert len(split.test) == 1
    assert "1 test rows are also in the training part and left out" in caplog.text
    assert split.apply(data)[1].interactions.to_table()["item_id"].to_list() == [30]


def test_evaluate_takes_parts_with_ids_of_their_own(parts):
    by_hand = evaluate(palate.Baseline(), *parts)
    data, split = fixed_split(*parts)
    (of_split,) = evaluate_splits(palate.Baseline(), data, [split])
    assert by_hand.metrics == of_split.metrics
    assert by_hand.without_training == {"users": 1, "items": 1, "test_rows": 2}


SHAPES = {  # of the data sets that people bring: columns, values, times
    "half stars": (0.5, 4.0, 0.5, False),
    "clicks": (None, None, None, False),
    "ten stars with times": (0, 10, 1, True),
    "counts": (1, 5000, 7, False),
}


@pytest.fixture(params=SHAPES)
def files(request, tmp_path):
    low, high, step, with_times = SHAPES[request.param]
    rng = np.random.default_rng(3)
    cells = rng.permutation(40 * 25)[:400]
    table = {"user": cells // 25 + 1000, "item": cells % 25}
    if low is not None:
        table["rating"] = rng.choice(np.arange(low, high + step, step), 400)
    if with_times:
        table["timestamp"] = 1_362_062_307 + 1000 * np.arange(400)
    frame = pl.DataFrame(table)
    paths = tmp_path / "train.parquet", tmp_path / "test.parquet"
    for path, part in zip(paths, (frame.head(320), frame.tail(80)), strict=True):
        part.write_parquet(path)
    pl.DataFrame({"item_id": range(25), "title": [f"F{i}" for i in range(25)], "year": range(1990, 2015)}).with_columns(
        genres=pl.when(pl.col("item_id") % 2 == 0).then(pl.lit("Drama|War")).otherwise(pl.lit("Comedy"))
    ).write_parquet(tmp_path / "items.parquet")
    return request.param, paths, tmp_path


def test_files_of_every_shape_are_one_split_everywhere(files):
    shape, paths, folder = files
    data, split = load_split(*paths, items=folder / "items.parquet")
    assert split.name == f"{paths[0]} / {paths[1]}"
    assert split.in_time == ("all" if shape == "ten stars with times" else "")
    assert data.items["genres"].to_list()[:2] == [["Drama", "War"], ["Comedy"]]
    models = ["popularity", palate.ItemKNN(positive="any")]
    compared = compare(models, data, split, ["ndcg@5"], progress=None)
    train, test = (palate.read_ratings(path) for path in paths)
    for model in (palate.Popularity(), palate.ItemKNN(positive="any")):
        one = evaluate(model, train, test, metrics=["ndcg@5"])
        assert (
            compared.table().row(by_predicate=pl.col("model") == model.key, named=True)["mean"] == one.metrics["ndcg@5"]
        )
    palate.save_splits(split, folder / "split.parquet", data)
    (again,) = palate.load_splits(folder / "split.parquet", data)
    assert again.digest == split.digest


def test_the_official_parts_of_movielens_have_its_tables(movielens, tmp_path):
    """u1.base and u1.test beside u.item and u.user, which have no header."""
    folder = Path(os.environ.get("PALATE_DATA", "")) / "ml-100k"
    if not (folder / "u1.base").exists():
        pytest.skip("the official parts are in the folder of MovieLens, and no cache has them")
    data, split = load_split(folder / "u1.base", folder / "u1.test", items=folder / "u.item", users=folder / "u.user")
    known = movielens.items.filter(pl.col("item_id").is_in(data.items["item_id"].implode()))
    assert data.items.filter(pl.col("item_id").is_in(known["item_id"].implode())).equals(known)
    assert data.users.equals(movielens.users)
    assert (len(split.train), len(split.test)) == (80_000, 20_000)
    official = palate.load_movielens("100k", on_missing="keep")
    (own,) = palate.make_splits(official, "official:u1")
    rows = [
        part.interactions.to_table().sort("user_id", "item_id")
        for part in (split.apply(data)[1], own.apply(official)[1])
    ]
    assert rows[0].equals(rows[1])


def test_a_search_learns_from_the_training_part_and_never_sees_the_other(files):
    pytest.importorskip("optuna")
    shape, paths, _ = files
    if shape == "clicks":
        pytest.skip("there is no error of equal values")
    data, split = load_split(*paths)
    found = palate.tune("baseline", data, n_trials=2, split=split, progress=None)
    assert found.record["split"] == f"{split.name} ({split.digest[:8]})"
    assert found.record["validation"] == ("time:0.2" if split.in_time else "random:0.2:42")
    learned = found.model.seen_
    assert len(learned.indices) == len(split.train)
    alone = evaluate(type(found.model)(**found.model.get_params()), *split.apply(data), metrics=["rmse"])
    assert found.test_value == alone.metrics["rmse"]


def test_another_cut_of_the_same_rows_is_another_search(parts, tmp_path):
    pytest.importorskip("optuna")
    data, split = fixed_split(*parts)
    other = palate.data.splits.split.Split("fixed", np.arange(4), np.arange(4, 8))
    options = {"n_trials": 1, "out": tmp_path / "out", "validation": "random:0.5:1", "progress": None}
    palate.tune("baseline", data, split=split, **options)
    with pytest.raises(DataError, match="holds a search with another split"):
        palate.tune("baseline", data, split=other, **options)


def test_open_files_and_names_that_are_none(tmp_path, parts):
    for name, part in zip(("a.csv", "b.csv"), parts, strict=True):
        part.to_table().write_csv(tmp_path / name)
    with (tmp_path / "a.csv").open("rb") as a, (tmp_path / "b.csv").open("rb") as b:
        data, split = load_split(a, b)
    assert split.name == "the given file / the given file"
    assert fingerprint(data.interactions) == fingerprint(fixed_split(*parts)[0].interactions)
    with pytest.raises(DataError, match="there is no"):
        load_split(tmp_path / "a.csv", tmp_path / "none.csv")
