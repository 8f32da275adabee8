"""Checks of constructor parameters: the value, the allowed range, in one sentence."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from palate.errors import ParameterError

LARGEST_WHOLE = 2**63 - 1  # what a model file, and NumPy, can hold


def check_whole(name: str, value: Any, *, low: int, high: int | None = None) -> None:
    """Refuse what is not a whole number from low to high, or that no 64 bits hold.

    Raises:
        ParameterError: names the parameter, the value and the range.
    """
    good = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if good and high is None and value > LARGEST_WHOLE:
        high = LARGEST_WHOLE
    if not good or value < low or (high is not None and value > high):
        to = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ParameterError(f"{name} must be a whole number {to}, got {value!r}")


def check_number(name: str, value: Any, *, low: float, high: float = math.inf, open_low: bool = False) -> None:
    """Refuse what is not a finite number from low to high.

    Raises:
        ParameterError: names the parameter, the value and the range.
    """
    good = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < low or value > high or (open_low and value == low):
        above = f"above {low:g}" if open_low else f"of at least {low:g}"
        to = "" if high == math.inf else f" and at most {high:g}"
        raise ParameterError(f"{name} must be a number {above}{to}, got {value!r}")


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Refuse what is none of the choices.

    Raises:
        ParameterError: names the parameter, the value and the choices.
    """
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        raise ParameterError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")


def draw_seed(random_state: int | np.random.Generator | None) -> int:
    """Return a seed: the int given, or one below 2**31 drawn from the Generator or from the system.

    Raises:
        ParameterError: random_state is none of the three, negative, or beyond 64 bits.
    """
    check_random_state(random_state)
    if random_state is None or isinstance(random_state, np.random.Generator):
        return int(np.random.default_rng(random_state).integers(2**31))
    return int(random_state)


def check_random_state(random_state: Any) -> None:
    """Refuse what is neither None, a Generator, nor a whole number from 0 to 2**63 - 1.

    Raises:
        ParameterError: names the value.
    """
    if random_state is not None and not isinstance(random_state, np.random.Generator):
        check_whole("random_state", random_state, low=0)


@dataclass(frozen=True)
class Parameter:
    """One constructor parameter, as its signature and the class docstring tell it."""

    name: str
    default: Any
    type: Any
    meaning: str

    @property
    def type_name(self) -> str:
        """Return the type as people write it, for example ``int or none``."""
        return " or ".join(_type_word(t) for t in _alternatives(self.type))

    def parse(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            ParameterError: the text is no value of this parameter's type.
        """
        for kind in _alternatives(self.type):
            value = _parse_as(kind, text.strip())
            if value is not _NO_VALUE:
                return value
        raise ParameterError(f"{self.name} takes {self.type_name}, got '{text}'")


def parameters_of(cls: type) -> list[Parameter]:
    """Return the constructor's parameters; the signature is the only home of a default."""
    meanings = _argument_texts(inspect.getdoc(cls) or "")
    return [
        Parameter(name, p.default, p.annotation, meanings.get(name, ""))
        for name, p in inspect.signature(cls, eval_str=True).parameters.items()
    ]


_NO_VALUE = object()


def _alternatives(kind: Any) -> list[Any]:
    """Return the types that a person can type, the narrow ones first."""
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    known = [p for p in parts if p in (int, float, bool, str, type(None)) or get_origin(p) is Literal]
    return sorted(known, key=lambda p: p is str)  # any words are a text: it comes last


def _type_word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    words = {int: "whole number", float: "number", bool: "true or false", str: "text", type(None): "none"}
    return words[kind]


def _parse_as(kind: Any, text: str) -> Any:
    if get_origin(kind) is Literal:
        return next((choice for choice in get_args(kind) if str(choice) == text), _NO_VALUE)
    if kind is type(None):
        return None if text.lower() == "none" else _NO_VALUE
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), _NO_VALUE)
    try:
        return kind(text)
    except ValueError:
        return _NO_VALUE


def _argument_texts(doc: str) -> dict[str, str]:
    """Return {argument: text} of a docstring's Args section (names that share a line share the text)."""
    texts: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in doc.splitlines():
        if not line.startswith(" ") and line.strip():
            inside = line.strip() == "Args:"
        elif inside and line.startswith("    ") and not line.startswith("     "):
            head, _, text = line.strip().partition(":")
            names = [n.strip() for n in head.split(",")]
            texts.update(dict.fromkeys(names, text.strip()))
        elif inside and line.strip():
            texts.update({n: f"{texts[n]} {line.strip()}" for n in names})
    return texts
