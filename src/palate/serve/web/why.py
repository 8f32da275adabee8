"""`/web/why`: why an item is in a list, in words first, and the arithmetic that adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from palate.serve.answers import Said
from palate.serve.bodies import Id
from palate.serve.engine.asking import Scale
from palate.serve.engine.purposes import scenario_of
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread
from palate.serve.web.cards import title_of
from palate.serve.web.offers import OfPerson, page_offers
from palate.serve.web.purposes import PurposeName
from palate.store.ids import canonical

offer: Offers = page_offers("why")
ALL = 1_000_000  # own items: every one has its share
TOP = 3
EXACT: Final = 1e-6  # of the score, or absolutely near 0
ReasonRows = Sequence[Mapping[str, Any]]


class WhyQuery(OfPerson):
    """An item, and the person who wonders."""

    item: Id
    purpose: PurposeName | None = None


class OwnReason(Said):
    """An item of the person's own that speaks for the one in question."""

    item: str
    title: str
    value: float | None
    share: Annotated[float, Field(description="Of all that speaks for it among the person's own.")]
    contribution: float


class ScorePart(Said):
    """A part of the score."""

    name: str
    contribution: float


class Why(Said):
    """Why an item is in a list: words, the three own items that count most, and all parts, which add up to the sum."""

    words: list[str]
    others: Annotated[str | None, Field(description="What else of the person's own speaks for it, to 100 %.")]
    is_stars: Annotated[bool, Field(description="The sum is a rating, not only a place in a list.")]
    top: list[OwnReason]
    rest: float
    parts: list[ScorePart]
    sum: float | None
    adds_up: bool


@offer("GET", "/web/why", Why, role="write", errors=(404,))
async def get_why(call: Exchange, asked: WhyQuery) -> dict[str, Any]:
    """Return why an item is in a person's list."""
    item, person = canonical(call.ns, asked.item, "item"), call.visit.person
    scenario = None if asked.purpose is None else scenario_of(asked.purpose)
    told = await in_thread(call.service.engine.explain, call.ns, person, item, ALL, scenario)
    scale = await in_thread(call.service.engine.scale, call.ns, scenario)
    return why_said(told.reasons, told.score, told.text, scale)


def why_said(reasons: ReasonRows, score: float | None, text: str | None, scale: Scale | None) -> dict[str, Any]:
    """Return reasons as the page tells them.

    Args:
        reasons: own items and named parts, as `palate.serve.engine.why.parts` tells them.
        score: their sum; None where nothing is known of the person.
        text: what the engine says of the score.
        scale: of the ratings.
    """
    own = [row for row in reasons if "item" in row]
    speaking = [row for row in own if row["contribution"] > 0]
    total = sum(row["contribution"] for row in speaking)
    top = [_top(row, total) for row in sorted(speaking, key=_first)[:TOP]]
    *percents, left = _percents([*(row["share"] for row in top), max(1 - sum(row["share"] for row in top), 0)])
    words = [f"{_sentence(row, scale)} ({percent} %)" for row, percent in zip(top, percents, strict=True)]
    rest = sum(row["contribution"] for row in own) - sum(row["contribution"] for row in top)
    parts = [{"name": row["name"], "contribution": row["contribution"]} for row in reasons if "item" not in row]
    added = sum(row["contribution"] for row in [*top, *parts]) + rest
    return {
        "words": words or [_without(text, score)],
        "others": _others(len(speaking) - len(top), left),
        "is_stars": scale is not None and scale.predicted,
        "top": top,
        "rest": rest,
        "parts": parts,
        "sum": score,
        "adds_up": score is not None and abs(added - score) <= EXACT * max(1.0, abs(score)),
    }


def because(reasons: ReasonRows | None, scale: Scale | None) -> str | None:
    """Return the reason of a card, for it to follow its title; None where nothing of the person's own speaks for it."""
    own = [row for row in reasons or () if "item" in row and row["contribution"] > 0]
    return None if not own else _sentence(min(own, key=_first), scale).replace("Because", "because", 1)


def _top(row: Mapping[str, Any], total: float) -> dict[str, Any]:
    return {
        "item": row["item"],
        "title": title_of(row["title"] or row["item"]),
        "value": row["value"],
        "share": row["contribution"] / total,
        "contribution": row["contribution"],
    }


def _percents(shares: Sequence[float]) -> list[int]:
    """Return shares in whole percent that add up to 100, as they do: those that lose most are rounded up."""
    percents = [int(100 * share) for share in shares]
    by_loss = sorted(range(len(shares)), key=lambda at: percents[at] - 100 * shares[at])
    for at in by_loss[: 100 - sum(percents)]:
        percents[at] += 1
    return percents


def _others(n: int, percent: int) -> str | None:
    if n == 0:
        return None
    return f"{'One other' if n == 1 else f'{n:,} others'} of yours ({percent} %)"


def _sentence(row: Mapping[str, Any], scale: Scale | None) -> str:
    title, value = title_of(row["title"] or row["item"]), row["value"]
    if scale is not None and scale.predicted and value is not None and value < scale.middle:
        return f"Because you did not like {title}"
    return f"Because you liked {title}"


def _without(text: str | None, score: float | None) -> str:
    if score is None:
        return "It is popular with everybody; of you nothing is known yet."
    return "Nothing that you rated speaks for it by itself: it is liked by many."


def _first(row: Mapping[str, Any]) -> tuple[float, str]:
    return -row["contribution"], row["item"]
