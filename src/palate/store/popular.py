"""What is popular, trending and new in a namespace, from counts of events a day.

`record` and `take_back` keep the counts in the transaction that writes or deletes events; `recount` makes them anew, as
after a change of what is positive. Counts hold no user. A day is one of UTC, by the time when an event happened; all
days together are one more row of each item, so that what is popular of all time is read from few rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, case, delete, exists, func, insert, literal, select

from palate.errors import ParameterError
from palate.store.conditions import clauses_of, is_number
from palate.store.kinds import DAY, Kinds, kinds_of
from palate.store.many import inserts
from palate.store.records import Namespace
from palate.store.rule import EVENT, Log, positive
from palate.store.schema import daily, events, items
from palate.store.times import now as time_now

ALL_DAYS = -1_000_000_000  # stands for a day in the row of all days
BEFORE = 4  # as many times the recent days are what is usual, for trending
Happened = tuple[int, str, float | None, int]  # item key, kind, value, microseconds
_SLOTS = ("namespace", "day", "item", "positives", "events")


@dataclass(frozen=True, slots=True)
class Counted:
    """An item of a list that is nobody's own.

    Attributes:
        key: the store's.
        id: the caller's.
        score: positive events (popular), how far above what is usual (trending), or when it came (latest).
    """

    key: int
    id: str
    score: float


def record(conn: Connection, ns: Namespace, new: Iterable[Happened], withdrawn: Sequence[int] = ()) -> None:
    """Count events that were written in this transaction.

    Args:
        conn, ns: where.
        new: events other than undos.
        withdrawn: keys of the events that the undos of this transaction withdraw, one for each undo.
    """
    record_log(conn, ns, _log(kinds_of(conn, ns), new), withdrawn)


def record_log(conn: Connection, ns: Namespace, log: Log, withdrawn: Sequence[int] = ()) -> None:
    """Count events, as `record` does, that are columns already: of an import."""
    kinds = kinds_of(conn, ns)
    gone = _log(kinds, _withdrawn_now(conn, ns, withdrawn))
    _add(conn, ns, kinds, (log, 1), (gone, -1))


def take_back(conn: Connection, ns: Namespace, gone: Iterable[Happened]) -> None:
    """Count events no longer, which are deleted in this transaction and were not withdrawn before."""
    kinds = kinds_of(conn, ns)
    _add(conn, ns, kinds, (_log(kinds, gone), -1))


def recount(conn: Connection, ns: Namespace) -> None:
    """Count the whole log of a namespace anew, by the kinds that it has now."""
    kinds = kinds_of(conn, ns)
    undo = events.alias("undo")
    happened = (
        select(_day_of_events().label("day"), events.c.item, _is_positive(kinds).label("positive"))
        .where(
            events.c.namespace == ns.key,
            events.c.kind.in_(kinds.names),
            ~exists().where(undo.c.withdraws == events.c.key),
        )
        .subquery()
    )
    of = happened.c.day, happened.c.item
    counted = select(literal(ns.key), *of, func.sum(happened.c.positive), func.count()).group_by(*of)
    conn.execute(delete(daily).where(daily.c.namespace == ns.key))
    conn.execute(insert(daily).from_select(list(_SLOTS), counted))
    sums = func.sum(daily.c.positives), func.sum(daily.c.events)
    whole = select(literal(ns.key), literal(ALL_DAYS), daily.c.item, *sums)
    whole = whole.where(daily.c.namespace == ns.key).group_by(daily.c.item)
    conn.execute(insert(daily).from_select(list(_SLOTS), whole))


def popular(conn: Connection, ns: Namespace, n: int | None = None, days: int | None = None) -> list[Counted]:
    """Return items by their positive events, most first; hidden items and those without any are left out.

    Args:
        conn, ns: where.
        n: how many; None: all.
        days: of the last so many days alone, today's counted; None: of all.

    Raises:
        ParameterError: days is no number from 1.
    """
    score = func.sum(daily.c.positives)
    query = _counted(ns, score).having(score > 0).order_by(score.desc(), items.c.id)
    of = daily.c.day == ALL_DAYS if days is None else daily.c.day > _today() - _whole_days(days)
    query = query.where(of)
    return _listed(conn, query, n)


def trending(
    conn: Connection, ns: Namespace, n: int | None = None, days: int = 7, today: int | None = None
) -> list[Counted]:
    """Return items whose positive events of the last days are most above what is usual for them.

    The score is (r - e) / sqrt(e + 1) of r recent events and e that were to be expected: the mean of the four spans of
    as many days before. Items that are not above it are left out, and hidden ones.

    Args:
        conn, ns: where.
        n: how many; None: all.
        days: how many days are recent, today's counted.
        today: the day since 1970; None: the clock's.

    Raises:
        ParameterError: days is no number from 1.
    """
    span, end = _whole_days(days), _today() if today is None else today
    recent = func.sum(case((daily.c.day > end - span, daily.c.positives), else_=0))
    in_all = func.sum(daily.c.positives)
    query = _counted(ns, recent, in_all).where(daily.c.day > end - span * (1 + BEFORE), daily.c.day <= end)
    rows = conn.execute(query.having(recent > 0)).all()
    made = [Counted(key, item, _above(int(r), int(total) - int(r))) for key, item, r, total in rows]
    return sorted((one for one in made if one.score > 0), key=lambda one: (-one.score, one.id))[:n]


def latest(conn: Connection, ns: Namespace, n: int | None = None) -> list[Counted]:
    """Return items by when the store first had them, newest first, without hidden ones; the score is that time."""
    query = select(items.c.key, items.c.id, items.c.created).where(*_shown(ns))
    return _listed(conn, query.order_by(items.c.created.desc(), items.c.key.desc()), n)


def _log(kinds: Kinds, happened: Iterable[Happened]) -> Log:
    known = [(0, item, kinds.codes[kind], value, time) for item, kind, value, time in happened if kind in kinds.codes]
    return Log.of(np.array(known, EVENT) if known else np.empty(0, EVENT))


def _add(conn: Connection, ns: Namespace, kinds: Kinds, *signed: tuple[Log, int]) -> None:
    """Add the events of logs, times their signs, to the counts of their days and of all days."""
    day = np.concatenate([log.time // DAY for log, _ in signed])
    item = np.concatenate([log.item for log, _ in signed])
    sign = np.concatenate([np.full(len(log), sign) for log, sign in signed])
    good = np.concatenate([positive(log, kinds) for log, _ in signed])
    if not len(day):
        return
    day, item = np.concatenate([day, np.full(len(day), ALL_DAYS)]), np.tile(item, 2)
    order = np.lexsort((item, day))
    day, item = day[order], item[order]
    first = np.flatnonzero(np.r_[True, (day[1:] != day[:-1]) | (item[1:] != item[:-1])])
    counts = [np.add.reduceat(np.tile(of, 2)[order], first) for of in (sign * good, sign)]
    kept = np.flatnonzero(np.logical_or(*counts))
    columns = (day[first][kept], item[first][kept], counts[0][kept], counts[1][kept])
    _UPSERT.run_many(conn, [(ns.key, *row) for row in zip(*(column.tolist() for column in columns), strict=True)])


def _added(put: Any) -> Any:
    more = {name: daily.c[name] + put.excluded[name] for name in ("positives", "events")}
    return put.on_conflict_do_update(index_elements=["namespace", "day", "item"], set_=more)


_UPSERT = inserts(daily, *_SLOTS, conflict=_added)


def _withdrawn_now(conn: Connection, ns: Namespace, withdrawn: Sequence[int]) -> list[Happened]:
    """Return the events that nobody withdrew before this transaction."""
    if not withdrawn:
        return []
    undo, times = events.alias("undo"), Counter(withdrawn)
    query = (
        select(events.c.key, func.count(undo.c.key), events.c.item, events.c.kind, events.c.value, events.c.time)
        .join(undo, undo.c.withdraws == events.c.key)
        .where(events.c.namespace == ns.key, events.c.key.in_(list(times)))
        .group_by(events.c.key, events.c.item, events.c.kind, events.c.value, events.c.time)
    )
    return [tuple(row[2:]) for row in conn.execute(query) if row[1] == times[row[0]]]


def _day_of_events() -> Any:
    """Return the day of an event as an expression of the database, also before 1970."""
    time = events.c.time
    return (time - ((time % DAY) + DAY) % DAY) // DAY


def _is_positive(kinds: Kinds) -> Any:
    """Return the rule of what is positive as an expression of the database, 1 or 0."""
    whens = []
    for kind in kinds.every:
        clauses = clauses_of(kind.name, kind.positive) if kind.positive else []
        whens += [(events.c.kind == kind.name, 0)] if kind.negative else []
        whens += [((events.c.kind == kind.name) & events.c.value.is_(None), 0)] if clauses else []
        whens += [((events.c.kind == kind.name) & ~compare(events.c.value, number), 0) for compare, number in clauses]
    return case(*whens, else_=1) if whens else literal(1)


def _shown(ns: Namespace) -> tuple[Any, ...]:
    return items.c.namespace == ns.key, ~items.c.hidden, ~items.c.deleted


def _counted(ns: Namespace, *columns: Any) -> Any:
    query = select(items.c.key, items.c.id, *columns).join(daily, daily.c.item == items.c.key)
    return query.where(daily.c.namespace == ns.key, *_shown(ns)).group_by(items.c.key, items.c.id)


def _listed(conn: Connection, query: Any, n: int | None) -> list[Counted]:
    rows = conn.execute(query if n is None else query.limit(n))
    return [Counted(key, item, float(score)) for key, item, score in rows]


def _above(recent: int, before: int) -> float:
    """Return how far recent events are above what is usual, in standard deviations of a Poisson count."""
    usual = before / BEFORE
    return (recent - usual) / math.sqrt(usual + 1)


def _whole_days(days: object) -> int:
    if not is_number(days) or not isinstance(days, int) or days < 1:
        raise ParameterError.outside("days", "a whole number from 1", days)
    return days


def _today() -> int:
    return time_now() // DAY
