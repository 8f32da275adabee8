"""`/v1/items`: what can be recommended: written, found, hidden, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from palate.errors import NotFoundError, shown
from palate.serve import answers, bodies
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread, items_ids, thing_said, things
from palate.store import items
from palate.store.attributes import title_words, words
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
async def write_items(call: Exchange, asked: bodies.ItemsWrite) -> dict[str, Any]:
    """Create items, or update them: all of them, or none. A hidden item is in no list after the answer."""
    await in_thread(items.upsert, call.service.store, call.ns, things(call, asked.items, "item"))
    return {"written": len(asked.items)}


@offer("GET", "/v1/items", answers.Found, role="read", errors=(404,))
async def find_items(call: Exchange, asked: bodies.ItemQuery) -> dict[str, Any]:
    """Return items: of an id, as somebody types their title, those that meet conditions, or the newest."""
    return {"items": [thing_said(thing) for thing in await in_thread(_found, call, asked)]}


@offer("DELETE", "/v1/items", answers.Deleted, role="write", errors=(404,))
async def delete_item(call: Exchange, asked: bodies.OneId) -> dict[str, Any]:
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
async def hide_items(call: Exchange, asked: bodies.Hiding) -> dict[str, Any]:
    """Hide items: no list of any worker has them after the answer; or show them again.

    An item that only a model knows is hidden, too; showing again what is not there does nothing.
    """
    return {"written": await in_thread(_hide, call, items_ids(call, asked.ids), asked.hidden)}


def _hide(call: Exchange, ids: Sequence[str], hidden: bool) -> int:
    store, ns = call.service.store, call.ns
    with store.read() as conn:
        there = items.get(conn, ns, ids)
    new = [Thing(item, {}, True) for item in dict.fromkeys(ids) if item not in there] if hidden else []
    items.upsert(store, ns, new)
    return len(new) + items.hide(store, ns, list(there), hidden)


def _found(call: Exchange, asked: bodies.ItemQuery) -> list[Thing]:
    """Return the items that meet all that is asked."""
    ns = call.ns
    if asked.id is not None:
        things = [found(call, canonical(ns, asked.id, "item"))]
        typed = words(asked.search or "")
        things = [thing for thing in things if all(_begins(start, thing) for start in typed)]
    elif asked.search:
        with call.service.store.read() as conn:
            things = items.search(conn, ns, asked.search, n=FILTERED if asked.where else asked.n)
    else:
        return _newest(call, asked)
    if asked.where:
        met = _meeting(call, asked.where, FILTERED, tuple(thing.id for thing in things))
        things = [thing for thing in things if thing.id in met]
    return things[: asked.n]


def found(call: Exchange, item: str) -> Thing:
    """Return an item.

    Raises:
        NotFoundError: there is none.
    """
    with call.service.store.read() as conn:
        thing = items.get(conn, call.ns, [item]).get(item)
    if thing is None:
        raise _unknown(item)
    return thing


def _begins(start: str, thing: Thing) -> bool:
    return any(word.startswith(start) for word in title_words(thing.attributes))


def _newest(call: Exchange, asked: bodies.ItemQuery) -> list[Thing]:
    """Return the newest items that meet the conditions."""
    met = _meeting(call, asked.where, asked.n)
    with call.service.store.read() as conn:
        found = items.get(conn, call.ns, met)
    return [found[item] for item in met if item in found]


def _meeting(call: Exchange, where: Sequence[str], n: int, include: tuple[str, ...] | None = None) -> list[str]:
    """Return ids of items that meet conditions, the newest first."""
    best = call.service.engine.best(call.ns, "latest", n=n, where=tuple(where), include=include)
    return [place.item for place in best.places]


def _unknown(item: str) -> NotFoundError:
    return NotFoundError(f"there is no item {shown(item)}", subject="item", value=item)
