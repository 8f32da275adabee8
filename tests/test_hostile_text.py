"""Titles, ids and values that would act on a terminal: every command shows them, and none acts."""

import ast
import json
import shlex
import subprocess
import sys
import unicodedata
from pathlib import Path

import polars as pl
import pytest
import test_cli
from hypothesis import given, settings
from hypothesis import strategies as st

import palate
from palate.cli import common, draw
from palate.terminal import command, plain, plain_json

run, only_json, one_process = test_cli.run, test_cli.only_json, test_cli.one_process
ACTS = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode's categories of characters that act, and do not stand
NASTY = "\x1b[2J\x1b]0;owned\x07\x00\x9b31m\u202e\u2066\u200b\u2028\u2029\x85\r\n\t\ufeff\xad"
PEOPLE = [f"{NASTY}{k}" for k in range(4)] + ["$(touch owned)", "-rf /", "it's `me`; exit", "[red]a[/red]"]
PEOPLE += ["👨‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "e\u0301 中文", "שלום", "می‌خواهم", ":smile:"] + [f"user {k}" for k in range(17)]
FRIENDLY = ["👨‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "e\u0301 中文", "שלום", "می‌خواهم", "[red]a[/red]", ":smile:"]
JOINERS = {"\u200c", "\u200d", *map(chr, range(0xE0061, 0xE0080))}  # of Persian, of emoji and of flags


def acting(text):
    """Return the characters of an output that act on a terminal, but for line ends and what letters need."""
    return sorted({hex(ord(c)) for c in text if unicodedata.category(c) in ACTS and c != "\n" and c not in JOINERS})


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """Work in a folder of data whose every text is hostile, in a folder that is, too."""
    folder = tmp_path / "a \x1b[31m\u202e[b]"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("palate.cli.screen.WIDEST", 400)
    monkeypatch.setenv("COLUMNS", "400")
    rows = [(u, f"{NASTY}{i}", float(1 + (k * i + k) % 5), 10 * k + i) for k, u in enumerate(PEOPLE) for i in range(12)]
    frame = pl.DataFrame(rows, schema=["user", "item", "rating", "timestamp"], orient="row")
    frame.filter((pl.col("timestamp") % 3) > 0).write_parquet("log.parquet")
    titles = [*FRIENDLY, *(f"title {NASTY} {k}" for k in range(12 - len(FRIENDLY)))]
    items = {"item_id": [f"{NASTY}{i}" for i in range(12)], "title": titles, f"x{NASTY}": [NASTY] * 12}
    pl.DataFrame(items).write_parquet("items.parquet")
    kinds = [f"{NASTY}{k % 2}" for k in range(len(PEOPLE))]
    pl.DataFrame({"user_id": PEOPLE, "gender": kinds}).write_parquet("users.parquet")
    return folder


DATA = ("log.parquet", "--items", "items.parquet")
SMALL = ("--set", "n_factors=2", "--set", "n_epochs=2", "--set", "random_state=0")
COMPARED = ("--models", "popularity,baseline", "--processes", "1", "--groups", "gender", "--users", "users.parquet")
COMMANDS = [
    ("train", *DATA, *SMALL, "--out", "m.safetensors"),
    ("data", "show", *DATA),
    ("data", "split", "log.parquet", "--split", "random:0.2:1", "--out", "s.parquet"),
    ("recommend", "m.safetensors", "--all", "-n", "3"),
    ("recommend", "m.safetensors", "--user", NASTY.replace("\0", "") + "5"),  # unknown
    ("recommend", "m.safetensors", "--user", PEOPLE[4], "--where", f"x{NASTY}=1"),
    ("recommend", "m.safetensors", "--all", "--out", f"{NASTY}".replace("\0", "") + ".csv"),
    ("recommend", NASTY.replace("\0", ""), "--all"),
    ("evaluate", *DATA, *SMALL, "--split", "random:0.2:1"),
    ("evaluate", *DATA, "--model", NASTY),
    ("evaluate", *DATA, "--split", NASTY),
    ("evaluate", *DATA, "--metrics", NASTY),
    ("compare", *DATA, *COMPARED, "--out", "run"),
    ("compare", *DATA, *COMPARED, "--out", NASTY.replace("\0", "")),
    ("report", "run"),
    ("tune", *DATA, "--model", "baseline", "--trials", "2", "--out", "tuned"),
    ("export", "m.safetensors", "--to", "exported"),
    ("import", "exported", "--out", "again.safetensors"),
    ("train", "log.parquet", "--read", f"user={NASTY}"),
    ("train", "log.parquet", "--read", "rating_range=2:3"),
    ("train", f"no{NASTY}"),
    ("train", "log.parquet", f"--{NASTY}"),
    ("recommend", "m.safetensors", "-n", NASTY),
    (NASTY,),
]


@pytest.mark.no_cover
@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("as_json", [False, True])
def test_no_command_prints_what_acts_on_a_terminal(hostile, run, as_json):
    for words in COMMANDS:
        _, out, err = run(*words, *(["--json"] if as_json else []))
        assert acting(out + err) == [], words
    assert not Path("owned").exists()


def test_friendly_titles_stand_as_they_are_one_a_row(hostile, run):
    run(*COMMANDS[0])
    code, out, _ = run("recommend", "m.safetensors", "--user", "user 1", "-n", "12", "--include-seen")
    assert code == 0
    seen = [f"{rank} {title}" for rank in range(1, 13) for title in FRIENDLY if f"{rank:>2}   {title} " in out]
    assert len(seen) == len(FRIENDLY), out


def test_json_reads_as_the_same_ids(hostile, run):
    run(*COMMANDS[0])
    rows = only_json(run("recommend", "m.safetensors", "--all", "-n", "2", "--json")[1])["recommendations"]
    assert {row["user_id"] for row in rows} == set(PEOPLE)


def test_the_next_command_can_be_pasted(hostile, run):
    _, out, _ = run(*COMMANDS[0])
    line = out.splitlines()[-1].removeprefix("next: palate ")
    assert "\\x" not in line  # the ids with NUL, which no command can hold, are passed over
    assert run(*shlex.split(line))[0] == 0


def test_a_warning_and_a_traceback_are_plain(hostile, tmp_path):
    code = f"from palate.cli import main; main(['train', {'no' + NASTY!r}, '--debug'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert acting(done.stdout + done.stderr) == []


def test_progress_and_log_lines_are_plain(capsys):
    import logging

    from palate.progress import Progress

    common.log_to_stderr()
    logging.getLogger("palate").warning("of %s", NASTY)
    with common.live_progress() as progress:
        progress(Progress(NASTY, 1, 2, task=NASTY))
    err = capsys.readouterr().err
    assert "of \\x1b[2J" in err
    assert acting(err) == []


def test_what_was_made_elsewhere_is_cleaned_at_the_door(capsys):
    from rich.panel import Panel
    from rich.text import Text

    stdout = common.console()
    stdout.print(Text(NASTY), Panel(Text(NASTY), title=NASTY))
    grid = draw.table(NASTY, [(NASTY, "left")])
    grid.add_row(Text(NASTY))
    grid.add_row("[bold]x[/bold]")
    stdout.print(grid)
    out = capsys.readouterr().out
    assert acting(out) == []
    assert "[bold]x[/bold]" in out


def test_no_command_prints_but_through_the_door():
    """Rich's own console, tables and markup, `print` and the raw streams stand in the door alone."""
    for path in sorted((Path(palate.__file__).parent / "cli").glob("*.py")):
        tree = ast.parse(path.read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert "print" not in {getattr(call.func, "id", None) for call in calls}, path
        written = [ast.unparse(call.func) for call in calls if ast.unparse(call.func).endswith(".write")]
        assert path.name == "common.py" or not {w for w in written if "std" in w}, path
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert "rich.markup" not in modules, path
        assert path.name == "screen.py" or "rich.table" not in modules, path


@given(st.text(st.characters() | st.sampled_from(NASTY)))
def test_plain_leaves_nothing_that_acts_and_changes_nothing_else(text):
    shown = plain(text)
    assert acting(shown) == []
    assert plain(shown) == shown
    if not any(unicodedata.category(c) in ACTS or 0x2060 <= ord(c) <= 0xFFFB or ord(c) > 0xDFFF for c in text):
        assert shown == text
    assert json.loads(plain_json(json.dumps(text, ensure_ascii=False))) == text


def test_joiners_pass_between_letters_that_need_them_alone():
    assert plain("pay\u200dpal") == "pay\\u200dpal"
    assert plain("👩\u200d🔬") == "👩\u200d🔬"
    assert plain("\U000e0061\U000e007f") == "\\U000e0061\\U000e007f"
    assert plain("a\nb", lines=True) == "a\nb"
    assert plain("a\nb") == "a\\nb"


@pytest.mark.skipif(sys.platform == "win32", reason="quoting is for POSIX shells")
@settings(max_examples=20)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=3))
def test_a_printed_command_gives_its_words_back(words):
    line = command(*words)
    assert acting(line) == []
    shown = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    assert shown.decode().split("\0")[:-1] == words


def test_a_path_never_reads_as_an_option():
    assert command("palate", "recommend", Path("-m.safetensors"), "--user", -5) == (
        "palate recommend ./-m.safetensors --user -5"
    )
    assert command(Path("-")) == "-"  # what stands for the standard input


def test_formulas_are_disarmed_for_spreadsheets_where_asked_for(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    titles = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\uff1d1", "plain", "a=b", "'quoted"]
    Path("log.jsonl").write_text("".join(json.dumps({"user": f"-u{k % 3}", "item": k}) + "\n" for k in range(10)))
    pl.DataFrame({"item_id": range(10), "title": titles}).write_parquet("items.parquet")
    run("train", "log.jsonl", "--items", "items.parquet", "--model", "popularity")
    words = ("recommend", "model.safetensors", "--all", "--include-seen", "--out", "x.csv")
    assert run(*words)[0] == 0
    assert set(pl.read_csv("x.csv")["title"]) == set(titles)
    assert run(*words, "--safe-csv")[0] == 0
    safe = pl.read_csv("x.csv")
    assert set(safe["title"]) == {title if title in titles[7:] else f"'{title}" for title in titles}
    assert set(safe["user_id"]) == {"'-u0", "'-u1", "'-u2"}
    assert safe.schema["score"].is_numeric()
    code, _, err = run(*words[:-1], "x.parquet", "--safe-csv")
    assert code == 2
    assert "--safe-csv is for a file that ends in .csv" in " ".join(err.split())
