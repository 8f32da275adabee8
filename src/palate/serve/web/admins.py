"""Sessions of admins: a key is exchanged for a cookie that ends soon, and no script ever has either.

A cookie holds the number of the key, which key it stands for being looked up at each request, so that it ends with its
key; a name of its own, by which it can be ended; and when the session began and when the cookie was made. It slides:
whoever goes on working gets a new one. After twelve hours the key is asked for again.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palate.serve.web.seals import Seal, cookie_in, set_cookie

if TYPE_CHECKING:
    from palate.serve.access import Access, Caller
    from palate.serve.web.once import Once
    from palate.store.records import Namespace

NAME = "palate_admin"
FORM, NAMED = 1, 16
BODY = struct.Struct(f">BIIQQ{NAMED}s")  # form, began, made (seconds since 1970), namespace, key, name
LONGEST = 12 * 3600  # seconds
FRESH = 60  # seconds until a cookie is made anew


@dataclass(frozen=True, slots=True)
class AdminSession:
    """Somebody who showed an admin's key.

    Attributes:
        caller: what the key allows.
        name: the session's.
        began, made: seconds since 1970.
    """

    caller: Caller
    name: bytes
    began: int
    made: int


class Admins:
    """Makes, reads and ends the sessions of admins of one namespace.

    Args:
        secret: the store's.
        ns: the namespace.
        access: knows the keys.
        ended: remembers sessions that were ended.
        seconds: how long a cookie holds.
    """

    def __init__(self, secret: bytes, ns: Namespace, access: Access, ended: Once, seconds: int) -> None:
        self.ns, self._access, self._ended, self._seconds = ns, access, ended, seconds
        self._seal = Seal(secret, "palate admins")

    def begun(self, caller: Caller, now: float) -> AdminSession:
        """Return a new session of whoever has a key."""
        return AdminSession(caller, secrets.token_bytes(NAMED), int(now), int(now))

    def cookie(self, session: AdminSession, now: float, *, secure: bool) -> tuple[bytes, bytes]:
        """Return the header that gives a browser the cookie of a session, made now."""
        body = BODY.pack(FORM, session.began, int(now), self.ns.key, session.caller.key, session.name)
        return set_cookie(NAME, self._seal.closed(body), self._seconds, same_site="Strict", secure=secure)

    def no_cookie(self, *, secure: bool) -> tuple[bytes, bytes]:
        """Return the header that takes the cookie away."""
        return set_cookie(NAME, "", 0, same_site="Strict", secure=secure)

    def read(self, header: bytes, now: float) -> AdminSession | None:
        """Return the session of a Cookie header; None where it has none that holds now."""
        body = self._seal.opened(cookie_in(header, NAME))
        if body is None or len(body) != BODY.size:
            return None
        form, began, made, ns, key, name = BODY.unpack(body)
        if form != FORM or ns != self.ns.key or now >= min(made + self._seconds, began + LONGEST):
            return None
        caller = self._access.of_key(key)
        if caller is None or caller.ns.key != ns or caller.role != "admin" or self._ended.is_used(name, _end(began)):
            return None
        return AdminSession(caller, name, began, made)

    def end(self, session: AdminSession, now: float) -> None:
        """Let a session's cookies, and copies of them, open nothing any more."""
        self._ended.use(session.name, _end(session.began), now)

    def is_to_renew(self, session: AdminSession, now: float) -> bool:
        """Return whether a new cookie is due, so that the session goes on."""
        return now - session.made >= FRESH


def _end(began: int) -> int:
    return began + LONGEST
