"""The user that a person typed, or the sentence that says why it is nobody's id."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from palate.data.ids import Id, Ids

SHOWN = 24  # characters of a typed id that a message repeats
LARGEST_DIGITS = 18  # every whole number of so many digits fits 64 bits
EXAMPLES = 2  # ids that a sentence names


@dataclass(frozen=True)
class Found:
    """A typed id that belongs to a user; ``user_index`` is the user's position."""

    user_id: Id
    user_index: int


@dataclass(frozen=True)
class NotFound:
    """A typed id that belongs to nobody, and the sentence that says so."""

    sentence: str


def find_user(text: str | None, users: Ids, examples: pl.Series | None = None) -> Found | NotFound:
    """Return the user whose id was typed, or a friendly sentence; never raises.

    Spaces around an id do not count unless the id has them. Integers are plain digits with an optional sign.

    Args:
        text: what was typed.
        users: all of them.
        examples: the ids that the sentence may name, some of the users'; without it, all.
    """
    typed = text or ""
    if not len(users):
        return NotFound("This model knows no users yet.")
    for candidate in _candidates(typed, users):
        index = int(users.index(candidate, on_unknown="mark")[0])
        if index >= 0:
            return Found(candidate, index)
    known = users.values if examples is None else examples
    if not len(known):
        return NotFound("There is no such user.")
    if not typed.strip():
        return NotFound(f"Type a user id, such as {_short(str(known[0]))}, or choose someone below.")
    return NotFound((_unlike_texts if users.kind == "text" else _unlike_integers)(typed.strip(), known))


def _candidates(typed: str, users: Ids) -> list[Id]:
    """Return the ids that may be meant."""
    stripped = typed.strip()
    if users.kind == "text":
        return [typed, stripped] if stripped else []
    fits = re.fullmatch(r"[+-]?\d+", stripped, re.ASCII) and len(_digits(stripped)) <= LARGEST_DIGITS
    return [int(stripped)] if fits else []


def _unlike_texts(typed: str, known: pl.Series) -> str:
    some = " or ".join(f"“{_short(one)}”" for one in _nearest_texts(typed, known))
    return f"There is no user “{_short(typed)}”. Ids look like {some}."


def _nearest_texts(typed: str, known: pl.Series) -> list[str]:
    """Return ids that begin most like what was typed, in whatever case, and then the first ones."""
    lower, near = known.str.to_lowercase(), list[str]()
    for n in range(min(len(typed), SHOWN), 0, -1):
        near = known.filter(lower.str.starts_with(typed[:n].lower())).head(EXAMPLES).to_list()
        if near:
            break
    return list(dict.fromkeys([*near, *known.head(EXAMPLES)]))[:EXAMPLES]


def _unlike_integers(typed: str, known: pl.Series) -> str:
    low, high = (int(known[int(row or 0)]) for row in (known.arg_min(), known.arg_max()))
    span = f"from {low} to {high}"
    if re.fullmatch(r"[+-]?(\d+[.,]\d*|[.,]\d+)", typed, re.ASCII):
        return f"User ids are whole numbers {span}, without point or comma: not {_short(typed)}."
    if not re.fullmatch(r"[+-]?\d+", typed, re.ASCII):
        return f"“{_short(typed)}” is not a user id: ids are whole numbers {span}."
    digits = _digits(typed)
    if len(digits) > LARGEST_DIGITS:
        return f"A number of {len(digits)} digits is far too large: user ids go {span}."
    number = int(typed)
    if number < 0 <= low:
        return f"User ids are never negative: they go {span}."
    if not low < number < high:
        return f"There is no user {number}: ids go {span}."
    below, above = (known.filter(known < number).to_numpy().max(), known.filter(known > number).to_numpy().min())
    return f"There is no user {number}: ids go {span}, with gaps; the nearest are {below} and {above}."


def _digits(typed: str) -> str:
    return typed.lstrip("+-").lstrip("0")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
