"""Cursors of users, items and feedback: the id behind which the next page begins."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import TypeVar

from palate.errors import RequestError
from palate.serve.bodies import MANY

T = TypeVar("T")


def after(cursor: str) -> str:
    """Return the id of a cursor, "" for the first page.

    Raises:
        RequestError: it is none.
    """
    try:
        found = b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        found = "\0"
    if "\0" in found:  # which no id has
        raise RequestError("there is no such cursor: take that of the page before", subject="cursor")
    return found


def paged(found: Sequence[T], n: int, id_of: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """Return the rows of a page, of which one more was read, and the cursor of the next, "" at the end."""
    if len(found) <= n or not n:
        return found[:n], ""
    shown = found[:n]
    return shown, urlsafe_b64encode(id_of(shown[-1]).encode()).rstrip(b"=").decode()


def at_most(n: int) -> int:
    """Return how many a page holds."""
    return min(n, MANY)
