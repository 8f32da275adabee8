"""What the benchmark scripts share: where and with what they ran, and writing tables into the docs."""

from __future__ import annotations

import argparse
import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def machine(*packages: str) -> str:
    """Return one line: date, processor, cores, and versions."""
    found = ", ".join(f"{name} {version(name)}" for name in ("palate", "numpy", "numba", "polars", *packages))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {cores} cores, Python {platform.python_version()}, {found}"


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return str(names[0]).strip() if names else platform.processor() or platform.machine()


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; the first column left, the others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def arguments(what: str) -> argparse.Namespace:
    """Return the command line: --write puts the table into the docs."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--write", action="store_true", help="replace the table in README.md and docs/")
    return parser.parse_args()


def publish(name: str, text: str, *, write: bool) -> None:
    """Print a table and, with ``write``, replace the block ``<!-- name -->`` wherever README and docs have it."""
    print(text)
    if not write:
        return
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    places = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if pattern.search(p.read_text())]
    if not places:
        raise SystemExit(f"no file has a block <!-- {name} --> … <!-- /{name} -->")
    for place in places:
        place.write_text(pattern.sub(lambda m: f"{m[1]}{text}\n{m[2]}", place.read_text()))
        print(f"written into {place.relative_to(ROOT)}")
