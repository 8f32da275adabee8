"""What a person says of items: a rating, "not for me", "seen", "not now", and taking back the last of it.

Each is answered with the list as it is then, so that a click costs one way to the service and back. The browser names
each event, so that one that is sent again counts once.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from palate.errors import DataError, NotFoundError
from palate.serve.answers import Said
from palate.serve.bodies import Id, ListId, Number, Whole
from palate.serve.engine.asking import Scale
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.feedback import written
from palate.serve.routes.said import in_thread, time_said
from palate.serve.web.cards import title_of
from palate.serve.web.history import history
from palate.serve.web.lists import ListAsked, ListSaid, list_of
from palate.serve.web.offers import OfPerson, page_offers
from palate.serve.web.purposes import rating_scale
from palate.store.ids import canonical
from palate.store.records import UNDO, Event

offer: Offers = page_offers("changes")
EventId = Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="A UUID.")]
VALUES: Final = {"seen": 0.0}  # of kinds that need one
STARS: Final = Scale(1.0, 5.0, predicted=False)  # where no model says what ratings are like
SOURCE = "page"


class Change(OfPerson):
    """An event, and which list is wanted after it."""

    event_id: EventId
    ask: ListAsked = Field(default_factory=ListAsked)


class ItemChange(Change):
    """An event on an item, and where it stood."""

    item: Id
    list_id: ListId | None = None
    place: Annotated[Whole, Field(ge=1, le=500)] | None = None


class RatingAsked(ItemChange):
    """A rating."""

    value: Number


class ReactionAsked(ItemChange):
    """What is no rating: hide, "not for me"; seen, and no opinion; skip, not now."""

    kind: Literal["hide", "seen", "skip"]


class UndoAsked(Change):
    """Taking back an event of one's own."""

    withdraws: EventId


class Changed(Said):
    """What became of an event, and the list as it is now."""

    event_id: str
    status: Literal["new", "known"]
    list: ListSaid


class Mine(Said):
    """What a person said of an item, as it counts now; without time and id where the log does not have it."""

    item: str
    title: str
    kind: str
    value: float | None
    time: Any
    event_id: str | None
    source: str | None


class AllMine(Said):
    """What a person said, the newest first; ratings of training are older than all of the log."""

    ratings: list[Mine]


@offer("POST", "/web/ratings", Changed, role="write", errors=(404, 409))
async def rate(call: Exchange, asked: RatingAsked) -> dict[str, Any]:
    """Rate an item."""
    scale = await in_thread(rating_scale, call) or STARS
    if not scale.low <= asked.value <= scale.high:
        words = f"is from {scale.low:g} to {scale.high:g}, got {asked.value:g}"
        raise DataError.of("a rating", words, value=asked.value)
    return await _changed(call, asked, "rating", asked.value)


@offer("POST", "/web/reactions", Changed, role="write", errors=(404, 409))
async def react(call: Exchange, asked: ReactionAsked) -> dict[str, Any]:
    """Say of an item that it is not for oneself, seen, or not wanted now."""
    return await _changed(call, asked, asked.kind, VALUES.get(asked.kind))


@offer("POST", "/web/undo", Changed, role="write", errors=(404, 409))
async def take_back(call: Exchange, asked: UndoAsked) -> dict[str, Any]:
    """Take back an event of one's own."""
    undo = Event(call.visit.person, None, UNDO, withdraws=asked.withdraws, event_id=asked.event_id, source=SOURCE)
    return await _written(call, undo, asked.ask)


@offer("GET", "/web/mine", AllMine, role="write")
async def get_mine(call: Exchange, asked: OfPerson) -> dict[str, Any]:
    """Return what a person said of items, as it counts now."""
    return {"ratings": await in_thread(mine, call)}


async def _changed(call: Exchange, asked: ItemChange, kind: str, value: float | None) -> dict[str, Any]:
    item = canonical(call.ns, asked.item, "item")
    if not await in_thread(call.service.engine.items, call.ns, [item]):
        raise NotFoundError(f"there is no item '{item[:64]}'", subject="item", value=item)
    event = Event(
        call.visit.person,
        item,
        kind,
        value,
        event_id=asked.event_id,
        source=SOURCE,
        list_id=asked.list_id,
        place=asked.place,
    )
    return await _written(call, event, asked.ask)


async def _written(call: Exchange, event: Event, ask: ListAsked) -> dict[str, Any]:
    (receipt,) = await written(call, [event])
    if receipt.error is not None:
        raise receipt.error
    return {"event_id": receipt.event_id, "status": receipt.status, "list": await list_of(call, ask)}


def mine(call: Exchange) -> list[dict[str, Any]]:
    """Return what a person said of items, as `Mine`: of each item and kind the newest, the newest first."""
    newest = {(event.item, event.kind): event for event in history(call) if event.item is not None}
    every = sorted(newest.values(), key=lambda event: -(event.time or 0))
    titles = call.service.engine.items(call.ns, [event.item for event in every if event.item is not None])
    return [
        {
            "item": event.item,
            "title": title_of(str(titles.get(event.item or "", {}).get("title") or event.item)),
            "kind": event.kind,
            "value": event.value,
            "time": time_said(event.time),
            "event_id": event.event_id,
            "source": event.source,
        }
        for event in every
    ]
