"""Sealed texts: what a cookie holds, and a proof that a worker of this store wrote it.

A seal is 16 bytes of an HMAC-SHA-256 under a key of its own for each purpose, so that no cookie passes for another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

from starlette.requests import cookie_parser

SIZE: Final = 16


class Seal:
    """Writes and reads the texts of one purpose.

    Args:
        secret: the store's.
        purpose: what the texts are for.
    """

    def __init__(self, secret: bytes, purpose: str) -> None:
        self._key = hmac.digest(secret, purpose.encode(), "sha256")

    def closed(self, body: bytes) -> str:
        """Return bytes as a text that `opened` reads."""
        return encoded(body + self._tag(body))

    def opened(self, text: str) -> bytes | None:
        """Return the bytes of a text, None for one that this store did not write."""
        raw = decoded(text)
        body, tag = raw[:-SIZE], raw[-SIZE:]
        return body if body and hmac.compare_digest(tag, self._tag(body)) else None

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:SIZE]


def encoded(raw: bytes) -> str:
    """Return bytes as base64url without its padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes of base64url, none where it is not written as `encoded` does."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if encoded(raw) == text else b""


def cookie_in(header: bytes, name: str) -> str:
    """Return the value of a cookie in a Cookie header, empty where it has none."""
    return cookie_parser(header.decode("latin-1")).get(name, "")


def set_cookie(name: str, value: str, seconds: int, *, same_site: str, secure: bool) -> tuple[bytes, bytes]:
    """Return the header that gives a browser a cookie that no script reads; with no seconds it is taken away."""
    more = "; Secure" if secure else ""
    return (
        b"set-cookie",
        f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{more}".encode(),
    )
