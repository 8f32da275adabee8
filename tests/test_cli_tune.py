"""``palate tune``, and the config it leaves."""

import json

import pytest
import test_cli

from palate import MODELS

here, run, only_json = test_cli.here, test_cli.run, test_cli.only_json

WORDS = ("tune", "log.csv", "--set", "n_factors=2", "--set", "n_epochs=5", "--trials", "6")


def test_people_see_what_was_found_and_where_it_is(here, run):
    code, out, err = run(*WORDS)
    assert code == 0, err
    flat = " ".join(out.split())
    assert "6 trials of MatrixFactorization" in flat
    for name in ("shrinkage", "schedule", "before", "best", "mattered"):
        assert name in out
    assert "n_factors" not in out  # fixed by --set
    assert "(optimistic: it is the best of many)" in flat
    assert "rmse on the test part, which no trial saw: 0." in flat
    assert "next: palate train log.csv --config tuned/config.json" in flat
    assert "trial 1: training 1/5" in err
    names = {p.name for p in (here / "tuned").iterdir()}
    assert names == {"study.db", "model.safetensors", "config.json", "trials.parquet", "history.png", "importances.png"}


def test_the_json_is_one_object_and_the_same_command_goes_on(here, run):
    first = only_json(run(*WORDS, "--json")[1])
    assert (first["model"], first["metric"], first["split"]) == ("mf", "rmse", "random:0.2:42")
    assert sum(first["trials"].values()) == 6
    assert first["figures"] == ["tuned/history.png", "tuned/importances.png"]
    again = only_json(run(*WORDS, "--json")[1])
    assert again["parameters"] == first["parameters"]
    assert sum(again["trials"].values()) == 6


@pytest.mark.long
def test_a_config_is_trained_evaluated_and_compared(here, run):
    run("tune", "log.csv", "--model", "baseline", "--trials", "12", "--out", "best", "--split", "none")
    best = json.loads((here / "best" / "config.json").read_text())["parameters"]
    assert json.loads((here / "best" / "config.json").read_text())["tuned"]["test_value"] is None
    record = only_json(run("train", "log.csv", "--config", "best/config.json", "--json")[1])
    assert record["model"] == "baseline"
    assert {name: record["parameters"][name] for name in best} == best
    changed = only_json(run("train", "log.csv", "--config", "best/config.json", "--set", "reg_users=7", "--json")[1])
    assert (changed["parameters"]["reg_users"], changed["parameters"]["shrinkage"]) == (7, best["shrinkage"])
    words = ("--metrics", "mae", "--json")
    compared = only_json(run("compare", "log.csv", "--models", "baseline,best/config.json", *words)[1])
    by_hand = only_json(run("evaluate", "log.csv", "--model", "best/config.json", *words)[1])
    values = {row["model"]: row["mean"] for row in compared["table"]}
    assert values["best/config.json"] == by_hand["metrics"]["mae"]
    label = {row["model"]: row["command"] for row in compared["table"]}["best/config.json"]
    assert "--model baseline --set shrinkage=" in label


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--time", "soon"), 2, "--time takes a time such as 90s, 10m or 2h, got 'soon'"),
        (("--time", "0m"), 2, "--time takes a time such as 90s, 10m or 2h, got '0m'"),
        (("--trials", "0"), 2, "than or equal to 1"),
        (("--metric", "rsme"), 1, "unknown metric 'rsme'"),
        (("--metric", "crps"), 1, "crps needs a model with a predictive distribution"),
        (("--split", "kfold:5:1"), 1, "has 5 test parts, and a search needs one"),
        (
            ("--model", "nope"),
            2,
            f"no model 'nope'; there is {', '.join(MODELS)}, or a config",
        ),
        (("--model", "none.json"), 1, "cannot read the config none.json"),
        (("--model", "none.json", "--preset", "original"), 2, "leave out the preset"),
        (("--model", "popularity", "--set", "half_life_days=7"), 1, "nothing to search for in popularity"),
        (("--out", "log.csv"), 1, "cannot keep the study in log.csv"),
    ],
)
def test_impossible_requests(here, run, words, code, said):
    found, _, err = run("tune", "log.csv", "--trials", "2", *words)
    assert found == code, err
    assert said in " ".join(err.replace("│", " ").split())


def test_train_takes_a_config_or_a_model(here, run):
    for more in (("--model", "baseline"), ("--preset", "original")):
        code, _, err = run("train", "log.csv", "--config", "c.json", *more)
        assert code == 2
        assert "--config names the model and its parameters" in " ".join(err.replace("│", " ").split())


def test_ctrl_c_says_what_is_kept(here, run, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("palate.tuning.tune", stop)
    code, _, err = run("tune", "log.csv", "--out", "t")
    assert (code, err) == (130, "stopped; finished trials are kept in t, the same command goes on\n")


AUTO = ("tune", "log.csv", "--model", "auto", "--positive", "4", "--trials", "4")


def test_auto_chooses_says_why_and_prints_the_command(here, run):
    code, out, err = run(*AUTO)
    assert code == 0, err
    flat = " ".join(out.split())
    assert "128 clicks of 24 people and 16 items" in flat
    for words in ("popularity", "95 % interval", "left out: behind ease on all data", "was chosen: its ndcg@20 on"):
        assert words in flat
    assert "model, config, comparison and trials are in tuned/" in flat
    assert "the same model again: palate train log.csv --model" in flat
    assert "next: palate recommend tuned/model.safetensors --all" in flat
    assert "popularity, trial 1: " in err or "models tried 1/" in err
    record = only_json(run(*AUTO, "--json")[1])  # from the trials that are kept
    assert record["command"].startswith(f"palate train log.csv --model {record['model']} --set positive=4")
    assert [row["state"] for row in record["comparison"]].count("chosen") == 1
    assert (record["metric"], record["split"], record["positive"]) == ("ndcg@20", "none", 4)
    assert only_json(run("train", "log.csv", "--config", "tuned/config.json", "--json")[1])["model"] == record["model"]


def test_auto_puts_a_test_part_aside_where_it_is_asked_to(here, run):
    code, out, err = run(*AUTO[:-1], "2", "--split", "random:0.2:42", "--metric", "recall@5")
    assert code == 0, err
    assert "recall@5 on the test part, which no trial saw: 0." in out
    assert "--split random:0.2:42" in out


def test_auto_hands_on_its_limits(here, run, monkeypatch):
    seen = []

    def stop(*_, **options):
        seen.append((options["seconds"], options["n_trials"]))
        raise KeyboardInterrupt

    monkeypatch.setattr("palate.tuning.auto", stop)
    for words in ((), ("--seconds", "20"), ("--time", "2m"), ("--trials", "3")):
        code, _, err = run("tune", "log.csv", "--model", "auto", "--out", "t", *words)
        assert (code, err) == (130, "stopped; finished trials are kept in t, the same command goes on\n")
    assert seen == [(None, None), (20, None), (120, None), (None, 3)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "reg=1"), "--model auto chooses the model and its settings: leave out --set"),
        (("--preset", "original"), "leave out --preset"),
        (("--workers", "2"), "leave out --workers"),
        (("--patience", "2"), "leave out --patience"),
        (("--seconds", "9", "--time", "9s"), "--seconds is the same as --time: leave out --time"),
    ],
)
def test_auto_takes_no_options_of_one_model(here, run, words, said):
    code, _, err = run("tune", "log.csv", "--model", "auto", *words)
    assert code == 2, err
    assert said in " ".join(err.replace("│", " ").split())


def test_times_are_read():
    from palate.cli.tune import _best_so_far, _seconds

    assert [_seconds(t) for t in (None, "90s", "10m", "1.5h")] == [None, 90, 600, 5400]
    assert _best_so_far([None, 3, None, 2, 4], "rmse") == [None, 3, 3, 2, 2]
    assert _best_so_far([1, 3, 2], "ndcg@5") == [1, 3, 3]
