"""Visitors: a random person each, in a signed cookie.

A cookie holds the number of its form, when it was made, when it ends, the namespace and the person, sealed with the
store's secret (`palate.serve.web.seals`): every worker knows every worker's visitors, and nobody makes a cookie of
somebody else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from palate.serve.visitor_ids import new_visitor
from palate.serve.web.seals import Seal, cookie_in, set_cookie
from palate.store.records import Namespace

NAME = "palate_visitor"
HEAD = struct.Struct(">BIIQ")  # form, made, ends (seconds since 1970), namespace
FORM = 1
DAY = 24 * 3600
YEAR = 365 * DAY
HANDED_OVER = DAY // 2  # how long a user stays whom an application handed over
RENEWED = DAY  # age of a cookie from which whoever comes back gets a new one; of a short one a tenth of its life


@dataclass(frozen=True, slots=True)
class KnownVisitor:
    """What a cookie says: a person, when it was made, and when it ends; seconds since 1970."""

    person: str
    made: int
    ends: int


class Visitors:
    """Makes and reads the cookies of visitors.

    Args:
        secret: the store's.
        ns: the namespace that visitors belong to.
        seconds: how long a cookie holds.
    """

    def __init__(self, secret: bytes, ns: Namespace, seconds: int = YEAR) -> None:
        self.ns, self._seconds = ns, seconds
        self._seal = Seal(secret, "palate visitors")

    def new(self) -> str:
        """Return the id of somebody new: nobody can guess it."""
        return new_visitor(self.ns.id_kind)

    def cookie(self, person: str, now: float, *, secure: bool, seconds: int | None = None) -> tuple[bytes, bytes]:
        """Return the header that gives a browser the cookie of a person.

        Args:
            person: whom the browser then is.
            now: seconds since 1970.
            secure: the browser came over TLS, and is to send the cookie over TLS alone.
            seconds: how long it holds; without it, as long as those of visitors do.
        """
        lasts = self._seconds if seconds is None else seconds
        value = self._seal.closed(HEAD.pack(FORM, int(now), int(now) + lasts, self.ns.key) + person.encode())
        return set_cookie(NAME, value, lasts, same_site="Lax", secure=secure)

    def read(self, header: bytes, now: float) -> str | None:
        """Return the person of a Cookie header; None where it has none of ours that holds now."""
        known = self.known(header, now)
        return None if known is None else known.person

    def known(self, header: bytes, now: float) -> KnownVisitor | None:
        """Return what a Cookie header says; None where it has none of ours that holds now."""
        body = self._seal.opened(cookie_in(header, NAME))
        if body is None or len(body) <= HEAD.size:
            return None
        form, made, ends, key = HEAD.unpack_from(body)
        if form != FORM or key != self.ns.key or now >= ends:
            return None
        return KnownVisitor(body[HEAD.size :].decode(), made, ends)

    def is_to_renew(self, known: KnownVisitor, now: float) -> bool:
        """Return whether a cookie of a visitor, not of a user handed over, is so old that it is made anew."""
        lasts = known.ends - known.made
        return lasts > HANDED_OVER and now - known.made > min(RENEWED, lasts / 10)
