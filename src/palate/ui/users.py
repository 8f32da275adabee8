"""Users worth looking at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.data.ids import Id
from palate.ui.source import Source

FEW, ENOUGH = 20, 30  # ratings: still a short history; enough to speak of someone's taste


@dataclass(frozen=True)
class Example:
    """A user worth looking at, and why, in a few words."""

    user_id: Id
    why: str


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
