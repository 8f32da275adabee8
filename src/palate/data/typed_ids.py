"""The user that a person typed, or the sentence that says why it is nobody's id."""

from __future__ import annotations

import re
from dataclasses import dataclass

from palate.data.ids import Id, Ids

SHOWN = 24  # characters of a typed id that a message repeats
LARGEST_DIGITS = 18  # every whole number of so many digits fits 64 bits


@dataclass(frozen=True)
class Found:
    """A typed id that belongs to a user; ``user_index`` is the user's position."""

    user_id: Id
    user_index: int


@dataclass(frozen=True)
class NotFound:
    """A typed id that belongs to nobody, and the sentence that says so."""

    sentence: str


def find_user(text: str | None, users: Ids) -> Found | NotFound:
    """Return the user whose id was typed, or a friendly sentence; never raises.

    Spaces around an id do not count unless the id has them. Integers are plain digits with an optional sign.
    """
    typed = text or ""
    if not len(users):
        return NotFound("This model knows no users yet.")
    if not typed.strip():
        return NotFound(f"Type a user id, such as {_short(str(users.values[0]))}, or choose someone below.")
    return _find_text(typed, users) if users.kind == "text" else _find_integer(typed.strip(), users)


def _find_text(typed: str, users: Ids) -> Found | NotFound:
    for candidate in (typed, typed.strip()):
        index = int(users.index(candidate, on_unknown="mark")[0])
        if index >= 0:
            return Found(candidate, index)
    some = " or ".join(f"“{_short(str(known))}”" for known in users.values.head(2))
    return NotFound(f"There is no user “{_short(typed.strip())}”. Ids look like {some}.")


def _find_integer(typed: str, users: Ids) -> Found | NotFound:
    low, high = (int(users.values[int(row or 0)]) for row in (users.values.arg_min(), users.values.arg_max()))
    span = f"from {low} to {high}"
    if re.fullmatch(r"[+-]?(\d+[.,]\d*|[.,]\d+)", typed, re.ASCII):
        return NotFound(f"User ids are whole numbers {span}, without point or comma: not {_short(typed)}.")
    if not re.fullmatch(r"[+-]?\d+", typed, re.ASCII):
        return NotFound(f"“{_short(typed)}” is not a user id: ids are whole numbers {span}.")
    digits = typed.lstrip("+-").lstrip("0")
    if len(digits) > LARGEST_DIGITS:
        return NotFound(f"A number of {len(digits)} digits is far too large: user ids go {span}.")
    number = int(digits or "0") * (-1 if typed.startswith("-") else 1)
    index = int(users.index(number, on_unknown="mark")[0])
    if index >= 0:
        return Found(number, index)
    if number < 0 <= low:
        return NotFound(f"User ids are never negative: they go {span}.")
    gaps = ", with gaps" if low < number < high else ""
    return NotFound(f"There is no user {number}: ids go {span}{gaps}.")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
