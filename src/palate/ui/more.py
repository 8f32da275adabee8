"""The page's further answers: why a title is recommended, what is like it, and lists for people who are new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from palate.data.ids import Id
from palate.errors import PalateError
from palate.models.contract.abilities import AsksQuestions
from palate.models.contract.explanation import Explanation
from palate.ui import cards
from palate.ui.source import Entry, Source

MOST_OFFERED = 2000  # titles to choose from: more would make the page slow, and these are the best known
TO_RATE = 10  # titles that a newcomer is asked about
MOST_MARKS = 10
REASONS = 5
NOT_SEEN = "Skip"
LIKED = "Liked"
NEWCOMER = "The list changes with each answer. Nothing is kept: it is gone when the page is closed."


def name(entry: Entry) -> str:
    """Return an item's title with its year, in words alone."""
    return f"{entry.title} ({entry.year})" if entry.year is not None else entry.title


def offered(source: Source) -> list[tuple[str, int]]:
    """Return the titles to choose from, with their positions: the most rated ones, by name."""
    known = source.model.item_order.order[:MOST_OFFERED]
    return sorted((name(source.entry(int(at), 0.0)), int(at)) for at in known)


def to_rate(source: Source) -> list[int]:
    """Return the items to ask a newcomer about: those that teach the model most, where it can tell.

    Else well-known items of different kinds: the most rated of those that share few genres with others.
    """
    if isinstance(source.model, AsksQuestions):
        return [int(at) for at in source.items.index(source.model.questions(TO_RATE)["item_id"])]
    chosen: list[int] = []
    by_count = source.model.item_order.order[: 20 * TO_RATE].tolist()
    met: dict[str, int] = {}
    for limit in (1, 2, 4, len(by_count)):
        for at in by_count:
            genres = source.entry(at, 0.0).genres
            if len(chosen) < TO_RATE and at not in chosen and all(met.get(genre, 0) < limit for genre in genres):
                chosen.append(at)
                met.update({genre: met.get(genre, 0) + 1 for genre in genres})
    return chosen


def marks(source: Source) -> list[str]:
    """Return the ratings a newcomer may give: whole steps of the scale, or five of a long one; a pick without scale."""
    if not source.is_rated:
        return [NOT_SEEN, LIKED]
    steps = np.arange(np.ceil(source.low), np.floor(source.high) + 1)
    if not 2 <= len(steps) <= MOST_MARKS:
        steps = np.linspace(source.low, source.high, 5)
    return [NOT_SEEN, *(f"{step:g}" for step in steps)]


def like(source: Source, item: int | None, n: int) -> str:
    """Return the items most like one."""
    if item is None:
        return cards.empty(f"Choose one of the {source.things} above.")
    try:
        similar = source.model.similar_items(source.items.values[int(item)], n)
    except PalateError as error:
        return cards.refused(error)
    entries = _entries(source, similar.filter(pl.col("score") > 0))
    title = f"More like {name(source.entry(int(item), 0.0))}"
    if not entries:
        return cards.panel(title, "Nothing found", cards.empty("Nothing is known to be like it."), "pl-next")
    table = cards.item_list(source, entries, None, title, predicted=False)
    return cards.panel(title, "Liked by the same people", table, "pl-next")


def why(source: Source, user_id: Id | None, item: int | None) -> str:
    """Return why a score of a known user is what it is."""
    if user_id is None or item is None:
        return ""
    try:
        explanation = source.model.explain(user_id, source.items.values[int(item)])
    except PalateError as error:
        return cards.refused(error)
    return _reasons(source, explanation, int(item), _given(source, user_id))


def _reasons(source: Source, explanation: Explanation, item: int, given: dict[int, float]) -> str:
    """Return the parts of no item, the user's own items that count most, and the rest; as shown they add up."""
    digits = 2 if source.shows_scores else 0 if explanation.score.is_integer() else 3
    own = explanation.parts.filter(kind="item").sort(pl.col("contribution").abs(), descending=True, maintain_order=True)
    rows: list[tuple[str, str, float]] = [
        (cards.label(f"{part[:1].upper()}{part[1:]}"), "", round(value, digits))
        for part, value in explanation.parts.filter(pl.col("kind") != "item").select("name", "contribution").iter_rows()
    ]
    for item_id, value in own.head(REASONS).select("item_id", "contribution").iter_rows():
        at = int(source.items.index([item_id])[0])
        mark = cards.rated(source, given[at]) if source.is_rated and at in given else ""
        rows.append((cards.titled(source.entry(at, 0.0)), mark, round(value, digits)))
    total = round(explanation.score, digits)
    others = len(own) - REASONS
    if others > 0:
        rest = f"The other {others:,} that they {'rated' if source.is_rated else 'picked'}"
        rows.append((cards.label(rest), "", total - sum(value for *_, value in rows)))
    title = f"Why {name(source.entry(item, 0.0))}?"
    sum_name = "Predicted rating" if source.shows_scores and source.is_rated else "Score"
    columns = ("Part", "Given" if source.is_rated else "", "Adds")
    return cards.panel(
        title, _how(source, explanation), cards.sum_table(columns, rows, (sum_name, total), digits, title), "pl-why"
    )


def _given(source: Source, user_id: Id) -> dict[int, float]:
    """Return what a user gave, by position: a model may learn from something else, such as clicks made of ratings."""
    if source.seen is None:
        return {}
    items, values = source.seen.row(int(source.users.index([user_id])[0]))
    return dict(zip(items.tolist(), values.tolist(), strict=True))


def _how(source: Source, explanation: Explanation) -> str:
    """Return in words how the parts make the number that the list shows."""
    words = "The parts add up to the score that the list is ordered by."
    if source.shows_scores:
        words = "The parts add up to the prediction."
    if explanation.of != "the model":
        words = "The parts add up to the prediction from their ratings alone, which the list's is close to."
    if source.shows_scores and source.is_rated and not source.low <= explanation.score <= source.high:
        words += f" The list keeps it on the scale, {source.low:g} to {source.high:g}."
    return words


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
            ratings[at] = float(mark) if source.is_rated and mark != LIKED else source.high
    title = "What we recommend"
    if not ratings:
        return cards.panel(
            title, "Nothing said yet", cards.empty("Rate one, and a list stands here at once."), "pl-next"
        )
    try:
        person = source.model.person({source.items.values[at]: value for at, value in ratings.items()})
        table = source.model.recommend(person, n, one_per_title=source.has_years)
    except PalateError as error:
        return cards.refused(error)
    if (table["source"] == "popular").all() and len(table):
        sentence = "This model goes by what people like: rate one higher, or name one that you love."
        return cards.panel(title, "Nothing to go by", cards.empty(sentence), "pl-next")
    column = None if not source.shows_scores else "Predicted" if source.is_rated else "Score"
    words = f"From what you said of {cards.plural(len(ratings), source.things.removesuffix('s'))}"
    return cards.panel(
        title, words, cards.item_list(source, _entries(source, table), column, title, predicted=True), "pl-next"
    )


def _entries(source: Source, table: pl.DataFrame) -> list[Entry]:
    return [replace(entry, value=_shown(source, entry.value)) for entry in source.entries(table)]


def _shown(source: Source, score: float) -> float:
    return float(np.clip(score, source.low, source.high)) if source.shows_scores and source.is_rated else score
