"""`/v1/users`: who there is, merging of visitors, and forgetting."""

from __future__ import annotations

import asyncio
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from palate.errors import NotFoundError, PalateError, shown
from palate.serve import answers, bodies
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread, thing_said, things, users_id
from palate.store import feedback, forgetting, users
from palate.store.records import Thing

if TYPE_CHECKING:
    from palate.store.store import Store

log = logging.getLogger(__name__)
offer = Offers("users")
SCRUBBING: set[asyncio.Task[None]] = set()  # bytes of forgotten people that are being overwritten
ALONE = threading.Lock()  # one of them at a time


@offer(
    "POST",
    "/v1/users",
    answers.Written,
    role="write",
    examples={"one user": {"users": [{"id": "196", "attributes": {"country": "NL"}}]}},
)
async def write_users(call: Exchange, asked: bodies.UsersWrite) -> dict[str, Any]:
    """Create users, or update them: all of them, or none."""
    await in_thread(users.upsert, call.service.store, call.ns, things(call, asked.users, "user"))
    return {"written": len(asked.users)}


@offer("GET", "/v1/users", answers.ThingSaid, role="read", errors=(404,))
async def get_user(call: Exchange, asked: bodies.OneId) -> dict[str, Any]:
    """Return a user's attributes."""
    return thing_said(await in_thread(found, call, users_id(call, asked.id)))


@offer("DELETE", "/v1/users", answers.Forgotten, role="write", errors=(404,))
async def forget_user(call: Exchange, asked: bodies.OneId) -> dict[str, Any]:
    """Forget a person: when this answers, feedback, lists, attributes and the models' rows are gone.

    What is left of their bytes in small files is overwritten right after the answer, in large ones by the next
    cleaning. The id may begin anew.
    """
    await forget(call, users_id(call, asked.id))
    return {"forgotten": True}


@offer(
    "POST",
    "/v1/users/merge",
    answers.Merged,
    role="write",
    errors=(404, 409),
    examples={"a visitor": {"visitor": "cookie-7f3", "account": "196"}},
)
async def merge_users(call: Exchange, asked: bodies.Merging) -> dict[str, Any]:
    """Give an account the feedback of an anonymous visitor, who is no more after that."""
    visitor, account = users_id(call, asked.visitor), users_id(call, asked.account)
    return {"events": await in_thread(feedback.merge, call.service.store, call.ns, visitor, account)}


async def forget(call: Exchange, user: str) -> None:
    """Forget a person, and overwrite in the background what is left of their bytes."""
    store = call.service.store
    await in_thread(partial(forgetting.forget, store, call.ns, user, scrub_now=False))
    if len(SCRUBBING) < 2:  # one runs, one waits for all who are forgotten meanwhile: many at once stop no writer
        task = asyncio.create_task(in_thread(_scrub, store))
        SCRUBBING.add(task)
        task.add_done_callback(SCRUBBING.discard)


def found(call: Exchange, user: str) -> Thing:
    """Return a user.

    Raises:
        NotFoundError: there is none.
    """
    with call.service.store.read() as conn:
        thing = users.get(conn, call.ns, [user]).get(user)
    if thing is None:
        raise NotFoundError(f"there is no user {shown(user)}", subject="user", value=user)
    return thing


def _scrub(store: Store) -> None:
    """Overwrite the bytes of whoever was forgotten; what cannot be done now, the next cleaning does."""
    if not ALONE.acquire(blocking=False):
        return
    try:
        forgetting.scrub(store, most=forgetting.QUICK)
    except PalateError as error:
        log.warning("the bytes of the forgotten wait for the next cleaning: %s", error.code)
    finally:
        ALONE.release()
