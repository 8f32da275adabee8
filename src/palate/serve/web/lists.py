"""`/web/list`: a person's list as cards, with stars, certainty and reasons; every change is answered with it, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from palate.errors import NotFoundError, ParameterError, UnavailableError
from palate.serve.answers import Said
from palate.serve.bodies import Asked, Discovery, Diversity, Seen, Whole
from palate.serve.engine.asking import Answer, Ask, Left, Predicted, Scale
from palate.serve.engine.purposes import scenario_of
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import finite, in_thread
from palate.serve.web.cards import Film, film
from palate.serve.web.offers import OfPerson, page_offers
from palate.serve.web.purposes import PurposeName, own_ratings, rating_scale, stands_for
from palate.serve.web.why import because

offer: Offers = page_offers("lists")
LIKELY: Final = 0.8  # the probability that the interval of a card holds the rating
SURE, FAIRLY = 0.5, 0.6  # widths of the interval, of the scale; docs/serving.md tells what is true of each, measured
SHOWN, MOST = 20, 100  # cards
FIRST_VARIETY: Final = 0.3  # of the list of somebody of whom nothing is known
POPULAR = "popular with everybody"
Year = Annotated[Whole, Field(ge=-10_000, le=10_000)]


class Filters(Asked):
    """What a list is chosen from."""

    genre: Annotated[str | None, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")] = None
    from_: Annotated[Year | None, Field(alias="from")] = None
    to: Year | None = None
    seen: Seen = False


class ListAsked(Filters):
    """What a list is to be like."""

    n: Annotated[Whole, Field(ge=1, le=MOST)] = SHOWN
    variety: Diversity = 0.0
    discovery: Discovery = 0.0
    purpose: PurposeName | None = None


class ListQuery(ListAsked, OfPerson):
    """The same, of a person."""


class FilmCard(Film):
    """An item of a list: what the person would give it, how sure that is, why it is here, what they gave it."""

    stars: float | None
    low: float | None
    high: float | None
    sure: Literal["sure", "fairly", "unsure"] | None
    why: str | None
    source: str
    rated: float | None


class ListSaid(Said):
    """A list: how many items it was chosen from, of how many."""

    list_id: str | None
    policy: str
    words: str | None
    left: int
    of: int
    version: int | None
    items: list[FilmCard]


@offer("GET", "/web/list", ListSaid, role="write", errors=(404,))
async def get_list(call: Exchange, asked: ListQuery) -> dict[str, Any]:
    """Return a person's list."""
    return await list_of(call, asked)


async def list_of(call: Exchange, asked: ListAsked) -> dict[str, Any]:
    """Return the list of whoever a request is about, as `ListSaid`."""
    ask = ask_of(call, asked)
    left = await in_thread(call.service.engine.left, ask)
    if not left.known and left.varies and not asked.variety:
        ask = replace(ask, diversity=FIRST_VARIETY)  # what everybody likes is much of a kind
    answer = await call.service.batcher.answer(ask)
    call.timings |= answer.timings
    return await in_thread(_said, call, ask, answer, left)


def ask_of(call: Exchange, asked: ListAsked) -> Ask:
    """Return what the engine is asked."""
    return Ask(
        ns=call.ns,
        user=call.visit.person,
        n=asked.n,
        where=conditions(asked),
        seen=asked.seen,
        no_twins=True,
        diversity=asked.variety,
        discovery=asked.discovery,
        why=True,
        scenario=None if asked.purpose is None else scenario_of(asked.purpose),
        given=frozenset({"n", "seen", "diversity"} if asked.variety else {"n", "seen"}),
    )


def conditions(asked: Filters) -> tuple[str, ...]:
    """Return the filters as the engine reads them."""
    every = (("genres==", asked.genre), ("year>=", asked.from_), ("year<=", asked.to))
    return tuple(f"{column}{value}" for column, value in every if value is not None)


def _said(call: Exchange, ask: Ask, answer: Answer, left: Left) -> dict[str, Any]:
    scale = call.service.engine.scale(call.ns, ask.scenario)
    stars = stars_of(call, [place.item for place in answer.places])
    rated = own_ratings(call) if ask.seen else {}
    why = answer.why or [None] * len(answer.places)
    cards = [
        {
            **film(place.item, columns),
            **stars.get(place.item, NO_STARS),
            "why": because(reasons, scale),
            "source": place.source,
            "rated": rated.get(place.item),
        }
        for place, columns, reasons in zip(answer.places, answer.columns, why, strict=True)
    ]
    words = POPULAR if answer.policy == "popular" else None
    about = {"list_id": answer.list_id, "policy": answer.policy, "words": words, "version": answer.version}
    return {**about, "left": left.left, "of": left.of, "items": cards}


NO_STARS: Final[Mapping[str, Any]] = {"stars": None, "low": None, "high": None, "sure": None}


def stars_of(call: Exchange, items: list[str]) -> dict[str, dict[str, Any]]:
    """Return what the person would give to items, by the version whose purpose that is, where one says it."""
    engine = call.service.engine
    try:
        told: Predicted = engine.predict(call.ns, call.visit.person, items, LIKELY, stands_for(call, "stars"))
    except (NotFoundError, ParameterError, UnavailableError):  # no model yet, one that only ranks, or one on its way
        return {}
    scale = rating_scale(call)
    return {item: stars_said(value, low, high, scale) for item, value, low, high, _ in told.rows}


def stars_said(value: float | None, low: float | None, high: float | None, scale: Scale | None) -> dict[str, Any]:
    """Return a prediction as cards tell it, with its certainty in a word; the ends of the interval are ratings, too."""
    told = {"stars": value, "low": low, "high": high}
    return {name: _within(number, scale) for name, number in told.items()} | {"sure": certainty(low, high, scale)}


def _within(number: float | None, scale: Scale | None) -> float | None:
    known = finite(number)
    return known if known is None or scale is None else min(max(known, scale.low), scale.high)


def certainty(low: float | None, high: float | None, scale: Scale | None) -> Literal["sure", "fairly", "unsure"] | None:
    """Return how sure a prediction is, by the width of its interval against the scale; None where it has none."""
    if low is None or high is None or scale is None:
        return None
    width = (high - low) / (scale.high - scale.low)
    return "sure" if width <= SURE else "fairly" if width <= FAIRLY else "unsure"
