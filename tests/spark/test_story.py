"""A story by the commands, in one process: split, prepare, train, stop, go on, list, measure, save, serve."""

from __future__ import annotations

import io
import json
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import test_cli
from needs_spark import standing_in
from serve.own_service import free_port, in_thread
from synthetic import low_rank

from palate import load
from palate.cli import common, main
from palate.serve.preparing import prepare as put_versions
from palate.serve.settings import Settings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SET = {"n_factors": 2, "n_epochs": 2, "random_state": 0, "reg": 1, "reg_biases": 1}
MODEL = tuple(word for name, value in SET.items() for word in ("--set", f"{name}={value}"))
METRICS = "rmse,ndcg@5"
run = test_cli.run


@pytest.fixture(scope="module", autouse=True)
def folder(spark, tmp_path_factory):
    """A folder with ratings, where the commands run."""
    place = tmp_path_factory.mktemp("story")
    low_rank().to_table().drop("time").write_parquet(place / "ratings.parquet")
    with pytest.MonkeyPatch.context() as patch, standing_in(spark, place):
        patch.chdir(place)
        yield place


def done(*words):
    """Run a command of `palate spark` before the tests that need what it writes; return what it prints."""
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit) as stop:
        main(["spark", *map(str, words)])
    assert not stop.value.code, out.getvalue()
    return out.getvalue()


@pytest.fixture(scope="module")
def parts(folder):
    words = ("ratings.parquet", "--split", "random:0.2:42", "--out", "parts", "--json")
    return json.loads(done("split", *words))


@pytest.fixture(scope="module")
def prepared(parts):
    return done("prepare", "parts/train", "--out", "prepared", "--blocks", "2")


@pytest.fixture(scope="module")
def trained(prepared):
    words = ("prepared", "--out", "trained", *MODEL, "--save", "m.safetensors", "--json")
    return json.loads(done("train", *words))


@pytest.fixture(scope="module")
def lists(trained):
    return json.loads(done("recommend", "trained", "--out", "lists", "-n", 3, "--json"))


def record(answered):
    code, out, err = answered
    assert code == 0, err
    return json.loads(out)


def said(text):
    return " ".join(text.replace("│", " ").split())


def test_parts_and_prepared_rows(parts, prepared):
    assert parts["n_train"] + parts["n_test"] == len(low_rank())
    assert f"{parts['n_train']:,} rows of 40 users and 30 items, in 2 blocks a side" in said(prepared)
    assert "next: palate spark train prepared --out trained" in prepared


def test_a_training_tells_its_sweeps(trained):
    assert (trained["model"], trained["sweeps"], len(trained["history"])) == ("als", 2, 2)


@pytest.mark.long
def test_training_goes_on_where_ctrl_c_stopped_it(run, trained, monkeypatch):
    def interrupting(text):
        if text.startswith("sweep 1/2"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(common, "tell", interrupting)
        code, out, _ = run("spark", "train", "prepared", "--out", "again", *MODEL)
    assert (code, out) == (130, "")
    code, out, err = run(
        "spark", "train", "prepared", "--out", "again", "--resume", *MODEL, "--save", "again.safetensors"
    )
    assert code == 0, err
    assert "in 2 sweeps: again" in said(out)
    assert "sweep 2/2: objective" in err
    assert "sweep 1/2" not in err
    for name in ("user_factors_", "item_factors_"):
        np.testing.assert_array_equal(getattr(load("again.safetensors"), name), getattr(load("m.safetensors"), name))


def test_lists_are_those_of_the_model_file(lists):
    assert lists["rows"] == 120
    there = pl.read_parquet("lists/*.parquet").sort("user_id", "rank")
    one = load("m.safetensors").recommend(load("m.safetensors").users_.values, 3)
    assert there["item_id"].to_list() == one["item_id"].to_list()


@pytest.fixture
def one_machine(run, trained):
    """The metrics of the model file."""
    pl.read_parquet("parts/test/*.parquet").write_parquet("test.parquet")
    words = ("--model-file", "m.safetensors", "--test", "test.parquet", "--metrics", METRICS, "--json")
    return record(run("evaluate", *words))["metrics"]


def test_metrics_are_those_of_the_model_file(run, one_machine):
    found = record(run("spark", "evaluate", "trained", "--test", "parts/test", "--metrics", METRICS, "--json"))
    assert found["metrics"] == pytest.approx(one_machine, abs=1e-9)


@pytest.mark.long
def test_metrics_are_shown_as_a_table(run, one_machine):
    code, out, err = run("spark", "evaluate", "trained", "--test", "parts/test", "--metrics", "rmse")
    assert code == 0, err
    assert f"{one_machine['rmse']:.4f}" in out


@pytest.mark.long
def test_a_sampler_is_trained_measured_and_loaded(run, prepared):
    chosen = {"n_factors": 2, "n_sweeps": 4, "n_burn_in": 1, "n_chains": 1, "incidence": "false", "random_state": 0}
    words = [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]
    words += ["--out", "sampled", "--save", "bayes.safetensors"]
    code, _, err = run("spark", "train", "prepared", "--model", "bayes", *words)
    assert code == 0, err
    assert "sweep 4/4" in err
    found = record(run("spark", "evaluate", "sampled", "--test", "parts/test", "--metrics", METRICS, "--json"))
    pl.read_parquet("parts/test/*.parquet").write_parquet("test.parquet")
    parts = ("--model-file", "bayes.safetensors", "--test", "test.parquet")
    one = record(run("evaluate", *parts, "--metrics", METRICS, "--json"))
    assert found["metrics"] == pytest.approx(one["metrics"], abs=1e-9)
    code, _, err = run("spark", "evaluate", "sampled", "--test", "parts/test", "--metrics", "crps")
    assert code != 0
    assert "bayes on Spark does not offer it, the saved model does: measure that on one machine" in said(err)
    model = load("bayes.safetensors")
    _, spread = model.predict(model.users_.values[:3], model.items_.values[:3], return_std=True)
    assert (spread > 0).all()


def test_a_trained_model_is_saved_and_answers(run, trained):
    code, out, err = run("spark", "save", "trained", "--out", "saved.safetensors")
    assert code == 0, err
    assert "next: palate serve saved.safetensors" in out
    assert record(run("recommend", "saved.safetensors", "--user", "135", "--json"))["rows"] == 10


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("prepare", "nowhere.parquet", "--out", "p"), "there is no such file or folder"),
        (("prepare", "ratings.parquet", "--out", "p", "--read", "user=who"), "who"),
        (("prepare", "ratings.parquet", "--out", "prepared"), "--overwrite"),
        (("train", "parts/train", "--out", "t"), "parts/train"),
        (("train", "nowhere", "--out", "t"), "nowhere"),
        (("train", "prepared", "--out", "trained"), "--overwrite"),
        (("train", "prepared", "--out", "new", "--resume"), "new"),
        (("train", "prepared", "--out", "trained", "--resume", "--set", "n_factors=5"), "n_factors"),
        (("recommend", "prepared", "--out", "l"), "prepared"),
        (("recommend", "trained", "--out", "lists"), "--overwrite"),
        (("recommend", "trained", "--out", "l", "--allow", "999"), "unknown item id 999"),
        (("recommend", "trained", "--out", "l", "--item-groups", "2", "--diversity", "1"), "--item-groups 1"),
        (("evaluate", "trained", "--test", "nowhere"), "there is no such file or folder"),
        (
            ("evaluate", "trained", "--test", "parts/train"),
            "figures on them would say nothing; take them out with --on-overlap drop",
        ),
        (("evaluate", "trained", "--test", "parts/test", "--metrics", "rsme"), "did you mean 'rmse'?"),
        (("split", "ratings.parquet", "--out", "s", "--split", "randm:0.2"), "randm"),
        (("split", "ratings.parquet", "--out", "parts"), "--overwrite"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_what_strangers_do_wrong(words, expected, run, lists):
    code, out, err = run("spark", *words, "--json")
    assert code in (1, 2)
    assert expected in said(err)
    assert "Palate's fault" not in err
    assert "java" not in err.lower()
    assert "error" in json.loads(out)


@pytest.fixture
def story(tmp_path, monkeypatch):
    """The example, imported as a user has it: in one folder with the client."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import spark_story

    ratings = str(Path("ratings.parquet").resolve())
    monkeypatch.chdir(tmp_path)
    words = [ratings, "--folder", str(tmp_path / "out"), "--factors", "2", "--epochs", "1", "--port", str(free_port())]
    yield spark_story, words
    for name in ("spark_story", "client"):
        sys.modules.pop(name)


@pytest.mark.long
def test_the_example_serves_the_list_that_spark_wrote(story, monkeypatch, capsys):
    module, words = story

    @contextmanager
    def served(_):
        put_versions(Settings(store=module.STORE), [Path(module.MODEL)])
        with in_thread(module.STORE) as (host, port):
            yield f"http://{host}:{port}"

    monkeypatch.setattr(module, "served", served)  # in this process: a service takes seconds to import what it needs
    module.main(words)
    assert "the same list: True" in capsys.readouterr().out


@pytest.mark.long
def test_the_example_as_it_stands(story, monkeypatch, capsys):
    module, words = story
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent / "src"))
    module.main(words)
    assert "the same list: True" in capsys.readouterr().out
