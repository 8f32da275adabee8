"""``palate compare`` and what ``palate evaluate`` shares with it."""

import json
import shlex

import pytest
import test_cli

MODELS = ("--models", "popularity,baseline,mf", "--set", "mf.n_factors=2", "--set", "mf.n_epochs=3", "--processes", "1")
ASKED = ("--split", "kfold:2:1", "--metrics", "rmse,ndcg@3")


here, run, only_json, one_process = test_cli.here, test_cli.run, test_cli.only_json, test_cli.one_process


@pytest.fixture
def words(here):
    (here / "people.csv").write_text("user_id,gender\n" + "\n".join(f"{u},{'FM'[u % 2]}" for u in range(1, 31)))
    return ("compare", "log.csv", "--users", "people.csv", *MODELS, *ASKED)


@pytest.mark.usefixtures("one_process")
def test_people_see_tables_verdicts_costs_and_commands(words, run):
    code, out, err = run(*words)
    assert code == 0, err
    flat = " ".join(out.split())
    assert "log.csv, kfold:2:1: 2 folds; the first: 200 training rows, 200 test rows" in flat
    for part in ("rmse", "ndcg@3", "95 % interval", "worst tenth", "Cost", "peak MB"):
        assert part in out
    assert "Differences: permutation test across users, 95 % intervals, p corrected by Holm" in flat
    assert " in rmse between baseline and mf" in flat or " in rmse by 0." in flat
    assert "not measured of popularity: rmse needs a model that predicts ratings" in flat
    assert "To repeat a row" in out
    assert "mf, kfold:2:1 fold 1: training 1/3" in err
    assert "results are in" not in out
    assert "by activity" not in out
    out = run(*words, "--groups", "gender")[1]
    for title in ("rmse by activity", "ndcg@3 by activity", "rmse by gender", "ndcg@3 by gender"):
        assert title in out
    rows = [line.split() for line in out.splitlines() if line.split()[:1] == ["F"]]
    assert [(row[1], row[-1]) for row in rows] == [("baseline", "15"), ("popularity", "15")]  # women among the 30


@pytest.mark.long
def test_a_process_of_its_own_tells_its_memory(here, run):
    words = ("compare", "log.csv", "--models", "popularity", "--metrics", "ndcg@3", "--processes", "1", "--json")
    code, out, _ = run(*words)
    assert code == 0
    assert [row["peak_mb"] > 50 for row in only_json(out)["table"]] == [True]


@pytest.mark.usefixtures("one_process")
def test_the_json_holds_it_all_and_each_command_repeats_its_row(words, run):
    code, out, _ = run(*words, "--out", "run", "--test", "wilcoxon", "--seed", 5, "--json")
    record = only_json(out)
    assert code == 0
    assert list(record) == ["table", "tests", "groups", "warnings", "skipped", "failures", "out", "plan"]
    assert (record["out"], record["failures"], record["plan"]["random_state"]) == ("run", [], 5)
    assert {row["grouping"] for row in record["groups"]} == {"activity", "gender"}
    from palate.evaluation import Comparison

    kept = Comparison.open("run")
    assert [dict(row) for row in kept.tests(test="wilcoxon").to_dicts()] == record["tests"]
    for row in kept.runs.to_dicts():
        command = shlex.split(row["command"])
        assert command[:2] == ["palate", "evaluate"]
        again = only_json(run(*command[1:], "--json")[1])
        of = kept.results.filter(model=row["model"], fold=row["fold"])
        expected = dict(zip(of["metric"], of["value"], strict=True))
        assert again["metrics"] == {name: expected[name] for name in ("rmse", "ndcg@3") if name in expected}
        assert again["split"] == f"kfold:2:1 fold {row['fold'] + 1}"


@pytest.mark.usefixtures("one_process")
def test_the_same_command_goes_on(words, run):
    _, first, _ = run(*words, "--out", "run", "--json")
    code, second, err = run(*words, "--out", "run", "--json")
    assert (code, err) == (0, "")
    assert only_json(first)["table"] == only_json(second)["table"]
    assert "results are in run/; next: palate report run" in " ".join(run(*words, "--out", "run")[1].split())


@pytest.mark.usefixtures("one_process")
def test_a_preset_and_positive(here, run):
    words = ("compare", "log.csv", "--models", "mf:original,baseline", "--metrics", "recall@3", "--positive", 4)
    code, out, _ = run(*words, "--set", "mf:original.n_factors=2", "--set", "mf:original.n_epochs=2", "--json")
    record = only_json(out)
    assert code == 0
    labels = {row["model"]: shlex.split(row["command"]) for row in record["table"]}
    assert list(labels) == ["mf:original", "baseline"]
    assert labels["mf:original"][-2:] == ["--positive", "4"]
    assert "--set" in labels["mf:original"]
    (row,) = [row for row in record["table"] if row["model"] == "mf:original"]
    again = only_json(run(*labels["mf:original"][1:], "--json")[1])
    assert again["metrics"]["recall@3"] == row["mean"]


def test_evaluate_measures_lists_and_tells_who_is_left_out(here, run):
    words = ("evaluate", "log.csv", "--model", "baseline", "--split", "random:0.1:1")
    code, out, _ = run(*words, "--metrics", "ndcg@3,coverage@3", "--positive", 5)
    assert code == 0
    flat = " ".join(out.split())
    assert "Baseline()" in flat
    assert "seed" not in flat
    assert "epoch" not in flat
    assert "worst tenth of users: ndcg@3" in flat
    assert "more have nothing to measure" in flat
    record = only_json(run(*words, "--json")[1])
    assert list(record["metrics"]) == ["rmse", "rmse_unclipped", "mae"]
    popular = only_json(run("evaluate", "log.csv", "--model", "popularity", "--json")[1])
    assert list(popular["metrics"]) == ["ndcg@10", "recall@10", "hit_rate@10", "coverage@10"]


def test_evaluate_takes_one_fold(here, run):
    words = ("evaluate", "log.csv", "--model", "baseline", "--split", "kfold:3:1", "--json")
    folds = only_json(run(*words)[1])["folds"]
    one = only_json(run(*words, "--fold", 2)[1])
    assert (one["split"], one["metrics"]) == ("kfold:3:1 fold 2", folds[1]["metrics"])
    code, _, err = run(*words, "--fold", 4)
    assert code == 1
    assert "the split kfold:3:1 has 3 parts: --fold takes 1 to 3, got 4" in " ".join(err.split())


def test_metrics_are_listed(run):
    from palate.metrics import METRICS

    record = only_json(run("models", "--metrics", "--json")[1])
    assert [name.removesuffix("@k") for name in record] == list(METRICS)
    assert record["rmse"]["better"] == "lower"
    assert record["recall@k"]["meaning"] == METRICS["recall"].meaning
    assert record["recall@k"]["definition"].endswith("the share of the relevant items that were found.")
    assert record["novelty@k"]["unit"] == "bits"
    assert "recall_truncated@k" in run("models", "--metrics")[1]
    assert run("models", "mf", "--metrics")[0] == 2


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--models", "mf,nope"), 2, "no model 'nope'; there is popularity, baseline, mf, als"),
        (("--models", "mf,mf"), 2, "--models takes names with commas, each once"),
        (("--models", "mf,"), 2, "--models takes names with commas, each once"),
        (("--models", "mf:luck"), 2, "mf has no preset 'luck'"),
        (("--models", "mf", "--set", "n_factors=3"), 2, "--set takes MODEL.NAME=VALUE here, MODEL one of mf"),
        (("--models", "mf", "--set", "mf.luck=3"), 2, "mf has no parameter 'luck'"),
        (("--metrics", "rsme"), 1, "unknown metric 'rsme': did you mean 'rmse'?"),
        (("--metrics", "ndcg@21"), 1, "'ndcg@21' asks for lists of 21 of 20 items: choose k up to 20"),
        (
            ("--metrics", "crps"),
            1,
            "crps needs a model with a predictive distribution (bayes): none",
        ),
        (
            ("--metrics", "diversity_genres@3", "--models", "baseline"),
            1,
            "diversity_genres@3 needs an item table with a column 'genres' (--items FILE): none here",
        ),
        (
            ("--metrics", "ndcg@3", "--positive", "9"),
            1,
            "no test row of random:0.2:42 has a value of at least 9, the highest is 5: lower it",
        ),
        (("--groups", "town"), 1, "the user table has no column 'town'"),
        (("--split", "luck"), 1, "unknown split 'luck'"),
        (("--across", "folds"), 1, "a test across folds needs two of them, such as kfold:5:42"),
        (("--out", "log.csv"), 1, "cannot write results to log.csv"),
        (("--processes", "0"), 2, "than or equal to 1"),
        (("--paired-test", "t"), 2, "'t' is not one of"),
    ],
)
def test_impossible_requests(here, run, more, code, said):
    found, out, err = run("compare", "log.csv", "--models", "popularity,baseline", *more, "--json")
    assert found == code, err
    assert said in " ".join(err.replace("│", " ").split())
    assert "error" in json.loads(out)


@pytest.mark.usefixtures("one_process")
def test_a_failed_run_exits_with_1(here, run, monkeypatch):
    from palate.errors import DataError
    from palate.models import Baseline

    def fit(*_, **__):
        raise DataError("this data is not for me")

    monkeypatch.setattr(Baseline, "fit", fit)
    code, out, _ = run("compare", "log.csv", "--models", "popularity,baseline", "--metrics", "ndcg@3")
    assert code == 1
    assert "failed: baseline, fold 1: this data is not for me" in " ".join(out.split())
    assert "popularity" in out


def test_ctrl_c_says_what_is_kept(here, run, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("palate.evaluation.running._Pool.run", stop)
    words = ("compare", "log.csv", "--models", "baseline", "--metrics", "mae")
    assert run(*words)[::2] == (130, "stopped; with --out runs are kept\n")
    assert run(*words, "--out", "run")[::2] == (
        130,
        "stopped; finished runs are kept in run, the same command goes on\n",
    )


def test_a_split_is_written_and_used_like_any_other(here, run):
    words = ("data", "split", "log.csv", "--split", "rolling:2:0.2", "--out", "windows.parquet")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    flat = " ".join(out.split())
    assert "rolling:2:0.2 window 1: 239 training rows, 80 test rows" in flat
    assert "saved to windows.parquet; next: palate compare log.csv --split windows.parquet" in flat
    record = only_json(run(*words, "--json")[1])
    assert [s["name"] for s in record["splits"]] == ["rolling:2:0.2 window 1", "rolling:2:0.2 window 2"]
    asked = ("--model", "baseline", "--fold", 2, "--json")
    by_file = only_json(run("evaluate", "log.csv", "--split", "windows.parquet", *asked)[1])
    by_name = only_json(run("evaluate", "log.csv", "--split", "rolling:2:0.2", *asked)[1])
    assert by_file["metrics"] == by_name["metrics"]
    assert run(*words[:-1], "windows.csv")[::2] == (1, "error: a file of splits ends in .parquet, got windows.csv\n")
    assert (
        "made of other interactions"
        in run("evaluate", "items.csv", "--read", "user=year", "--split", "windows.parquet")[2]
    )


@pytest.mark.usefixtures("one_process")
def test_models_that_lack_the_same_figure_are_told_in_one_line(here, run):
    code, out, err = run(
        "compare", "log.csv", "--models", "popularity,knn,baseline", "--set", "knn.positive=any", *ASKED,
        "--processes", "1",
    )  # fmt: skip
    assert code == 0, err
    assert "not measured of popularity, knn: rmse needs a model" in " ".join(out.split())


PAIRED = ("--train", "a.csv", "--test", "b.csv", "--model", "baseline")


@pytest.fixture
def files(here):
    """Write training rows, and test rows of which two are training rows too, and some of newcomers."""
    rows = [line for line in (here / "log.csv").read_text().splitlines()[1:] if line]
    head = "user,item,rating,timestamp\n"
    (here / "a.csv").write_text(head + "\n".join(rows[:300]))
    newcomers = ["901,1,5,3000000", "902,2,1,3000000", "1,777,4,3000000"]
    (here / "b.csv").write_text(head + "\n".join([*rows[300:], *newcomers]))
    (here / "twice.csv").write_text(head + "\n".join([*rows[298:], *newcomers]))
    return here


def test_newcomers_of_a_test_file_are_counted(files, run):
    out = " ".join(run("evaluate", *PAIRED)[1].split())
    assert "2 users and 1 item of the test part have no training row (" not in out  # some of the log's own are new, too
    record = only_json(run("evaluate", *PAIRED, "--json")[1])
    of = record["without_training"]
    assert of["users"] >= 2
    assert of["items"] == 1
    assert f"{of['users']} users and 1 item of the test part have no training row ({of['test_rows']} test rows)" in out
    assert "no training row" not in run("evaluate", "log.csv", "--model", "baseline")[1]


def test_rows_of_both_files_are_refused_or_left_out(files, run):
    twice = [word.replace("b.csv", "twice.csv") for word in PAIRED]
    code, _, err = run("evaluate", *twice)
    assert code == 1
    said = " ".join(err.split())
    assert "2 of 105 test rows are also in the training part" in said
    assert "take them out with --on-overlap drop" in said
    assert "without_overlap" not in said
    code, out, err = run("evaluate", *twice, "--on-overlap", "drop", "--json")
    assert code == 0
    assert "2 test rows are also in the training part and left out" in err
    assert only_json(out)["metrics"] == only_json(run("evaluate", *PAIRED, "--json")[1])["metrics"]


def test_evaluate_keeps_the_model_that_it_measured(files, run):
    words = (
        "evaluate",
        "log.csv",
        "--model",
        "mf",
        "--set",
        "n_factors=2",
        "--set",
        "random_state=3",
        "--stop-on",
        "test",
    )
    code, out, err = run(*words, "--out", "kept.safetensors")
    assert code == 0, err
    assert "the model is in kept.safetensors, fitted on the training part alone" in out
    from palate import files as model_files

    kept = model_files.load("kept.safetensors")
    record = only_json(run(*words, "--out", "kept.safetensors", "--json")[1])
    assert record["out"] == "kept.safetensors"
    assert kept.seen_.indptr[-1] == record["n_train"] == 320
    assert kept.best_epoch_ > 0
    code, _, err = run(
        "evaluate", "log.csv", "--model", "baseline", "--split", "kfold:2:1", "--out", "kept.safetensors"
    )
    assert code == 2
    assert "keeps one model, and kfold:2:1 fits 2: choose one with --fold" in " ".join(err.replace("│", " ").split())
    assert run("evaluate", "log.csv", "--out", "no/where")[0] == 1


@pytest.mark.usefixtures("one_process")
def test_lists_of_a_part_of_the_catalogue(here, run):
    words = ("--items", "items.csv", "--where", "genre=Comedy", "--deny", "2", "--metrics", "ndcg@3")
    one = only_json(run("evaluate", "log.csv", "--model", "popularity", *words, "--json")[1])
    assert one["n_listed"] == 9
    out = run("evaluate", "log.csv", "--model", "popularity", *words)[1]
    assert "lists are drawn from 9 of 20 items" in out
    code, out, err = run("compare", "log.csv", "--models", "popularity,baseline", *words, "--processes", "1")
    assert code == 0, err
    flat = " ".join(out.split())
    assert "lists are drawn from 9 of 20 items" in flat
    command = next(line.strip() for line in out.splitlines() if "--model popularity" in line)
    assert "--deny 2 --where genre=Comedy" in command
    again = only_json(run(*shlex.split(command)[1:], "--json")[1])
    assert again["metrics"] == one["metrics"]
    allowed = only_json(
        run("evaluate", "log.csv", "--model", "popularity", "--allow", "4", "--metrics", "NDCG@3", "--json")[1]
    )
    assert allowed["n_listed"] == 1
    assert list(allowed["metrics"]) == ["ndcg@3"]


@pytest.mark.usefixtures("one_process")
def test_any_row_counts_where_positive_is_any(here, run):
    words = ("evaluate", "log.csv", "--model", "ease", "--metrics", "recall@3")
    code, _, err = run(*words)
    assert code == 1
    assert "--positive" in err or "positive=" in err
    record = only_json(run(*words, "--positive", "any", "--json")[1])
    assert record["parameters"]["positive"] == "any"
    asked = ("--models", "ease,popularity", "--positive", "any", "--metrics", "recall@3", "--processes", "1")
    code, out, err = run("compare", "log.csv", *asked, "--out", "run")
    assert code == 0, err
    assert "--positive any" in out
    code, _, err = run(*words, "--positive", "some")
    assert code == 2
    assert "takes a number, or any for every row, got 'some'" in " ".join(err.replace("│", " ").split())


@pytest.mark.usefixtures("one_process")
def test_people_who_got_the_popular_list_are_counted_beside_the_others(here, run):
    """Every third person liked nothing before their last two rows."""
    cells = [(u, 1 + (u + 2 * n) % 11, n) for u in range(1, 31) for n in range(6)]
    rows = [f"{u},{i},{1 if u % 3 == 0 and n < 4 else 5},{n}" for u, i, n in cells]
    (here / "some.csv").write_text("user,item,rating,timestamp\n" + "\n".join(rows))
    words = ("--split", "last:2", "--positive", "4", "--metrics", "ndcg@3")
    record = only_json(run("evaluate", "some.csv", "--model", "ease", *words, "--json")[1])
    summary = record["summaries"]["ndcg@3"]
    assert (summary["n_popular"], summary["n_users"]) == (10, 30)
    out = " ".join(run("evaluate", "some.csv", "--model", "ease", *words)[1].split())
    assert "10 of 30 users were given the popular list, as the model knows nothing of them; the others: ndcg@3" in out
    assert f"the others: ndcg@3 {summary['mean_of_others']:.4f}" in out
    out = run("compare", "some.csv", "--models", "ease,popularity", *words, "--processes", "1", "--out", "run")[1]
    row = next(line.split() for line in out.splitlines() if line.split()[:1] == ["ease"])
    assert row[-2:] == [f"{summary['mean_of_others']:.4f}", "30"]
    said = "ease knows nothing of 10 of 30 users and gave them the popular list; the column 'of the others' is without"
    assert said in " ".join(out.split())
    assert run("report", "run")[0] == 0
    assert "Given the popular list" in (here / "run" / "report.html").read_text(encoding="utf-8")
