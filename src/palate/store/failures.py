"""What databases say in their own codes, as Palate's errors: passing (`UnavailableError`) or lasting (`StoreError`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from palate.errors import Remedy, StoreError, UnavailableError

# first word of SQLite's name of an error: what it means
SQLITE_PASSING = {
    "SQLITE_BUSY": "is locked by another program",
    "SQLITE_CANTOPEN": "cannot be opened: is its folder there, and may this process write into it?",
    "SQLITE_FULL": "cannot be written: the disk is full",
    "SQLITE_IOERR": "cannot be read or written: the disk failed or is full",
    "SQLITE_LOCKED": "is locked by another connection",
    "SQLITE_NOMEM": "cannot be read: memory is used up",
    "SQLITE_PROTOCOL": "is locked by another program",
}
SQLITE_LASTING = {
    "SQLITE_AUTH": "may not be read by this process",
    "SQLITE_CORRUPT": "is damaged: go back to a backup",
    "SQLITE_NOTADB": "is no SQLite database",
    "SQLITE_PERM": "may not be read by this process",
    "SQLITE_READONLY": "may not be written by this process",
}
# PostgreSQL's SQLSTATE, or its first two characters
POSTGRES_PASSING = {
    "08": "lost its connection",
    "40": "was written by others at the same time",
    "53": "has no room left (disk, memory or connections)",
    "55": "is locked by others",
    "57": "is shutting down or starting",
    "58": "cannot read or write its disk",
}
POSTGRES_LASTING = {
    "42501": "does not let this user read or write its tables: grant it the rights",
    "42P01": "lacks a table: go back to a backup",
    "XX": "is damaged: go back to a backup",
}


@contextmanager
def explained(store: str) -> Iterator[None]:
    """Turn what a database raises in the block into errors of Palate.

    Args:
        store: the URL, without a password.

    Raises:
        UnavailableError: it may work when tried again; nothing was written.
        StoreError: somebody has to mend something.
    """
    try:
        yield
    except exc.TimeoutError as error:
        raise UnavailableError.of(store, "has all its connections in use: try again", code="unavailable") from error
    except exc.DBAPIError as error:
        raise _translated(store, error.orig or error, error) from error
    except sqlite3.Error as error:
        raise _translated(store, error, error) from error


def _translated(store: str, cause: BaseException, error: Exception) -> Exception:
    """Return the error of Palate for a database's; a mistake of ours stays what it is."""
    name = getattr(cause, "sqlite_errorname", None)
    if name is not None:
        word = "_".join(name.split("_")[:2])
        return _of(store, SQLITE_PASSING.get(word), SQLITE_LASTING.get(word), cause) or error
    if isinstance(cause, sqlite3.Error):
        return error
    state = getattr(cause, "sqlstate", None)
    if state is None and isinstance(error, exc.OperationalError):
        return _of(store, "cannot be reached", None, cause) or error
    said = state or ""
    lasting = POSTGRES_LASTING.get(said) or POSTGRES_LASTING.get(said[:2])
    return _of(store, POSTGRES_PASSING.get(said[:2]), lasting, cause) or error


def _of(store: str, passing: str | None, lasting: str | None, cause: BaseException) -> StoreError | None:
    said = f" ({' '.join(str(cause).split())[:300]})"
    if passing is not None:
        return UnavailableError.of(store, passing + said, Remedy("; try again: an event sent with its id counts once"))
    return None if lasting is None else StoreError.of(store, lasting + said)
