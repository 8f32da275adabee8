"""Schedules: what a namespace does again and again, at fixed times. Jobs are what came of it.

Times stand on a grid: due, due + every, due + 2 every, …. Where several have passed unused, because nobody was there,
they are made up by one job, and the grid stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from palate.errors import ConflictError, NotFoundError, ParameterError
from palate.store import jobs
from palate.store.records import Namespace
from palate.store.schema import namespaces, schedules
from palate.store.times import now as time_now

if TYPE_CHECKING:
    from palate.store.store import Store

SECOND = 1_000_000
UNITS = {"m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
SHORTEST, LONGEST = 60 * SECOND, 366 * UNITS["d"]
LATEST = 32_503_680_000 * SECOND  # the year 3000: no time that is told lies beyond what a calendar holds
EVERY = re.compile(r"([1-9][0-9]{0,5})([mhd])")


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """What is done again and again; times in microseconds.

    Attributes:
        kind: of its jobs; a namespace has one schedule of a kind.
        every: between two times.
        due: the next time.
        details: of its jobs.
        paused: nothing is done until it goes on.
    """

    kind: str
    every: int
    due: int
    details: Mapping[str, Any] = field(default_factory=dict)
    paused: bool = False


def interval(text: str) -> int:
    """Return the microseconds of "30m", "12h" or "1d".

    Raises:
        ParameterError: it is none of these, or not from a minute to a year.
    """
    found = EVERY.fullmatch(text)
    micros = int(found[1]) * UNITS[found[2]] if found else 0
    if not SHORTEST <= micros <= LONGEST:
        raise ParameterError.outside("every", "a time such as 30m, 12h or 1d, from a minute to a year", text)
    return micros


def interval_said(micros: int) -> str:
    """Return an interval as `interval` reads it."""
    unit = next(unit for unit in ("d", "h", "m") if micros % UNITS[unit] == 0)
    return f"{micros // UNITS[unit]}{unit}"


def put(
    store: Store,
    ns: Namespace,
    kind: str,
    every: str,
    details: Mapping[str, Any] | None = None,
    first: int | None = None,
) -> StoredSchedule:
    """Make the schedule of a kind, or write it anew; one that was paused goes on.

    Args:
        store, ns, kind: of which jobs, where.
        every: how long from one to the next: "30m", "12h", "1d".
        details: of its jobs.
        first: the first time, microseconds; one that has passed is made up at once. None: after ``every``.

    Raises:
        ParameterError: every is no such time, or the first one is before 1970 or after 2999.
    """
    micros = interval(every)
    if first is not None and not 0 <= first < LATEST:
        raise ParameterError.of("first", "must be a time from 1970 to 2999: leave it out, or say another")
    row = {
        "every": micros,
        "due": time_now() + micros if first is None else first,
        "details": json.dumps(dict(details or {})),
        "paused": False,
    }
    with store.write() as conn:
        conn.execute(
            select(namespaces.c.key).where(namespaces.c.key == ns.key).with_for_update()
        )  # a second waits here
        if not conn.execute(update(schedules).where(*_of(ns, kind)).values(row)).rowcount:
            conn.execute(insert(schedules).values(namespace=ns.key, kind=kind, **row))
        return get(conn, ns, kind)


def get(conn: Connection, ns: Namespace, kind: str) -> StoredSchedule:
    """Return the schedule of a kind.

    Raises:
        NotFoundError: the namespace has none.
    """
    row = conn.execute(select(schedules).where(*_of(ns, kind))).mappings().first()
    if row is None:
        raise _absent(ns, kind)
    return _schedule(row)


def listed(conn: Connection, ns: Namespace) -> list[StoredSchedule]:
    """Return the schedules of a namespace, by kind."""
    query = select(schedules).where(schedules.c.namespace == ns.key).order_by(schedules.c.kind)
    return [_schedule(row) for row in conn.execute(query).mappings()]


def pause(store: Store, ns: Namespace, kind: str, *, paused: bool = True) -> StoredSchedule:
    """Do nothing more of a schedule until it is told to go on; what passed meanwhile is made up once.

    Raises:
        NotFoundError: the namespace has none of this kind.
    """
    with store.write() as conn:
        conn.execute(update(schedules).where(*_of(ns, kind)).values(paused=paused))
        return get(conn, ns, kind)


def remove(store: Store, ns: Namespace, kind: str) -> None:
    """Remove a schedule; a job of it that waits or runs goes on.

    Raises:
        NotFoundError: the namespace has none of this kind.
    """
    with store.write() as conn:
        if not conn.execute(delete(schedules).where(*_of(ns, kind))).rowcount:
            raise _absent(ns, kind)


def start_due(store: Store, now: int | None = None) -> list[tuple[Namespace, int]]:
    """Add a job for each schedule whose time has come, and return their namespaces and numbers.

    A time at which a job of the kind still waits or runs is passed over.

    Args:
        store: where.
        now: microseconds; None: the clock's.
    """
    now = time_now() if now is None else now
    query = select(schedules, namespaces.c.name, namespaces.c.id_kind)
    query = query.join(namespaces, namespaces.c.key == schedules.c.namespace)
    with store.read() as conn:
        rows = conn.execute(query.where(schedules.c.due <= now, schedules.c.paused.is_(False))).mappings().all()
    found = [(Namespace(row["namespace"], row["name"], row["id_kind"]), _schedule(row)) for row in rows]
    begun = [(ns, _begun(store, ns, schedule, now)) for ns, schedule in found]
    return [(ns, number) for ns, number in begun if number is not None]


def _begun(store: Store, ns: Namespace, schedule: StoredSchedule, now: int) -> int | None:
    """Set the next time of a schedule on its grid and add its job, both or neither; None where somebody else did."""
    due = schedule.due + (1 + (now - schedule.due) // schedule.every) * schedule.every
    with store.write() as conn:
        same = update(schedules).where(*_of(ns, schedule.kind), schedules.c.due == schedule.due)
        if conn.execute(same.values(due=due)).rowcount:
            with suppress(ConflictError):  # one still waits or runs: this time is passed over
                return jobs.add_only(conn, ns, schedule.kind, schedule.details, scheduled=schedule.due)
    return None


def _of(ns: Namespace, kind: str) -> tuple[Any, ...]:
    return schedules.c.namespace == ns.key, schedules.c.kind == kind


def _absent(ns: Namespace, kind: str) -> NotFoundError:
    return NotFoundError.of(f"namespace '{ns.name}'", f"has no schedule of {kind!r:.60}", value=kind)


def _schedule(row: RowMapping) -> StoredSchedule:
    plain = {name: row[name] for name in ("kind", "every", "due", "paused")}
    return StoredSchedule(details=json.loads(row["details"]), **plain)
