"""What takes long: tests marked ``long``, coverage, and the fast tests on every Python; results into docs/checks.md.

Without words all checks are run; "long", "coverage", "3.12" … choose some, and the page keeps the rows of the others.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from common import machine, markdown  # noqa: E402
from pythons import interpreter  # noqa: E402

PAGE = ROOT / "docs" / "checks.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LONG, COVERAGE = "long", "coverage"
WORDS = (LONG, COVERAGE, *PYTHONS)
NAMES = {
    LONG: "tests marked `long`",
    COVERAGE: "fast tests, lines covered",
    **{minor: f"fast tests, Python {minor}" for minor in PYTHONS},
}
HEADER = ["check", "result", "seconds", "commit"]
BEGIN, END = "<!-- checks -->", "<!-- /checks -->"
EXTRAS = "plots,ui,tune,serve,ann,spark,test"  # all that tests use
PYTEST = ("-m", "pytest", "-q", "-m")  # and which tests


def main() -> None:
    failed = False
    for row in checks(sys.argv[1:] or WORDS):
        publish(row)  # after each, so that an interruption loses one check and not all
        failed |= "failed" in row[1] or "error" in row[1]
    sys.exit(failed)


def checks(chosen: Sequence[str]) -> Iterator[list[str]]:
    """Run one check after the other and yield what it was, its result, and the seconds it took."""
    unknown = set(chosen) - set(WORDS)
    if unknown:
        sys.exit(f"there is no check {', '.join(sorted(unknown))}: name some of {', '.join(WORDS)}")
    if LONG in chosen:
        yield check(NAMES[LONG], [sys.executable, *PYTEST, LONG])
    if COVERAGE in chosen:
        measured = ["--cov", "--cov-report=term:skip-covered", "-n", "2", "--dist=worksteal"]
        yield check(NAMES[COVERAGE], [sys.executable, *PYTEST, "not long", *measured])
    for minor in PYTHONS:
        if minor in chosen:
            python = interpreter(minor)
            yield on_python(minor, python) if python else [NAMES[minor], "not installed here", ""]


def publish(row: list[str]) -> None:
    """Write a row, with the commit, into the table of docs/checks.md, and print the table."""
    page = PAGE.read_text()
    rows = {cells[0]: cells for cells in kept_rows(page)}
    rows[row[0]] = [*row, commit()]
    ordered = [rows[name] for name in NAMES.values() if name in rows]
    table = f"{markdown(HEADER, ordered)}\n\n{machine()}"
    PAGE.write_text(re.sub(rf"({BEGIN}\n).*?({END})", rf"\g<1>{table}\n\g<2>", page, flags=re.S))
    print(table, flush=True)


def kept_rows(page: str) -> list[list[str]]:
    """Return the rows of the page's table."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[2:]]


def commit() -> str:
    """Return the short name of the commit checked."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def on_python(minor: str, python: str) -> list[str]:
    """Run the fast tests without a browser in a fresh environment of another Python: two files side by side.

    What is not for this Python is left out: a PYTHONPATH, and where an environment is that is switched on.
    """
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        inside = str(Path(folder) / "bin" / "python")
        install = [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{ROOT}[{EXTRAS}]"]
        subprocess.run(install, check=True, env=clean())
        fast = [inside, *PYTEST, "not long and not browser", "-n", "2", "--dist=loadfile"]
        return check(NAMES[minor], fast)


def clean() -> dict[str, str]:
    """Return the environment without what leads a Python to another's packages."""
    return {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }


def check(what: str, command: list[str]) -> list[str]:
    """Run pytest and return what it was, the closing lines, and the seconds it took."""
    started = time.perf_counter()
    print(f"== {what}", flush=True)
    return [what, run(command), f"{time.perf_counter() - started:.0f}"]


def run(command: list[str]) -> str:
    """Run pytest and return its closing line, without the time."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=clean())
    print(done.stdout[-3000:], done.stderr[-2000:], flush=True)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "no output: error"
    result = re.sub(r" in [\d.]+s.*", "", last.strip("= "))
    return result if done.returncode == 0 else f"{result} (exit {done.returncode}: failed)"


if __name__ == "__main__":
    main()
