"""Long pieces of work as rows: their state, how far they are, what they logged, and whether they are to stop.

A job waits, runs, and is done, has failed or was cancelled. Whoever does it calls `Run.step` now and then, which writes
how far it is and raises `StopAskedError` where somebody asked it to stop. Details and log name no user.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlalchemy import Connection, RowMapping, insert, select, update

from palate.errors import ConflictError, NotFoundError, PalateError
from palate.store.records import Namespace
from palate.store.schema import jobs
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.store import Store

State = Literal["waiting", "running", "done", "failed", "cancelled"]
OPEN = ("waiting", "running")
LONGEST_LOG = 100_000  # characters: the newest are kept


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as the store knows it; times in microseconds.

    Attributes:
        number: by which it is asked about.
        kind: such as "scrub".
        state: "waiting", "running", "done", "failed" or "cancelled".
        progress: from 0 to 1.
        created, started, ended: when.
        details: what it is to do, and what came of it.
        log: its lines.
        cancel_asked: it stops at its next step.
    """

    number: int
    kind: str
    state: State
    progress: float
    created: int
    started: int | None
    ended: int | None
    details: Mapping[str, Any] = field(default_factory=dict)
    log: str = ""
    cancel_asked: bool = False


class StopAskedError(PalateError):
    """A job was asked to stop."""


@dataclass(frozen=True, slots=True)
class Run:
    """A job that is running here.

    Attributes:
        store, ns: where.
        number: of the job.
    """

    store: Store
    ns: Namespace
    number: int

    def step(self, progress: float, line: str = "") -> None:
        """Write how far the job is, from 0 to 1, and a line of its log.

        Raises:
            StopAskedError: somebody asked it to stop.
        """
        with self.store.write() as conn:
            row = _row(conn, self.ns, self.number)
            log = f"{row['log']}{line}\n"[-LONGEST_LOG:] if line else row["log"]
            _set(conn, self.number, progress=min(max(progress, 0.0), 1.0), log=log)
        if _job(row).cancel_asked:
            raise StopAskedError(f"job {self.number} was asked to stop", subject="job", value=self.number)


def add(conn: Connection, ns: Namespace, kind: str, details: Mapping[str, Any] | None = None) -> int:
    """Add a job that waits, in the caller's write transaction, and return its number."""
    row = {"kind": kind, "state": "waiting", "progress": 0.0, "created": now(), "log": ""}
    made = insert(jobs).values(namespace=ns.key, details=json.dumps(dict(details or {})), **row)
    return int(conn.execute(made.returning(jobs.c.key)).scalar_one())


def get(conn: Connection, ns: Namespace, number: int) -> StoredJob:
    """Return a job.

    Raises:
        NotFoundError: the namespace has none of this number.
    """
    return _job(_row(conn, ns, number))


def listed(conn: Connection, ns: Namespace, kind: str | None = None, states: tuple[str, ...] = ()) -> list[StoredJob]:
    """Return the jobs of a namespace, the newest first; of one kind, or in some states, where that is said."""
    query = select(jobs).where(jobs.c.namespace == ns.key)
    query = query if kind is None else query.where(jobs.c.kind == kind)
    query = query.where(jobs.c.state.in_(states)) if states else query
    return [_job(row) for row in conn.execute(query.order_by(jobs.c.key.desc())).mappings()]


def cancel(store: Store, ns: Namespace, number: int) -> StoredJob:
    """Cancel a job that waits, or ask one that runs to stop at its next step; return it.

    Raises:
        NotFoundError: the namespace has no such job.
        ConflictError: it has ended already.
    """
    with store.write() as conn:
        job = _job(_row(conn, ns, number))
        if job.state == "waiting":
            _set(conn, number, state="cancelled", ended=now())
        elif job.state == "running":
            _set(conn, number, details=json.dumps({**job.details, "cancel_asked": True}))
        else:
            raise ConflictError.of(f"job {number}", f"is {job.state} already", value=number)
        return _job(_row(conn, ns, number))


@contextmanager
def running(store: Store, ns: Namespace, number: int) -> Iterator[Run]:
    """Run a job in a block: it is done where the block ends well, failed or cancelled where it raises.

    A job that was cancelled ends without an error; any other error goes on to the caller.

    Raises:
        NotFoundError: the namespace has no such job.
        ConflictError: it has ended already.
    """
    with store.write() as conn:
        job = _job(_row(conn, ns, number))
        if job.state not in OPEN:
            raise ConflictError.of(f"job {number}", f"is {job.state} already", value=number)
        _set(conn, number, state="running", started=now())
    try:
        yield Run(store, ns, number)
    except StopAskedError:
        _end(store, number, "cancelled")
    except BaseException as error:
        _end(store, number, "failed", type(error).__name__)
        raise
    else:
        _end(store, number, "done", progress=1.0)


def _end(store: Store, number: int, state: State, line: str = "", **more: Any) -> None:
    with store.write() as conn:
        log = conn.execute(select(jobs.c.log).where(jobs.c.key == number)).scalar_one()
        _set(conn, number, state=state, ended=now(), log=f"{log}{line}\n"[-LONGEST_LOG:] if line else log, **more)


def _row(conn: Connection, ns: Namespace, number: int) -> RowMapping:
    at = number if type(number) is int and 0 < number < 1 << 63 else 0
    row = conn.execute(select(jobs).where(jobs.c.namespace == ns.key, jobs.c.key == at)).mappings().first()
    if row is None:
        raise NotFoundError.of(f"job {number!r:.60}", "is not there", value=number)
    return row


def _set(conn: Connection, number: int, **values: Any) -> None:
    conn.execute(update(jobs).where(jobs.c.key == number).values(**values))


def _job(row: RowMapping) -> StoredJob:
    details = json.loads(row["details"])
    asked = bool(details.pop("cancel_asked", False))
    plain = {name: row[name] for name in ("kind", "progress", "created", "started", "ended", "log")}
    return StoredJob(number=row["key"], state=cast("State", row["state"]), details=details, cancel_asked=asked, **plain)
