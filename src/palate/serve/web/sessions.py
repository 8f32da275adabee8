"""`/web/admin` and `/web/session`: a key becomes the session of an admin, a token of an application its user."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from palate.errors import RequestError
from palate.serve.answers import Said
from palate.serve.bodies import Asked, Nothing
from palate.serve.operations import Exchange, Reply
from palate.serve.routes.said import in_thread, users_id
from palate.serve.web.guards import is_secure
from palate.serve.web.offers import page_offers
from palate.serve.web.visitors import HANDED_OVER

offer = page_offers("sessions")
LONGEST = 1000  # of a key; of a token more, as an id has up to 512 bytes


class KeyShown(Asked):
    """A key of the role "admin"."""

    key: Annotated[SecretStr, Field(min_length=1, max_length=LONGEST)]


class TokenShown(Asked):
    """A token of `palate.serve.web.handover.token`."""

    token: Annotated[SecretStr, Field(min_length=1, max_length=2 * LONGEST)]


class IsAdmin(Said):
    """Whether an admin asks."""

    is_admin: bool


class IsUser(Said):
    """Whom the browser now is."""

    person: str


@offer("POST", "/web/admin", IsAdmin, role="write", errors=(401,))
async def begin_admin(call: Exchange, asked: KeyShown) -> Reply:
    """Begin a session of an admin."""
    service, now = call.service, call.service.guard.clock()
    service.guard.try_key(call)
    caller = service.access.of_text(asked.key.get_secret_value().strip().encode())
    caller.may("admin")
    if caller.ns.key != service.visitors.ns.key:
        raise RequestError("this key is of another namespace than this page", code="forbidden", subject="key")
    admins = service.guard.admins
    return Reply({"is_admin": True}, headers=[admins.cookie(admins.begun(caller, now), now, secure=is_secure(call))])


@offer("DELETE", "/web/admin", IsAdmin, role="write")
async def end_admin(call: Exchange, asked: Nothing) -> Reply:
    """End the session of an admin, in all its copies."""
    admins, session = call.service.guard.admins, call.visit.admin
    if session is not None:
        await in_thread(admins.end, session, call.service.guard.clock())
    return Reply({"is_admin": False}, headers=[admins.no_cookie(secure=is_secure(call))])


@offer("POST", "/web/session", IsUser, role="write", errors=(409,))
async def begin_session(call: Exchange, asked: TokenShown) -> Reply:
    """Let a browser be the user that an application hands over, for twelve hours."""
    guard, now = call.service.guard, call.service.guard.clock()
    if guard.handovers is None:
        raise RequestError(
            "this service takes no users of an application: it has no PALATE_HANDOVER_SECRET",
            code="not_offered",
            subject="token",
        )
    user = users_id(call, await in_thread(guard.handovers.user, asked.token.get_secret_value(), now))
    cookie = guard.visitors.cookie(user, now, secure=is_secure(call), seconds=HANDED_OVER)
    return Reply({"person": user}, headers=[cookie])
