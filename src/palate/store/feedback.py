"""Feedback: an append-only log of what users did, written through the group commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, Select, func, select, update

from palate.errors import ConflictError, ParameterError
from palate.store.ids import canonical
from palate.store.records import UNDO, Event, Namespace, Receipt
from palate.store.rows import add_users, user_keys
from palate.store.schema import WAITS, events, items, lists, users
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.store import Store


def add(store: Store, ns: Namespace, new: Sequence[Event]) -> list[Receipt]:
    """Write events, and return a receipt for each when they are committed.

    Raises:
        UnavailableError: the store cannot be written now; nothing was.
    """
    return store.writer.feedback(ns, new).result()


def of_user(connection: Connection, ns: Namespace, user: str) -> list[Event]:
    """Return what counts of a user's events now, by receipt: without undone ones, undos, and what waits."""
    key = user_keys(connection, ns, [user]).get(user)
    if key is None:
        return []
    return [_event(row) for row in connection.execute(_counting(ns).where(events.c.user == key)).mappings()]


def log(connection: Connection, ns: Namespace, after: int = 0, until: int | None = None) -> Iterator[tuple[int, Event]]:
    """Yield all events of a namespace as (key, event) in the order of receipt, also undos and what they undid.

    Args:
        connection: of a read transaction.
        ns: the namespace.
        after, until: keys; those above ``after`` and up to ``until``.
    """
    chosen = _all(ns).where(events.c.key > after)
    if until is not None:
        chosen = chosen.where(events.c.key <= until)
    for row in connection.execution_options(yield_per=10_000).execute(chosen).mappings():
        yield row["key"], _event(row)


def page(connection: Connection, ns: Namespace, after: str, n: int, kind: str | None = None) -> list[Event]:
    """Return so many events that count, in the order of their ids, those behind an id; "" is before all."""
    chosen = _counting(ns).where(events.c.event_id > after, *([] if kind is None else [events.c.kind == kind]))
    return [
        _event(row) for row in connection.execute(chosen.order_by(None).order_by(events.c.event_id).limit(n)).mappings()
    ]


def of_item(connection: Connection, ns: Namespace, item: str, n: int, kind: str | None = None) -> list[Event]:
    """Return the newest events that count on an item, at most n; all of the namespace are looked through."""
    chosen = _counting(ns).where(items.c.id == item, *([] if kind is None else [events.c.kind == kind]))
    chosen = chosen.order_by(None).order_by(events.c.key.desc()).limit(n)
    return [_event(row) for row in connection.execute(chosen).mappings()]


def _all(ns: Namespace) -> Select[Any]:
    undone = events.alias("undone")
    return (
        select(events, users.c.id.label("user_id"), items.c.id.label("item_id"), undone.c.event_id.label("withdrawn"))
        .join(users, users.c.key == events.c.user)
        .outerjoin(items, items.c.key == events.c.item)
        .outerjoin(undone, undone.c.key == events.c.withdraws)
        .where(events.c.namespace == ns.key)
        .order_by(events.c.key)
    )


def _counting(ns: Namespace) -> Select[Any]:
    undo = events.alias("undo")
    is_undone = select(undo.c.key).where(undo.c.withdraws == events.c.key).exists()
    waits = (events.c.received == events.c.time + WAITS) & (events.c.received > now())
    return _all(ns).where(events.c.kind != UNDO, ~is_undone, ~waits)


def _event(row: RowMapping) -> Event:
    return Event(
        user=row["user_id"],
        item=row["item_id"],
        kind=row["kind"],
        value=row["value"],
        time=row["time"],
        event_id=row["event_id"],
        source=row["source"],
        list_id=None if row["list_id"] is None else bytes(row["list_id"]).hex(),
        place=row["place"],
        withdraws=row["withdrawn"],
    )


def merge(store: Store, ns: Namespace, visitor: str, account: str) -> int:
    """Give an anonymous visitor's events and lists to an account, and what comes under the visitor's id from now on.

    Args:
        store: the store.
        ns: the namespace.
        visitor: who is merged; need not be known yet.
        account: who goes on; need not be known yet.

    Returns:
        How many events went over; 0 where the two are one already.

    Raises:
        ParameterError: both are the same id.
        ConflictError: the visitor was merged into another account.
    """
    visitor, account = canonical(ns, visitor, "visitor"), canonical(ns, account, "account")
    if visitor == account:
        raise ParameterError.of("visitor", "must be another id than the account's", value=visitor)
    with store.write() as connection:
        known = user_keys(connection, ns, [visitor, account])
        add_users(connection, ns, known, [visitor, account], now())
        return _merged(connection, ns, visitor, known[account])


def _merged(connection: Connection, ns: Namespace, visitor: str, target: int) -> int:
    own = select(users.c.key, users.c.merged_into).where(users.c.namespace == ns.key, users.c.id == visitor)
    key, into = connection.execute(own).one()
    if into == target:
        return 0
    if into is not None:
        raise ConflictError.of(f"visitor '{visitor}'", "is merged into another account already", value=visitor)
    if key == target:
        raise ConflictError.of(
            f"visitor '{visitor}'", "is the account that the other id was merged into", value=visitor
        )
    moved = connection.execute(update(events).where(events.c.user == key).values(user=target)).rowcount
    connection.execute(update(lists).where(lists.c.user == key).values(user=target))
    alike = (users.c.key == key) | (users.c.merged_into == key)
    connection.execute(update(users).where(alike).values(merged_into=target, updated=now()))
    both = users.c.key.in_([key, target])
    last, counter = connection.execute(
        select(func.max(users.c.last_event), func.max(users.c.counter)).where(both)
    ).one()
    raised = {
        "last_event": last,
        "counter": counter + 1,
    }  # above both: what an id counts never falls to a number it had
    connection.execute(update(users).where(both).values(raised))
    return moved
