"""`/web/map`: the taste map, the same for everybody; and which of its items somebody rated."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any, Final

from pydantic_core import to_json

from palate.serve.answers import Said
from palate.serve.bodies import Asked
from palate.serve.engine.kept import OfModels
from palate.serve.engine.tastes import TasteMap
from palate.serve.operations import Exchange, Offers, Reply
from palate.serve.routes.said import in_thread
from palate.serve.web.cards import film
from palate.serve.web.films import ids_of
from palate.serve.web.offers import OfPerson, page_offers
from palate.serve.web.purposes import own_ratings

offer: Offers = page_offers("maps")
DECIMALS: Final = 3  # of coordinates from -1 to 1
MAPS = OfModels(TasteMap.of)
Point = tuple[float, float, str, str, int | None, list[str]]


class NothingAsked(Asked):
    """The map is everybody's."""


class Region(Said):
    """A genre, and where most of it stands."""

    genre: str
    x: float
    y: float


class MapSaid(Said):
    """Items as points (x, y, item, title, year, genres), the best known first; none where no model tells likeness."""

    version: int | None
    points: list[Point]
    regions: list[Region]


class OwnItem(Said):
    """An item that somebody rated."""

    item: str
    value: float


class OwnItems(Said):
    """What somebody rated."""

    mine: list[OwnItem]


@offer("GET", "/web/map", MapSaid, role="write")
async def get_map(call: Exchange, asked: NothingAsked) -> Reply:
    """Return the map; a browser that has it already is told so."""
    return await in_thread(_reply, call)


@offer("GET", "/web/map/mine", OwnItems, role="write")
async def get_map_mine(call: Exchange, asked: OfPerson) -> dict[str, Any]:
    """Return what somebody rated."""
    rated = await in_thread(own_ratings, call)
    return {"mine": [{"item": item, "value": value} for item, value in rated.items()]}


def _reply(call: Exchange) -> Reply:
    body = to_json(_map(call))
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'.encode()
    headers = [(b"cache-control", b"private, no-cache"), (b"vary", b"accept-encoding"), (b"etag", tag)]
    if call.headers.get(b"if-none-match") == tag:
        return Reply(b"", 304, headers)
    if b"gzip" in call.headers.get(b"accept-encoding", b""):
        return Reply(gzip.compress(body, 6, mtime=0), headers=[*headers, (b"content-encoding", b"gzip")])
    return Reply(body, headers=headers)


def _map(call: Exchange) -> dict[str, Any]:
    engine, version = call.service.engine, call.service.engine.version(call.ns)
    if version is None:
        return {"version": None, "points": [], "regions": []}
    drawn = MAPS.of(version.model)
    ids = ids_of(version.model, drawn.items)
    listed = engine.listed(call.ns, ids)
    points = [
        (round(x, DECIMALS), round(y, DECIMALS), *film(item, listed[item]).values())
        for (x, y), item in zip(drawn.points.tolist(), ids, strict=True)
        if item in listed
    ]
    regions = [{"genre": genre, "x": round(x, DECIMALS), "y": round(y, DECIMALS)} for genre, x, y in drawn.regions]
    return {"version": version.number, "points": points, "regions": regions}
