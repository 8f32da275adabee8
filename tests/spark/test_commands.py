"""What `palate spark` says of wrong words and of what is missing, before Spark is started."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager

import pytest
import test_cli

from palate.cli import common
from palate.cli.spark_options import sweeps_shown
from palate.progress import DONE, Progress

run = test_cli.run
PREPARE = ("spark", "prepare", "ratings.parquet", "--out", "prepared")
TRAIN = ("spark", "train", "prepared", "--out", "trained")
EVALUATE = ("spark", "evaluate", "trained", "--test", "parts/test")


@pytest.fixture(autouse=True)
def no_spark(monkeypatch):
    """Spark must not be asked for: what is wrong is said at once."""

    @contextmanager
    def opened(*words):
        raise AssertionError(f"Spark was started with {words}")
        yield

    monkeypatch.setattr("palate.spark.session.opened", opened)


def said(err):
    return " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            (*PREPARE, "--conf", "executor.memory=2g"),
            "names of Spark's settings begin with 'spark.', got 'executor.memory'",
        ),
        ((*PREPARE, "--conf", "spark.ui.enabled"), "--conf takes NAME=VALUE, got 'spark.ui.enabled'"),
        ((*PREPARE, "--conf", "spark.a=1", "--conf", "spark.a=2"), "--conf gives a name twice"),
        ((*PREPARE, "--master", "local", "--remote", "local"), "--remote asks a server that runs: leave out --remote"),
        ((*PREPARE, "--read", "encoding=latin-1"), "where Spark reads; got encoding"),
        ((*PREPARE, "--read", "users=a"), "where Spark reads; got users"),
        ((*PREPARE, "--read", "rating_range=5"), "rating_range takes LOW:HIGH"),
        ((*PREPARE, "--format", "orc"), "orc"),
        ((*PREPARE, "--blocks", "0"), "--blocks"),
        (PREPARE[:3], "--out"),
        ((*TRAIN, "--model", "ease"), "Spark trains als, ials, bayes; ease learns on one machine: palate train"),
        ((*TRAIN, "--model", "asl"), "no model 'asl'; did you mean 'als'?"),
        ((*TRAIN, "--set", "rank=3"), "als has no parameter 'rank'"),
        ((*TRAIN, "--set", "n_factors=0"), "n_factors must be"),
        ((*TRAIN, "--positive", "4"), "als learns from values and has no clicks: leave out --positive"),
        ((*TRAIN, "--resume", "--overwrite"), "--resume goes on with what is there: leave out --overwrite"),
        ((*TRAIN, "--wire", "float16"), "float16"),
        ((*EVALUATE, "--read", "header=no"), "where Spark reads; got header"),
        ((*EVALUATE, "--positive", "lots"), "takes a number, or any for every row"),
        (("spark", "recommend", "trained", "--out", "lists", "--diversity", "2"), "--diversity"),
        (("spark", "split", "ratings.csv", "--out", "parts", "--read", "title=x"), "where Spark reads; got title"),
        (
            ("spark", "split", "ratings.csv", "--out", "parts", "--read", "on_missing=drop"),
            "got on_missing; a split moves rows as they are, and prepare and evaluate check them",
        ),
        ((*EVALUATE, "--read", "ids=text"), "on_missing, on_invalid, on_duplicate where Spark reads; got ids"),
    ],
)
def test_wrong_words_are_usage_errors_before_spark_starts(run, words, expected):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert expected in said(err)


@pytest.mark.parametrize("words", [PREPARE, TRAIN, EVALUATE, ("spark", "save", "trained", "--out", "m.safetensors")])
def test_without_the_extra_the_command_to_type_is_told(run, words, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "pyspark", None)
    code, out, err = run(*words, "--json")
    assert code == 1
    assert "pip install 'palate[spark]'" in said(err)
    assert json.loads(out)["error"]["code"] == "missing_extra"


def test_a_line_a_sweep_with_its_figures(capsys):
    with sweeps_shown("again") as show:
        show(Progress("choosing reg", 1, 3, {"held_out_rmse": 0.91}))
        show(Progress("training", 2, 15, {"objective": 1234567.8, "train_rmse": 0.8123456, "seconds": 4.04}))
        show(Progress(DONE, 1, 1))
    assert capsys.readouterr().err.splitlines() == [
        "choosing reg 1/3: held-out RMSE 0.91",
        "sweep 2/15: objective 1.23457e+06, RMSE 0.812346 (4.0 s)",
    ]


def interrupted_after(sweeps):
    with sweeps_shown("palate spark train {a} --resume") as show:
        for step in range(1, sweeps + 1):
            show(Progress("training", step, 5, {}))
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("sweeps", "expected"),
    [
        (0, "stopped before a sweep was kept; nothing was saved"),
        (2, "stopped after sweep 2, which is kept; to go on: palate spark train {a} --resume"),
    ],
)
def test_ctrl_c_tells_what_is_kept(sweeps, expected):
    with pytest.raises(common.Stopped) as stop:
        interrupted_after(sweeps)
    assert (stop.value.code, stop.value.words) == (130, expected)
