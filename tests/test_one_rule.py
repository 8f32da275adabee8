"""A data set through every entry, its attributes by one rule; Python and the command line say the same figures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import test_cli
from polars.testing import assert_frame_equal

import palate
from palate import MODELS, Dataset, Features
from palate.cli import main
from palate.data.interactions import on_shared_ids
from palate.errors import DataError, ParameterError

one_process = test_cli.one_process
ROWS = [(u, i, 1 + (u * i + u) % 5, 100_000 * (u % 4) + i) for u in range(1, 25) for i in range(1, 17) if (u + i) % 3]
SHORT = {
    "bayes": {"n_sweeps": 12, "n_burn_in": 4, "n_factors": 2, "random_state": 0},
    "ials": {"n_epochs": 3, "n_factors": 2, "positive": 3, "random_state": 0},
    "mf": {"n_epochs": 3, "n_factors": 2, "random_state": 0},
}
METRIC = {"bayes": "rmse", "ials": "ndcg@5", "mf": "rmse"}
asked = pytest.mark.parametrize(
    ("key", "attributes", "words"),  # what is said of attributes in Python, and on the command line
    [
        ("bayes", None, []),
        ("bayes", False, ["--no-attributes"]),
        ("ials", True, ["--attributes"]),
        ("mf", True, ["--attributes"]),
    ],
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in a folder with a log, its items and its users; ids of the tables stand in another order."""
    monkeypatch.chdir(tmp_path)
    pl.DataFrame(ROWS, schema=["user_id", "item_id", "rating", "timestamp"], orient="row").write_csv("log.csv")
    items, users = list(range(20, 0, -1)), list(range(30, 0, -1))
    kinds = ["Drama" if i % 2 else "War" for i in items]
    pl.DataFrame({"item_id": items, "title": [f"Film {i}" for i in items], "kind": kinds}).write_csv("items.csv")
    pl.DataFrame({"user_id": users, "age": [20 + 7 * u % 40 for u in users]}).write_csv("users.csv")
    return tmp_path


@pytest.fixture
def data(here):
    return palate.load_dataset(here / "log.csv", items="items.csv", users="users.csv")


@pytest.fixture
def said(here, capsys):
    """Return the JSON that a command prints of the same tables, that of users where it is of use.

    Without attributes it is of use to `compare` alone, which groups people by it; other commands refuse it.
    """

    def call(*words):
        users = [] if "--no-attributes" in words and words[0] != "compare" else ["--users", "users.csv"]
        with pytest.raises(SystemExit) as stop:
            main([*words, "--items", "items.csv", *users, "--json"])
        out, err = capsys.readouterr()
        assert not stop.value.code, err
        return json.loads(out)

    return call


def short(key):
    return MODELS[key](**SHORT[key])


def settings(key, before=""):
    return [word for pair in SHORT[key].items() for word in ("--set", "{}{}={}".format(before, *pair))]


# -- Python and the command line ------------------------------------------------------------------------------------


def evaluated(said, key, words, of=("log.csv",)):
    """Return what `palate evaluate` says of a model."""
    metric = METRIC[key]
    return said("evaluate", *of, "--model", key, *settings(key), "--metrics", metric, *words)["metrics"][metric]


@asked
def test_evaluate_fit_and_measure_say_what_the_command_says(data, said, key, attributes, words):
    of_command, metrics = evaluated(said, key, words), [METRIC[key]]
    train, test = palate.split(data)
    evaluation = palate.evaluate(short(key), train, test, metrics=metrics, attributes=attributes)
    assert evaluation.metrics == {METRIC[key]: of_command}
    [again] = palate.evaluate_splits(short(key), data, "random:0.2:42", metrics=metrics, attributes=attributes)
    assert again.metrics == evaluation.metrics
    model = short(key).fit(train, attributes=attributes)
    assert palate.measure(model, train, test, metrics).values == evaluation.metrics
    bare = palate.evaluate(short(key), *palate.split(data.interactions), metrics=metrics)
    assert (bare.metrics == evaluation.metrics) == (attributes is False)  # interactions have no attributes: it shows


@asked
@pytest.mark.usefixtures("one_process")
def test_compare_says_what_its_command_and_that_of_its_row_say(data, said, key, attributes, words):
    metric = METRIC[key]
    compared = palate.compare({key: short(key)}, data, metrics=[metric], attributes=attributes)
    value = compared.table().filter(metric=metric)["mean"].item()
    assert value == evaluated(said, key, words)
    assert [word for word in compared.runs["command"].item().split() if "attributes" in word] == words
    command = ["compare", "log.csv", "--models", key, *settings(key, f"{key}."), "--metrics", metric, *words]
    (row,) = (row for row in said(*command)["table"] if row["metric"] == metric)
    assert row["mean"] == value
    [fold] = palate.cross_validate(short(key), data, "random:0.2:42", [metric], attributes=attributes).table()["mean"]
    assert fold == value


@asked
def test_tune_says_what_its_command_says(data, said, key, attributes, words):
    pytest.importorskip("optuna")
    metric = METRIC[key]
    command = ["tune", "log.csv", "--model", key, *settings(key), "--metric", metric, "--trials", "2", *words]
    of_command = said(*command)
    space = {name: one for name, one in short(key).search_space.items() if name not in SHORT[key]}
    tuned = palate.tune(short(key), data, metric=metric, n_trials=2, space=space, attributes=attributes)
    for name in ("value", "default_value", "test_value"):
        assert getattr(tuned, name) == of_command[name]
    assert tuned.record.get("attributes") == attributes == of_command.get("attributes")


def test_attributes_enter_where_a_test_file_is_given_too(data, said):
    """They did not: --train and --test had a rule of their own."""
    for name, part in zip(("train", "test"), palate.split(data), strict=True):
        part.interactions.to_table().rename({"value": "rating"}).write_csv(f"{name}.csv")
    files = ("--train", "train.csv", "--test", "test.csv")
    parts = on_shared_ids([palate.read_ratings(f"{name}.csv") for name in ("train", "test")])
    known = Dataset.from_tables(parts[0], items=pl.read_csv("items.csv"), users=pl.read_csv("users.csv"))
    of_python = palate.evaluate(short("bayes"), known, parts[1], metrics=["rmse"]).metrics["rmse"]
    assert of_python == evaluated(said, "bayes", [], files)
    assert of_python != evaluated(said, "bayes", ["--no-attributes"], files)


# -- the rule -------------------------------------------------------------------------------------------------------


def factors(model):
    return model.user_factors_, model.item_factors_


def test_fit_takes_table_and_attributes_of_a_data_set(data):
    users, items = Features.from_table(data.users, "user"), Features.from_table(data.items, "item", columns=["kind"])
    given = short("bayes").fit(data.interactions, items=data.items, user_features=users, item_features=items)
    taken = short("bayes").fit(data)
    assert_frame_equal(taken.item_table_, given.item_table_)
    for ours, theirs in zip(factors(taken), factors(given), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    without = short("bayes").fit(data, attributes=False)
    np.testing.assert_array_equal(factors(without)[0], factors(short("bayes").fit(data.interactions))[0])
    assert not np.array_equal(factors(without)[0], factors(taken)[0])


def test_a_model_not_made_for_attributes_has_none_unless_they_are_asked_for(data):
    plain = short("ials").fit(data)
    np.testing.assert_array_equal(factors(plain)[0], factors(short("ials").fit(data.interactions))[0])
    assert not np.array_equal(factors(short("ials").fit(data, attributes=True))[0], factors(plain)[0])
    assert plain.recommend(1, n=1)["title"].item().startswith("Film ")


def test_features_that_are_given_enter_alone(data):
    users = Features.from_table(data.users, "user")
    ours, theirs = (short("bayes").fit(one, user_features=users) for one in (data, data.interactions))
    np.testing.assert_array_equal(factors(ours)[1], factors(theirs)[1])


def test_what_cannot_be_is_refused(data):
    users = Features.from_table(data.users, "user")
    for call in (short("mf").fit, lambda *given, **options: palate.tune(short("mf"), *given, n_trials=1, **options)):
        with pytest.raises(
            ParameterError,
            match=r"attributes are asked for, and interactions have none: give a Dataset \(palate.load_dataset",
        ):
            call(data.interactions, attributes=True)
        with pytest.raises(ParameterError, match="attributes must be True, False or None, got 'yes'"):
            call(data, attributes="yes")
    with pytest.raises(ParameterError, match="attributes are asked for beside features that are given: choose one"):
        short("mf").fit(data, user_features=users, attributes=True)
    with pytest.raises(
        ParameterError, match="attributes are asked for, and the tables of bare have nothing but ids and texts"
    ):
        short("mf").fit(Dataset.from_tables(data.interactions, name="bare"), attributes=True)
    with pytest.raises(ParameterError, match="Popularity takes no features"):
        MODELS["popularity"]().fit(data, attributes=True)
    with pytest.raises(ParameterError, match="Popularity takes no features"):
        palate.compare(["popularity", "baseline"], data, metrics=["ndcg@5"], attributes=True)
    for entry in (short("mf").fit, palate.split, short("mf").memory_estimate):
        with pytest.raises(DataError, match="interactions must be Interactions, got DataFrame"):
            entry(data.items)


def test_compare_gives_attributes_to_the_models_that_take_them(data):
    models = {"popularity": MODELS["popularity"](), "mf": short("mf")}
    compared = palate.compare(models, data, metrics=["ndcg@5", "rmse"], attributes=True)
    assert compared.failures == []
    commands = dict(compared.runs.select("model", "command").rows())
    assert "--attributes" in commands["mf"]
    assert "--attributes" not in commands["popularity"]


def test_a_run_of_other_attributes_is_no_finished_run(data, tmp_path):
    """The folder knew rows by their ratings alone: figures of other tables came back."""
    other = replace(data, users=data.users.with_columns(age=pl.col("user_id") % 2))
    values = [
        palate.compare({"bayes": short("bayes")}, one, metrics=["rmse"], out=tmp_path / "run").table()["mean"].item()
        for one in (data, other, data)
    ]
    assert values[0] == values[2] != values[1]
    with pytest.raises(DataError, match=r"holds a comparison with another attributes \(None, now False\)"):
        palate.compare({"bayes": short("bayes")}, data, metrics=["rmse"], out=tmp_path / "run", attributes=False)


def test_a_search_of_other_attributes_is_another_search(data, tmp_path):
    pytest.importorskip("optuna")
    options = {"metric": "rmse", "n_trials": 1, "out": tmp_path / "search"}
    palate.tune(short("mf"), data, attributes=True, **options)
    with pytest.raises(DataError, match="holds a search with another attributes: choose another folder"):
        palate.tune(short("mf"), data, **options)


# -- a data set through the other entries ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["random:0.2:42", "last:2", "time:0.2", "cold-users:0.2:1"])
def test_splits_of_a_data_set_are_data_sets_of_the_same_rows(data, text):
    for ours, theirs in zip(palate.split(data, text), palate.split(data.interactions, text), strict=True):
        assert isinstance(ours, Dataset)
        assert_frame_equal(ours.interactions.to_table(), theirs.to_table())
        assert ours.items is data.items
        assert ours.users is data.users
        assert len(ours) == len(theirs)


def test_folds_and_files_of_splits_take_a_data_set(data, tmp_path):
    folds = palate.make_splits(data, "kfold:3:1")
    assert [fold.describe(data) for fold in folds] == [fold.describe(data.interactions) for fold in folds]
    palate.save_splits("kfold:3:1", tmp_path / "folds.parquet", data)
    for kept, fold in zip(palate.load_splits(tmp_path / "folds.parquet", data), folds, strict=True):
        np.testing.assert_array_equal(kept.test, fold.test)


def test_validation_and_the_estimate_of_memory_take_a_data_set(data):
    train, test = palate.split(data)
    ours, theirs = short("mf").fit(train, validation=test), short("mf").fit(train, validation=test.interactions)
    assert [epoch["validation_rmse"] for epoch in ours.history_] == [
        epoch["validation_rmse"] for epoch in theirs.history_
    ]
    assert ours.memory_estimate(data) == ours.memory_estimate(data.interactions)


def test_lists_leave_out_a_data_set_and_figures_draw_it(data):
    train, test = palate.split(data)
    model = short("mf").fit(train)
    assert_frame_equal(model.recommend([1, 2], exclude=test), model.recommend([1, 2], exclude=test.interactions))
    for name in ("rating_distribution", "ratings_per_user", "ratings_per_item", "popularity", "ratings_over_time"):
        ours, theirs = (getattr(palate.plots, name)(part) for part in (test, test.interactions))
        assert [axes.get_title() for axes in ours.axes] == [axes.get_title() for axes in theirs.axes]
        assert [patch.get_height() for patch in ours.axes[0].patches] == [
            p.get_height() for p in theirs.axes[0].patches
        ]


def test_measure_takes_genres_from_the_data_set_and_puts_them_beside_their_items(data):
    """A table in another order than the model's was read as it stood."""
    kinds = pl.when(pl.col("item_id") < 5).then(pl.lit("Early")).otherwise("kind")  # no mirror image of itself
    genres = data.items.select("item_id", genres=pl.concat_list(kinds))
    train, test = palate.split(replace(data, items=genres))
    model = short("ials").fit(train.interactions)
    measured = palate.measure(model, train, test, ["calibration@3"]).values
    known = palate.measure(short("ials").fit(train), train.interactions, test.interactions, ["calibration@3"])
    backwards = palate.measure(model, train.interactions, test.interactions, ["calibration@3"], items=genres[::-1])
    assert measured == known.values == backwards.values


def test_a_data_set_is_made_of_tables(data):
    made = Dataset.from_tables(data.interactions, items=pl.read_csv("items.csv"), users=pl.read_csv("users.csv"))
    assert_frame_equal(made.items, data.items)
    assert_frame_equal(made.users, data.users)
    bare = Dataset.from_tables(data.interactions)
    assert bare.users.columns == ["user_id"]
    assert bare.items["title"][0] == "1"
