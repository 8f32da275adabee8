"""Models out of Spark: collected, as a file, as a folder; newcomers and items alike: one machine's, bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from model_files import assert_same_model

from palate import ALS, ImplicitALS, Interactions, files
from palate.data.features import Features
from palate.errors import DataError, ModelFileError, ParameterError
from palate.spark.facts import begin_facts
from palate.spark.models import collect, save
from palate.spark.newcomers import fold_in
from palate.spark.preparing import prepare
from palate.spark.similar import similar_items
from palate.spark.trained import Trained
from palate.spark.training import train

pytestmark = pytest.mark.long  # tests/spark/test_story.py saves a model in the fast ones


@pytest.fixture(scope="module")
def als(prepared_ratings, tmp_path_factory) -> Trained:
    model = ALS(4, reg=0.5, reg_biases=2.0, n_epochs=2, random_state=0)
    return train(prepared_ratings, model, str(tmp_path_factory.mktemp("trained") / "als"))


@pytest.fixture(scope="module")
def ials(prepared_clicks, tmp_path_factory) -> Trained:
    model = ImplicitALS(3, reg=0.02, unobserved_weight=0.1, n_epochs=2, random_state=0)
    return train(prepared_clicks, model, str(tmp_path_factory.mktemp("trained") / "ials"))


@pytest.fixture(scope="module")
def models(als, ials):
    return {"als": collect(als), "ials": collect(ials)}


@pytest.fixture
def both(als, ials):
    return {"als": als, "ials": ials}


@pytest.fixture(scope="module")
def newcomers():
    """Rows of people whom training has not seen, some of them of unknown items, and one of whom none is known."""
    rng = np.random.default_rng(5)
    users, items = rng.integers(0, 30, 200), rng.integers(0, 45, 200)
    table = pl.DataFrame(
        {"user_id": pl.Series(users).cast(pl.String) + "ö", "item_id": pl.Series(items).cast(pl.String) + "é"}
    )
    stranger = pl.DataFrame({"user_id": ["zz"], "item_id": ["nothing"]})
    table = pl.concat([table.unique(maintain_order=True), stranger])
    return table.with_columns(rating=pl.Series(rng.integers(1, 11, len(table)) / 2))


def given(key, newcomers):
    return newcomers if key == "als" else newcomers.drop("rating")


# -- out ------------------------------------------------------------------------------------------------------------


def test_a_collected_model_is_that_of_one_machine(models, ratings_table):
    data = Interactions.from_table(ratings_table, rating_range=(0.5, 5))
    model, one = models["als"], ALS(4, reg=0.5, reg_biases=2.0, n_epochs=2, random_state=0).fit(data)
    assert (model.users_, model.items_, model.rating_range_) == (one.users_, one.items_, one.rating_range_)
    for part in ("indptr", "indices", "values"):
        np.testing.assert_array_equal(getattr(model.seen_, part), getattr(one.seen_, part))
    assert model.item_table_.equals(one.item_table_)
    assert (model.mean_, model.reg_, model.reg_users_, model.seed_) == (one.mean_, one.reg_, one.reg_users_, 0)
    assert [set(record) for record in model.history_] == [set(record) for record in one.history_]
    P, b = (model.fold_in(data).factors, model.fold_in(data).biases)
    np.testing.assert_allclose(P, model.user_factors_, atol=2e-5)
    np.testing.assert_allclose(b, model.user_biases_, atol=2e-5)
    short = model.seen_.sizes < model.seen_.sizes.max()  # the longest row was summed in pieces
    np.testing.assert_array_equal(P[short], model.user_factors_[short])


def test_a_collected_model_of_clicks_folds_its_users_in(models, ratings_table):
    model = models["ials"]
    data = Interactions.from_table(ratings_table.select("user_id", "item_id"))
    assert (model.users_, model.n_warm_) == (data.users, data.n_items)
    np.testing.assert_allclose(model.fold_in(data).factors, model.user_factors_, atol=2e-5)
    assert len(model.recommend(model.users_.values, 3)) > 100


@pytest.mark.parametrize("key", ["als", "ials"])
def test_a_saved_file_and_a_saved_folder_are_the_same_model(both, models, key, tmp_path):
    trained, model = both[key], models[key]
    save(trained, str(tmp_path / "m.safetensors"))
    save(trained, str(tmp_path / "m"))
    assert_same_model(files.load(tmp_path / "m.safetensors"), model)
    assert_same_model(files.load(tmp_path / "m"), model)
    if key == "ials":
        return
    for name in ("m.safetensors", "m"):
        with pytest.raises(DataError, match=r"exists already.*; overwrite=True writes over it"):
            save(trained, str(tmp_path / name))
    without = replace(trained, model=ALS(**{**trained.model.get_params(), "store_history": False}))
    save(without, str(tmp_path / "m.safetensors"), overwrite=True)
    save(without, str(tmp_path / "m"), overwrite=True)
    folder, file = files.load(tmp_path / "m"), files.load(tmp_path / "m.safetensors")
    assert_same_model(folder, file)
    np.testing.assert_array_equal(folder.rated_.counts, file.rated_.counts)
    np.testing.assert_allclose(folder.rated_.means, file.rated_.means, rtol=1e-14)
    begin_facts(trained.prepared.spark, str(tmp_path / "m"))
    with pytest.raises(ModelFileError, match="is half written"):
        files.load(tmp_path / "m")


def test_features_and_item_columns_come_along(spark, ratings_table, tmp_path):
    people = ratings_table.select("user_id").unique().sort("user_id").with_row_index("age")
    rows = spark.createDataFrame(ratings_table.drop("timestamp").to_arrow())
    ages = Features.from_table(people, "user")
    prepared = prepare(spark, rows, str(tmp_path / "p"), n_blocks=2, user_features=ages)
    shown = ratings_table.select("item_id").unique().sort("item_id").with_row_index("year").cast({"year": pl.Int32})
    shown = shown.select("item_id", pl.format("Film {}", "year").alias("title"), "year")
    (tmp_path / "p" / "item_table").mkdir()
    shown.with_row_index("position").sample(fraction=1, shuffle=True).cast({"position": pl.Int32}).write_parquet(
        tmp_path / "p" / "item_table" / "part-0.parquet"
    )
    prepared = replace(prepared, facts={**prepared.facts, "item_table": True})
    trained = train(prepared, ALS(2, reg=0.5, reg_biases=2.0, n_epochs=1, random_state=0), str(tmp_path / "t"))
    trained.save(str(tmp_path / "m"))
    model, loaded = trained.collect(), files.load(tmp_path / "m")
    assert_same_model(loaded, model)
    np.testing.assert_array_equal(model.user_features_, ages.on(model.users_))
    assert model.user_encoding_ == [dict(column) for column in ages.encoding]
    assert loaded.item_table_.equals(shown)
    check_newcomers_with_features(spark, trained, model, ratings_table, tmp_path)


def check_newcomers_with_features(spark, trained, model, ratings_table, tmp_path):
    some = ratings_table.select("user_id", "item_id", "rating").head(200).with_columns(pl.col("user_id") + 1)
    known = pl.DataFrame({"user_id": some["user_id"].unique(), "age": range(some["user_id"].n_unique())})
    known = pl.concat([known, pl.DataFrame({"user_id": [1], "age": [7]})])  # of somebody without rows
    known.write_csv(tmp_path / "people.csv")
    ages = Features.from_table(known, "user", encoding=model.user_encoding_)
    one = model.fold_in(Interactions.from_table(some), ages)
    rows = spark.createDataFrame(some.to_arrow())
    for given in (ages, str(tmp_path / "people.csv")):
        found = pl.DataFrame(pl.from_arrow(fold_in(trained, rows, given).toArrow())).sort("user_id")
        assert found["user_id"].to_list() == one.users.values.to_list()
        np.testing.assert_array_equal(np.array(found["factors"].to_list(), np.float32), one.factors)
        np.testing.assert_array_equal(found["bias"].to_numpy().astype(np.float32), one.biases)
    assert not np.array_equal(one.factors, model.fold_in(Interactions.from_table(some)).factors)
    lacking = Features.from_table(
        known.filter(pl.col("user_id") != some["user_id"].min()), "user", encoding=ages.encoding
    )
    with pytest.raises(DataError, match="1 users have no row in the table of features, such as"):
        fold_in(trained, rows, lacking)
    with pytest.raises(ParameterError, match=r"encoding=trained\.prepared\.features\('user'\)\['encoding'\]"):
        fold_in(trained, rows, Features.from_table(known.with_columns(pl.col("age") * 3), "user"))
    text = Features.from_table(known.cast({"user_id": pl.String}), "user", encoding=ages.encoding)
    with pytest.raises(DataError, match="the user features' ids are text, those of the ratings integer"):
        fold_in(trained, rows, text)


def test_features_of_newcomers_need_features_of_training(spark, als, newcomers):
    ages = Features.from_table(
        {"user_id": newcomers["user_id"].unique(), "age": range(newcomers["user_id"].n_unique())}, "user"
    )
    with pytest.raises(ParameterError, match="fitted without user_features, and cannot use those of newcomers"):
        fold_in(als, spark.createDataFrame(newcomers.to_arrow()), ages)


def test_a_model_beyond_memory_is_not_collected(als, monkeypatch):
    monkeypatch.setattr("palate.models.contract.memory.memory_limit", lambda: 10)
    with pytest.raises(ParameterError, match=r"this ALS needs .*; save it to a folder, which Spark writes"):
        collect(als)


# -- newcomers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["als", "ials"])
def test_newcomers_are_folded_in_as_on_one_machine(spark, both, models, newcomers, key, caplog):
    rows = given(key, newcomers)
    found = fold_in(both[key], spark.createDataFrame(rows.to_arrow()).repartition(3)).toArrow()
    found = pl.DataFrame(pl.from_arrow(found)).sort("user_id")
    n_unknown = len(rows.filter(~rows["item_id"].is_in(models[key].items_.values.implode())))
    assert f"{n_unknown} rows of unknown items left out" in caplog.text
    one = models[key].fold_in(Interactions.from_table(rows))
    assert found["user_id"].to_list() == one.users.values.to_list()
    np.testing.assert_array_equal(np.array(found["factors"].to_list(), np.float32), one.factors)
    np.testing.assert_array_equal(found["bias"].to_numpy().astype(np.float32), one.biases)


def test_sample_weights_of_newcomers_count(spark, als, models, newcomers):
    rows = newcomers.with_columns(weight=pl.int_range(1, pl.len() + 1) / 50)
    found = fold_in(als, spark.createDataFrame(rows.to_arrow()), columns={"weight": "weight"}).toArrow()
    found = pl.DataFrame(pl.from_arrow(found)).sort("user_id")
    one = models["als"].fold_in(Interactions.from_table(rows, columns={"weight": "weight"}))
    np.testing.assert_array_equal(np.array(found["factors"].to_list(), np.float32), one.factors)


FAULTS = {
    "are none": lambda t: t.clear(),
    ": 1 lack a user, or have a value or weight that is no finite number": lambda t: t.with_columns(
        rating=pl.when(pl.int_range(pl.len()) == 3).then(float("nan")).otherwise("rating")
    ),
    "hold a pair again, of the user '.*': keep one row of each": lambda t: pl.concat([t, t]),
    "have item ids of type double": lambda t: t.with_columns(item_id=pl.lit(0.5)),
}


@pytest.mark.parametrize("text", FAULTS)
def test_rows_of_newcomers_with_faults_are_refused(spark, als, newcomers, text):
    with pytest.raises(DataError, match=f"the newcomers' rows {text}".replace(" :", ":")):
        fold_in(als, spark.createDataFrame(FAULTS[text](newcomers).to_arrow()))


def test_values_of_newcomers_need_a_rule(spark, ials, newcomers):
    with pytest.raises(DataError, match=r"differ, from 0\.5 to 5"):
        fold_in(ials, spark.createDataFrame(newcomers.to_arrow()))


# -- alike ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["als", "ials"])
def test_items_alike_are_those_of_one_machine(both, models, key):
    found = pl.DataFrame(pl.from_arrow(similar_items(both[key], 5).toArrow())).sort("like", "rank")
    one = models[key].similar_items(models[key].items_.values, 5).drop("title").sort("like", "rank")
    assert found.select("like", "item_id").equals(one.select("like", "item_id"))
    np.testing.assert_array_equal(found["score"].to_numpy(), one["score"].to_numpy())


def test_no_items_alike_are_refused(als):
    with pytest.raises(ParameterError, match="n must be"):
        similar_items(als, 0)


def test_facts_of_a_folder_are_plain(als, tmp_path):
    save(als, str(tmp_path / "m"))
    facts = json.loads(pl.read_parquet(tmp_path / "m" / "facts" / "*.parquet")["json"][0])
    assert facts["model"] == "als"
    assert facts["arrays"]["user_factors_"] == ["float32", [60, 4]]
    assert {name.split("/")[0] for name in facts["files"]} == {"users", "items", "arrays", "seen", "item_table"}
