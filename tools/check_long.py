"""What takes long: the tests marked ``long``, and the fast tests on every Python found; results into docs/checks.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from common import machine, markdown  # noqa: E402

PAGE = ROOT / "docs" / "checks.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def main() -> None:
    rows: list[list[str]] = []
    for row in checks():
        rows.append(row)
        publish(rows)  # after each, so that an interruption loses one check and not all
    sys.exit(any("failed" in row[1] or "error" in row[1] for row in rows))


def checks() -> Iterator[list[str]]:
    """Run one check after the other and yield what it was, its result, and the seconds it took."""
    yield check("tests marked `long`", [sys.executable, "-m", "pytest", "-q", "-m", "long"])
    for minor in PYTHONS:
        python = shutil.which(f"python{minor}")
        works = python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
        yield on_python(minor, str(python)) if works else [f"fast tests, Python {minor}", "not installed here", ""]


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
    """Run the fast tests without a browser in a fresh environment of another Python."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        inside = str(Path(folder) / "bin" / "python")
        subprocess.run(
            [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{ROOT}[plots,ui,test]"], check=True
        )
        return check(f"fast tests, Python {minor}", [inside, "-m", "pytest", "-q", "-m", "not long and not browser"])


def check(what: str, command: list[str]) -> list[str]:
    """Run pytest and return what it was, its closing line, and the seconds it took."""
    started = time.perf_counter()
    print(f"== {what}", flush=True)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout[-3000:], done.stderr[-2000:])
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "no output: error"
    result = re.sub(r" in [\d.]+s.*", "", last.strip("= "))
    return [
        what,
        result if done.returncode == 0 else f"{result} (exit {done.returncode}: failed)",
        f"{time.perf_counter() - started:.0f}",
    ]


if __name__ == "__main__":
    main()
