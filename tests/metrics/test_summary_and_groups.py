from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from metrics.made import close, padded
from polars.testing import assert_frame_equal
from scipy.stats import bootstrap

from palate.data.ids import Ids
from palate.errors import ParameterError
from palate.metrics import Summary, by_group, quantile_groups, summarise, user_column

NAN = np.nan


def test_the_worst_tenth_is_rounded_up_to_whole_users_and_knows_which_end_is_bad():
    values = np.arange(11, dtype=float)
    assert summarise(values) == Summary(5, 0.5, 11, 0, 0)
    assert summarise(values, higher_is_better=False) == Summary(5, 9.5, 11, 0, 0)
    assert summarise(values[:10]) == Summary(4.5, 0, 10, 0, 0)
    assert summarise(values[3:4]) == Summary(3, 3, 1, 0, 0)


def test_users_without_a_list_stay_in_the_mean_and_users_with_nothing_to_find_do_not():
    lists = padded([[0], [], [], [1]], 1)
    assert summarise(np.array([1.0, 0.0, NAN, NAN]), lists) == Summary(0.5, 0, 2, 1, 2)


def test_nobody_to_measure_has_no_mean():
    for values in (np.array([NAN]), np.empty(0)):
        got = summarise(values)
        assert np.isnan([got.mean, got.worst_tenth]).all()
        assert (got.n_users, got.n_without_list, got.n_left_out) == (0, 0, len(values))


def test_lists_of_other_users_are_refused():
    with pytest.raises(ParameterError, match="values are of 2 users, lists of 1"):
        summarise(np.ones(2), padded([[0]], 1))


def test_each_group_has_its_mean_count_and_interval():
    values = np.array([1.0, 3, 5, NAN, 2, 4, NAN, 9])
    groups = ["b", "b", "b", "b", "a", None, "c", None]
    got = by_group(values, groups)
    assert got["group"].to_list() == ["a", "b", "c", None]
    assert got["mean"].to_list() == [2, 3, None, 6.5]
    assert got["n"].to_list() == [1, 3, 0, 2]
    assert got["low"].to_list()[::2] == got["high"].to_list()[::2] == [None, None]
    assert 1 <= got["low"][1] < 3 < got["high"][1] <= 5


def test_intervals_are_scipys_percentile_bootstrap_and_cover():
    rng = np.random.default_rng(0)
    sample = rng.exponential(1, 60)
    low, high = by_group(sample, np.zeros(60, int), n_resamples=20_000).select("low", "high").row(0)
    wanted = bootstrap((sample,), np.mean, method="percentile", n_resamples=20_000, rng=rng).confidence_interval
    np.testing.assert_allclose([low, high], wanted, atol=0.02)
    many = by_group(rng.normal(0, 1, 200 * 40), np.repeat(np.arange(200), 40), level=0.9, n_resamples=300)
    assert 0.82 < ((many["low"] < 0) & (many["high"] > 0)).mean() < 0.95


def test_a_groups_interval_depends_on_seed_and_level_not_on_other_groups_or_blocks(monkeypatch):
    values, groups = np.random.default_rng(1).random(60), np.repeat([0, 1, 2], 20)
    whole = by_group(values, groups)
    assert_frame_equal(by_group(values[20:40], groups[20:40]), whole[1:2])
    assert not by_group(values, groups, random_state=1).equals(whole)
    assert (by_group(values, groups, level=0.5)["low"] > whole["low"]).all()
    monkeypatch.setattr("palate.metrics.groups.CELLS", 100)
    assert_frame_equal(by_group(values, groups), whole)


def test_activity_is_cut_into_equal_parts_that_sort_by_number():
    activity = np.array([20, 3, 100, 7, 7, 9, 250, 12])
    groups = quantile_groups(activity, 4)
    assert groups.to_list() == [
        "12 to 20", "3 to 7", "100 to 250", "3 to 7", "3 to 7", "9", "100 to 250", "12 to 20"
    ]  # fmt: skip
    got = by_group(activity.astype(float), groups)
    assert got["group"].to_list() == ["3 to 7", "9", "12 to 20", "100 to 250"]
    assert got["n"].to_list() == [3, 1, 2, 2]


def test_equal_numbers_are_never_parted_and_missing_ones_are_a_group_of_their_own():
    assert quantile_groups(np.ones(9)).to_list() == ["1"] * 9
    groups = quantile_groups(pl.Series([18, None, 25, 60]), 2)
    assert groups.to_list() == ["18 to 25", None, "18 to 25", "60"]
    assert by_group(np.ones(4), groups)["n"].to_list() == [2, 1, 1]
    assert quantile_groups(np.array([1.5, NAN])).to_list() == ["1.5", None]


def test_a_column_of_a_user_table_comes_in_the_order_of_the_users():
    table = pl.DataFrame({"user_id": [3, 1, 9], "gender": ["F", "M", "F"]})
    users = Ids([1, 2, 3], "user")
    assert user_column(table, "gender", users).to_list() == ["M", None, "F"]
    assert user_column(table, "user_id", users).to_list() == [1, None, 3]


def test_wrong_input_is_refused():
    with pytest.raises(ParameterError, match="each of 2 values needs a group, got 1"):
        by_group(np.ones(2), ["a"])
    for options in ({"level": 0}, {"level": 95}, {"n_resamples": 0}):
        with pytest.raises(ParameterError, match="level must lie between 0 and 1 and n_resamples be at least 1"):
            by_group(np.ones(2), ["a", "b"], **options)
    for numbers, n in ((np.array([NAN]), 4), (np.ones(2), 0)):
        with pytest.raises(ParameterError, match="quantile groups need n_groups of at least 1 and a number"):
            quantile_groups(numbers, n)
    table, users = pl.DataFrame({"user_id": [1, 1], "age": [2, 3]}), Ids([1], "user")
    with pytest.raises(ParameterError, match="the user table has no column 'sex'; it has user_id, age"):
        user_column(table, "sex", users)
    with pytest.raises(ParameterError, match="the user table has no column 'user_id'"):
        user_column(table.select("age"), "age", users)
    with pytest.raises(ParameterError, match="user_id in the user table is Int64, the data's ids are text"):
        user_column(table, "age", Ids(["1"], "user"))
    with pytest.raises(ParameterError, match="a user_id stands twice in the user table"):
        user_column(table, "age", users)


def test_bootstrap_of_equal_values_is_a_point():
    low, high = by_group(np.full(5, 0.3), ["x"] * 5).select("low", "high").row(0)
    np.testing.assert_allclose([low, high], 0.3, **close)
