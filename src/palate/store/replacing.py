"""Feedback that takes the place of what was told before: of each kind, a user has one value for an item.

The log is only added to: what no longer counts is undone by an undo of each, in the transaction that adds the new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from palate.errors import ConflictError
from palate.store.checking import checked
from palate.store.ids import canonical
from palate.store.recording import record_events
from palate.store.records import UNDO, Event, Namespace, Receipt
from palate.store.rows import item_keys, user_keys
from palate.store.schema import events

if TYPE_CHECKING:
    from palate.store.store import Store

Of = tuple[str, str, str]  # user, item, kind
CHUNK = 500  # users and items of one query


@dataclass(frozen=True, slots=True)
class _Before:
    """What counts already, or waits, of a user, an item and a kind."""

    event_ids: tuple[str, ...] = ()
    value: float = 0.0


def put(store: Store, ns: Namespace, new: Sequence[Event], *, adding: bool = False) -> list[Receipt]:
    """Write events in the place of what there is of their user, item and kind; when this returns it is committed.

    Args:
        store, ns: where.
        new: without undos; several of one user, item and kind become one, by the same rule.
        adding: values are added up; else the new one alone counts.

    Returns:
        A receipt for each event that was written, or that happened before its user was forgotten.

    Raises:
        ParameterError: an event is none that the store keeps; nothing was written.
        DataError: one that the namespace's kinds do not allow; nothing was written.
        UnavailableError: the store cannot be written now; nothing was.
    """
    together = _together(ns, new, adding=adding)
    with store.write() as connection:
        before = _before(connection, ns, list(together))
        if adding:
            together = {of: _added(event, before.get(of)) for of, event in together.items()}
        receipts = record_events(connection, ns, [checked(ns, event) for event in together.values()])
        for receipt in receipts:
            if receipt.error is not None and not _is_forgotten(receipt):
                raise receipt.error
        taken = [of for of, receipt in zip(together, receipts, strict=True) if receipt.status == "new"]
        _undo(connection, ns, {of: before[of] for of in taken if of in before})
    return receipts


def withdraw(store: Store, ns: Namespace, user: str, item: str, kind: str | None = None) -> int:
    """Let what a user told of an item no longer count, of one kind or of all; returns how many events that are."""
    user, item = canonical(ns, user, "user"), canonical(ns, item, "item")
    with store.write() as connection:
        found = _before(connection, ns, [(user, item, kind or "")])
        found = {of: before for of, before in found.items() if kind in (None, of[2])}
        _undo(connection, ns, found)
    return sum(len(before.event_ids) for before in found.values())


def _together(ns: Namespace, new: Iterable[Event], *, adding: bool) -> dict[Of, Event]:
    """Return one event for each user, item and kind: the last, with the sum of the values where they are added up."""
    made: dict[Of, Event] = {}
    for event in new:
        of = (canonical(ns, event.user, "user"), canonical(ns, event.item, "item"), event.kind)
        earlier = made.pop(of, None)
        value = earlier.value if earlier is not None and adding else None
        made[of] = event if value is None else replace(event, value=(event.value or 0.0) + value)
    return made


def _added(event: Event, before: _Before | None) -> Event:
    return event if before is None else replace(event, value=(event.value or 0.0) + before.value)


def _is_forgotten(receipt: Receipt) -> bool:
    return isinstance(receipt.error, ConflictError) and receipt.error.subject == "user"


def _before(connection: Connection, ns: Namespace, wanted: Sequence[Of]) -> dict[Of, _Before]:
    """Return what there is of users and items, of all kinds, under the ids that were asked about."""
    found: dict[Of, _Before] = {}
    for first in range(0, len(wanted), CHUNK):
        part = wanted[first : first + CHUNK]
        accounts = user_keys(connection, ns, dict.fromkeys(user for user, *_ in part))
        goods = item_keys(connection, ns, dict.fromkeys(item for _, item, _ in part))
        pairs = {(accounts[u], goods[i]): (u, i) for u, i, _ in part if u in accounts and i in goods}
        for event_id, user, item, kind, value in _rows(connection, accounts.values(), goods.values()):
            if (user, item) in pairs:
                of = (*pairs[user, item], kind)
                earlier = found.get(of, _Before())
                found[of] = _Before((*earlier.event_ids, event_id), earlier.value + (value or 0.0))
    return found


def _rows(
    connection: Connection, accounts: Iterable[int], goods: Iterable[int]
) -> Iterator[tuple[str, int, int, str, float | None]]:
    undo = events.alias("undo")
    chosen = (
        select(events.c.event_id, events.c.user, events.c.item, events.c.kind, events.c.value)
        .where(events.c.user.in_(list(accounts)), events.c.item.in_(list(goods)), events.c.kind != UNDO)
        .where(~select(undo.c.key).where(undo.c.withdraws == events.c.key).exists())
        .order_by(events.c.key)
    )
    for row in connection.execute(chosen):
        yield row.event_id, row.user, row.item, row.kind, row.value


def _undo(connection: Connection, ns: Namespace, found: dict[Of, _Before]) -> None:
    undos = [
        Event(user, None, UNDO, withdraws=event_id)
        for (user, *_), before in found.items()
        for event_id in before.event_ids
    ]
    for receipt in record_events(connection, ns, [checked(ns, undo) for undo in undos]):
        if receipt.error is not None:
            raise receipt.error
