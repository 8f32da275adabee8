"""What came and went by the hour: lists that were shown, and events that were received."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Column, Connection, Table, func, select

from palate.store.records import Namespace
from palate.store.schema import events, lists

HOUR = 3_600_000_000  # microseconds
ROWS = 200_000  # the newest that are looked at: hours of a busy service stay quick to count


def hourly(conn: Connection, ns: Namespace, until: int, hours: int = 24) -> list[dict[str, Any]]:
    """Return for each of the hours up to a time when it began (microseconds), its lists and its events.

    Of each table the newest 200,000 rows are counted.
    """
    first = until // HOUR - hours + 1
    shown = _by_hour(conn, ns, lists, lists.c.time, first)
    received = _by_hour(conn, ns, events, events.c.received, first)
    return [
        {"hour": hour * HOUR, "lists": shown[hour], "events": received[hour]} for hour in range(first, first + hours)
    ]


def _by_hour(conn: Connection, ns: Namespace, table: Table, time: Column[Any], first: int) -> Counter[int]:
    newest = conn.execute(select(func.max(table.c.key))).scalar_one() or 0
    hour = (time // HOUR).label("hour")
    chosen = select(hour, func.count()).where(
        table.c.namespace == ns.key, table.c.key > newest - ROWS, time >= first * HOUR
    )
    return Counter({int(at): int(n) for at, n in conn.execute(chosen.group_by(hour))})
