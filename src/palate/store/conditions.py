"""The words of an event kind: its name, and the condition that makes its events positive, such as "value >= 4"."""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from palate.errors import ParameterError
from palate.store.records import IMPRESSION, UNDO

NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
CLAUSE = re.compile(r"(?P<name>\S+?)\s*(?P<sign>>=|<=|==|!=|=|>|<)\s*(?P<number>\S+)")
SIGNS: dict[str, Callable[[Any, float], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
}
LARGEST = sys.float_info.max


def check_name(name: object) -> None:
    """Refuse what is no name of a kind.

    Raises:
        ParameterError: says what names are.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        allowed = "up to 64 small letters, digits, '_', '.' and '-', a letter first"
        raise ParameterError.outside("the name of an event kind", allowed, name)
    if name in (IMPRESSION, UNDO):
        raise ParameterError.outside("the name of an event kind", f"another than '{name}', which all have", name)


def clauses_of(kind: str, condition: str) -> list[tuple[Callable[[Any, float], Any], float]]:
    """Return the comparisons of a condition on an event's value.

    Raises:
        ParameterError: it cannot be read, such as "stars are 4".
    """
    return list(_clauses(kind, condition))


@lru_cache(maxsize=256)
def _clauses(kind: str, condition: str) -> tuple[tuple[Callable[[Any, float], Any], float], ...]:
    made = []
    for clause in re.split(r"\s+and\s+", str(condition).strip()):
        found = CLAUSE.fullmatch(clause)
        number = _number(found["number"]) if found else None
        if found is None or number is None or found["name"] not in ("value", kind):
            raise ParameterError.outside(
                f"positive of the kind '{kind}'", "a condition such as 'value >= 4', several joined by 'and'", condition
            )
        made.append((SIGNS[found["sign"]], number))
    return tuple(made)


def is_number(value: object) -> bool:
    """Return whether a value is a finite number that a float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
