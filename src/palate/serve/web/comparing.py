"""`/web/compare`: the lists of two models side by side, for one person, and what they share."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import Field

from palate.serve.answers import Said
from palate.serve.engine.asking import Answer, Ask
from palate.serve.engine.purposes import scenario_of
from palate.serve.operations import Exchange
from palate.serve.routes.said import in_thread
from palate.serve.web.cards import Film, film
from palate.serve.web.lists import Filters, conditions
from palate.serve.web.offers import OfPerson, page_offers
from palate.serve.web.purposes import PurposeName

offer = page_offers("comparing")
ComparedSide = PurposeName | Literal["popular"]
MOST = 50


class Comparing(Filters, OfPerson):
    """Two models, how long their lists are to be, and what they are chosen from."""

    left: ComparedSide
    right: ComparedSide
    n: Annotated[int, Field(ge=1, le=MOST)] = 10


class ComparedItem(Film):
    """An item of one list, and its place in the other, from 1; None where that does not have it."""

    other: int | None


class ComparedList(Said):
    """One of the lists: by which version, and "popular" where nothing is known of the person."""

    policy: str
    version: int | None
    items: list[ComparedItem]


class Compared(Said):
    """Both lists, how many items are on both, and from how many of how many they were chosen."""

    left: ComparedList
    right: ComparedList
    both: int
    chosen_from: int
    of: int


@offer("POST", "/web/compare", Compared, role="write", errors=(404, 409))
async def compare(call: Exchange, asked: Comparing) -> dict[str, Any]:
    """Return two lists for one person, each by the model of a purpose, or what is popular with everybody."""
    left, right = await asyncio.gather(_list(call, asked, asked.left), _list(call, asked, asked.right))
    ids = [[place.item for place in answer.places] for answer in (left, right)]
    choice = await in_thread(call.service.engine.left, _ask(call, asked, None))
    return {
        "left": _said(left, ids[1]),
        "right": _said(right, ids[0]),
        "both": len(set(ids[0]) & set(ids[1])),
        "chosen_from": choice.left,
        "of": choice.of,
    }


async def _list(call: Exchange, asked: Comparing, side: ComparedSide) -> Answer:
    service = call.service
    if side == "popular":
        return await in_thread(service.engine.popular_for, _ask(call, asked, None))
    answer: Answer = await service.batcher.answer(_ask(call, asked, scenario_of(side)))
    return answer


def _ask(call: Exchange, asked: Comparing, scenario: str | None) -> Ask:
    return Ask(
        ns=call.ns,
        user=call.visit.person,
        n=asked.n,
        where=conditions(asked),
        seen=asked.seen,
        no_twins=True,
        scenario=scenario,
        given=frozenset({"n", "seen"}),
    )


def _said(answer: Answer, other: list[str]) -> dict[str, Any]:
    places = {item: place for place, item in enumerate(other, 1)}
    items = [
        {**film(place.item, columns), "other": places.get(place.item)}
        for place, columns in zip(answer.places, answer.columns, strict=True)
    ]
    return {"policy": answer.policy, "version": answer.version, "items": items}
