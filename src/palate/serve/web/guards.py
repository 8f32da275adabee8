"""Who is who on the page: visitors, users that an application handed over, admins; and how often each may ask."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from palate.errors import RequestError
from palate.serve.hosts import address_of
from palate.serve.limits import Rates
from palate.serve.web.admins import Admins
from palate.serve.web.handover import Handovers
from palate.serve.web.once import Once
from palate.serve.web.visitors import DAY, Visitors

if TYPE_CHECKING:
    from palate.serve.access import Access
    from palate.serve.operations import Exchange
    from palate.serve.settings import Settings
    from palate.store.store import Store

ARRIVALS = 60  # new visitors a minute of one address
TRIES = 5  # keys that one address may try a minute
HANDED = "handed-over"
ENDED = "ended-sessions"


class Guards:
    """Knows who is who on the page of one worker; what is remembered stands in the store's folder, for all workers.

    Args:
        store: whose people they are.
        settings: what the service was told.
        access: knows the keys.

    Attributes:
        clock: returns seconds since 1970.
    """

    def __init__(self, store: Store, settings: Settings, access: Access) -> None:
        ns, secret, folder = store.namespace(settings.namespace), store.secret, store.folder
        self.visitors = Visitors(secret, ns, settings.visitor_days * DAY)
        self.admins = Admins(secret, ns, access, Once(folder / ENDED), settings.admin_minutes * 60)
        self.handovers: Handovers | None = None
        if settings.handover_secret is not None:
            shared = settings.handover_secret.get_secret_value()
            self.handovers = Handovers(shared, ns.name, Once(folder / HANDED))
        self.clock: Callable[[], float] = time.time
        self._secret = secret
        self._changes = Rates(folder / "rates-visitors", settings.visitor_rate, max(1.0, 2 * settings.visitor_rate))
        self._arrivals = Rates(folder / "rates-arrivals", ARRIVALS / 60, ARRIVALS)
        self._tries = Rates(folder / "rates-keys", TRIES / 60, TRIES)

    def close(self) -> None:
        """Give the files back."""
        for rates in (self._changes, self._arrivals, self._tries):
            rates.close()

    def change(self, person: str) -> None:
        """Count a change of a visitor.

        Raises:
            RequestError: they change more than anybody can by hand.
        """
        self._changes.take(self._number(person), "That was very fast: wait a second, then go on.", "visitor")

    def arrive(self, call: Exchange) -> None:
        """Count a new visitor of an address.

        Raises:
            RequestError: too many come from there.
        """
        words = "Too many new visitors come from your address: try again in a minute, or let this site keep its cookie."
        self._arrivals.take(self._number(address(call)), words, "address")

    def try_key(self, call: Exchange) -> None:
        """Count a key that is tried.

        Raises:
            RequestError: too many are tried from this address.
        """
        self._tries.take(self._number(address(call)), "Too many keys were tried: wait a minute.", "address")

    def _number(self, text: str) -> int:
        """Return a number for a text, which nobody outside can aim at."""
        return int.from_bytes(hmac.digest(self._secret, b"palate rates " + text.encode(), hashlib.sha256)[:8], "big")


def address(call: Exchange) -> str:
    """Return where a request comes from: an address, or the network of 64 bits that one line of IPv6 gets."""
    text = str((call.scope.get("client") or ("",))[0])
    if call.service.settings.trust_proxy:  # the nearest proxy writes last
        text = call.headers.get(b"x-forwarded-for", b"").decode("latin-1").rpartition(",")[2].strip() or text
    found = address_of(text)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return text if found is None else str(found)


def arrival(call: Exchange, now: float) -> tuple[str, tuple[tuple[bytes, bytes], ...], bool]:
    """Return the person of a request, the cookie to send with the answer if any, and whether they are new.

    Raises:
        RequestError: they are new, and too many are from their address.
    """
    guard = call.service.guard
    visitors, secure = guard.visitors, is_secure(call)
    known = visitors.known(call.headers.get(b"cookie", b""), now)
    if known is None:
        guard.arrive(call)
        person = visitors.new()
        return person, (visitors.cookie(person, now, secure=secure),), True
    again = (visitors.cookie(known.person, now, secure=secure),) if visitors.is_to_renew(known, now) else ()
    return known.person, again, False


def greeting(call: Any) -> tuple[tuple[bytes, bytes], ...]:
    """Return the cookie that the document comes with: all that the page then asks at once is of one person."""
    try:
        return arrival(call, call.service.guard.clock())[1]
    except RequestError:  # too many come from there: the page says so when it asks
        return ()


def is_secure(call: Exchange) -> bool:
    """Return whether the browser came over TLS."""
    forwarded = call.headers.get(b"x-forwarded-proto", b"") if call.service.settings.trust_proxy else b""
    return bool((forwarded.split(b",")[0].strip() or call.scope.get("scheme", "").encode()) == b"https")
