"""Parameters that are None: one machine's values of few rows; of more, exact sums, and the rest by a sample."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from layouts import lay_out

from palate import ALS, ImplicitALS, Interactions
from palate.errors import DataError
from palate.spark import settings
from palate.spark.blocks import block_keys
from palate.spark.preparing import prepare
from palate.spark.settings import used_clicks, used_ratings


def made(n_rows=3000, shape=(120, 80), seed=1):
    """Return ratings with a taste in them, in the order of users and items."""
    rng = np.random.default_rng(seed)
    cells = np.unique(rng.integers(0, shape, (n_rows, 2)), axis=0)
    P, Q = rng.standard_normal((shape[0], 2)), rng.standard_normal((shape[1], 2))
    truth = 3 + (P[cells[:, 0]] * Q[cells[:, 1]]).sum(1) + 0.4 * rng.standard_normal(len(cells))
    values = np.clip(np.round(truth), 1, 5)
    return pl.DataFrame(
        {"user": cells[:, 0], "item": cells[:, 1], "rating": values, "weight": rng.random(len(cells)) + 0.5}
    )


@pytest.fixture(scope="module")
def table():
    return made()


@pytest.fixture(scope="module")
def prepared(spark, table, tmp_path_factory):
    data = Interactions.from_table(table.drop("weight"))
    return lay_out(spark, data, tmp_path_factory.mktemp("settings") / "ratings", block_keys(spark, 4))


@pytest.fixture(scope="module")
def weighted(spark, table, tmp_path_factory):
    path = tmp_path_factory.mktemp("settings") / "weighted"
    rows = spark.createDataFrame(table.with_columns(rating=pl.col("rating") * 2 - 1).to_arrow())
    return prepare(spark, rows, str(path), n_blocks=2, columns={"weight": "weight"})


def told(settings):
    return settings.mean, settings.reg, settings.reg_users, settings.reg_items


def learned(model):
    return model.mean_, model.reg_, model.reg_users_, model.reg_items_


@pytest.mark.parametrize("given", [{}, {"reg": 2.0, "reg_biases": 3.0}, {"biases": False}])
def test_ratings_get_one_machines_settings(prepared, table, given):
    model = ALS(4, n_epochs=1, random_state=3, **given)
    used = used_ratings(prepared, model, 3)
    one = model.fit(Interactions.from_table(table.drop("weight")))
    assert told(used.settings) == learned(one)
    assert used.init_scale == one.init_scale_


@pytest.mark.long
def test_sample_weights_count(weighted, table):
    model = ALS(4, n_epochs=1, random_state=3)
    data = Interactions.from_table(table.with_columns(rating=pl.col("rating") * 2 - 1), columns={"weight": "weight"})
    assert told(used_ratings(weighted, model, 3).settings) == learned(model.fit(data))


CLICKS = [{"positive": 4}, {"positive": "any", "shrinkage": 2.0}, {"positive": "values"}, {"positive": 3, "reg": 2.0}]


@pytest.mark.parametrize(
    "given", [*CLICKS, {"positive": "values", "alpha": 2.0, "unobserved_weight": 0.1, "n_factors": 5}]
)
def test_clicks_get_one_machines_settings(prepared, table, given):
    model = ImplicitALS(**{"n_factors": None, "n_epochs": 1, "random_state": 3, **given})
    used = used_clicks(prepared, model, 3)
    one = model.fit(Interactions.from_table(table.drop("weight")))
    w = used.weighing
    assert (w.alpha, w.unobserved_weight, w.reg) == (one.alpha_, one.unobserved_weight_, one.reg_)
    assert (used.n_factors, used.shrinkage, used.typical) == (one.n_factors_, one.shrinkage_, one.typical_count_)
    assert used.n_warm[1] == one.n_warm_


MORE = [*CLICKS[1:], {"positive": 2, "reg_exponent": 0.5, "shrinkage": 1.0}]


@pytest.mark.long  # of rows without weights: the next test
@pytest.mark.parametrize("given", [CLICKS[0], *MORE])
def test_sums_of_many_clicks_are_one_machines(weighted, given, monkeypatch):
    model = ImplicitALS(**{"random_state": 3, "reg": 1.0, **given})
    few = used_clicks(weighted, model, 3)
    monkeypatch.setattr(settings, "SAMPLE", 1000)
    many = used_clicks(weighted, model, 3)
    assert many.weighing.unobserved_weight == pytest.approx(few.weighing.unobserved_weight, rel=1e-12)
    assert many.weighing.reg == pytest.approx(few.weighing.reg, rel=1e-12)
    assert many.shrinkage == pytest.approx(few.shrinkage, rel=1e-12)
    assert (many.n_factors, many.typical, many.n_warm) == (few.n_factors, few.typical, few.n_warm)


def test_long_rows_weigh_as_a_whole(prepared_ratings, monkeypatch):
    assert prepared_ratings.long("user") or prepared_ratings.long("item")
    model = ImplicitALS(positive=3, shrinkage=1.0)
    few = used_clicks(prepared_ratings, model, 3)
    monkeypatch.setattr(settings, "SAMPLE", 100)
    assert used_clicks(prepared_ratings, model, 3).weighing.reg == pytest.approx(few.weighing.reg, rel=1e-12)


@pytest.mark.long
def test_a_sample_is_near_and_the_same_for_any_blocks(prepared, spark, table, tmp_path, monkeypatch):
    model = ALS(4, random_state=3)
    few = told(used_ratings(prepared, model, 3).settings)
    monkeypatch.setattr(settings, "SAMPLE", 1500)
    many = used_ratings(prepared, model, 3)
    np.testing.assert_allclose(told(many.settings), few, rtol=0.6)
    assert told(many.settings) != few
    other = prepare(spark, spark.createDataFrame(table.drop("weight").to_arrow()), str(tmp_path / "p"), n_blocks=1)
    assert used_ratings(other, model, 3) == many
    assert used_ratings(prepared, model, 4) != many


def test_given_penalties_take_the_mean_of_all_ratings(prepared, monkeypatch):
    model = ALS(4, reg=1.0, reg_biases=2.0)
    few = used_ratings(prepared, model, 3)
    monkeypatch.setattr(settings, "SAMPLE", 10)
    many = used_ratings(prepared, model, 3)
    assert told(many.settings) == pytest.approx(told(few.settings))
    assert many.init_scale == pytest.approx(few.init_scale)


def test_a_sample_of_clicks_chooses_the_shrinkage(prepared, monkeypatch):
    model = ImplicitALS(positive=4, random_state=3)
    monkeypatch.setattr(settings, "SAMPLE", 2500)
    used = used_clicks(prepared, model, 3)
    assert 0.05 < used.shrinkage < 10
    assert used_clicks(prepared, model, 3) == used


def test_rows_of_a_sample_are_long_on_both_sides(prepared, monkeypatch):
    monkeypatch.setattr(settings, "SAMPLE", prepared.n_rows // 4)
    of_users, of_items = settings.balanced(prepared)
    assert of_users * of_items == pytest.approx(0.25, rel=0.01)
    data = settings.sample(prepared, 0, (of_users, of_items))
    lengths = len(data) / data.n_users, len(data) / data.n_items
    assert 0.7 < lengths[0] / lengths[1] < 1.4


def test_values_that_are_no_clicks_are_refused(prepared, monkeypatch):
    for rows in (settings.SAMPLE, 100):
        monkeypatch.setattr(settings, "SAMPLE", rows)
        with pytest.raises(DataError, match="values of the training part differ, from 1 to 5"):
            used_clicks(prepared, ImplicitALS(), 3)
