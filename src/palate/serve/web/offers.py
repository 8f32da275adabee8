"""An operation of the page: who asks is a person in a cookie, not a key.

The page's operations are its own interface and may change with it, so they stand in no document. What changes
something comes from a page of this service alone: a browser tells in Origin from which.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from palate.errors import RequestError
from palate.serve.access import Caller
from palate.serve.asgi import Receive
from palate.serve.bodies import Asked, Id
from palate.serve.operations import Exchange, Offers, Operation, Reply
from palate.serve.web.admins import AdminSession
from palate.serve.web.guards import arrival, is_secure

READING = ("GET", "HEAD")
MEANT = b"palate-visitor"  # the header by which the page says whom it is open for


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks, and about whom.

    Attributes:
        person: whom the request is about.
        own: the person of the cookie.
        is_new: the cookie is set by this answer.
        may_name: may ask about others: this is a demonstration, or an admin asks.
        admin: the session of an admin, where the request comes with one.
    """

    person: str
    own: str
    is_new: bool
    may_name: bool
    admin: AdminSession | None = None

    @property
    def is_admin(self) -> bool:
        """Whether an admin asks."""
        return self.admin is not None


class OfPerson(Asked):
    """A request about a person: whoever asks, or who is named where that is allowed."""

    user: Id | None = None


class Sure(Asked):
    """A request of what cannot be taken back easily: the page asks twice, and says that it did."""

    sure: bool = False


class PageOperation(Operation):
    """An operation that visitors may ask for; one of the role "admin" wants the session of an admin besides."""

    async def reply(self, call: Exchange, receive: Receive) -> Reply:
        """Return the answer of a request, with a cookie for who is new.

        Raises:
            PalateError: the request is refused, or cannot be answered.
        """
        now = call.service.guard.clock()
        is_change = self.offer.method not in READING
        if is_change:
            check_origin(call)
        check_visit(call, now)
        call.visitor, headers = _visit(call, now)
        call.caller = _caller(call, self.offer.role)
        call.service.rates.take(call.caller.key)
        if is_change:
            call.service.guard.change(call.visitor.own)
        asked = await self._asked(call, receive)
        if isinstance(asked, OfPerson) and asked.user is not None:
            call.visitor = replace(call.visitor, person=await named(call, call.visitor, asked.user))
        if isinstance(asked, Sure) and not asked.sure:
            raise RequestError("sure: this cannot be undone by a click; say that you are sure", subject="sure")
        done = await self.offer.endpoint(call, asked)
        reply = done if isinstance(done, Reply) else Reply(done)
        own = {_cookie_of(header) for header in reply.headers}
        reply.headers = [*reply.headers, *(header for header in headers if _cookie_of(header) not in own)]
        return reply


def page_offers(tag: str) -> Offers:
    """Return a list for the operations of one part of the page."""
    return Offers(f"page: {tag}", PageOperation, documented=False)


def _visit(call: Exchange, now: float) -> tuple[Visit, list[tuple[bytes, bytes]]]:
    """Return who asks, and the cookies that the answer sets."""
    own, cookies, is_new = arrival(call, now)
    admins = call.service.guard.admins
    session = admins.read(call.headers.get(b"cookie", b""), now)
    headers = list(cookies)
    if session is not None and admins.is_to_renew(session, now):
        headers.append(admins.cookie(session, now, secure=is_secure(call)))
    may_name = session is not None or call.service.settings.page == "demo"
    return Visit(own, own, is_new, may_name, session), headers


def _caller(call: Exchange, role: str) -> Caller:
    """Return who asks, as the functions behind `/v1` know callers.

    Raises:
        RequestError: this is for admins, and none asks.
    """
    admin = call.visit.admin
    if admin is not None:
        return admin.caller
    if role == "admin":
        raise RequestError(
            "this is for admins: begin a session with a key of the role 'admin' ('palate keys create --role admin')",
            code="forbidden",
            subject="session",
        )
    return Caller(call.service.visitors.ns, "write")


async def named(call: Exchange, visit: Visit, user: str) -> str:
    """Return the person that a request names.

    Raises:
        RequestError: it is somebody else's business.
        NotFoundError: whoever asks may name others, and there is nobody of this id.
    """
    if user == visit.own:
        return user
    if not visit.may_name:
        raise RequestError("This page shows everybody their own lists alone.", code="not_yours", subject="user")
    typed: str = await asyncio.to_thread(call.service.engine.typed_user, call.ns, user)
    return typed


def check_visit(call: Exchange, now: float) -> None:
    """Refuse what a page asks for a visitor who is not, or not any more, the one of the cookie.

    Else a click would be kept for somebody else: a cookie ends, or is deleted, or another tab becomes somebody else.

    Raises:
        RequestError: the page says for whom it is open, and the cookie is not theirs.
    """
    meant = call.headers.get(MEANT)
    if meant is None:
        return
    if call.service.visitors.read(call.headers.get(b"cookie", b""), now) != unquote(meant.decode("latin-1")):
        raise RequestError(
            "Your visit has ended: this browser's cookie has run out, was deleted, or is somebody else's now.",
            code="expired",
            subject="visit",
        )


def check_origin(call: Exchange) -> None:
    """Refuse a change that no page of this service asks for.

    A browser that leaves Origin out says in Sec-Fetch-Site, which no script can write, where the page is from.

    Raises:
        RequestError: it comes from elsewhere, or does not say where from.
    """
    origin, host = call.headers.get(b"origin"), call.headers.get(b"host", b"")
    scheme = b"https" if is_secure(call) else b"http"
    if origin is None and call.headers.get(b"sec-fetch-site") == b"same-origin":
        return
    if origin is None or origin.lower() != scheme + b"://" + host.lower():
        raise RequestError(
            "changes are taken from a page of this service alone: Origin names another one, or none",
            code="origin",
            subject="origin",
        )


def _cookie_of(header: tuple[Any, Any]) -> bytes:
    """Return the name of the cookie that a header sets."""
    name, value = header
    return bytes(value.partition(b"=")[0]) if name == b"set-cookie" else b""
