"""The page's further answers: why a title is recommended, what is like it, and lists for people who are new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Id
from palate.data.interactions import Interactions
from palate.errors import PalateError
from palate.models.explanation import Explanation
from palate.ui import cards
from palate.ui.source import Entry, Source

MOST_OFFERED = 2000  # titles to choose from: more would make the page slow, and these are the best known
TO_RATE = 10  # titles that a newcomer is asked about
REASONS = 5
NOT_SEEN = "?"


def offered(source: Source) -> list[tuple[str, int]]:
    """Return the titles to choose from, with their positions: the most rated ones, by name."""
    known = np.argsort(-source.item_counts, kind="stable")[:MOST_OFFERED]
    return sorted((_name(source.entry(int(at), 0.0)), int(at)) for at in known)


def _name(entry: Entry) -> str:
    return f"{entry.title} ({entry.year})" if entry.year is not None else entry.title


def to_rate(source: Source) -> list[int]:
    """Return well-known items of different kinds: the most rated of those that share few genres with others."""
    chosen: list[int] = []
    by_count = np.argsort(-source.item_counts, kind="stable")[: 20 * TO_RATE].tolist()
    met: dict[str, int] = {}
    for limit in (1, 2, 4, len(by_count)):
        for at in by_count:
            genres = source.entry(at, 0.0).genres
            if len(chosen) < TO_RATE and at not in chosen and all(met.get(genre, 0) < limit for genre in genres):
                chosen.append(at)
                met.update({genre: met.get(genre, 0) + 1 for genre in genres})
    return chosen


def marks(source: Source) -> list[str]:
    """Return the ratings a newcomer may give: whole steps of the scale; or a pick, where there is no scale."""
    if not source.is_rated:
        return [NOT_SEEN, "Liked"]
    return [NOT_SEEN, *(f"{step:g}" for step in np.arange(np.ceil(source.low), np.floor(source.high) + 1)[:10])]


def like(source: Source, item: int | None, n: int) -> str:
    """Return the items most like one."""
    if item is None:
        return cards.empty(f"Choose one of the {source.things} above.")
    try:
        found = source.model.similar_items(source.items.values[int(item)], n)
    except PalateError as error:
        return cards.empty(str(error))
    rows = source.items.index(found["item_id"])
    entries = [source.entry(int(row), float(s)) for row, s in zip(rows, found["score"], strict=True)]
    title = f"More like {_name(source.entry(int(item), 0.0))}"
    table = cards.item_list(source, entries, None, title, predicted=False)
    return cards.panel(title, "Liked by the same people", table, "pl-next")


def why(source: Source, user_id: Id | None, item: int | None) -> str:
    """Return why a score of a known user is what it is."""
    if user_id is None or item is None:
        return ""
    try:
        found = source.model.explain(user_id, source.items.values[int(item)])
    except PalateError as error:
        return cards.empty(str(error))
    return _reasons(source, found, int(item))


def _reasons(source: Source, found: Explanation, item: int) -> str:
    own = found.parts.filter(kind="item").sort(pl.col("contribution").abs(), descending=True).head(REASONS)
    rest = found.score - float(own["contribution"].sum())
    rows = []
    for item_id, value, contribution in own.select("item_id", "value", "contribution").iter_rows():
        entry = source.entry(int(source.items.index([item_id])[0]), float(value or 0))
        said = cards.rated(source, entry.value) if source.is_rated and value is not None else ""
        rows.append((cards.titled(entry), said, f'<span class="pl-number">{contribution:+.2f}</span>'))
    title = f"Why {_name(source.entry(item, 0.0))}?"
    of = "" if found.of == "the model" else " The score is that of their ratings folded in."
    meaning = "predicted rating" if source.shows_scores else "score"
    note = f"The parts add up to the {meaning} {found.score:.2f}; {rest:+.2f} comes from all else.{of}"
    columns = ["Given", "Adds"] if source.is_rated else ["", "Adds"]
    return cards.panel(title, note, cards.ranked(columns, rows, title), "pl-why")


def for_newcomer(source: Source, given: Sequence[tuple[int, str | None]], loved: Sequence[int], n: int) -> str:
    """Return a list for a person by what they have just said.

    Args:
        source: the model.
        given: positions and marks; ``NOT_SEEN`` or None for no answer.
        loved: positions of further items, each taken for the highest rating.
        n: how many.
    """
    ratings = {int(at): source.high for at in loved}
    for at, mark in given:
        if mark not in (None, NOT_SEEN):
            ratings[at] = float(mark) if source.is_rated else 1.0
    if not ratings:
        return cards.empty("Rate a few, and what we recommend stands here at once.")
    rows = _rows(source, ratings)
    try:
        found = source.model.recommend_for(rows, n)
    except PalateError as error:
        return cards.empty(str(error))
    entries = [
        source.entry(int(row), _shown(source, float(s)))
        for row, s in zip(source.items.index(found["item_id"]), found["score"], strict=True)
    ]
    title = "What we recommend"
    column = None if not source.shows_scores else "Predicted" if source.is_rated else "Score"
    said = f"From what you said of {cards.plural(len(ratings), source.things.removesuffix('s'))}"
    return cards.panel(title, said, cards.item_list(source, entries, column, title, predicted=True), "pl-next")


def _rows(source: Source, ratings: dict[int, float]) -> Interactions:
    positions: NDArray[Any] = np.array(sorted(ratings))
    values = [ratings[at] for at in positions.tolist()]
    return Interactions.from_table({"user": ["you"] * len(values), "item": source.items.at(positions), "value": values})


def _shown(source: Source, score: float) -> float:
    return float(np.clip(score, source.low, source.high)) if source.shows_scores and source.is_rated else score
