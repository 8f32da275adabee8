"""Schedules: what is done again and again, and when next; at most one of a kind in a namespace.

The rows are all there is: a schedule survives a restart, and of several workers that find it due one takes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.dialects import postgresql, sqlite

from palate.errors import NotFoundError, ParameterError
from palate.store.records import IdKind, Namespace
from palate.store.schema import namespaces, schedules
from palate.store.times import now as time_now

if TYPE_CHECKING:
    from palate.store.store import Store

MINUTE = 60_000_000  # microseconds
LONGEST = 366 * 24 * 60 * MINUTE
LAST = 1 << 62  # microseconds: no due time lies behind it


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as the store knows it; times in microseconds.

    Attributes:
        kind: of its jobs: "retrain".
        every: from one time to the next.
        due: the next time.
        details: of its jobs.
        paused: it is not done until somebody says otherwise.
    """

    kind: str
    every: int
    due: int
    details: Mapping[str, Any] = field(default_factory=dict)
    paused: bool = False


def put(
    store: Store,
    ns: Namespace,
    kind: str,
    every: int,
    due: int | None = None,
    details: Mapping[str, Any] | None = None,
    paused: bool = False,
) -> Schedule:
    """Write the schedule of a kind of job, in place of the one that was there.

    Args:
        store, ns: where.
        kind: of its jobs.
        every: microseconds from one time to the next: a minute to 366 days.
        due: the next time; None: ``every`` from now.
        details: of its jobs, as JSON holds them.
        paused: keep it, and do nothing.

    Raises:
        ParameterError: a value is outside its range.
    """
    if type(every) is not int or not MINUTE <= every <= LONGEST:
        raise ParameterError.outside("every", "microseconds, from a minute to 366 days", every)
    if due is not None and (type(due) is not int or not 0 <= due <= LAST):
        raise ParameterError.outside("due", "microseconds since 1970", due)
    made = Schedule(kind, every, time_now() + every if due is None else due, dict(details or {}), paused)
    row = {"every": every, "due": made.due, "details": json.dumps(made.details), "paused": paused}
    with store.write() as conn:
        dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
        new = dialect.insert(schedules).values(namespace=ns.key, kind=kind, **row)
        conn.execute(new.on_conflict_do_update(index_elements=["namespace", "kind"], set_=row))
    return made


def get(conn: Connection, ns: Namespace, kind: str) -> Schedule:
    """Return a schedule.

    Raises:
        NotFoundError: the namespace has none of this kind.
    """
    row = conn.execute(_of(ns).where(schedules.c.kind == kind)).one_or_none()
    if row is None:
        raise _not_found(kind)
    return _schedule(row)


def listed(conn: Connection, ns: Namespace) -> list[Schedule]:
    """Return the schedules of a namespace, by kind."""
    return [_schedule(row) for row in conn.execute(_of(ns).order_by(schedules.c.kind))]


def delete(store: Store, ns: Namespace, kind: str) -> None:
    """Delete a schedule; a job that it started goes on.

    Raises:
        NotFoundError: the namespace has none of this kind.
    """
    gone = delete_rows(schedules).where(schedules.c.namespace == ns.key, schedules.c.kind == kind)
    with store.write() as conn:
        if not conn.execute(gone).rowcount:
            raise _not_found(kind)


def all_due(conn: Connection, now: int | None = None) -> list[tuple[Namespace, Schedule]]:
    """Return what is due in all namespaces, the longest due first.

    Args:
        conn: of a read transaction.
        now: microseconds; None: by the clock.
    """
    time = time_now() if now is None else now
    of = (namespaces.c.key.label("ns_key"), namespaces.c.name.label("ns_name"), namespaces.c.id_kind)
    query = select(schedules, *of).join(namespaces, namespaces.c.key == schedules.c.namespace)
    query = query.where(schedules.c.due <= time, schedules.c.paused.is_(False))
    rows = conn.execute(query.order_by(schedules.c.due, schedules.c.key))
    return [(_namespace(row), _schedule(row)) for row in rows]


def taken(store: Store, ns: Namespace, due: Schedule, now: int | None = None) -> bool:
    """Take a schedule that is due, and set its next time; of several who try, one is told True.

    What was missed while nothing ran is made up once: the next time is the first of its times that lies ahead.

    Args:
        store, ns: where.
        due: the schedule, as `all_due` gave it.
        now: microseconds; None: by the clock.
    """
    time = time_now() if now is None else now
    following = due.due + due.every * (max(time - due.due, 0) // due.every + 1)
    same = (schedules.c.namespace == ns.key, schedules.c.kind == due.kind, schedules.c.due == due.due)
    change = update(schedules).where(*same, schedules.c.paused.is_(False)).values(due=following)
    with store.write() as conn:
        return bool(conn.execute(change).rowcount)


def _of(ns: Namespace) -> Select[Any]:
    return select(schedules).where(schedules.c.namespace == ns.key)


def _schedule(row: Any) -> Schedule:
    return Schedule(row.kind, row.every, row.due, json.loads(row.details), bool(row.paused))


def _namespace(row: Any) -> Namespace:
    kind: IdKind = row.id_kind
    return Namespace(row.ns_key, row.ns_name, kind)


def _not_found(kind: str) -> NotFoundError:
    return NotFoundError.of(f"the schedule of '{kind:.60}'", "is not there", value=kind)
