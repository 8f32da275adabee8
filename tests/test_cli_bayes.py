"""``palate`` with the Bayesian model: attributes, distributions, time."""

import json

import numpy as np
import pytest

from palate import load
from palate.cli import main
from palate.errors import DivergenceError
from palate.files import Checkpoint
from palate.models.bayes.chain import Chain

ROWS = "user,item,rating,timestamp\n" + "\n".join(
    f"{u},{i},{1 + (u * i + u) % 5},{100_000 * (u % 4) + i}" for u in range(1, 31) for i in range(1, 21) if (u + i) % 3
)
SHORT = ("--set", "n_sweeps=30", "--set", "n_burn_in=5", "--set", "n_factors=2", "--set", "random_state=0")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "log.csv").write_text(ROWS)
    films = "\n".join(f"{i},Film {i},{'Drama' if i % 2 else 'Comedy'},{1980 + i}" for i in range(1, 21))
    (tmp_path / "items.csv").write_text(f"item_id,title,genre,year\n{films}")
    return tmp_path


@pytest.fixture
def run(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(w) for w in words])
        out, err = capsys.readouterr()
        assert not stop.value.code, err
        return out

    return call


def evaluated(run, *words):
    out = run("evaluate", "log.csv", "--model", "bayes", *SHORT, "--items", "items.csv", "--json", *words)
    return json.loads(out)["metrics"]


@pytest.mark.usefixtures("here")
def test_evaluate_tells_how_honest_the_distributions_are(run):
    found = evaluated(run)
    assert 0 < found["crps"] < 2
    assert 0.5 < found["coverage_80"] <= 1
    assert found.keys() >= {"rmse", "mae"}


@pytest.mark.usefixtures("here")
def test_attributes_enter_unless_they_are_left_out(run):
    assert evaluated(run) == evaluated(run, "--attributes") == evaluated(run, "--features")
    without = evaluated(run, "--no-attributes")
    assert without == evaluated(run, "--no-features")
    assert without["rmse"] != evaluated(run)["rmse"]


def test_train_keeps_the_attributes_encoding(here, run):
    run("train", "log.csv", "--model", "bayes", *SHORT, "--items", "items.csv")
    assert [one["column"] for one in load(here / "model.safetensors").item_encoding_] == ["genre", "year"]


@pytest.mark.usefixtures("here")
def test_time_effects_are_named_where_they_are_used(run):
    words = ("evaluate", "log.csv", "--model", "bayes", *SHORT)
    assert "with time: predictions know when each test rating was given" in " ".join(
        run(*words, "--set", "time_effects=day,page").split()
    )
    assert "with time" not in run(*words)


@pytest.mark.usefixtures("here")
def test_train_goes_on_from_a_checkpoint(run, tmp_path, monkeypatch):
    words = ("train", "log.csv", "--model", "bayes", *SHORT, "--items", "items.csv", "--checkpoint", "chain.ckpt")
    sweep = Chain.sweep

    def dying(self, number, workers):
        if number == 20:
            raise DivergenceError("cut off")
        sweep(self, number, workers)

    with monkeypatch.context() as patched:
        patched.setattr(Chain, "sweep", dying)
        patched.setattr(Checkpoint, "due", lambda self: True)
        with pytest.raises(SystemExit):
            main([*words, "--out", "never.safetensors"])
    assert (tmp_path / "chain.ckpt").exists()
    assert not (tmp_path / "never.safetensors").exists()
    run(*words, "--out", "one.safetensors")
    assert not (tmp_path / "chain.ckpt").exists()
    run(*words, "--out", "two.safetensors")
    one, two = load("one.safetensors"), load("two.safetensors")
    np.testing.assert_array_equal(one.user_factors_, two.user_factors_)


@pytest.mark.usefixtures("here")
def test_models_without_checkpoints_say_so(capsys):
    with pytest.raises(SystemExit):
        main(["train", "log.csv", "--model", "mf", "--checkpoint", "chain.ckpt"])
    assert "mf keeps no checkpoints, bayes does: leave out --checkpoint" in capsys.readouterr().err
