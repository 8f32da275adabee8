"""`/v1/items`: what can be recommended: written, found, hidden, deleted."""

from __future__ import annotations

from typing import Any

from palate.errors import NotFoundError, RequestError, shown
from palate.serve import answers, bodies
from palate.serve.operations import Call, Offers
from palate.serve.routes.said import in_thread, items_ids, thing_said, things
from palate.store import items
from palate.store.ids import canonical
from palate.store.records import Thing

offer = Offers("items")
FILTERED = bodies.MOST  # items that were found by their title, and are held against conditions


@offer(
    "POST",
    "/v1/items",
    answers.Written,
    role="write",
    examples={
        "a film": {"items": [{"id": "50", "attributes": {"title": "Star Wars", "year": 1977, "genre": ["War"]}}]}
    },
)
async def write_items(call: Call, asked: bodies.ItemsWrite) -> dict[str, Any]:
    """Create items, or update them: all of them, or none. A hidden item is in no list after the answer."""
    await in_thread(items.upsert, call.service.store, call.ns, things(call, asked.items, "item"))
    return {"written": len(asked.items)}


@offer("GET", "/v1/items", answers.Found, role="read", errors=(404,))
async def find_items(call: Call, asked: bodies.ItemQuery) -> dict[str, Any]:
    """Return one item, or, as somebody types, items whose title begins so."""
    if (asked.id is None) == (asked.search is None and not asked.where):
        raise RequestError("give either id, or search or where", code="request", subject="query")
    return {"items": [thing_said(thing) for thing in await in_thread(_found, call, asked)]}


@offer("DELETE", "/v1/items", answers.Deleted, role="write", errors=(404,))
async def delete_item(call: Call, asked: bodies.OneId) -> dict[str, Any]:
    """Delete an item: it is in no list and found no more. The feedback on it goes on teaching."""
    item = canonical(call.ns, asked.id, "item")
    if not await in_thread(items.delete_items, call.service.store, call.ns, [item]):
        raise _unknown(item)
    return {"deleted": True}


@offer(
    "POST",
    "/v1/items/hide",
    answers.Written,
    role="write",
    examples={"sold out": {"ids": ["50"], "hidden": True}},
)
async def hide_items(call: Call, asked: bodies.Hiding) -> dict[str, Any]:
    """Hide items: no list of any worker has them after the answer; or show them again. Unknown ids are left out."""
    ids = items_ids(call, asked.ids)
    return {"written": await in_thread(items.hide, call.service.store, call.ns, ids, asked.hidden)}


def _found(call: Call, asked: bodies.ItemQuery) -> list[Thing]:
    """Return one item, or those that are searched for."""
    store, ns = call.service.store, call.ns
    if asked.id is not None:
        item = canonical(ns, asked.id, "item")
        with store.read() as conn:
            found = items.get(conn, ns, [item]).get(item)
        if found is None:
            raise _unknown(item)
        return [found]
    with store.read() as conn:
        things = items.search(conn, ns, asked.search, n=FILTERED if asked.where else asked.n) if asked.search else []
    if asked.where:
        things = _meeting(call, asked, things)
    return things[: asked.n]


def _meeting(call: Call, asked: bodies.ItemQuery, things: list[Thing]) -> list[Thing]:
    """Return those of some items that meet the conditions, or the newest of all items that do."""
    store, ns = call.service.store, call.ns
    include = tuple(thing.id for thing in things) if asked.search else None
    n = FILTERED if asked.search else asked.n
    met = [
        place.item
        for place in call.service.engine.best(ns, "latest", n=n, where=tuple(asked.where), include=include).places
    ]
    if asked.search:
        return [thing for thing in things if thing.id in {*met}]
    with store.read() as conn:
        found = items.get(conn, ns, met)
    return [found[item] for item in met if item in found]


def _unknown(item: str) -> NotFoundError:
    return NotFoundError(f"there is no item {shown(item)}", subject="item", value=item)
