"""The tool behind docs/checks.md finds Pythons that are kept by pyenv, and asks for all that the tests need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def check_long(monkeypatch):
    for folder in ("tools", "benchmarks"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    import check_long

    yield check_long
    for name in ("check_long", "pythons", "common"):
        sys.modules.pop(name, None)


@pytest.fixture
def shims(tmp_path, monkeypatch):
    """A PATH with pyenv, whose shim of Python 9.1 runs only where a version of it is switched on."""

    def script(name, text):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    script("pyenv", "printf '9.1.2\\n9.1.3\\n9.2.0\\n'")
    script("python9.1", '[ "$PYENV_VERSION" = 9.1.3 ] || exit 127\necho "/kept by/9.1.3/python 9 1"')
    script("python9.2", 'echo "/another/python 9 1"')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("PYENV_VERSION", raising=False)


def test_a_python_of_pyenv_is_found_though_its_shim_alone_does_not_run(check_long, shims):
    assert check_long.interpreter("9.1") == "/kept by/9.1.3/python"
    assert check_long.interpreter("9.2") is None  # it is none of that version
    assert check_long.interpreter("9.9") is None


def test_this_python_is_found(check_long):
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = check_long.interpreter(minor)
    assert found is None or Path(found).exists()


def test_another_python_gets_every_extra_and_no_path_of_ours(check_long, monkeypatch):
    ran = []

    def run(words, **options):
        ran.append((list(map(str, words)), options.get("env")))
        return subprocess.CompletedProcess(words, 0, "= 7 passed, 1 skipped in 1.23s =\n", "")

    monkeypatch.setattr(check_long.subprocess, "run", run)
    monkeypatch.setenv("PYTHONPATH", "/ours")
    what, result, _ = check_long.on_python("3.12", "/kept/python")
    assert (what, result) == ("fast tests, Python 3.12", "7 passed, 1 skipped")
    (venv, _), (install, _), (fast, _) = ran
    assert venv[:3] == ["/kept/python", "-m", "venv"]
    assert install[-1].endswith("[plots,ui,tune,serve,ann,spark,test]")
    assert fast[-4:] == ["not long and not browser", "-n", "2", "--dist=loadfile"]
    assert all("PYTHONPATH" not in variables for _, variables in ran[1:])


def test_a_failure_is_told(check_long, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "1 failed, 7 passed in 1.23s\n", "")
    monkeypatch.setattr(check_long.subprocess, "run", lambda *_, **__: failed)
    assert check_long.check("x", ["pytest"])[1] == "1 failed, 7 passed (exit 1: failed)"


def test_a_row_takes_the_place_of_its_own_and_leaves_the_others(check_long, tmp_path, monkeypatch):
    page = tmp_path / "checks.md"
    page.write_text("above\n<!-- checks -->\n<!-- /checks -->\nbelow\n")
    monkeypatch.setattr(check_long, "PAGE", page)
    monkeypatch.setattr(check_long, "commit", lambda: "abc1234")
    for result in ("1 failed", "7 passed"):
        check_long.publish(["fast tests, Python 3.12", result, "9"])
    check_long.publish(["tests marked `long`", "2 passed", "3"])
    assert check_long.kept_rows(page.read_text()) == [
        ["tests marked `long`", "2 passed", "3", "abc1234"],
        ["fast tests, Python 3.12", "7 passed", "9", "abc1234"],
    ]
    assert page.read_text().startswith("above\n")
    assert page.read_text().endswith("below\n")


def test_a_check_that_is_none_is_refused(check_long):
    with pytest.raises(SystemExit, match=r"no check 2\.7: name some of long, coverage, 3\.11"):
        next(check_long.checks(["2.7"]))
