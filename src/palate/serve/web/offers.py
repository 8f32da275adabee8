"""An operation of the page: who asks is a person in a cookie, not a key.

The page's operations are its own interface and may change with it, so they stand in no document. What changes
something comes from a page of this service alone: a browser tells in Origin from which.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from palate.errors import RequestError, UnavailableError
from palate.serve.access import Caller
from palate.serve.asgi import Receive
from palate.serve.bodies import Asked, Id
from palate.serve.operations import Exchange, Offers, Operation, Reply
from palate.serve.routes.said import users_id

if TYPE_CHECKING:
    from palate.serve.web.visitors import Visitors

READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks, and about whom.

    Attributes:
        person: whom the request is about.
        own: the person of the cookie.
        is_new: the cookie is set by this answer.
        may_name: may ask about others: this is a demonstration.
    """

    person: str
    own: str
    is_new: bool
    may_name: bool


class OfPerson(Asked):
    """A request about a person: whoever asks, or who is named where that is allowed."""

    user: Id | None = None


class PageOperation(Operation):
    """An operation that visitors may ask for."""

    async def reply(self, call: Exchange, receive: Receive) -> Reply:
        """Return the answer of a request, with a cookie for who is new.

        Raises:
            PalateError: the request is refused, or cannot be answered.
        """
        visitors = call.service.visitors
        if visitors is None:  # without a page no operation of it is offered
            raise UnavailableError("this service has no page", subject="page")
        if self.offer.method not in READING:
            check_origin(call)
        call.caller = Caller(visitors.ns, "write")
        call.service.rates.take(call.caller.key)
        now = time.time()
        own = visitors.read(call.headers.get(b"cookie", b""), now)
        call.visitor = visit = _visit(call, visitors, own)
        asked = await self._asked(call, receive)
        if isinstance(asked, OfPerson) and asked.user is not None:
            call.visitor = visit = replace(visit, person=named(call, visit, asked.user))
        done = await self.offer.endpoint(call, asked)
        reply = done if isinstance(done, Reply) else Reply(done)
        if visit.is_new:
            reply.headers = [*reply.headers, visitors.cookie(visit.own, now, secure=is_secure(call))]
        return reply


def page_offers(tag: str) -> Offers:
    """Return a list for the operations of one part of the page."""
    return Offers(f"page: {tag}", PageOperation, documented=False)


def _visit(call: Exchange, visitors: Visitors, own: str | None) -> Visit:
    person = own or visitors.new()
    return Visit(person, person, own is None, call.service.settings.page == "demo")


def named(call: Exchange, visit: Visit, user: str) -> str:
    """Return the person that a request names.

    Raises:
        RequestError: it is somebody else's business.
    """
    user = users_id(call, user)
    if user != visit.own and not visit.may_name:
        raise RequestError("this page shows you your own lists alone", code="not_yours", subject="user")
    return user


def check_origin(call: Exchange) -> None:
    """Refuse a change that no page of this service asks for.

    Raises:
        RequestError: it comes from elsewhere, or does not say where from.
    """
    origin, host = call.headers.get(b"origin", b""), call.headers.get(b"host", b"")
    scheme = b"https" if is_secure(call) else b"http"
    if origin.lower() != scheme + b"://" + host.lower():
        raise RequestError(
            "changes are taken from a page of this service alone: Origin names another one, or none",
            code="origin",
            subject="origin",
        )


def is_secure(call: Exchange) -> bool:
    """Return whether the browser came over TLS."""
    forwarded = call.headers.get(b"x-forwarded-proto", b"") if call.service.settings.trust_proxy else b""
    return bool((forwarded.split(b",")[0].strip() or call.scope.get("scheme", "").encode()) == b"https")
