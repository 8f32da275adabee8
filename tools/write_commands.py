"""Write what the documents and the Tab key say of commands, metrics and models, from what these say of themselves.

docs/commands.md        every command with its arguments and options
docs/evaluation.md      the table of all metrics
docs/operations.md      the table of the service's settings
docs/security.md        the table of the page's routes
cli/offered.json        the names that the Tab key offers
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from write_routes import routes_table
from write_settings import settings_table

from palate.cli import app
from palate.metrics import METRICS
from palate.models import MODELS

ROOT = Path(__file__).resolve().parent.parent
PAGE, JUDGING, RUNNING, GUARDED = (
    ROOT / "docs" / f"{name}.md" for name in ("commands", "evaluation", "operations", "security")
)
OFFERED = ROOT / "src" / "palate" / "cli" / "offered.json"
HEAD = """# Commands

Every command has `--help`, and `--json` for scripts. `palate --debug COMMAND …` adds the traceback of an error.
This page is written by `tools/write_commands.py`; a test compares it with the commands.
"""


def main() -> None:
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")


def texts() -> dict[Path, str]:
    """Return what each of the files should hold."""
    judging, running = put(JUDGING, "all metrics", metrics()), put(RUNNING, "settings", settings_table())
    guarded = put(GUARDED, "routes of the page", routes_table())
    offered = {"models": list(MODELS), "metrics": [m.pattern.replace("@k", "@10") for m in METRICS.values()]}
    return {PAGE: page(), JUDGING: judging, RUNNING: running, GUARDED: guarded, OFFERED: f"{json.dumps(offered)}\n"}


def put(path: Path, name: str, table: str) -> str:
    """Return the text of a document with another table between its marks."""
    marked = rf"(?s)(?<=<!-- {name} -->\n).*(?=<!-- /{name} -->)"
    return re.sub(marked, lambda _: table, path.read_text("utf-8"))


def metrics() -> str:
    """Return the table of all metrics."""
    rows = (f"| `{m.pattern}` | {m.meaning} | {m.unit} | {m.sense.partition(' ')[0]} |" for m in METRICS.values())
    return "\n".join(["| metric | what it says | unit | better |", "| --- | --- | --- | --- |", *rows, ""])


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(section(name, command) for name, command in commands(typer.main.get_command(app)))])


def commands(group: Any, before: str = "palate") -> Iterator[tuple[str, Any]]:
    """Yield the full name of each command, and the command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}", command


def section(name: str, command: Any) -> str:
    """Return the part of the page about one command."""
    said = re.sub(r"\n\s*\[dim\](.*?)\[/\]", r"\n`\1`", command.help.replace("\b", ""))
    shown = [p for p in command.params if p.name != "help" and not p.hidden]
    rows = [f"| {_called(p)} | {_default(p)} | {(p.help or '').replace('|', chr(92) + '|')} |" for p in shown]
    table = ["| argument or option | default | meaning |", "| --- | --- | --- |", *rows] if rows else []
    return "\n".join([f"## `{name}`", "", re.sub(r"\n{2,}", "\n\n", said.strip()), "", *table, ""])


def _called(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{(parameter.metavar or parameter.name).upper()}`"
    names = ", ".join(f"`{one}`" for one in [*parameter.opts, *parameter.secondary_opts])
    annotation = parameter.type_descriptor.annotation
    choices = get_args(annotation) if get_origin(annotation) is Literal else ()
    return f"{names} {parameter.metavar or ' or '.join(map(str, choices))}".strip()


def _default(parameter: Any) -> str:
    default = parameter.default
    return "" if default is None or default is False or parameter.required else f"`{default}`"


if __name__ == "__main__":
    main()
