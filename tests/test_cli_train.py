"""`palate train` on the training part of a split, with the epoch chosen on its test part, and rules for clicks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from synthetic import low_rank
from typer.testing import CliRunner

from palate import MatrixFactorization, load, make_splits, read_ratings, split
from palate.cli import app


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    low_rank().to_table().write_csv("log.csv")


def train(*words):
    done = CliRunner().invoke(app, ["train", "log.csv", "--out", "m.safetensors", *words])
    return done.exit_code, done.stdout, " ".join(done.stderr.replace("│", " ").split())


def test_the_original_is_saved_as_it_was_measured():
    words = ("--preset", "original", "--set", "random_state=3", "--split", "random:0.2:42", "--stop-on", "test")
    code, out, _ = train(*words)
    said = " ".join(out.split())
    assert code == 0
    assert "learned from 480 ratings of log.csv" in said
    assert "the 120 ratings of the test part of random:0.2:42 are left out" in said
    assert "chosen on test; RMSE train" in said
    assert "validation" not in said
    assert "figures of this model on it are optimistic" in said
    training, test = split(read_ratings("log.csv"), 0.2, 42)
    same = MatrixFactorization.original(3).fit(training, validation=test)
    saved = load("m.safetensors")
    np.testing.assert_array_equal(saved.user_factors_, same.user_factors_)
    assert saved.best_epoch_ == same.best_epoch_
    record = json.loads(train(*words, "--json")[1])
    assert (record["split"], record["n_train"], record["epoch_chosen_on"]) == ("random:0.2:42", 480, "test")


def test_a_split_alone_leaves_the_test_part_out_and_looks_at_none_of_it():
    code, out, _ = train("--set", "random_state=0", "--set", "n_factors=2", "--split", "time:0.2")
    assert code == 0
    assert "chosen on validation" in out
    assert "optimistic" not in out
    data = read_ratings("log.csv")
    training, _ = make_splits(data, "time:0.2")[0].apply(data)
    same = MatrixFactorization(2, random_state=0).fit(training)
    np.testing.assert_array_equal(load("m.safetensors").user_factors_, same.user_factors_)


def test_a_model_that_chooses_no_epoch_tells_the_test_part_by_its_name():
    code, out, _ = train("--model", "als", "--set", "n_epochs=2", "--split", "random:0.2:42", "--stop-on", "test")
    said = " ".join(out.split())
    assert code == 0
    assert "none held out to choose; RMSE train" in said
    assert " test 0." in said
    assert "validation" not in said
    assert "optimistic" not in said


@pytest.mark.parametrize(("word", "rule"), [("any", "any"), ("values", "values"), ("3", 3.0)])
def test_rules_for_clicks(word, rule):
    assert train("--model", "ials", "--set", "n_epochs=1", "--set", "n_factors=2", "--positive", word)[0] == 0
    assert load("m.safetensors").positive == rule


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stop-on", "test"), "--stop-on test needs a test part: name it with --split, such as random:0.2:42"),
        (("--split", "kfold:3:1"), "train saves one model, and kfold:3:1 has 3 test parts: take a split of one"),
        (("--model", "bpr", "--positive", "lots"), "positive takes number or any or values or none, got 'lots'"),
        (("--model", "mf", "--positive", "any"), "mf learns from values and has no clicks: leave out --positive"),
    ],
)
def test_wrong_usage(words, said):
    code, _, err = train(*words)
    assert code == 2
    assert said in err
