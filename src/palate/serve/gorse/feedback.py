"""`/api/feedback`: of each type, a user has one value for an item. POST adds to it, PUT takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from palate.errors import NotFoundError
from palate.serve import refusals
from palate.serve.bodies import MANY
from palate.serve.gorse import answers, bodies, cursors
from palate.serve.gorse.offers import offers
from palate.serve.operations import Exchange
from palate.serve.routes import feedback as ours
from palate.serve.routes.said import in_thread, time_said, users_id
from palate.store import feedback, replacing
from palate.store.ids import canonical
from palate.store.records import Event

offer = offers("feedback")
STAR = {"FeedbackType": "click", "UserId": "bob", "ItemId": "tea", "Timestamp": "2026-11-27T16:30:00Z", "Value": 1}


@offer("POST", "/api/feedback", answers.RowAffected, role="write", errors=(409,), examples={"a click": [STAR]})
async def gorse_add_feedback(call: Exchange, asked: bodies.GorseFeedbacks) -> dict[str, Any]:
    """Tell what users did; the value is added to what there is. A request that is sent again counts twice."""
    return await _put(call, asked.root, adding=True)


@offer("PUT", "/api/feedback", answers.RowAffected, role="write", errors=(409,), examples={"a click": [STAR]})
async def gorse_put_feedback(call: Exchange, asked: bodies.GorseFeedbacks) -> dict[str, Any]:
    """Tell what users did, in the place of what there is of their type, user and item."""
    return await _put(call, asked.root, adding=False)


@offer("GET", "/api/feedback", answers.FeedbackPage, role="read")
async def gorse_get_feedback(call: Exchange, asked: bodies.PageQuery) -> dict[str, Any]:
    """Return a page of all feedback that counts, in an order of its own."""
    return await _page(call, asked, None)


@offer("GET", "/api/feedback/{feedback_type}", answers.FeedbackPage, role="read")
async def gorse_get_feedback_of_type(call: Exchange, asked: bodies.PageQuery, at: bodies.OfKind) -> dict[str, Any]:
    """Return a page of the feedback of a type."""
    return await _page(call, asked, at.feedback_type)


@offer("GET", "/api/feedback/{user_id}/{item_id}", answers.FeedbacksSaid, role="read")
async def gorse_get_feedback_on_item(call: Exchange, asked: Any, at: bodies.OfUserAndItem) -> list[Any]:
    """Return what a user told of an item."""
    return await _of_user(call, at.user_id, item=canonical(call.ns, at.item_id, "item"))


@offer("GET", "/api/feedback/{feedback_type}/{user_id}/{item_id}", answers.FeedbackSaid, role="read", errors=(404,))
async def gorse_get_one_feedback(call: Exchange, asked: Any, at: bodies.OfAll) -> dict[str, Any]:
    """Return what a user told of an item, of one type."""
    item = canonical(call.ns, at.item_id, "item")
    found: list[dict[str, Any]] = await _of_user(call, at.user_id, item=item, kind=at.feedback_type)
    if not found:
        raise NotFoundError("there is no such feedback", subject="feedback")
    return found[-1]


@offer("DELETE", "/api/feedback/{user_id}/{item_id}", answers.RowAffected, role="write")
async def gorse_delete_feedback(call: Exchange, asked: Any, at: bodies.OfUserAndItem) -> dict[str, Any]:
    """Let what a user told of an item no longer count."""
    return await _withdrawn(call, at, None)


@offer("DELETE", "/api/feedback/{feedback_type}/{user_id}/{item_id}", answers.RowAffected, role="write")
async def gorse_delete_one_feedback(call: Exchange, asked: Any, at: bodies.OfAll) -> dict[str, Any]:
    """Let what a user told of an item, of one type, no longer count."""
    return await _withdrawn(call, at, at.feedback_type)


@offer("GET", "/api/user/{user_id}/feedback", answers.FeedbacksSaid, role="read")
async def gorse_get_feedback_of_user(call: Exchange, asked: Any, at: bodies.OfUser) -> list[Any]:
    """Return what a user told, the newest 10,000."""
    return await _of_user(call, at.user_id)


@offer("GET", "/api/user/{user_id}/feedback/{feedback_type}", answers.FeedbacksSaid, role="read")
async def gorse_get_feedback_of_user_and_type(call: Exchange, asked: Any, at: bodies.OfUserAndKind) -> list[Any]:
    """Return what a user told of one type, the newest 10,000."""
    return await _of_user(call, at.user_id, kind=at.feedback_type)


@offer("GET", "/api/item/{item_id}/feedback", answers.FeedbacksSaid, role="read")
async def gorse_get_feedback_of_item(call: Exchange, asked: Any, at: bodies.OfItem) -> list[Any]:
    """Return what was told of an item, the newest 10,000."""
    return await in_thread(_of_item, call, at.item_id, None)


@offer("GET", "/api/item/{item_id}/feedback/{feedback_type}", answers.FeedbacksSaid, role="read")
async def gorse_get_feedback_of_item_and_type(call: Exchange, asked: Any, at: bodies.OfItemAndKind) -> list[Any]:
    """Return what was told of an item, of one type, the newest 10,000."""
    return await in_thread(_of_item, call, at.item_id, at.feedback_type)


async def _put(call: Exchange, rows: Sequence[bodies.GorseFeedback], *, adding: bool) -> dict[str, Any]:
    events = [Event(r.UserId, r.ItemId, r.FeedbackType, r.Value or 0.0, r.Timestamp) for r in rows]
    receipts = await in_thread(partial(replacing.put, call.service.store, call.ns, events, adding=adding))
    ours.count(receipts)
    refused = [receipt.error for receipt in receipts if receipt.error is not None]
    if refused and len(refused) == len(receipts):
        raise refused[0]
    refusals.note_receipts(call, "/api/feedback", receipts)
    return {"RowAffected": len(rows) - len(refused)}


async def _withdrawn(call: Exchange, at: bodies.OfUserAndItem, kind: str | None) -> dict[str, Any]:
    store, ns = call.service.store, call.ns
    return {"RowAffected": await in_thread(replacing.withdraw, store, ns, at.user_id, at.item_id, kind)}


async def _page(call: Exchange, asked: bodies.PageQuery, kind: str | None) -> dict[str, Any]:
    n = cursors.at_most(asked.n)
    found = await in_thread(_read, call, cursors.after(asked.cursor), n + 1, kind)
    shown, cursor = cursors.paged(found, n, lambda event: event.event_id or "")
    return {"Cursor": cursor, "Feedback": [_said(event) for event in shown]}


def _read(call: Exchange, after: str, n: int, kind: str | None) -> list[Event]:
    with call.service.store.read() as conn:
        return feedback.page(conn, call.ns, after, n, kind)


async def _of_user(call: Exchange, user: str, item: str | None = None, kind: str | None = None) -> list[Any]:
    found: list[Event] = await in_thread(events_of, call, user)
    told = [event for event in found if item in (None, event.item) and kind in (None, event.kind)]
    return [_said(event, user) for event in told[-MANY:]]


def events_of(call: Exchange, user: str) -> list[Event]:
    """Return what counts of a user's events."""
    with call.service.store.read() as conn:
        return feedback.of_user(conn, call.ns, users_id(call, user))


def _of_item(call: Exchange, item: str, kind: str | None) -> list[Any]:
    with call.service.store.read() as conn:
        return [_said(e) for e in feedback.of_item(conn, call.ns, canonical(call.ns, item, "item"), MANY, kind)]


def _said(event: Event, user: str | None = None) -> dict[str, Any]:
    return {
        "FeedbackType": event.kind,
        "UserId": event.user if user is None else user,
        "ItemId": event.item,
        "Value": event.value or 0.0,
        "Timestamp": time_said(event.time),
        "Comment": "",
    }
