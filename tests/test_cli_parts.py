"""Parts that somebody else made, model files that are measured, and options that would do nothing, as typed."""

import json
import shlex

import polars as pl
import pytest
import test_cli

from palate.locks import only_writer

here, run, one_process = test_cli.here, test_cli.run, test_cli.one_process
PARTS = ("--train", "a.csv", "--test", "b.csv")


@pytest.fixture
def parts(here):
    """The log as two files of a shuffled kind; user 31 and item 21 are in the second alone."""
    head, *rows = (here / "log.csv").read_text().splitlines()
    (here / "a.csv").write_text("\n".join([head, *rows[::4], *rows[1::4], *rows[2::4]]))
    (here / "b.csv").write_text("\n".join([head, *rows[3::4], "31,1,4,1000000500", "1,21,5,1000000501"]))
    (here / "users.csv").write_text("user_id,age\n" + "\n".join(f"{u},{20 + u % 9}" for u in range(1, 32)))
    return here


def record(answered):
    code, out, err = answered
    assert code == 0, err
    return json.loads(out)


def test_evaluate_of_two_files_has_attributes_and_a_model_file_says_the_same(parts, run):
    words = ("evaluate", *PARTS, "--model", "als", "--set", "n_epochs=2", "--metrics", "rmse,ndcg@5", "--json")
    with_items = record(run(*words, "--items", "items.csv", "--attributes", "--out", "m.safetensors"))
    without = record(run(*words))
    assert with_items["metrics"] != without["metrics"]
    assert with_items["without_training"] == {"users": 1, "items": 1, "test_rows": 2}
    file = record(run("evaluate", "--model-file", "m.safetensors", "--test", "b.csv", *words[-3:]))
    assert file["metrics"] == with_items["metrics"]
    assert file["summaries"] == with_items["summaries"]
    assert list(file["seconds"]) == ["score"]


def test_a_model_file_tells_what_it_leaves_out_and_what_is_relevant(parts, run):
    run("train", "a.csv", "--model", "knn", "--positive", "3", "--out", "m.safetensors")
    words = ("evaluate", "--model-file", "m.safetensors", "--test", "b.csv", "--metrics", "ndcg@5")
    said = " ".join(run(*words, "--positive", 4)[1].split())
    assert "left out: 2 of 102 test rows, of 1 users and 1 items that the model does not know" in said
    assert "relevant in lists: test rows of at least 4; the model learned from rows of positive=3.0" in said
    assert "fit s" not in said
    assert "relevant in lists: every test row; the model learned" in " ".join(run(*words)[1].split())
    code, _, err = run(*words[:3], "--test", "log.csv")
    assert (code, "test rows are also in the training part" in err) == (1, True)
    assert "take them out with --on-overlap drop" in " ".join(err.split())
    assert record(run(*words[:3], "--test", "log.csv", "--on-overlap", "drop", "--json"))["n_test"] == 100


def test_a_model_file_on_the_test_part_of_its_own_split(parts, run):
    words = ("log.csv", "--split", "kfold:3:1", "--fold", "2", "--json")
    once = record(run("evaluate", *words, "--model", "baseline", "--out", "m.safetensors"))
    assert record(run("evaluate", *words, "--model-file", "m.safetensors"))["metrics"] == once["metrics"]
    code, _, err = run("evaluate", "log.csv", "--split", "kfold:3:1", "--fold", "1", "--model-file", "m.safetensors")
    assert (code, "test rows are also in the training part" in err) == (1, True)


def test_a_model_file_without_its_rows_takes_them(parts, run):
    set_ = ("--model", "ials", "--set", "n_epochs=2", "--positive", "3", "--metrics", "ndcg@5", "--json")
    once = record(run("evaluate", *PARTS, *set_, "--set", "store_history=false", "--out", "m.safetensors"))
    words = ("evaluate", "--model-file", "m.safetensors", "--metrics", "ndcg@5", "--positive", "3", "--json")
    code, _, err = run(*words, "--test", "b.csv")
    assert (code, "give the rows that it was fitted on, --train" in " ".join(err.split())) == (1, True)
    assert record(run(*words, *PARTS))["metrics"] == once["metrics"]


@pytest.mark.usefixtures("one_process")
def test_compare_takes_two_files_and_each_command_repeats_its_row(parts, run):
    tables = ("--items", "items.csv", "--users", "users.csv", "--groups", "age")
    words = ("compare", *PARTS, *tables, "--models", "popularity,baseline", "--metrics", "ndcg@5,rmse", "--out", "run")
    found = record(run(*words, "--json"))
    assert found["plan"]["split"] == "a.csv / b.csv"
    assert {row["grouping"] for row in found["groups"]} == {"activity", "age"}
    for row in found["table"]:
        command = shlex.split(row["command"])
        assert "--split" not in command
        again = record(run(*command[1:], "--json"))
        assert again["metrics"][row["metric"]] == row["mean"]
    assert record(run(*words, "--json"))["table"] == found["table"]


def test_tune_takes_two_files(parts, run):
    pytest.importorskip("optuna")
    words = ("tune", *PARTS, "--items", "items.csv", "--model", "baseline", "--trials", "2", "--out", "found")
    found = record(run(*words, "--json"))
    assert found["split"].startswith("a.csv / b.csv (")
    once = record(run("evaluate", *PARTS, "--model", "found/config.json", "--metrics", "rmse", "--json"))
    assert found["test_value"] == once["metrics"]["rmse"]
    assert "palate train a.csv --items items.csv --config found/config.json" in " ".join(run(*words)[1].split())


def test_two_files_become_one_and_a_split_of_it_and_back(parts, run):
    words = ("data", "split", *PARTS, "--items", "items.csv", "--joined", "rows.parquet", "--out", "theirs.parquet")
    assert record(run(*words, "--json"))["files"] == ["theirs.parquet", "rows.parquet"]
    said = " ".join(run(*words)[1].split())
    assert "next: palate compare rows.parquet --items items.csv --split theirs.parquet" in said
    metrics = ("--model", "baseline", "--metrics", "rmse,ndcg@5", "--json")
    once = record(run("evaluate", *PARTS, *metrics))
    assert record(run("evaluate", "rows.parquet", "--split", "theirs.parquet", *metrics))["metrics"] == once["metrics"]
    words = ("data", "split", "rows.parquet", "--split", "theirs.parquet", "--out", "s.parquet", "--parts", "p")
    record(run(*words, "--json"))
    back = record(run("evaluate", "--train", "p/train.parquet", "--test", "p/test.parquet", *metrics))
    assert back["metrics"] == once["metrics"]
    assert pl.read_parquet("p/train.parquet").height == 300


def test_shared_rows_are_refused_or_left_out_in_every_command(parts, run):
    (parts / "b.csv").write_text((parts / "b.csv").read_text() + "\n" + (parts / "a.csv").read_text().split("\n")[1])
    split = ("data", "split", "--joined", "j.parquet", "--out", "s.parquet")
    for words in (("evaluate",), ("compare",), ("tune",), split):
        code, _, err = run(*words, *PARTS)
        assert code == 1, words
        assert "1 of 103 test rows are also in the training part" in " ".join(err.split())
        assert "take them out with --on-overlap drop" in " ".join(err.split())
    assert record(run(*split, *PARTS, "--on-overlap", "drop", "--json"))["splits"][0]["n_test"] == 102


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("evaluate log.csv --train a.csv --test b.csv", "--train and --test are a split already: leave out DATA"),
        ("compare --train a.csv --test b.csv --split time:0.2", "leave out --split"),
        ("tune --train a.csv", "--train is a training part, and the test part is lacking: name --test"),
        ("compare --test b.csv", "--test is a test part, and the training part is lacking: name --train"),
        ("tune", "take DATA (with --split), or both --train FILE and --test FILE"),
        ("evaluate log.csv --on-overlap drop", "--on-overlap is for parts that were made elsewhere: name --test or"),
        ("evaluate --model-file m --test b.csv --set reg=1", "measured as it is: leave out --set"),
        ("evaluate --model-file m --test b.csv --users u.csv", "measured as it is: leave out --users"),
        ("data split --train a.csv --test b.csv --out s.parquet", "row numbers are of one: name --joined"),
        ("data split log.csv --joined j.parquet --out s.parquet", "--joined writes the rows of two files as one: name"),
        (
            "data split log.csv --split kfold:2:1 --parts p --out s.parquet",
            "--parts writes two parts, and kfold:2:1",
        ),
        ("evaluate log.csv --model m.safetensors", "fitted already: palate evaluate --model-file m.safetensors"),
        ("data show log.csv --users users.csv", "--users is drawn, and not listed: name --plots"),
        ("train log.csv --config c.json --model mf", "--config names the model and its parameters: leave out --model"),
        (
            "train log.csv --model ials --split time:0.2 --stop-on test",
            "ials looks at no such part",
        ),
        ("train log.csv --model als --users users.csv", "als takes none here: --attributes lets them enter"),
        ("train log.csv --model ease --users users.csv", "ease takes none here: leave it out, or choose a model that"),
        ("train log.csv --model ease --users users.csv --no-attributes", "ease takes none here: leave it out, or"),
        ("train log.csv --model bayes --users users.csv --no-attributes", "--no-attributes keeps them out: leave out"),
        ("evaluate log.csv --model bayes --users users.csv --no-attributes", "keeps them out: leave out either"),
        ("tune log.csv --model bayes --users users.csv --no-attributes", "keeps them out: leave out either"),
        (
            "train log.csv --model ease --set positive=3 --positive 4",
            "--positive is the model's parameter positive",
        ),
        ("evaluate log.csv --positive 4", "--positive says which rows are relevant in lists, or clicks to learn from"),
        ("evaluate log.csv --deny 1", "--deny is of the lists that are drawn, and rmse"),
        ("tune log.csv --positive 4", "mf does not learn by it; leave it out"),
        (
            "compare log.csv --models baseline,mf --metrics rmse --where year>1",
            "--where is of the lists",
        ),
        ("compare log.csv --models baseline,popularity --users n.csv", "or --groups looks at people by it"),
        ("compare log.csv --models baseline --paired-test wilcoxon", "are of two models and more"),
        ("recommend m.safetensors --all --on-unknown popular", "--all are known"),
        ("recommend m.safetensors --users users.csv --include-seen", "--users alone has none"),
        ("recommend m.safetensors -u 1 --read title=x", "--read title= and lists= are of what a model learns from"),
        ("train log.csv --items items.csv --read lists=some", "lists takes none, for no lists at all"),
        ("train log.csv --items items.csv --read lists=none --read lists.x=;", "lists takes none, for no lists at all"),
    ],
)
def test_what_would_do_nothing_is_refused(parts, run, words, says):
    (parts / "n.csv").write_text("user_id,n\n1,2\n")
    code, _, err = run(*words.split())
    assert code == 2, err
    assert says in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "recommend m.safetensors -u 1 --read time=none",
            "--read reads files here; reading options are for",
        ),
        ("train log.csv --read title=x", "title is a column of the item table, and none is given"),
        ("train log.csv --read lists=none", "lists are of the tables of items and users, and none is given"),
        ("train log.csv --items items.csv --read lists.crew=;", "lists names the column 'crew'"),
        (
            "train ml-100k --items items.csv --read time_unit=ms",
            "has a format of its own; reading options",
        ),
    ],
)
def test_reading_options_that_nothing_is_read_by_are_refused(parts, run, words, says):
    code, _, err = run(*words.split())
    assert code == 1, err
    assert says in " ".join(err.split())


def test_clip_is_refused_where_no_rating_is_predicted(parts, run):
    run("train", "log.csv", "--model", "popularity")
    code, _, err = run("recommend", "model.safetensors", "-u", "1", "--clip")
    assert (code, "popularity has scores for an order alone" in " ".join(err.replace("│", " ").split())) == (2, True)


def test_the_paired_test_has_its_former_name_still(parts, run, one_process):
    words = ("compare", "log.csv", "--models", "popularity,baseline", "--metrics", "ndcg@5", "--json")
    asked = (("--paired-test", "wilcoxon"), ("--test", "wilcoxon"), ())
    new, old, other = (record(run(*words, *test)) for test in asked)
    assert new["tests"] == old["tests"] != other["tests"]


def test_a_chain_is_locked_by_its_checkpoint(parts, run):
    words = ("train", "log.csv", "--model", "bayes", "--set", "n_sweeps=4", "--set", "n_burn_in=1", "--checkpoint", "c")
    with only_writer(parts / "c", "a chain"):
        code, _, err = run(*words)
    assert (code, "is being written by process" in " ".join(err.split())) == (1, True)


def test_lists_are_said_on_the_command_line(parts, run):
    films = "\n".join(f"{i},Film {i},{'Ann/Bob' if i % 2 else 'Bob/Eve'}" for i in range(1, 21))
    (parts / "cast.csv").write_text("item_id,title,cast\n" + films)
    words = ("evaluate", "log.csv", "--items", "cast.csv", "--metrics", "ndcg@5", "--model", "popularity")
    code, _, err = run(*words, "--where", "cast=Eve")
    assert (code, "no item has cast 'Eve'" in err) == (1, True)
    assert run(*words, "--where", "cast=Eve", "--read", "lists.cast=/")[0] == 0
