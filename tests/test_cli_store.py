"""``palate store``, and a store as DATA of other commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from palate import files
from palate.cli import app
from palate.store import feedback, open_store

RATINGS = "user,item,rating,time\n" + "".join(f"u{k % 7},i{k % 11},{k % 5 + 1},{k}\n" for k in range(60))
ITEMS = "item_id,title,genres\n" + "".join(f"i{k},Title {k},a|b{k % 3}\n" for k in range(11))


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ratings.csv").write_text(RATINGS)
    (tmp_path / "items.csv").write_text(ITEMS)


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def as_json(*words):
    result = CliRunner().invoke(app, [*(str(word) for word in words), "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def test_from_a_file_to_a_model_that_knows_its_log():
    done = as_json("store", "import", "ratings.csv", "--store", "sqlite:///shop.db")
    assert (done["namespace"], done["events"]["new"]) == ("default", 60)
    assert "events: 0 new, 60 known, which count once" in run("store", "import", "ratings.csv", "--store", "shop.db")
    said = run("store", "import", "items.csv", "--store", "shop.db")
    assert "items: 0 new, 11 changed, 0 known" in said
    assert "next: palate train store:shop.db --model ials" in said
    run("train", "store:shop.db", "--model", "als", "--set", "n_factors=2", "--set", "n_epochs=2", "--out", "m")
    model = files.load("m")
    assert (model.log_.namespace, model.log_.trained_to) == ("default", 60)
    assert model.item_table_["title"][0] == "Title 0"
    run("train", "store:shop.db", "--model", "als", "--set", "n_factors=2", "--split", "time:0.2", "--out", "part")
    assert files.load("part").log_.trained_to is None
    card = as_json("data", "show", "store:shop.db#default", "--items", "items.csv")
    assert card["ratings"] == len({(k % 7, k % 11) for k in range(60)})


@pytest.mark.parametrize(
    "command", [["evaluate", "--model"], pytest.param(["compare", "--models"], marks=pytest.mark.long)]
)
def test_other_commands_take_a_store_and_see_clicks_or_ratings_as_the_model_does(command):
    run("store", "import", "ratings.csv", "--store", "shop.db")
    for model, word in (("popularity", "recall@5"), ("baseline", "rmse")):
        words = [command[0], "store:shop.db", *command[1:], model, "--metrics", word]
        assert word in run(*words)


def test_export_import_info_and_merge(tmp_path):
    run("store", "import", "ratings.csv", "--store", "shop.db", "--kind", "rating")
    assert run("store", "export", "out", "--store", "shop.db", "--format", "csv").count("rows\n") == 3
    done = as_json("store", "export", "only", "--store", "shop.db", "--only", "events")
    assert done["files"] == {str(Path("only") / "events.parquet"): 60}
    assert as_json("store", "import", "out", "--store", "other.db", "--namespace", "copy")["events"]["new"] == 60
    said = run("store", "info", "--store", "other.db")
    assert "namespace copy, ids are text" in said
    assert "events: rating" in said
    assert "bytes an event, indexes included" in said
    assert as_json("store", "info", "--store", "other.db")["namespaces"][0]["events"] == {"rating": 60}
    moved = sum(row.startswith("u1,") for row in RATINGS.splitlines())
    assert f"{moved} events of u1 are those of u2 now" in run("store", "merge", "u1", "u2", "--store", "shop.db")
    assert as_json("store", "merge", "u1", "u2", "--store", "shop.db")["events"] == 0
    with open_store("shop.db") as store, store.read() as connection:
        assert len(feedback.of_user(connection, store.namespace(), "u2")) > moved


def test_upgrade_says_what_it_did():
    run("store", "import", "ratings.csv", "--store", "shop.db")
    assert "the store has schema 3 already" in run("store", "upgrade", "--store", "shop.db")
    assert as_json("store", "upgrade", "--store", "shop.db") == {"schema_before": 3, "schema": 3}


def test_a_fault_of_a_file_is_told_in_the_words_of_the_command(capsys, tmp_path):
    from palate.cli import main

    (tmp_path / "views.csv").write_text("user,item,event\n1,2,view\n")
    with pytest.raises(SystemExit):
        main(["store", "import", "views.csv", "--store", "shop.db"])
    said = " ".join(capsys.readouterr().err.split())
    assert "kind is no event kind of this namespace" in said
    assert "--rename OLD=NEW takes a kind for another; --new-kinds adds them" in said
    out = run("store", "import", "views.csv", "--store", "shop.db", "--rename", "view=seen", "--new-kinds")
    assert "new event kinds: seen" in out
    (tmp_path / "bad.csv").write_text("user,item,event,value\n1,2,rating,x\n1,3,rating,4\n")
    out = run("store", "import", "bad.csv", "--store", "shop.db", "--skip-faulty")
    assert "left out: 1 rows: value is no finite number" in out


def test_wrong_words_are_usage_errors_or_errors(capsys):
    run("store", "import", "ratings.csv", "--store", "shop.db", "--rename", "view", code=2)
    run("store", "export", "out", code=2)
    from palate.cli import main

    for words, said in {
        (
            "store",
            "info",
            "--store",
            "nowhere.db",
        ): ".db is not there: `palate serve --store` and",
        ("store", "import", "ratings.csv", "--store", "mysql://x/y"): "this URL names no store",
        ("store", "import", "ratings.csv", "--store", "shop.db", "--namespace", "eu"): "no namespace 'eu'",
        (
            "train",
            "store:nowhere.db",
            "--out",
            "m",
        ): ".db is not there: `palate serve --store` and",
        ("train", "store:", "--out", "m"): "a store is named as store:sqlite:///shop.db",
        ("data", "show", "store:shop.db", "--read", "header=no"): "is a store; reading options are for files: header",
    }.items():
        with pytest.raises(SystemExit):
            main(list(words))
        assert "".join(said.split()) in "".join(capsys.readouterr().err.split())  # a line may end in a path
