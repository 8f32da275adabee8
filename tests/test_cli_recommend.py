"""``palate recommend``: lists for people and scripts, for those whom the model does not know, and into files."""

import re

import polars as pl
import pytest
import test_cli

here, run, model, only_json = test_cli.here, test_cli.run, test_cli.model, test_cli.only_json


def test_recommend_to_people(model, run):
    code, out, _ = run("recommend", model, "--user", 3, "-n", 4)
    assert code == 0
    assert "For user 3" in out
    assert out.count("Film ") == 4


def test_recommend_json_and_filters(model, run):
    words = ("recommend", model, "-u", 3, "-u", 4, "-n", 3, "--json", "--include-seen")
    rows = only_json(run(*words, "--where", "genre=Comedy", "--where", "year>=1990")[1])["recommendations"]
    assert [r["rank"] for r in rows] == [1, 2, 3, 1, 2, 3]
    assert all(r["item_id"] % 2 == 0 and r["item_id"] >= 10 for r in rows)
    allowed = only_json(run(*words, "--allow", 7, "--allow", 8, "--deny", 8)[1])["recommendations"]
    assert [r["item_id"] for r in allowed] == [7, 7]
    unknown = only_json(run("recommend", model, "-u", 999, "--on-unknown", "popular", "--json")[1])["recommendations"]
    assert {r["source"] for r in unknown} == {"popular"}
    assert {r["score"] for r in unknown} == {None}


def test_recommend_leaves_out_a_file_of_pairs(model, here, run):
    first = only_json(run("recommend", model, "-u", 3, "-n", 2, "--json")[1])["recommendations"]
    (here / "had.csv").write_text("user,item\n" + "".join(f"3,{r['item_id']}\n" for r in first))
    second = only_json(run("recommend", model, "-u", 3, "-n", 2, "--json", "--exclude", "had.csv")[1])[
        "recommendations"
    ]
    assert not {r["item_id"] for r in first} & {r["item_id"] for r in second}


@pytest.mark.parametrize(
    ("name", "read"), [("r.parquet", pl.read_parquet), ("r.csv", pl.read_csv), ("r.jsonl", pl.read_ndjson)]
)
def test_recommend_all_to_a_file(model, here, run, name, read):
    code, out, _ = run("recommend", model, "--all", "-n", 2, "--out", name)
    assert code == 0
    assert "rows for 30 users" in out
    table = read(here / name)
    assert table.columns == ["user_id", "rank", "item_id", "title", "score", "source"]
    assert table["user_id"].n_unique() == 30


def test_recommend_for_people_whom_the_model_does_not_know(model, here, run):
    code, out, _ = run("recommend", model, "--had", "3=5", "--had", "4=2.5", "-n", 3)
    assert code == 0
    assert "For these items" in out
    had = only_json(run("recommend", model, "--had", "3=5", "--had", "4=2", "-n", 3, "--json")[1])["recommendations"]
    (here / "rows.csv").write_text("user,item,rating\nx,3,5\nx,4,2\ny,5,1\n")
    rows = only_json(run("recommend", model, "--rows", "rows.csv", "-n", 3, "--json")[1])["recommendations"]
    assert [r["user_id"] for r in rows] == ["x"] * 3 + ["y"] * 3
    assert [r["item_id"] for r in rows[:3]] == [r["item_id"] for r in had]
    code, out, err = run("recommend", model, "--had", "3=5", "--had", "999=1", "-n", 1)
    assert code == 0
    assert "the basket: left out 1 item that training did not know" in err
    code, _, err = run("recommend", model, "--had", "3", "--had", "4")
    assert code == 1
    assert "learns from ratings: give them as {item: rating}" in err
    code, _, err = run("recommend", model, "--had", "3=good")
    assert code == 2
    assert "--had takes ITEM=RATING with a number each" in err


def test_recommend_by_attributes_alone(here, run):
    (here / "people.csv").write_text(
        "user_id,taste\n" + "".join(f"{u},{'jazz' if u % 2 else 'rock'}\n" for u in range(30))
    )
    (here / "new.csv").write_text("user_id,taste\n901,jazz\n902,rock\n")
    run("train", "log.csv", "--users", "people.csv", "--model", "als", "--features", "--set", "n_factors=2")
    found = run("recommend", "model.safetensors", "--users", "new.csv", "-n", 2, "--json")
    rows = only_json(found[1])["recommendations"]
    assert [r["user_id"] for r in rows] == [901, 901, 902, 902]
    assert {r["source"] for r in rows} == {"model"}
    (here / "latin.csv").write_bytes("who,taste,town\n901,jazz,Zürich\n902,rock,Köln\n".encode("latin-1"))
    read = ("--read", "encoding=latin-1", "--read", "user=who")
    again = run("recommend", "model.safetensors", "--users", "latin.csv", "-n", 2, "--json", *read)
    assert only_json(again[1])["recommendations"] == rows
    beside = ("recommend", "model.safetensors", "--had", "3=5", "--users", "new.csv")
    assert "features of 2 users are given beside the items of one" in run(*beside)[2]


def test_the_users_for_an_item(model, here, run):
    code, out, _ = run("recommend", model, "--item", 3, "-n", 2)
    assert code == 0
    assert "Users for Film 3" in out
    assert "rows for 2 items" in run("recommend", model, "--item", 3, "--item", 4, "-n", 2, "--out", "u.csv")[1]
    assert pl.read_csv(here / "u.csv").columns == ["item_id", "title", "rank", "user_id", "score"]


def test_one_per_title_names_the_other_ids_in_a_csv_too(here, run):
    years = "".join(f"{i},Film {i // 2},1990\n" for i in range(1, 21))
    (here / "twice.csv").write_text("item_id,title,year\n" + years)
    run("train", "log.csv", "--items", "twice.csv", "--model", "popularity")
    code, _, err = run(
        "recommend", "model.safetensors", "--all", "-n", 2, "--include-seen", "--one-per-title", "-o", "t.csv"
    )
    assert (code, err) == (0, "")
    table = pl.read_csv(here / "t.csv")
    assert table.group_by("user_id").agg(pl.col("title").n_unique())["title"].unique().to_list() == [2]
    assert table["same_title"].null_count() < len(table)


def test_one_per_title_names_the_other_ids_on_the_terminal(here, run):
    (here / "twice.csv").write_text("item_id,title,year\n" + "".join(f"{i},Film {i // 2},1990\n" for i in range(1, 21)))
    run("train", "log.csv", "--items", "twice.csv", "--model", "popularity")
    _, out, _ = run("recommend", "model.safetensors", "-u", 1, "-n", 20, "--include-seen", "--one-per-title")
    assert re.search(r"Film 4 +(8, 9|9, 8) ", out), out


def test_options_of_recommend_that_do_not_go_together(model, run):
    for words, text in (
        (("--had", "3=5", "--clip"), "--clip, --exclude and --on-unknown go with --user and --all"),
        (("--item", "3", "--where", "year>1"), "--item asks for users"),
        (("-u", "1", "--users", "x.csv"), "take --all, --had, --rows, --users or --item"),
        (("--had", "3=5", "--item", "3"), "take --all, --had, --rows, --users or --item"),
    ):
        code, _, err = run("recommend", model, *words)
        assert code == 2
        assert text in " ".join(err.replace("│", " ").split())
