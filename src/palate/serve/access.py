"""Who asks: keys, their roles, and when a request needs none.

A key is found by the SHA-256 of its text in a dictionary of all keys that hold, read again whenever the store says that
one was made or revoked; each worker looks four times a second, so that a revoked key is dead everywhere within one.

Without a key a request may read and write, never administer, and only when all of this holds: the service listens on
this machine alone, no key exists yet, the request came from this machine under one of its own names, through no proxy,
and not from a page of another site.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from palate.errors import PalateError, RequestError, UnavailableError
from palate.serve.hosts import LOOPBACK, address_of
from palate.store.records import Namespace, Role
from palate.store.schema import keys, meta, namespaces

if TYPE_CHECKING:
    from palate.store.store import Store

log = logging.getLogger(__name__)
RANK: Final[Mapping[Role, int]] = {"read": 0, "write": 1, "admin": 2}
PROXIED = ("forwarded", "via", "x-real-ip")
HTTP_OF_CLIENTS = ("1.1", "2")  # a proxy that says nothing of itself asks by HTTP/1.0
HeaderMap = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a namespace, a role in it, and the number of the key, 0 without one."""

    ns: Namespace
    role: Role
    key: int = 0

    def may(self, role: Role) -> None:
        """Do nothing where this caller has the role.

        Raises:
            RequestError: it has not.
        """
        if RANK[self.role] < RANK[role]:
            raise RequestError(
                f"this needs a key of the role '{role}', and this one has '{self.role}'",
                code="forbidden",
                subject="key",
                value=self.role,
            )


class Access:
    """The keys of a store, as one worker knows them.

    Args:
        store: where they are.
        namespace: the name of the tenant that requests without a key belong to.
        host: what the service listens on.
        seconds: how often to look whether keys changed.
    """

    def __init__(self, store: Store, namespace: str, host: str, seconds: float) -> None:
        self._store, self._seconds = store, seconds
        self._local = is_loopback(host)
        self._known: dict[bytes, Caller] = {}
        self._by_number: dict[int, Caller] = {}
        self._changes: int | None = None
        self._any = True
        self._open = Caller(store.namespace(namespace), "write")
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="palate-keys", daemon=True)

    def start(self) -> None:
        """Read the keys, and go on looking for changes until `close`."""
        self.refresh()
        self._thread.start()

    def close(self) -> None:
        """Look no longer."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Read the keys again if one was made or revoked since."""
        with self._store.read() as conn:
            changes = int(conn.execute(select(meta.c.keys_changes)).scalar_one())
            if changes == self._changes:
                return
            rows = conn.execute(
                select(keys, namespaces.c.name.label("tenant"), namespaces.c.id_kind).join(
                    namespaces, keys.c.namespace == namespaces.c.key
                )
            ).all()
        self._known = {
            bytes(row.hash): Caller(Namespace(row.namespace, row.tenant, row.id_kind), row.role, row.key)
            for row in rows
            if row.revoked is None
        }
        self._by_number = {caller.key: caller for caller in self._known.values()}
        self._any, self._changes = bool(rows), changes

    def _watch(self) -> None:
        while not self._end.wait(self._seconds):
            try:
                self.refresh()
            except PalateError as error:  # the keys that were known hold until the store is back
                log.warning("keys cannot be read: %s", error.code)

    def caller(self, headers: HeaderMap, scope: Mapping[str, Any]) -> Caller:
        """Return who sends a request.

        Raises:
            RequestError: it has no key, one that does not hold, or needs one.
        """
        given = _key_in(headers)
        return self._keyless(headers, scope) if given is None else self.of_text(given)

    def of_text(self, key: bytes) -> Caller:
        """Return who has a key.

        Raises:
            RequestError: it is none, or was revoked.
        """
        found = self._known.get(hashlib.sha256(key).digest())
        if found is None:
            raise _refused("this key is not known, or was revoked")
        return found

    def of_key(self, number: int) -> Caller | None:
        """Return who has the key of a number; None where it is none, or was revoked."""
        return self._by_number.get(number)

    def _keyless(self, headers: HeaderMap, scope: Mapping[str, Any]) -> Caller:
        if self._changes is None:
            raise UnavailableError("the store has not been read yet", subject="store")
        if why := self._why_not(headers, scope):
            raise _refused(f"send a key ('Authorization: Bearer …' or 'X-API-Key: …'): {why}")
        return self._open

    def _why_not(self, headers: HeaderMap, scope: Mapping[str, Any]) -> str:
        """Return why a request needs a key, empty where it needs none."""
        if self._any:
            return "this service has keys"
        if not (self._local and is_loopback((scope.get("client") or ("",))[0])):
            return "this service can be reached from other machines; 'palate keys create' makes a key"
        if scope.get("http_version") not in HTTP_OF_CLIENTS or any(map(_of_a_proxy, headers)):
            return "the request came through a proxy; 'palate keys create' makes a key"
        if not is_loopback(name_in(headers.get(b"host", b""))):
            return "the request was sent to another name than this machine's own"
        if not _own_origin(headers.get(b"origin"), headers.get(b"host", b"")):
            return "the request comes from a page of another site"
        return ""


def _refused(why: str) -> RequestError:
    return RequestError(why, code="no_key", subject="key")


def _key_in(headers: HeaderMap) -> bytes | None:
    """Return the key that a request carries."""
    scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return bearer.strip()
    given = headers.get(b"x-api-key")
    if given is None and scheme:
        raise _refused("the service takes keys as 'Authorization: Bearer …' or 'X-API-Key: …'")
    return given


def is_loopback(name: str) -> bool:
    """Return whether a host's name or address is this machine, for itself alone."""
    address = address_of(name.strip("[]"))
    return name in LOOPBACK if address is None else address.is_loopback


def name_in(host: bytes) -> str:
    """Return the name of a Host header, without the port."""
    text = host.decode("latin-1").lower()
    return text[: text.find("]") + 1] if text.startswith("[") else text.partition(":")[0]


def _of_a_proxy(header: bytes) -> bool:
    name = header.decode("latin-1")
    return name.startswith("x-forwarded") or name in PROXIED


def _own_origin(origin: bytes | None, host: bytes) -> bool:
    """Return whether a browser sent the request from a page of this service, or no browser sent it."""
    return origin is None or origin.lower() in (b"http://" + host.lower(), b"https://" + host.lower())
