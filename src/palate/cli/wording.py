"""Errors and remarks as the command line says them: a parameter of Python is here an option of the command."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any

from palate.errors import Blank, Call, Column, PalateError, Remedy, Step

ROLE_KEYS = ("user", "item", "value", "time", "weight")  # roles that name a column
OPTION_KEYS = ("header", "quote", "encoding", "ids", "time_unit", "rating_range", "max_bytes", "lists")
OF_LIST = "lists."  # before the column's name
POLICY_KEYS = ("on_missing", "on_invalid", "on_duplicate")
READ_KEYS = (*ROLE_KEYS, "title", *OPTION_KEYS, *POLICY_KEYS)  # "title" and "lists" are of tables of attributes
YES_NO = {"yes": True, "no": False, "auto": "auto"}
CALLS = {"recommend_for": "rows"}  # a function, and the option that does the same
OPPOSITES = {"exclude_seen": "include_seen"}  # a parameter that is true by default, and the flag that turns it off
running = SimpleNamespace(command=lambda: None)  # gives the command that runs, with its options


def worded(part: Any) -> Any:
    """Return an error, a remedy or a step in the words of the command that runs; anything else as it is."""
    if isinstance(part, Remedy | PalateError):
        return part.sentence(typed)
    return typed(part) or str(part) if isinstance(part, Step) else part


def typed(step: Step) -> str | None:
    """Return what to type to take a step, or None where the command that runs has no option for it."""
    options = {parameter.name: parameter.opts[0] for parameter in getattr(running.command(), "params", ())}
    if isinstance(step, Call):
        return options.get(CALLS.get(step.words))
    if isinstance(step, Column):
        return f"say --read {step.role}=NAME" if "read" in options else step.words
    if isinstance(step.value, dict):
        words = [f"--read {role}={_value(column)}" for role, column in step.value.items()]
        return " ".join(words) if "read" in options else None
    if step.name in OPPOSITES:
        return options.get(OPPOSITES[step.name]) if step.value is False else None
    if step.name in options:
        return options[step.name] if step.value is True else f"{options[step.name]} {_value(step.value)}"
    return f"--read {step.name}={_value(step.value)}" if step.name in READ_KEYS and "read" in options else None


def _value(value: Any) -> str:
    if value in ("…", None):
        return "NAME" if value else "none"
    if isinstance(value, bool):
        return next(word for word, meaning in YES_NO.items() if meaning is value)
    if isinstance(value, tuple):
        return ":".join(map(_value, value))
    return str(value) if isinstance(value, Blank) else shlex.quote(str(value))
