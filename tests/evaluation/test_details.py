"""What a report shows of a model: calibration, errors by group, example users; by hand."""

import numpy as np
import polars as pl
import pytest
from synthetic import low_rank

from palate.data.splits.making import make_splits
from palate.evaluation import measure
from palate.evaluation.details import calibration, details_of, error_by
from palate.models import Baseline, Popularity


def test_calibration_has_ten_bins_of_equal_size_in_order():
    rng = np.random.default_rng(0)
    predicted = rng.random(95) * 4 + 1
    truth = predicted + rng.normal(0, 0.1, 95)
    bins = calibration(truth, predicted)
    order = np.argsort(predicted)
    for one, rows in zip(bins, np.array_split(order, 10), strict=True):
        assert one["n"] == len(rows)
        assert one["predicted"] == pytest.approx(predicted[rows].mean())
        assert one["actual"] == pytest.approx(truth[rows].mean())
        side = 1.96 * truth[rows].std(ddof=1) / np.sqrt(len(rows))
        assert (one["low"], one["high"]) == (pytest.approx(one["actual"] - side), pytest.approx(one["actual"] + side))
    few = calibration(np.array([3.0, 4.0]), np.array([2.0, 5.0]))
    assert [(b["n"], b["low"], b["actual"]) for b in few] == [(1, 3.0, 3.0), (1, 4.0, 4.0)]


def test_errors_by_groups_are_the_rmse_of_their_rows():
    counts = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    squares = np.arange(12.0)
    groups = error_by(counts, squares)
    assert [g["group"] for g in groups] == ["none", "1 to 2", "3 to 4", "5 to 6", "7 to 8", "9 to 10"]
    assert [g["n"] for g in groups] == [2] * 6
    np.testing.assert_allclose([g["rmse"] for g in groups], np.sqrt([0.5, 2.5, 4.5, 6.5, 8.5, 10.5]))
    assert all(0 <= g["low"] <= g["rmse"] <= g["high"] for g in groups)
    assert [g["group"] for g in error_by(np.zeros(3, int), np.ones(3))] == ["none"]


def test_examples_are_three_users_of_rising_activity():
    data = low_rank(n=420)
    train, test = make_splits(data, "random:0.3:5")[0].apply(data)
    model = Baseline().fit(train)
    measured = measure(model, train, test, ["rmse", "ndcg@5"])
    users = data.users.values.to_list()
    people = pl.DataFrame({"user_id": users, "age": range(len(users)), "gender": ["F"] * len(users)})
    details = details_of(model, train, test, measured, people)
    activity = [int(e["about"].split()[0]) for e in details["examples"]]
    assert activity == sorted(activity)
    assert len({e["user"] for e in details["examples"]}) == 3
    for example in details["examples"]:
        index = users.index(int(example["user"]))
        assert example["about"] == f"{(train.user_index == index).sum()} training rows, {index}, F"
        liked = [one["value"] for one in example["liked"]]
        assert liked == sorted(train.values[train.user_index == index].tolist(), reverse=True)[:5]
        seen = {str(1000 + i) for i in train.item_index[train.user_index == index]}
        wanted = {str(1000 + i) for i in test.item_index[test.user_index == index]}
        titles = [one["title"] for one in example["recommended"]]
        assert not seen & set(titles)
        assert [one["in_test"] for one in example["recommended"]] == [title in wanted for title in titles]
        scores = [one["score"] for one in example["recommended"]]
        assert scores == sorted(scores, reverse=True)
    assert sum(g["n"] for g in details["error_by_activity"]) == len(test)
    assert sum(g["n"] for g in details["error_by_popularity"]) == len(test)
    assert sum(b["n"] for b in details["calibration"]) == len(test)


def test_a_model_that_predicts_no_ratings_has_lists_alone():
    data = low_rank(n=420)
    train, test = make_splits(data, "random:0.3:5")[0].apply(data)
    model = Popularity().fit(train)
    details = details_of(model, train, test, measure(model, train, test, ["ndcg@5"]), None)
    assert (details["calibration"], details["error_by_activity"], details["history"]) == (None, None, [])
    assert details["examples"][0]["about"].endswith(" training rows")
    rated = Baseline().fit(train)
    assert details_of(rated, train, test, measure(rated, train, test, ["mae"]), None)["examples"] == []
    nobody = make_splits(data, "cold-users:0.3:1")[0].apply(data)
    cold = Popularity().fit(nobody[0])
    assert details_of(cold, *nobody, measure(cold, *nobody, ["ndcg@5"]), None)["examples"] == []
