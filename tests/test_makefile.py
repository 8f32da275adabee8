"""Every target of the Makefile works from a fresh clone, in any order, and has nothing left to make the second time.

The programs are stubs, so that this takes seconds: they do no work, but fail where a real one would, such as when the
folder of a file to write is not there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TARGETS = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
PROGRAMS = ("palate", "ruff", "mypy", "pytest")

PYTHON = """#!{python}
import pathlib, shutil, sys
here, words = pathlib.Path(__file__).resolve(), sys.argv[1:]
with open("calls", "a") as calls:
    calls.write(here.name + " " + " ".join(words) + "\\n")
if words[:2] == ["-m", "venv"]:
    made = pathlib.Path(words[2]) / "bin"
    made.mkdir(parents=True, exist_ok=True)
    shutil.copy(here, made / "python")
elif words[:3] == ["-m", "pip", "install"]:
    for name in {programs}:
        shutil.copy(here, here.parent / name)
elif "--out" in words:
    out = pathlib.Path(words[words.index("--out") + 1])
    if not out.parent.is_dir():
        sys.exit(f"cannot write {{out}}: the folder is not there")
    out.touch()
"""


@pytest.fixture
def clone(tmp_path):
    """A fresh clone without its sources: nothing is installed, and nothing was made."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    stub = PYTHON.format(python=sys.executable, programs=PROGRAMS)
    (tmp_path / "tools").mkdir()
    for path in (tmp_path / "stub", tmp_path / "tools" / "chromium", tmp_path / "tools" / "java"):
        path.write_text(stub)
        path.chmod(0o755)
    return tmp_path


def made(clone, target):
    """Run a target; return what it called."""
    log = clone / "calls"
    log.unlink(missing_ok=True)
    done = subprocess.run(
        ["make", target, f"PYTHON={clone / 'stub'}"], cwd=clone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return log.read_text().splitlines() if log.exists() else []


def makes(calls):
    """Return the calls that install or train."""
    return [one for one in calls if re.search(r"-m venv|-m pip install|^palate train", one)]


@pytest.mark.parametrize("target", [t for t in TARGETS if t not in ("serve", "serve-api")])
def test_a_target_works_from_a_fresh_clone_and_makes_nothing_twice(clone, target):
    first, second = made(clone, target), made(clone, target)
    assert not makes(second)
    if target != "clean":
        assert makes(first)


@pytest.mark.parametrize("order", [1, -1], ids=["as written", "backwards"])
def test_targets_work_in_any_order(clone, order):
    for target in [t for t in TARGETS if t not in ("serve", "serve-api")][::order]:
        made(clone, target)


@pytest.mark.parametrize("fails", ["mypy", "pytest"])
def test_the_tests_fail_where_types_or_tests_do(clone, fails):
    made(clone, "test")
    (clone / ".venv" / "bin" / fails).write_text(f"#!{sys.executable}\nraise SystemExit(1)")
    done = subprocess.run(["make", "test"], cwd=clone, capture_output=True, check=False)
    assert done.returncode != 0


def test_every_file_that_a_target_starts_is_there():
    text = (ROOT / "Makefile").read_text()
    scripts = re.findall(r"\b((?:benchmarks|tools)/[\w.]+)\b", text.replace("$$script.py", ""))
    loop = re.search(r"for script in (.*?); do", text, re.DOTALL)[1].replace("\\\n", " ").split()
    for name in [*scripts, *(f"benchmarks/{one}.py" for one in loop)]:
        assert (ROOT / name).exists(), name
