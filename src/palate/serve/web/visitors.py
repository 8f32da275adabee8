"""Visitors: a random person each, in a signed cookie.

A cookie holds the number of its form, when it was made, the namespace and the person, and 16 bytes of an HMAC-SHA-256
over these. The store's secret signs, so every worker knows every worker's visitors, and nobody makes a cookie of
somebody else.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import struct
from http.cookies import CookieError, SimpleCookie

from palate.store.records import Namespace

NAME = "palate_visitor"
HEAD = struct.Struct(">BIQ")  # form, made (seconds since 1970), namespace
FORM, TAG = 1, 16
YEAR = 365 * 24 * 3600
FIRST_NUMBER = 2**52  # persons of integer ids stand above the caller's own, where a float is still exact


class Visitors:
    """Makes and reads the cookies of visitors.

    Args:
        secret: the store's.
        ns: the namespace that visitors belong to.
        seconds: how long a cookie holds.
    """

    def __init__(self, secret: bytes, ns: Namespace, seconds: int = YEAR) -> None:
        self.ns, self._seconds = ns, seconds
        self._key = hmac.digest(secret, b"palate visitors", "sha256")

    def new(self) -> str:
        """Return the id of somebody new: nobody can guess it."""
        if self.ns.id_kind == "integer":
            return str(FIRST_NUMBER + secrets.randbelow(FIRST_NUMBER))
        return f"visitor-{secrets.token_urlsafe(16)}"

    def cookie(self, person: str, now: float, *, secure: bool) -> tuple[bytes, bytes]:
        """Return the header that gives a browser the cookie of a person.

        Args:
            person: whom the browser then is.
            now: seconds since 1970.
            secure: the browser came over TLS, and is to send the cookie over TLS alone.
        """
        body = HEAD.pack(FORM, int(now), self.ns.key) + person.encode()
        value = base64.urlsafe_b64encode(body + self._tag(body)).rstrip(b"=").decode()
        more = "; Secure" if secure else ""
        text = f"{NAME}={value}; Path=/; Max-Age={self._seconds}; HttpOnly; SameSite=Lax{more}"
        return b"set-cookie", text.encode()

    def read(self, header: bytes, now: float) -> str | None:
        """Return the person of a Cookie header; None where it has none of ours that holds now."""
        raw = _raw(header)
        body, tag = raw[:-TAG], raw[-TAG:]
        if len(body) <= HEAD.size or not hmac.compare_digest(tag, self._tag(body)):
            return None
        form, made, key = HEAD.unpack_from(body)
        if form != FORM or key != self.ns.key or now >= made + self._seconds:
            return None
        return body[HEAD.size :].decode()

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:TAG]


def _raw(header: bytes) -> bytes:
    """Return the bytes of the cookie, none where there is none that is written as one."""
    try:
        sent = SimpleCookie(header.decode("ascii")).get(NAME)
        value = "" if sent is None else sent.value
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (CookieError, UnicodeDecodeError, binascii.Error, ValueError):
        return b""
