"""What takes long: the tests marked ``long``, and the fast tests on every Python found; results into docs/checks.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from common import machine, markdown  # noqa: E402
from pythons import interpreter  # noqa: E402

PAGE = ROOT / "docs" / "checks.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
EXTRAS = "plots,ui,tune,test"  # all that tests use
PYTEST = ("-m", "pytest", "-q", "-m")  # and which tests


def main() -> None:
    rows: list[list[str]] = []
    for row in checks():
        rows.append(row)
        publish(rows)  # after each, so that an interruption loses one check and not all
    sys.exit(any("failed" in row[1] or "error" in row[1] for row in rows))


def checks() -> Iterator[list[str]]:
    """Run one check after the other and yield what it was, its result, and the seconds it took."""
    yield check("tests marked `long`", [sys.executable, *PYTEST, "long"])
    for minor in PYTHONS:
        python = interpreter(minor)
        yield on_python(minor, python) if python else [f"fast tests, Python {minor}", "not installed here", ""]


def publish(rows: list[list[str]]) -> None:
    """Print the table and write it into docs/checks.md."""
    table = f"{markdown(['check', 'result', 'seconds'], rows)}\n\nAt commit {commit()}. {machine()}"
    page = re.sub(r"(<!-- checks -->\n).*?(<!-- /checks -->)", rf"\g<1>{table}\n\g<2>", PAGE.read_text(), flags=re.S)
    PAGE.write_text(page)
    print(table, flush=True)


def commit() -> str:
    """Return the short name of the commit checked."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def on_python(minor: str, python: str) -> list[str]:
    """Run the fast tests without a browser in a fresh environment of another Python: two side by side, then the rest.

    What is not for this Python is left out: a PYTHONPATH, and where an environment is that is switched on.
    """
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        inside = str(Path(folder) / "bin" / "python")
        install = [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{ROOT}[{EXTRAS}]"]
        subprocess.run(install, check=True, env=clean())
        fast = "not long and not browser"
        side_by_side = [inside, *PYTEST, f"{fast} and not alone", "-n", "2", "--dist=loadfile"]
        return check(f"fast tests, Python {minor}", side_by_side, [inside, *PYTEST, f"{fast} and alone"])


def clean() -> dict[str, str]:
    """Return the environment without what leads a Python to another's packages."""
    return {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }


def check(what: str, *commands: list[str]) -> list[str]:
    """Run pytest, once a command, and return what it was, the closing lines, and the seconds it took."""
    started = time.perf_counter()
    print(f"== {what}", flush=True)
    results = " + ".join(map(run, commands))
    return [what, results, f"{time.perf_counter() - started:.0f}"]


def run(command: list[str]) -> str:
    """Run pytest and return its closing line, without the time."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=clean())
    print(done.stdout[-3000:], done.stderr[-2000:], flush=True)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "no output: error"
    result = re.sub(r" in [\d.]+s.*", "", last.strip("= "))
    return result if done.returncode == 0 else f"{result} (exit {done.returncode}: failed)"


if __name__ == "__main__":
    main()
