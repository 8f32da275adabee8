"""README, docs and examples say what runs: every python and sh block is run, in order, one folder a page."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import test_cli
import test_report
from needs_spark import require_java, standing_in

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
one_process = test_cli.one_process
undrawn = test_report.undrawn
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)


NAMED = re.compile(r"# (\w+\.py)\n")  # a block that is a file
ALONE = re.compile(r"palate [^|;&<>$`]*$")  # a line that needs no shell
# the same commands with less to compute; `make check-long` runs the pages as they stand
SHORTER = {
    "--model bayes --split": "--model bayes --set n_sweeps=10 --set n_burn_in=5 --split",
    "ml-100k --set random_state=42": "ml-100k --set random_state=42 --set n_epochs=4",
    "evaluate ml-100k --split": "evaluate ml-100k --set n_epochs=4 --split",
    "n_factors=100, random_state=42": "n_factors=16, n_epochs=4, random_state=42",
    "MatrixFactorization(random_state=0)": "MatrixFactorization(n_epochs=4, random_state=0)",
    "--trials 8": "--trials 2",
    "--model auto --seconds 60": "--model auto --trials 2",
    "auto(data, n_trials=6)": "auto(data, n_trials=2)",
    "n_trials=10": "n_trials=3",
}


def blocks(page):
    return BLOCK.findall(page.read_text())


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PALATE_PORT", str(free_port()))
    yield
    for pid in tmp_path.glob("*.pid"):  # what a page started in the background
        with suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGTERM)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def spark_here(page, in_a_folder):
    """Let the page of Spark find its files, and stop the session that it leaves; one that was there before stays."""
    if page.name != "spark.md":
        yield
        return
    require_java()
    from pyspark.sql import SparkSession

    if (before := SparkSession.getActiveSession()) is not None:
        with standing_in(before, Path.cwd()):
            yield
        return
    yield
    if (left := SparkSession.getActiveSession()) is not None:
        left.stop()


LONG = {
    "spark.md",
    "bayes.md",
    "evaluation.md",
    "experiments.md",
    "gorse.md",
    "integrations.md",
    "operations.md",
}  # pages whose snippets take minutes of processor time
of_pages = pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.long] * (p.name in LONG)) for p in PAGES if blocks(p)],
    ids=lambda p: p.name,
)


@pytest.mark.no_cover
@pytest.mark.filterwarnings("ignore:::mlflow")
@pytest.mark.usefixtures("movielens", "in_a_folder", "one_process", "undrawn", "spark_here")
@of_pages
def test_snippets_run(page, capsys):
    """In this process, as far as no shell is needed: a new one takes a second to import what is there."""
    names = {}
    for kind, code in blocks(page):
        for long, short in SHORTER.items():
            code = code.replace(long, short)
        if file := NAMED.match(code):
            Path(file[1]).write_text(code)
        elif kind == "python":
            exec(compile(code, f"{page.name}", "exec"), names)
        elif all(ALONE.match(line) for line in code.splitlines()):
            for line in code.splitlines():
                assert command_here(line) == 0, f"{line}\n{capsys.readouterr()}"
        else:
            run_in_a_shell(code)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:::mlflow")
@pytest.mark.usefixtures("movielens", "in_a_folder", "spark_here")
@of_pages
def test_snippets_run_as_they_stand(page, capsys):
    names = {}
    for kind, code in blocks(page):
        if file := NAMED.match(code):
            Path(file[1]).write_text(code)
        elif kind == "python":
            exec(compile(code, f"{page.name}", "exec"), names)
        else:
            run_in_a_shell(code)


def test_what_is_shortened_stands_in_the_pages():
    text = "\n".join(p.read_text() for p in PAGES)
    assert [long for long in SHORTER if long not in text] == []


def command_here(line):
    """Return the exit code of a command, run in this process."""
    from palate.cli import main

    with pytest.raises(SystemExit) as stop:
        main(shlex.split(line, comments=True)[1:])
    return stop.value.code or 0


def run_in_a_shell(code):
    """At a port that is free, not the service's usual one."""
    code = code.replace(":8000", f":{os.environ['PALATE_PORT']}")
    done = subprocess.run(["sh", "-ec", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


@pytest.mark.usefixtures("movielens")
@pytest.mark.parametrize(("name", "says"), [("movielens.py", "gives the same list: True"), ("own_log.py", "popular")])
def test_examples_run(name, says, tmp_path):
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout


def test_no_example_is_forgotten():
    of_serving, of_spark = {"client.py", "shop.py"}, {"spark_story.py"}  # tried in tests/serve and tests/spark
    here = {"movielens.py", "own_log.py"}
    assert {p.name for p in (ROOT / "examples").glob("*.py")} == here | of_serving | of_spark


def test_every_command_stands_in_the_docs():
    from palate.cli import app

    text = "\n".join(p.read_text() for p in PAGES)
    for command in [*(c.name for c in app.registered_commands), "data fetch", "data show"]:
        assert re.search(rf"palate {command}\b", text), command


def test_what_is_written_of_commands_metrics_and_models_is_what_they_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import write_commands

    for path, text in write_commands.texts().items():
        assert path.read_text() == text, "run tools/write_commands.py"
    sys.modules.pop("write_commands")


def test_every_model_stands_in_the_docs():
    from palate import MODELS

    headings = "".join(re.findall("(?m)^## .*", (ROOT / "docs" / "models.md").read_text()))
    assert [key for key, cls in MODELS.items() if f"`{cls.__name__}` (key `{key}`)" not in headings] == []


def test_every_public_name_stands_in_the_docs():
    import palate

    text = "\n".join(p.read_text() for p in PAGES)
    assert [name for name in palate.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_contributing_names_the_layers_in_their_order():
    from test_layers import ORDER

    text = (ROOT / "CONTRIBUTING.md").read_text().split("holds it:")[1].split(".\n")[0]
    named = re.findall(r"\w+", text)
    assert named == [layer for layer in ORDER if (ROOT / "src" / "palate" / layer).is_dir() or layer in named]


def test_the_file_map_is_true():
    readme = (ROOT / "README.md").read_text().split("## What is where")[1]
    for place in re.findall(r"^\| `(src/palate/[^`]*|[a-z]+/)`", readme, re.MULTILINE):
        assert (ROOT / place).exists(), place
    told = " ".join(re.findall(r"`([^`]+)`", readme))
    for entry in (ROOT / "src" / "palate").iterdir():
        if entry.name not in ("__pycache__", "__init__.py", "__main__.py", "py.typed"):
            assert entry.name in told, f"{entry.name} is missing from README's file map"


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
