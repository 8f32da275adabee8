"""Find the user that a person typed, and pick users worth looking at."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.data.ids import Id, Ids
from palate.ui.source import Source

SHOWN = 24  # characters of a typed id that a message repeats
LARGEST_DIGITS = 18  # every whole number of so many digits fits 64 bits
FEW, ENOUGH = 20, 30  # ratings: still a short history; enough to speak of someone's taste


@dataclass(frozen=True)
class Found:
    """A typed id that belongs to a user; ``user_index`` is the user's position."""

    user_id: Id
    user_index: int


@dataclass(frozen=True)
class NotFound:
    """A typed id that belongs to nobody, and the sentence that says so."""

    sentence: str


@dataclass(frozen=True)
class Example:
    """A user worth looking at, and why, in a few words."""

    user_id: Id
    why: str


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


def example_users(source: Source, n: int = 6) -> list[Example]:
    """Return up to ``n`` users with varied histories: typical, keenest, brief, hard and easy to please, of one taste.

    Without training rows the first users are all that can be offered.
    """
    if source.seen is None:
        return [Example(user_id, f"User {user_id}") for user_id in source.users.values.head(n)]
    chosen: dict[int, str] = {}
    for index, why in _candidates(source):
        if index not in chosen:
            chosen[index] = why
    first = dict.fromkeys([*chosen, *range(min(n, len(source.users)))])
    counts = source.user_counts
    return [
        Example(source.users.values[index], chosen.get(index) or _counted(source, counts[index]))
        for index in list(first)[:n]
    ]


def _candidates(source: Source) -> list[tuple[int, str]]:
    """Return positions and reasons, best first; each taken by value, ties by position."""
    counts, means = source.user_counts, source.user_means
    active = np.flatnonzero(counts)
    if not len(active):
        return []
    by_count = active[np.argsort(counts[active], kind="stable")]
    typical, most, fewest = by_count[len(by_count) // 2], by_count[-1], by_count[0]
    chosen = [(typical, "Typical")]
    if counts[most] > counts[typical]:
        chosen.append((most, "Rated most" if source.is_rated else "Most active"))
    enough = np.flatnonzero(counts >= ENOUGH)
    chosen += [(index, f"Loves {genre}") for index, genre in _of_one_taste(source, enough)]
    if source.is_rated and len(enough) > 1:
        chosen += [
            (enough[np.argmin(means[enough])], "Hard to please"),
            (enough[np.argmax(means[enough])], "Easy to please"),
        ]
    if counts[fewest] <= FEW and counts[fewest] < counts[typical]:
        chosen.append((fewest, "Brief history"))
    return [(int(index), f"{why} · {_counted(source, counts[index])}") for index, why in chosen]


def _of_one_taste(source: Source, enough: NDArray[np.intp]) -> list[tuple[int, str]]:
    """Return the user in whose history one genre exceeds its usual share the most."""
    if not source.genres or not len(enough):
        return []
    shares = source.genre_counts[enough] / source.user_counts[enough, None]
    excess = shares - source.genre_counts.sum(axis=0) / source.user_counts.sum()
    row, genre = np.unravel_index(int(np.argmax(excess)), excess.shape)
    return [(int(enough[row]), source.genres[genre])]


def _counted(source: Source, count: int) -> str:
    word = "rating" if source.is_rated else "pick"
    return f"{count:,} {word}{'' if count == 1 else 's'}"
