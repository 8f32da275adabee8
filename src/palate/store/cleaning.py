"""Deletes what is kept too long: lists by the day they were shown, events by the day they were received.

A batch is one short write transaction, so that whoever rates meanwhile waits for a few milliseconds. Rows are looked at
in the order of their keys, which is that of time: the oldest first, until a batch has none that is too old. Counts of
events a day stay, they hold no user; so do users and items. Lists of an experiment that runs are kept for its report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, ColumnElement, Table, delete, select

from palate.errors import ParameterError
from palate.store.conditions import is_number
from palate.store.kinds import DAY
from palate.store.records import Namespace
from palate.store.schema import events, experiments, list_pages, lists
from palate.store.times import now as time_now

if TYPE_CHECKING:
    from palate.store.store import Store

BATCH = 2_000  # rows of a transaction


@dataclass(frozen=True, slots=True)
class Cleaned:
    """How many rows are gone.

    Attributes:
        lists, events: of the namespaces that were cleaned.
    """

    lists: int = 0
    events: int = 0


def clean(
    store: Store,
    keep_lists: float | None = None,
    keep_events: float | None = None,
    *,
    ns: Namespace | None = None,
    now: int | None = None,
    batch: int = BATCH,
    stop: Callable[[], bool] = lambda: False,
) -> Cleaned:
    """Delete lists and events that are older than so many days.

    Args:
        store: where.
        keep_lists, keep_events: days; None: for ever.
        ns: one namespace alone; None: all of them.
        now: microseconds; None: the clock's.
        batch: rows a transaction.
        stop: asked before each batch; what is gone stays gone.

    Raises:
        ParameterError: days are no number above 0.
        UnavailableError: the store cannot be written now; batches that were committed stay so.
    """
    now = time_now() if now is None else now
    before = {
        name: None if days is None else now - int(_checked(name, days) * DAY)
        for name, days in (("keep_lists", keep_lists), ("keep_events", keep_events))
    }
    n_lists = n_events = 0
    for one in store.namespaces() if ns is None else [ns]:
        n_lists += _delete(store, one, lists, lists.c.time, before["keep_lists"], batch, stop)
        n_events += _delete(store, one, events, events.c.received, before["keep_events"], batch, stop)
    return Cleaned(n_lists, n_events)


def _delete(
    store: Store,
    ns: Namespace,
    table: Table,
    time: Column[int],
    before: int | None,
    batch: int,
    stop: Callable[[], bool],
) -> int:
    """Delete the rows of a table that are older than a time, batch by batch; return how many."""
    gone, last = 0, 0
    while before is not None and not stop():
        with store.write() as conn:
            query = select(table.c.key, time).where(table.c.namespace == ns.key, table.c.key > last)
            query = query.where(_in_no_experiment()) if table is lists else query
            rows = conn.execute(query.order_by(table.c.key).limit(batch)).all()
            old = [key for key, at in rows if at < before]
            if not old:
                break
            if table is lists:
                conn.execute(delete(list_pages).where(list_pages.c.list.in_(old)))
            conn.execute(delete(table).where(table.c.key.in_(old)))
        gone += len(old)
        last = rows[-1][0]
    return gone


def _in_no_experiment() -> ColumnElement[bool]:
    running = select(experiments.c.key).where(experiments.c.ended.is_(None))
    return lists.c.experiment.is_(None) | lists.c.experiment.not_in(running)


def _checked(name: str, days: object) -> float:
    if not is_number(days) or not isinstance(days, int | float) or days <= 0:
        raise ParameterError.outside(name, "a number of days above 0, or nothing to keep them for ever", days)
    return float(days)
