"""Files of other people on the command line: the words of --read, standard input, and what messages say to type."""

import io
import sys
from inspect import signature

import pytest
from typer.main import get_command

from palate.cli import app, main
from palate.cli.common import Read
from palate.cli.wording import READ_KEYS, running, worded
from palate.data.columns import ROLES
from palate.data.items import CALL_TITLE
from palate.data.reading.ratings import read_ratings
from palate.data.sources.loading import with_tables
from palate.errors import Blank, Column, Set


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def run(here, capsys):
    """Return a function that runs the command in this process: (exit code, stdout, stderr), spaces made single."""

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(w) for w in words])
        out, err = capsys.readouterr()
        return stop.value.code or 0, " ".join(out.split()), " ".join(err.replace("│", " ").split())

    return call


def test_every_option_of_reading_is_a_word_of_read():
    of_ratings = set(signature(read_ratings).parameters) - {"path", "columns"}
    of_tables = {name for name, one in signature(with_tables).parameters.items() if one.kind is one.KEYWORD_ONLY}
    assert of_tables == {"title", "lists"}
    assert set(READ_KEYS) == of_ratings | of_tables | set(ROLES)
    for key in set(READ_KEYS) - {"weight"}:
        assert f"{key}=" in Read.__metadata__[0].help


@pytest.mark.parametrize(
    ("step", "python", "words"),
    [
        (
            Set("columns", {"user": Blank("…"), "item": Blank("…")}),
            "columns={'user': …, 'item': …}",
            "--read user=NAME --read item=NAME",
        ),
        (Set("columns", {"value": "Book Rating"}), "columns={'value': 'Book Rating'}", "--read value='Book Rating'"),
        (
            Set("columns", {"user": 0, "value": None}),
            "columns={'user': 0, 'value': None}",
            "--read user=0 --read value=none",
        ),
        (Set("header", True), "header=True", "--read header=yes"),
        (Set("header", False), "header=False", "--read header=no"),
        (Set("quote", "none"), "quote='none'", "--read quote=none"),
        (Set("max_bytes", Blank("1e+04")), "max_bytes=1e+04", "--read max_bytes=1e+04"),
        (
            Set("rating_range", (Blank("LOWEST"), Blank("HIGHEST"))),
            "rating_range=(LOWEST, HIGHEST)",
            "--read rating_range=LOWEST:HIGHEST",
        ),
        (CALL_TITLE, "call the column of titles 'title'", "say --read title=NAME"),
        (Column("item", "call that column 'item_id'"), "call that column 'item_id'", "say --read item=NAME"),
        (Set("positive", 4), "positive=4", "--positive 4"),
        (Set("on_overlap", "drop"), "on_overlap='drop'", "--on-overlap drop"),
    ],
)
def test_a_step_is_said_in_python_and_as_what_to_type(step, python, words, monkeypatch):
    monkeypatch.setattr(running, "command", lambda: get_command(app).commands["evaluate"])
    assert (str(step), worded(step)) == (python, words)


STEAM = "7,Tea,play,2.5,0\n7,Rum,play,1,0\n8,Tea,play,4,0\n"
POSITIONS = [w for o in ("user=0", "item=1", "value=3") for w in ("--read", o)]


def test_columns_by_position_reach_the_ratings_and_words_the_tables(here, run):
    (here / "steam.csv").write_text(STEAM)
    code, _, err = run("data", "show", "steam.csv")
    assert code == 1
    assert "steam.csv has 5 columns and no header; its first line is" in err
    assert "--read user=0 --read item=1 --read value=2" in err
    assert run("data", "show", "steam.csv", *POSITIONS)[::2] == (0, "")
    (here / "games.csv").write_bytes(b"item_id,what,genres\nTea,Hot tea,Hot|Mild\nRum,Caf\xe9,Cold\n")
    words = ["--read", "title=what", "--read", "encoding=latin-1", "--items", "games.csv"]
    code, _, err = run("train", "steam.csv", *POSITIONS, *words, "--model", "popularity", "--out", "m.safetensors")
    assert (code, err) == (0, "")
    code, out, _ = run("recommend", "m.safetensors", "--user", "7", "--include-seen", "--where", "genres=Mild")
    assert code == 0
    assert "Hot tea" in out
    assert "Café" not in out


def test_guesses_are_said_with_what_to_type(here, run):
    (here / "books.csv").write_text("user_id,book_id,my_rating\n1,20,1\n1,24,5\n2,20,3\n")
    code, _, err = run("data", "show", "books.csv")
    assert code == 0
    assert err == "warning: books.csv: the values are those of 'my_rating'; --read value=none takes rows as clicks"
    assert run("data", "show", "books.csv", "--read", "value=my_rating")[::2] == (0, "")


def test_two_files_take_the_same_words(here, run):
    (here / "train.csv").write_text("who,what,hours\n1,2,3\n2,2,4\n")
    (here / "test.csv").write_text("who,what,hours\n1,3,3\n2,2,4\n".replace("2,2,4", "3,2,4"))
    (here / "what.csv").write_text("what,label\n2,Tea\n3,Rum\n")
    words = [w for o in ("user=who", "item=what", "value=hours", "title=label") for w in ("--read", o)]
    files = ("--train", "train.csv", "--test", "test.csv", "--items", "what.csv")
    assert run("evaluate", *files, *words, "--model", "baseline")[::2] == (0, "")


def test_rows_on_standard_input(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"user,item,rating\n1,2,3\n1,3,4\n"), "utf-8"))
    code, out, _ = run("data", "show", "-")
    assert code == 0
    assert out.startswith("standard input")


def test_words_of_read_that_are_unknown(here, run):
    (here / "log.csv").write_text("user,item\n1,2\n")
    for word, message in (
        ("header=perhaps", "header takes yes or no, got 'perhaps'"),
        ("quote=single", "quote must be 'auto', 'none' or 'backslash'"),
        ("time_unit=h", "time_unit must be 's', 'ms', 'us' or 'ns'"),
    ):
        assert message in run("data", "show", "log.csv", "--read", word)[2]
