"""`/api/user` and `/api/users`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from palate.serve import bodies as own
from palate.serve.gorse import answers, bodies, cursors
from palate.serve.gorse.offers import offers
from palate.serve.operations import Exchange
from palate.serve.routes import users as ours
from palate.serve.routes.said import in_thread, users_id
from palate.store import users
from palate.store.bulk.gorse_shapes import user_attributes, user_fields
from palate.store.records import Thing

offer = offers("users")
BOB = {"UserId": "bob", "Labels": {"age": 40}, "Comment": "Bob B."}


@offer("POST", "/api/user", answers.RowAffected, role="write", examples={"a user": BOB})
async def gorse_insert_user(call: Exchange, asked: bodies.GorseUser) -> dict[str, Any]:
    """Create a user, or take the place of all that was known of one."""
    return await _written(call, [asked])


@offer("POST", "/api/users", answers.RowAffected, role="write", examples={"a user": [BOB]})
async def gorse_insert_users(call: Exchange, asked: bodies.GorseUsers) -> dict[str, Any]:
    """Create users, or take the place of all that was known of them: all of them, or none."""
    return await _written(call, asked.root)


@offer(
    "PATCH",
    "/api/user/{user_id}",
    answers.RowAffected,
    role="write",
    errors=(404,),
    examples={"labels": {"Labels": {}}},
)
async def gorse_modify_user(call: Exchange, asked: bodies.GorseUserPatch, at: bodies.OfUser) -> dict[str, Any]:
    """Change something of a user."""

    def changed(thing: Thing) -> Thing:
        return replace(thing, attributes=user_attributes(user_fields(thing.attributes) | _said(asked)))

    await in_thread(users.change, call.service.store, call.ns, at.user_id, changed)
    return {"RowAffected": 1}


@offer("GET", "/api/user/{user_id}", answers.UserSaid, role="read", errors=(404,))
async def gorse_get_user(call: Exchange, asked: Any, at: bodies.OfUser) -> dict[str, Any]:
    """Return a user."""
    return _user(await in_thread(ours.found, call, users_id(call, at.user_id)))


@offer("GET", "/api/users", answers.UserPage, role="read")
async def gorse_get_users(call: Exchange, asked: bodies.PageQuery) -> dict[str, Any]:
    """Return a page of users, by their ids."""
    n = cursors.at_most(asked.n)
    shown, cursor = cursors.paged(await in_thread(_page, call, cursors.after(asked.cursor), n + 1), n, lambda t: t.id)
    return {"Cursor": cursor, "Users": [_user(thing) for thing in shown]}


@offer("DELETE", "/api/user/{user_id}", answers.RowAffected, role="write")
async def gorse_delete_user(call: Exchange, asked: Any, at: bodies.OfUser) -> dict[str, Any]:
    """Forget a person: feedback, lists, labels and the models' rows."""
    await ours.forget_user(call, own.OneId(id=at.user_id))
    return {"RowAffected": 1}


async def _written(call: Exchange, rows: list[bodies.GorseUser]) -> dict[str, Any]:
    given = [Thing(users_id(call, row.UserId), user_attributes(dict(row))) for row in rows]
    await in_thread(users.upsert, call.service.store, call.ns, given)
    return {"RowAffected": len(rows)}


def _said(patch: Any) -> dict[str, Any]:
    return {name: value for name, value in dict(patch).items() if value is not None}


def _page(call: Exchange, after: str, n: int) -> list[Thing]:
    with call.service.store.read() as conn:
        return users.page(conn, call.ns, after, n)


def _user(thing: Thing) -> dict[str, Any]:
    return {"UserId": thing.id, **user_fields(thing.attributes)}
