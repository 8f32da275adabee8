"""The command: what it prints to people and to scripts, and its exit codes."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from palate.cli import main

ROWS = "user,item,rating,timestamp\n" + "\n".join(
    f"{u},{i},{1 + (u * i + u) % 5},{10**9 + 10 * u + i}" for u in range(1, 31) for i in range(1, 21) if (u + i) % 3
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "log.csv").write_text(ROWS)
    (tmp_path / "items.csv").write_text(
        "item_id,title,genre,year\n"
        + "\n".join(f"{i},Film {i},{'Drama' if i % 2 else 'Comedy'},{1980 + i}" for i in range(1, 21))
    )
    return tmp_path


@pytest.fixture
def run(capsys):
    """Return a function that runs the command in this process: (exit code, stdout, stderr)."""

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(w) for w in words])
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call


@pytest.fixture
def model(here, run):
    code, _, err = run("train", "log.csv", "--items", "items.csv", "--set", "n_factors=4", "--set", "random_state=0")
    assert code == 0, err
    return here / "model.safetensors"


@pytest.fixture
def one_process(monkeypatch):
    """Run the jobs of comparisons in this process: a new one takes a second to import what is there."""
    from palate.evaluation import running

    def run_here(pool, waiting, _):
        for number in waiting:
            pool.keep(number, running._run_here(pool.jobs[number], pool.dataset, pool.progress))

    monkeypatch.setattr("palate.evaluation.running._Pool.run", run_here)


def only_json(out):
    """Return the one JSON object that stdout is."""
    assert out.count("\n") == 1
    return json.loads(out)


def test_every_command_has_help_and_json(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in (
        "data",
        "train",
        "recommend",
        "evaluate",
        "serve",
        "warm",
        "export",
        "import",
        "models",
        "demo",
        "doctor",
    ):
        assert command in out
        words = ["data", "show"] if command == "data" else [command]
        code, text, _ = run(*words, "--help")
        assert code == 0
        assert "--json" in text


def test_version(run):
    import importlib.metadata

    assert run("--version") == (0, importlib.metadata.version("palate") + "\n", "")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("mf", r"chosen on validation; RMSE train 0\.\d{4}  validation \d\.\d{4}; seed 0"),
        ("bpr", r"chosen on validation; validation NDCG@10 0\.\d{4}; seed 0"),
        ("ials", r"none held out to choose; seed 0"),
    ],
)
def test_train_tells_the_figure_that_was_watched(here, run, model, told):
    positive = () if model == "mf" else ("--positive", "3")
    code, out, _ = run(
        "train", "log.csv", "--model", model, "--set", "random_state=0", *positive, "--out", "m.safetensors"
    )
    assert code == 0
    assert re.search(told, out), out


def test_train_says_what_it_did_and_what_comes_next(here, run):
    code, out, err = run(
        "train", "log.csv", "--set", "n_factors=4", "--set", "random_state=0", "--out", "m.safetensors"
    )
    assert code == 0
    assert "MatrixFactorization(n_factors=4, random_state=0) learned from 400 ratings of log.csv" in " ".join(
        out.split()
    )
    assert "chosen on validation" in out
    assert "next: palate recommend m.safetensors --user 1" in out
    assert "training 1/60" in err
    assert (here / "m.safetensors").stat().st_size > 1000


def test_train_json_is_one_object(here, run):
    code, out, _ = run("train", "log.csv", "--set", "n_factors=4", "--json")
    record = only_json(out)
    assert code == 0
    assert record["parameters"]["n_factors"] == 4
    assert record["n_train"] == 400
    assert record["epochs"] == len(record["history"]) or record["epochs"] < len(record["history"])
    assert record["seed"] >= 0


@pytest.mark.parametrize(("key", "shown"), [("popularity", "Popularity()"), ("baseline", "Baseline()")])
def test_models_without_epochs_are_trained_saved_and_asked(here, run, key, shown):
    words = ("train", "log.csv", "--items", "items.csv", "--model", key)
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert f"{shown} learned from 400 ratings of log.csv" in out
    assert "computed in one go: there are no epochs, and nothing was drawn by chance" in out
    assert "RMSE" not in out
    record = only_json(run(*words, "--json")[1])
    assert (record["epochs"], record["epoch_chosen_on"], record["seed"], record["history"]) == (0, "none", None, [])
    rows = only_json(run("recommend", "model.safetensors", "-u", 3, "-n", 4, "--json")[1])["recommendations"]
    assert [row["title"] for row in rows] == [f"Film {row['item_id']}" for row in rows]


def test_counts_are_shown_whole_and_other_scores_with_four_digits(here, run):
    shown = ("recommend", "model.safetensors", "-u", 3, "-n", 1, "--include-seen")
    run("train", "log.csv", "--model", "popularity")
    assert run(*shown)[1].split()[-1] == "20"
    run("train", "log.csv", "--model", "popularity", "--set", "half_life_days=0.001")
    assert "." in run(*shown)[1].split()[-1]
    (here / "clicks.csv").write_text("user,item\n1,1\n2,1\n")
    code, _, err = run("train", "clicks.csv", "--model", "popularity", "--set", "half_life_days=7")
    assert code == 1
    assert "half_life_days=7 needs the time of each row" in err


def test_evaluate_keeps_its_keys(here, run):
    code, out, _ = run("evaluate", "log.csv", "--set", "n_factors=4", "--split", "random:0.2:42", "--json")
    record = only_json(out)
    assert code == 0
    keys = [
        "model",
        "parameters",
        "split",
        "epoch_chosen_on",
        "n_train",
        "n_test",
        "n_listed",
        "positive",
        "unknown",
        "without_training",
        "metrics",
        "summaries",
        "seconds",
        "history",
        "versions",
    ]
    assert list(record) == keys
    assert list(record["metrics"]) == ["rmse", "rmse_unclipped", "mae"]
    assert list(record["seconds"]) == ["fit", "score"]
    assert (record["n_train"], record["n_test"]) == (320, 80)
    assert record["epoch_chosen_on"] == "validation"


def test_evaluate_on_test_says_that_it_is_optimistic(here, run):
    code, out, _ = run("evaluate", "log.csv", "--preset", "original", "--stop-on", "test")
    assert code == 0
    assert "epoch chosen on test" in out
    assert "optimistic" in out


def test_evaluate_folds_gives_the_mean_and_each(here, run):
    record = only_json(run("evaluate", "log.csv", "--set", "n_factors=2", "--split", "kfold:3:1", "--json")[1])
    assert len(record["folds"]) == 3
    mean = np.mean([f["metrics"]["rmse"] for f in record["folds"]])
    assert record["metrics"]["rmse"] == pytest.approx(mean)
    assert "mean" in run("evaluate", "log.csv", "--set", "n_factors=2", "--split", "kfold:3:1")[1]


def test_evaluate_files_that_others_split(here, run):
    lines = ROWS.splitlines()
    (here / "a.csv").write_text("\n".join(lines[:300]))
    (here / "b.csv").write_text("\n".join([lines[0], *lines[300:]]))
    record = only_json(run("evaluate", "--train", "a.csv", "--test", "b.csv", "--set", "n_factors=2", "--json")[1])
    assert (record["n_train"], record["n_test"]) == (299, 101)


def test_export_and_import_come_back_the_same(model, here, run):
    assert run("export", model, "--to", "folder")[0] == 0
    assert run("import", "folder", "--out", "again.safetensors")[0] == 0
    lists = [
        only_json(run("recommend", m, "-u", 3, "--json")[1])["recommendations"] for m in (model, "again.safetensors")
    ]
    assert lists[0] == lists[1]


def test_export_of_the_original_layout(here, run):
    assert run("train", "log.csv", "--preset", "original", "--out", "o.safetensors")[0] == 0
    record = only_json(run("export", "o.safetensors", "--to", "four", "--layout", "original", "--json")[1])
    four = {"user_embeddings.npy", "item_embeddings.npy", "user_to_index.pkl", "movie_to_index.pkl"}
    assert set(record["files"]) == four
    assert np.load(here / "four" / "user_embeddings.npy").shape == (30, 100)
    assert (
        only_json(run("import", "four", "--out", "b.safetensors", "--rating-range", "1:5", "--json")[1])["users"] == 30
    )


def test_export_of_a_graph_and_a_card(model, here, run):
    (here / "e.json").write_text(run("evaluate", "log.csv", "--set", "n_factors=2", "--json")[1])
    code, out, _ = run("export", model, "--onnx", "m.onnx", "-n", 5, "--card", "README.md", "--results", "e.json")
    assert code == 0
    assert re.search(
        r"of 30 lists \d+ are the model's own, in \d+ items of equal score .* 0 differ", " ".join(out.split())
    )
    assert "model-index:" in (here / "README.md").read_text()
    record = only_json(run("export", model, "--onnx", "m.onnx", "--json")[1])
    assert (record["onnx"]["users"], record["onnx"]["different"]) == (30, 0)
    for words, said in (
        ((), "say what to write"),
        (("--card", "x.md", "--layout", "palate"), "--layout is of a folder: name --to"),
        (("--card", "x.md", "-n", 3), "-n is of an ONNX graph"),
        (("--onnx", "x.onnx", "--results", "e.json"), "--results is told by a model card"),
    ):
        code, _, err = run("export", model, *words)
        assert code == 2
        assert said in " ".join(err.split())


def test_models_lists_every_parameter_with_its_default(run):
    import inspect

    from palate import MODELS

    record = only_json(run("models", "--json")[1])
    for key, cls in MODELS.items():
        text = run("models", key)[1]
        signature = inspect.signature(cls).parameters
        assert [p["name"] for p in record[key]["parameters"]] == list(signature)
        for p in record[key]["parameters"]:
            assert p["default"] == signature[p["name"]].default
            assert p["meaning"], p["name"]
            assert p["takes"] in " ".join((inspect.getdoc(cls) or "").split()), p["name"]
            assert (p["search"] is not None) == (p["name"] in cls.search_space), p["name"]
            assert p["name"] in text


def test_data_show_draws_and_counts(here, run):
    code, out, _ = run("data", "show", "log.csv", "--items", "items.csv", "--plots", "figures")
    assert code == 0
    assert "Film" in out
    assert "400" in out
    assert len(list((here / "figures").glob("*.png"))) >= 4
    assert only_json(run("data", "show", "log.csv", "--json")[1])["ratings"] == 400


def test_data_show_of_faulty_file_lists_faults_with_lines_and_says_how(here, run):
    (here / "bad.csv").write_text("user,item,rating\n1,1,5\n,2,3\n3,3,oops\n1,1,4\n")
    code, out, err = run("data", "show", "bad.csv")
    assert code == 1
    assert out == ""
    for text in ("line 3", "line 4", "line 5", "--read on_duplicate=last", "--read on_missing=drop"):
        assert text in err
    mended = run(
        "data",
        "show",
        "bad.csv",
        *(w for o in ("missing=drop", "invalid=drop", "duplicate=last") for w in ("--read", f"on_{o}")),
    )
    assert mended[0] == 0
    assert "1 row" in mended[1] or "note:" in mended[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("train", "nothing.csv"), "no data at 'nothing.csv'"),
        (("recommend", "nothing.safetensors", "-u", "1"), "nothing.safetensors"),
        (("evaluate", "log.csv", "--split", "official:u1"), "100,000 rows"),
        (("evaluate", "log.csv", "--split", "weekly"), "unknown split 'weekly'"),
        (("train", "log.csv", "--set", "learning_rate=9"), "training diverged in epoch 1"),
        (("train", "log.csv", "--read", "user=who"), "no column 'who'"),
        (("train", "log.csv", "--items", "log.csv"), "more than once"),
        (("train", "log.csv", "--out", "no/such/folder/m.safetensors"), "no/such/folder"),
    ],
)  # fmt: skip
def test_errors_in_the_input_exit_with_1_and_no_traceback(here, run, words, text):
    code, out, err = run(*words)
    assert code == 1
    assert text in " ".join(err.split())
    assert "Traceback" not in err
    assert out == ""
    code, out, _ = run(*words, "--json")
    assert code == 1
    assert text in only_json(out)["error"]["message"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("fly",), "No such command"),
        (("train",), "Missing argument"),
        (("train", "log.csv", "--model", "magic"), "no model 'magic'"),
        (("train", "log.csv", "--preset", "best"), "no preset 'best'"),
        (("train", "log.csv", "--set", "n_factors"), "takes NAME=VALUE"),
        (("train", "log.csv", "--set", "wings=2"), "no parameter 'wings'"),
        (("train", "log.csv", "--set", "n_factors=many"), "takes whole number"),
        (("train", "log.csv", "--set", "n_factors=0"), "of at least 1"),
        (("train", "log.csv", "--read", "colour=red"), "--read knows"),
        (("train", "log.csv", "--read", "rating_range=1-5"), "LOW:HIGH"),
        (("recommend", "m.safetensors"), "--user"),
        (("recommend", "m.safetensors", "-u", "1", "--out", "x.doc"), "ending in"),
        (("recommend", "m.safetensors", "-u", "1", "--on-unknown", "guess"), "is not one of"),
        (("evaluate", "log.csv", "--train", "a.csv"), "leave out DATA"),
        (("evaluate",), "both --train"),
        (("evaluate", "--train", "a", "--test", "b", "--split", "time:0.2"), "leave out --split"),
        (("evaluate", "log.csv", "--stop-on", "luck"), "is not one of"),
        (("export", "m.safetensors", "--to", "x", "--layout", "round"), "is not one of"),
        (("data", "fetch", "ml-1000m"), "can fetch ml-100k"),
        (("models", "magic"), "no model 'magic'"),
        (("models", "bays"), "no model 'bays'; did you mean 'bayes'?"),
        (("train", "log.csv", "--model", "MF"), "no model 'MF'; did you mean 'mf'?"),
        (("train", "log.csv", "--preset", "orignal"), "mf has no preset 'orignal'; did you mean 'original'?"),
        (("train", "log.csv", "--set", "n_factor=3"), "mf has no parameter 'n_factor'; did you mean 'n_factors'?"),
    ],
)  # fmt: skip
def test_wrong_usage_exits_with_2(here, run, words, text):
    code, _, err = run(*words)
    assert code == 2
    assert text in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("typed", "text"), [("99", "unknown user id 99"), ("ann", "integers here"), ("1.5", "integers here")]
)
def test_a_wrong_user_is_said(model, run, typed, text):
    code, _, err = run("recommend", model, "--user", typed)
    assert code == 1
    assert text in err


def test_debug_shows_the_traceback(here, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(Exception, match="no data at"):
        main(["train", "nothing.csv", "--debug"])


def test_an_unexpected_error_is_a_sentence(here, run, monkeypatch):
    def broken(*_args, **_more):
        raise ZeroDivisionError("of a test")

    monkeypatch.setattr("palate.data.sources.loading.read_ratings", broken)
    code, _, err = run("train", "log.csv")
    assert code == 1
    assert "unexpected ZeroDivisionError: of a test" in err
    assert "--debug" in err


def test_a_reader_that_leaves_is_no_error(model):
    command = f"{sys.executable} -m palate recommend {model} --all --json | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_output_is_plain_at_80_columns_and_in_a_file(model):
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "palate", "recommend", str(model), "--user", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_data_fetch_says_what_is_here(run, movielens):
    code, out, _ = run("data", "fetch")
    assert code == 0
    assert "ml-100k is here: 99,991 ratings" in out
    assert only_json(run("data", "fetch", "--json")[1])["ratings"] == len(movielens.interactions)


def test_progress_is_a_bar_on_a_terminal(monkeypatch):
    import io

    from rich.console import Console

    from palate.cli import common
    from palate.progress import Progress

    screen = io.StringIO()
    monkeypatch.setattr(common, "console", lambda **_: Console(file=screen, force_terminal=True, width=100))
    with common.live_progress() as progress:
        for step in (1, 2):
            progress(Progress("training", step, 2, {"loss": 0.5, "validation_rmse": 0.9}))
    assert "training" in screen.getvalue()
    assert "2/2" in screen.getvalue()
    assert "validation 0.9000" in screen.getvalue()


def test_recommend_says_when_filters_leave_nothing(model, run):
    assert "the filters leave no item" in run("recommend", model, "-u", 3, "--where", "year>2100")[1]


def test_out_is_refused_before_the_work(here, run):
    (here / "folder").mkdir()
    code, _, err = run("train", "log.csv", "--out", "folder")
    assert code == 1
    assert "it is a folder; name a file in it" in err
    assert "training" not in err


def test_tables_are_joined_to_fixed_parts_too(here, run):
    (here / "a.csv").write_text(ROWS)
    (here / "b.csv").write_text("user,item,rating,timestamp\n1,2,3,5\n")  # (1 + 2) % 3 is 0: no row of a.csv
    words = ("evaluate", "--train", "a.csv", "--test", "b.csv", "--set", "n_factors=2", "--json")
    assert run(*words, "--items", "items.csv")[0] == 0
    code, out, _ = run(*words, "--items", "nowhere.csv")
    assert code == 1
    assert "nowhere.csv" in only_json(out)["error"]["message"]


def test_wrong_usage_is_json_too_where_asked(here, run):
    code, out, _ = run("train", "log.csv", "--model", "magic", "--json")
    assert code == 2
    assert only_json(out)["error"]["type"] == "UsageError"


def test_a_full_output_is_a_sentence(model):
    command = f"{sys.executable} -m palate recommend {model} --user 1 --json > /dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot read or write" in done.stderr
    assert "Traceback" not in done.stderr


def test_figures_into_a_file_are_refused(here, run):
    code, _, err = run("data", "show", "log.csv", "--plots", "log.csv")
    assert code == 1
    assert "cannot draw into log.csv" in err
