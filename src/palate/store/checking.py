"""Events as they come in, checked one by one before they wait for the group commit."""

from __future__ import annotations

import math
import secrets
from typing import Any, NamedTuple

from palate.errors import DataError, PalateError, ParameterError
from palate.store.ids import canonical, checked_text, list_bytes
from palate.store.records import UNDO, Event, Namespace
from palate.store.times import now

LAST = 253_402_300_800_000_000  # microseconds: the end of the year 9999
AHEAD = 86_400_000_000  # microseconds that a client's clock may be ahead of ours: an event of next year stays newest
KIND_BYTES = 64
LAST_PLACE = 1_000_000


class CheckedEvent(NamedTuple):
    """An event that may be written, or why it may not."""

    event_id: str
    made_id: bool
    user: str = ""
    item: str | None = None
    kind: str = ""
    value: float | None = None
    time: int | None = None
    source: str | None = None
    list_id: bytes | None = None
    place: int | None = None
    withdraws: str | None = None
    waits: bool = False
    error: PalateError | None = None

    def same(self, other: CheckedEvent) -> bool:
        """Whether another event of this id says the same; the client that sent it may differ, a time left out fits."""
        mine, theirs = self._content(), other._content()
        return mine == theirs and (other.time is None or other.time == self.time)

    def _content(self) -> tuple[Any, ...]:
        return self.user, self.item, self.kind, self.value, self.list_id, self.place, self.withdraws


def checked(ns: Namespace, event: Event) -> CheckedEvent:
    """Return an event as the store writes it; where it may not be written, the error is in it."""
    made = event.event_id is None
    event_id = secrets.token_hex(16) if event.event_id is None else event.event_id
    try:
        if not made:
            checked_text(event_id, "event_id")
        return _written(ns, event, event_id, made)
    except (ParameterError, DataError) as error:
        return CheckedEvent(event_id if isinstance(event_id, str) else repr(event_id), made, error=error)


def _written(ns: Namespace, event: Event, event_id: str, made: bool) -> CheckedEvent:
    kind = checked_text(event.kind, "kind", KIND_BYTES)
    undo = kind == UNDO
    if undo != (event.item is None) or undo != (event.withdraws is not None):
        _refuse("item", "is there in every event but an undo, which has withdraws", event.item)
    return CheckedEvent(
        event_id,
        made,
        canonical(ns, event.user, "user"),
        None if event.item is None else canonical(ns, event.item, "item"),
        kind,
        None if event.value is None else _finite(event.value),
        None if event.time is None else _past(event.time),
        None if event.source is None else checked_text(event.source, "source"),
        None if event.list_id is None else list_bytes(event.list_id),
        None if event.place is None else _placed(event),
        None if event.withdraws is None else checked_text(event.withdraws, "withdraws"),
        event.waits,
    )


def _past(time: int) -> int:
    time = _whole(time, "time", 0, LAST)
    if time > now() + AHEAD:
        _refuse("time", "must not be more than a day ahead of the service's clock", time)
    return time


def _placed(event: Event) -> int:
    if event.list_id is None:
        _refuse("place", "needs the list_id of the list that it is in", event.place)
    return _whole(event.place, "place", 1, LAST_PLACE)


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _refuse("value", "must be a finite number", value)
    return float(value)


def _whole(value: Any, what: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        _refuse(what, f"must be a whole number from {low} to {high}", value)
    return int(value)


def _refuse(what: str, why: str, value: object) -> None:
    raise ParameterError.of(what, f"{why}, got {value!r:.80}", value=value)
