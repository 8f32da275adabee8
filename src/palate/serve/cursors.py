"""Cursors: where the following page of a list begins, opaque and signed.

A cursor is 16 bytes of list id, place, number and the time it expires, and 16 bytes of an HMAC-SHA-256 over these, the
namespace, the key and the person. So it holds for the key and the person it was made for, and for nobody else: to
others it is as one that does not exist. The store's secret signs, so every worker knows every worker's cursors.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from dataclasses import dataclass

from palate.errors import NotFoundError, RequestError

LAYOUT = struct.Struct(">16sHHI")  # list id, first place, number, expires (seconds since 1970)
TAG = 16  # bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a cursor is for: the namespace's and the key's numbers, and the person, None for a session."""

    namespace: int
    key: int
    user: str | None


@dataclass(frozen=True, slots=True)
class CursorPage:
    """The page that a cursor asks for: places ``first`` to ``first + n - 1`` of a list."""

    list_id: str
    first: int
    n: int


class Cursors:
    """Makes cursors and reads them.

    Args:
        secret: the store's.
        seconds: how long a cursor holds.
    """

    def __init__(self, secret: bytes, seconds: int) -> None:
        self._key = hmac.digest(secret, b"palate cursors", "sha256")
        self._seconds = seconds

    def made(self, page: CursorPage, holder: Holder, now: float) -> str:
        """Return the cursor of a page."""
        body = LAYOUT.pack(bytes.fromhex(page.list_id), page.first, page.n, int(now) + self._seconds)
        return base64.urlsafe_b64encode(body + self._tag(body, holder)).rstrip(b"=").decode()

    def read(self, cursor: str, holder: Holder, now: float) -> CursorPage:
        """Return the page of a cursor.

        Raises:
            NotFoundError: none was made like this for this key and this person.
            RequestError: it has expired.
        """
        raw = _raw(cursor)
        body, tag = raw[: LAYOUT.size], raw[LAYOUT.size :]
        if len(raw) != LAYOUT.size + TAG or not hmac.compare_digest(tag, self._tag(body, holder)):
            raise NotFoundError("there is no such cursor for this key and this person", subject="cursor")
        list_id, first, n, expires = LAYOUT.unpack(body)
        if now >= expires:
            raise RequestError("this cursor has expired: ask for a new list", code="expired", subject="cursor")
        return CursorPage(list_id.hex(), first, n)

    def _tag(self, body: bytes, holder: Holder) -> bytes:
        who = b"\0" if holder.user is None else b"\1" + holder.user.encode()
        text = body + struct.pack(">QQ", holder.namespace, holder.key) + who
        return hmac.digest(self._key, text, "sha256")[:TAG]


def _raw(cursor: str) -> bytes:
    """Return the bytes of a cursor, none where it is not written as one."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == cursor else b""
