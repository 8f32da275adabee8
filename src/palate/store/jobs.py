"""Long pieces of work as rows: their state, how far they are, what they logged, and whether they are to stop.

A job waits, runs, and is done, has failed or was cancelled. Whoever runs it says so every few seconds (its beat), and
calls `Run.step` now and then, which writes how far it is and raises `StopAskedError` where somebody asked it to stop. A
job whose owner is gone is failed by whoever looks next (`bury`). Details and log name no user.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from palate.errors import ConflictError, NotFoundError, PalateError
from palate.store import owners
from palate.store.beating import Beating
from palate.store.records import Namespace
from palate.store.schema import jobs, namespaces
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.store import Store

State = Literal["waiting", "running", "done", "failed", "cancelled"]
OPEN = ("waiting", "running")
LONGEST_LOG = 100_000  # characters: the newest are kept
SILENT = 60_000_000  # microseconds without a beat, after which an owner elsewhere counts as gone
KEPT = 1_000  # ended jobs of a namespace
BESIDE = ("outcome", "scheduled", "is_again", "cancel_asked")  # in the column of details, beside what is to be done
RESUMED = ("scrub",)  # kinds that wait again where their owner is gone: what they are to do is still to be done


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as the store knows it; times in microseconds.

    Attributes:
        number: by which it is asked about.
        kind: such as "scrub".
        state: "waiting", "running", "done", "failed" or "cancelled".
        progress: from 0 to 1.
        created, started, ended: when.
        details: what it is to do.
        outcome: what came of it.
        scheduled: the time of the schedule that began it; None: somebody asked for it.
        is_again: its process came to no end before, and it is done a second time.
        log: its lines.
        cancel_asked: it stops at its next step.
        owner: who runs it, or will (`palate.store.owners`).
        beat: when the owner last said so.
    """

    number: int
    kind: str
    state: State
    progress: float
    created: int
    started: int | None
    ended: int | None
    details: Mapping[str, Any] = field(default_factory=dict)
    outcome: Mapping[str, Any] = field(default_factory=dict)
    scheduled: int | None = None
    is_again: bool = False
    log: str = ""
    cancel_asked: bool = False
    owner: str | None = None
    beat: int | None = None

    @property
    def is_orphan(self) -> bool:
        """Whether it is open and whoever runs it, or was about to, is gone."""
        if self.state not in OPEN or (self.owner is None and self.state == "waiting"):
            return False
        gone = None if self.owner is None else owners.is_gone(self.owner)
        since = self.beat or self.started or self.created
        return now() - since > SILENT if gone is None else gone


class StopAskedError(PalateError):
    """A job was asked to stop."""


@dataclass(frozen=True, slots=True)
class Run:
    """A job that is running here.

    Attributes:
        store, ns: where.
        number: of the job.
        details: what it is to do, as it was when it began.
    """

    store: Store
    ns: Namespace
    number: int
    details: Mapping[str, Any] = field(default_factory=dict)

    def step(self, progress: float, line: str = "") -> None:
        """Write how far the job is, from 0 to 1, and a line of its log.

        Raises:
            StopAskedError: somebody asked it to stop, or took it for dead.
        """
        with self.store.write() as conn:
            row = _row(conn, self.ns, self.number)
            lost = row["state"] != "running" or row["owner"] != owners.here()
            if not lost:
                log = _longer(row["log"], line)
                _set(conn, self.number, progress=min(max(progress, 0.0), 1.0), log=log, beat=now())
        if lost:
            raise _LostError(f"job {self.number} was taken from this process", subject="job", value=self.number)
        if _job(row).cancel_asked:
            raise StopAskedError(f"job {self.number} was asked to stop", subject="job", value=self.number)

    def note(self, **outcome: Any) -> None:
        """Write what came of the job, by name."""
        with self.store.write() as conn:
            row = _row(conn, self.ns, self.number)
            known = json.loads(row["details"]).get("outcome", {})
            _say(conn, row, outcome={**known, **outcome})


class _LostError(StopAskedError):
    """Somebody took the owner for dead: what the row says stays."""


def add(
    conn: Connection,
    ns: Namespace,
    kind: str,
    details: Mapping[str, Any] | None = None,
    *,
    held: bool = False,
    scheduled: int | None = None,
) -> int:
    """Add a job that waits, in the caller's write transaction, and return its number.

    Args:
        conn, ns, kind: of what, where.
        details: what it is to do.
        held: this process will start it, and nobody else.
        scheduled: the time of the schedule that begins it.
    """
    said = {**(details or {}), **({} if scheduled is None else {"scheduled": scheduled})}
    row = {"kind": kind, "state": "waiting", "progress": 0.0, "created": now(), "log": ""}
    owner = {"owner": owners.here(), "beat": now()} if held else {}
    made = insert(jobs).values(namespace=ns.key, details=json.dumps(said), **row, **owner)
    return int(conn.execute(made.returning(jobs.c.key)).scalar_one())


def only_one(
    store: Store, ns: Namespace, kind: str, details: Mapping[str, Any] | None = None, *, held: bool = False
) -> int:
    """Add a job that waits, where none of its kind waits or runs, and return its number.

    Raises:
        ConflictError: one does; names it.
    """
    with store.write() as conn:
        return add_only(conn, ns, kind, details, held=held)


def add_only(conn: Connection, ns: Namespace, kind: str, details: Mapping[str, Any] | None = None, **more: Any) -> int:
    """Do what `only_one` does in the caller's write transaction, with the further words of `add`.

    Raises:
        ConflictError: one of its kind waits or runs; names it.
    """
    conn.execute(select(namespaces.c.key).where(namespaces.c.key == ns.key).with_for_update())  # a second waits here
    for there in listed(conn, ns, kind, OPEN):
        if not there.is_orphan:
            raise ConflictError.of(
                f"job {there.number}",
                f"is {there.state}, and one {kind} at a time is enough: wait until it ends, or cancel it",
                value=there.number,
            )
        _bury(conn, there)
    return add(conn, ns, kind, details, **more)


def take(store: Store, ns: Namespace, number: int) -> bool:
    """Keep a waiting job for this process to start; return False where somebody else did, or it no longer waits."""
    free = (jobs.c.key == number, jobs.c.namespace == ns.key, jobs.c.state == "waiting", jobs.c.owner.is_(None))
    with store.write() as conn:
        return conn.execute(update(jobs).where(*free).values(owner=owners.here(), beat=now())).rowcount == 1


def next_waiting(store: Store, kinds: Iterable[str]) -> tuple[Namespace, StoredJob] | None:
    """Return the job that has waited longest for a process of this machine, of all namespaces; None for none.

    There is none, either, while a job of these kinds runs on this machine: each may need all of its memory.
    """
    open_ones = select(jobs, namespaces.c.name, namespaces.c.id_kind).join(
        namespaces, namespaces.c.key == jobs.c.namespace
    )
    query = open_ones.where(jobs.c.state.in_(OPEN), jobs.c.kind.in_(tuple(kinds))).order_by(jobs.c.key)
    with store.read() as conn:
        rows = [
            (Namespace(row["namespace"], row["name"], row["id_kind"]), _job(row))
            for row in conn.execute(query).mappings()
        ]
    if any(job.owner is not None and owners.is_gone(job.owner) is False for _, job in rows):
        return None
    return next(((ns, job) for ns, job in rows if job.state == "waiting" and job.owner is None), None)


def get(conn: Connection, ns: Namespace, number: int) -> StoredJob:
    """Return a job.

    Raises:
        NotFoundError: the namespace has none of this number.
    """
    return _job(_row(conn, ns, number, write=False))


def listed(
    conn: Connection, ns: Namespace, kind: str | None = None, states: tuple[str, ...] = (), n: int | None = None
) -> list[StoredJob]:
    """Return the jobs of a namespace, the newest first: of a kind, in some states, n of them."""
    query = select(jobs).where(jobs.c.namespace == ns.key)
    query = query if kind is None else query.where(jobs.c.kind == kind)
    query = query.where(jobs.c.state.in_(states)) if states else query
    return [_job(row) for row in conn.execute(query.order_by(jobs.c.key.desc()).limit(n)).mappings()]


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
        elif job.state == "running" and job.is_orphan:
            _bury(conn, job, again=False)
        elif job.state == "running":
            _say(conn, _row(conn, ns, number), cancel_asked=True)
        else:
            raise _ended(job)
        return _job(_row(conn, ns, number))


def bury(store: Store, ns: Namespace | None = None) -> list[StoredJob]:
    """Fail the jobs whose owners are gone, of one namespace or of all; return them as they were.

    A kind of `RESUMED` waits again instead, and so does, once, what a schedule began.
    """
    query = select(jobs).where(jobs.c.state.in_(OPEN))
    query = query if ns is None else query.where(jobs.c.namespace == ns.key)
    with store.read() as conn:
        found = [job for row in conn.execute(query).mappings() if (job := _job(row)).is_orphan]
    done = []
    for job in found:
        with store.write() as conn:
            same = select(jobs.c.key).where(
                jobs.c.key == job.number, jobs.c.state == job.state, jobs.c.owner == job.owner
            )
            if conn.execute(same).first() is not None:
                _bury(conn, job)
                done.append(job)
    return done


def lose(store: Store, ns: Namespace, number: int, why: str) -> None:
    """Do with a job that is still open what `bury` does: its process is known to have ended; why goes into its log."""
    with store.write() as conn:
        job = _job(_row(conn, ns, number))
        if job.state in OPEN:
            _bury(conn, job, why)


def say(store: Store, ns: Namespace, number: int, line: str) -> None:
    """Add a line to the log of a job, whoever runs it."""
    with store.write() as conn:
        _set(conn, number, log=_longer(_row(conn, ns, number)["log"], line))


def forget_old(store: Store, ns: Namespace, keep: int = KEPT) -> int:
    """Delete the oldest of the ended jobs, but for so many; return how many are gone."""
    ended = (jobs.c.namespace == ns.key, jobs.c.state.not_in(OPEN))
    newest = select(jobs.c.key).where(*ended).order_by(jobs.c.key.desc()).limit(1).offset(keep)
    with store.read() as conn:
        last = conn.execute(newest).scalar()
    if last is None:
        return 0
    with store.write() as conn:
        return conn.execute(delete(jobs).where(*ended, jobs.c.key <= last)).rowcount


@contextmanager
def running(
    store: Store, ns: Namespace, number: int, *, when_asked: Callable[[], None] = lambda: None
) -> Iterator[Run]:
    """Run a job in a block: it is done where the block ends well, failed or cancelled where it raises.

    A job that was cancelled ends without an error; any other error goes on to the caller.

    Args:
        store, ns, number: which job.
        when_asked: called from another thread, once, when somebody asks the job to stop.

    Raises:
        NotFoundError: the namespace has no such job.
        ConflictError: it has ended already, another process runs it, or one of its kind runs that must be alone.
    """
    job = _begun(store, ns, number)
    try:
        with Beating(store, number, when_asked):
            yield Run(store, ns, number, job.details)
    except _LostError:
        return
    except StopAskedError:
        _end(store, number, "cancelled")
    except BaseException as error:
        _end(store, number, "failed", str(error) if isinstance(error, PalateError) else type(error).__name__)
        raise
    else:
        _end(store, number, "done", progress=1.0)


def _begun(store: Store, ns: Namespace, number: int) -> StoredJob:
    """Take a job over: this process runs it from now on."""
    try:
        with store.write() as conn:
            job = _job(_row(conn, ns, number))
            if job.state not in OPEN:
                raise _ended(job)
            if job.state == "running" and job.owner is not None and not job.is_orphan:
                raise ConflictError.of(f"job {number}", f"is running: {owners.words(job.owner)} is at it", value=number)
            _set(conn, number, state="running", started=now(), owner=owners.here(), beat=now())
            return job
    except IntegrityError as error:
        raise ConflictError.of(f"job {number}", f"cannot run: another {job.kind} runs already", value=number) from error


def _bury(conn: Connection, job: StoredJob, why: str = "", *, again: bool = True) -> None:
    """Fail a job whose owner is gone, or let it wait again."""
    log = _longer(job.log, why or f"its owner, {owners.words(job.owner or '')}, is gone")
    once = job.scheduled is not None and not job.is_again  # a time that came to nothing is made up
    if again and not job.cancel_asked and (once or job.kind in RESUMED):
        _set(conn, job.number, state="waiting", progress=0.0, owner=None, beat=None, log=log)
        query = select(jobs).where(jobs.c.key == job.number)
        _say(conn, conn.execute(query).mappings().one(), is_again=True, outcome={})
    else:
        _set(conn, job.number, state="cancelled" if job.cancel_asked else "failed", ended=now(), log=log)


def _end(store: Store, number: int, state: State, line: str = "", **more: Any) -> None:
    with store.write() as conn:
        at, log, owner = conn.execute(select(jobs.c.state, jobs.c.log, jobs.c.owner).where(jobs.c.key == number)).one()
        if (at, owner) == ("running", owners.here()):
            _set(conn, number, state=state, ended=now(), log=_longer(log, line), **more)


def _longer(log: str, line: str) -> str:
    return f"{log}{line}\n"[-LONGEST_LOG:] if line else log


def _ended(job: StoredJob) -> ConflictError:
    return ConflictError.of(f"job {job.number}", f"is {job.state} already", value=job.number)


def _row(conn: Connection, ns: Namespace, number: int, *, write: bool = True) -> RowMapping:
    """Return the row of a job; of one that is to be written nobody else writes meanwhile."""
    at = number if type(number) is int and 0 < number < 1 << 63 else 0
    query = select(jobs).where(jobs.c.namespace == ns.key, jobs.c.key == at)
    row = conn.execute(query.with_for_update() if write else query).mappings().first()
    if row is None:
        raise NotFoundError.of(f"job {number!r:.60}", "is not there", value=number)
    return row


def _set(conn: Connection, number: int, **values: Any) -> None:
    conn.execute(update(jobs).where(jobs.c.key == number).values(**values))


def _say(conn: Connection, row: RowMapping, **facts: Any) -> None:
    """Write facts into the column that holds what a job is to do, and what is known of it beside."""
    _set(conn, row["key"], details=json.dumps(json.loads(row["details"]) | facts))


def _job(row: RowMapping) -> StoredJob:
    details = json.loads(row["details"])
    beside = {name: details.pop(name) for name in BESIDE if name in details}
    plain = {name: row[name] for name in ("kind", "progress", "created", "started", "ended", "log", "owner", "beat")}
    return StoredJob(number=row["key"], state=cast("State", row["state"]), details=details, **beside, **plain)
