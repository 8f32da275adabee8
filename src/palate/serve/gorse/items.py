"""`/api/item` and `/api/items`, with their categories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from palate.serve.gorse import answers, bodies, cursors
from palate.serve.gorse.offers import offers
from palate.serve.operations import Exchange
from palate.serve.routes import items as ours
from palate.serve.routes.said import in_thread, time_said
from palate.store import items
from palate.store.bulk.gorse_shapes import item_attributes, item_fields
from palate.store.ids import canonical
from palate.store.records import Thing

offer = offers("items")
TEA = {
    "ItemId": "tea",
    "IsHidden": False,
    "Categories": ["drinks"],
    "Timestamp": "2026-11-27T16:30:00Z",
    "Labels": {"brand": "Earl"},
    "Comment": "Tea, black",
}


@offer("POST", "/api/item", answers.RowAffected, role="write", examples={"an item": TEA})
async def gorse_insert_item(call: Exchange, asked: bodies.GorseItem) -> dict[str, Any]:
    """Create an item, or take the place of all that was known of one."""
    return await _written(call, [asked])


@offer("POST", "/api/items", answers.RowAffected, role="write", examples={"an item": [TEA]})
async def gorse_insert_items(call: Exchange, asked: bodies.GorseItems) -> dict[str, Any]:
    """Create items, or take the place of all that was known of them: all of them, or none."""
    return await _written(call, asked.root)


@offer(
    "PATCH",
    "/api/item/{item_id}",
    answers.RowAffected,
    role="write",
    errors=(404,),
    examples={"sold out": {"IsHidden": True}},
)
async def gorse_modify_item(call: Exchange, asked: bodies.GorseItemPatch, at: bodies.OfItem) -> dict[str, Any]:
    """Change something of an item."""
    said = {name: value for name, value in dict(asked).items() if value is not None}

    def changed(thing: Thing) -> Thing:
        attributes = thing.attributes
        if said.keys() & {"Categories", "Labels", "Comment"}:
            attributes = item_attributes(item_fields(attributes) | said)
        created = thing.created if asked.Timestamp is None else asked.Timestamp
        return replace(thing, attributes=attributes, hidden=said.get("IsHidden", thing.hidden), created=created)

    return await _changed(call, at, changed)


@offer("GET", "/api/item/{item_id}", answers.ItemSaid, role="read", errors=(404,))
async def gorse_get_item(call: Exchange, asked: Any, at: bodies.OfItem) -> dict[str, Any]:
    """Return an item."""
    return _item(await in_thread(ours.found, call, canonical(call.ns, at.item_id, "item")))


@offer("GET", "/api/items", answers.ItemPage, role="read")
async def gorse_get_items(call: Exchange, asked: bodies.ItemsQuery) -> dict[str, Any]:
    """Return a page of items, by their ids; or those whose titles have words that begin as those of `q` do."""
    n = cursors.at_most(asked.n)
    found = await in_thread(_page, call, asked, n + 1)
    shown, cursor = (found[:n], "") if asked.q else cursors.paged(found, n, lambda thing: thing.id)
    return {"Cursor": cursor, "Items": [_item(thing) for thing in shown]}


@offer("DELETE", "/api/item/{item_id}", answers.RowAffected, role="write")
async def gorse_delete_item(call: Exchange, asked: Any, at: bodies.OfItem) -> dict[str, Any]:
    """Delete an item: it is in no list and found no more. The feedback on it goes on teaching."""
    return {"RowAffected": await in_thread(items.delete_items, call.service.store, call.ns, [at.item_id])}


@offer("PUT", "/api/item/{item_id}/category/{category}", answers.RowAffected, role="write", errors=(404,))
async def gorse_insert_category(call: Exchange, asked: Any, at: bodies.OfItemAndCategory) -> dict[str, Any]:
    """Put an item into a category."""
    return await _changed(
        call, at, lambda thing: _in_categories(thing, [*_categories(thing, at.category), at.category])
    )


@offer("DELETE", "/api/item/{item_id}/category/{category}", answers.RowAffected, role="write", errors=(404,))
async def gorse_delete_category(call: Exchange, asked: Any, at: bodies.OfItemAndCategory) -> dict[str, Any]:
    """Take an item out of a category."""
    return await _changed(call, at, lambda thing: _in_categories(thing, _categories(thing, at.category)))


async def _written(call: Exchange, rows: list[bodies.GorseItem]) -> dict[str, Any]:
    given = [
        Thing(
            canonical(call.ns, row.ItemId, "item"), item_attributes(dict(row)), bool(row.IsHidden), row.Timestamp or 0
        )
        for row in rows
    ]
    await in_thread(items.upsert, call.service.store, call.ns, given)
    return {"RowAffected": len(rows)}


async def _changed(call: Exchange, at: bodies.OfItem, make: Callable[[Thing], Thing]) -> dict[str, Any]:
    await in_thread(items.change, call.service.store, call.ns, at.item_id, make)
    return {"RowAffected": 1}


def _categories(thing: Thing, without: str) -> list[str]:
    return [name for name in item_fields(thing.attributes)["Categories"] if name != without]


def _in_categories(thing: Thing, categories: list[str]) -> Thing:
    return replace(thing, attributes={**thing.attributes, "categories": categories})


def _page(call: Exchange, asked: bodies.ItemsQuery, n: int) -> list[Thing]:
    after = cursors.after(asked.cursor)
    with call.service.store.read() as conn:
        if asked.q:
            return items.search(conn, call.ns, asked.q, n)
        return items.page(conn, call.ns, after, n)


def _item(thing: Thing) -> dict[str, Any]:
    said = {"ItemId": thing.id, "IsHidden": bool(thing.hidden), "Timestamp": time_said(thing.created)}
    return said | item_fields(thing.attributes)
