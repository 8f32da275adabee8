"""The table of the service's settings in docs/operations.md, from their fields; `write_commands.py` writes it."""

from __future__ import annotations

import re
from typing import Any

import typer

from palate.cli import app
from palate.serve.settings import Settings

HEAD = "| setting | option | variable | without it | meaning |\n| --- | --- | --- | --- | --- |\n"


def settings_table() -> str:
    """Return a row of each setting, in the order of the fields."""
    said, options = meanings(), options_of_serve()
    return HEAD + "".join(_row(name, said[name], options.get(name, "")) for name in Settings.model_fields)


def _row(name: str, meaning: str, option: str) -> str:
    variable = f"`PALATE_{name.upper()}`"
    cells = (f"`{name}`", option and f"`{option}`", variable, _default(name), meaning.replace("|", "\\|"))
    return f"| {' | '.join(cells)} |\n"


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    if field.is_required():
        return "`palate.db` beside the first model" if name == "store" else "must be said"
    if name == "page":
        return "`visitors` (`off` where the service is started in Python)"
    default: Any = field.default
    if default is None or default == ():
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def meanings() -> dict[str, str]:
    """Return what the docstring of `Settings` says of each, by name; names that share a line share what it says."""
    text = (Settings.__doc__ or "").partition("Attributes:\n")[2]
    found = {}
    for entry in re.split(r"\n {8}(?=\w)", f"\n{text.rstrip()}")[1:]:
        names, _, meaning = re.sub(r"\s+", " ", entry.strip()).replace("``", "`").partition(": ")
        found |= {name: meaning.rstrip(".") for name in names.split(", ")}
    return found


def options_of_serve() -> dict[str, str]:
    """Return the option of `palate serve` that sets each, by name."""
    command = typer.main.get_command(app).commands["serve"]
    return {one.name: one.opts[0] for one in command.params if one.param_type_name == "option"}
