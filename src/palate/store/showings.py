"""How often somebody was shown an item since they last did anything with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, exists, literal_column, select

from palate.store.packing import decode_shown
from palate.store.prepared import PreparedSQL
from palate.store.records import IMPRESSION, Namespace
from palate.store.schema import events, items, list_pages, lists

_LISTS = PreparedSQL(
    select(lists.c.time, lists.c.shown).where(
        lists.c.namespace == bindparam("namespace"),
        lists.c.user == bindparam("user"),
        lists.c.time >= bindparam("since"),
    ),
    "namespace",
    "user",
    "since",
)
_PAGES = PreparedSQL(
    select(list_pages.c.time, list_pages.c.shown).where(
        lists.c.namespace == bindparam("namespace"),
        lists.c.user == bindparam("user"),
        list_pages.c.list == lists.c.key,
        list_pages.c.time >= bindparam("since"),
    ),
    "namespace",
    "user",
    "since",
)
_UNDO = events.alias("undo")
_EVENTS = PreparedSQL(
    select(items.c.id, events.c.time).where(
        events.c.namespace + literal_column("0") == bindparam("namespace"),  # by the index of users
        events.c.user == bindparam("user"),
        events.c.time >= bindparam("since"),
        events.c.kind != bindparam("impression"),
        items.c.key == events.c.item,
        ~exists().where(_UNDO.c.withdraws == events.c.key),
    ),
    "namespace",
    "user",
    "since",
    "impression",
)
Showings = dict[str, tuple[int, int]]


def showings(conn: Connection, ns: Namespace, user: int, since: int) -> Showings:
    """Return of each item that somebody was shown how often, and when last, since they last did anything with it.

    Args:
        conn, ns: where.
        user: key of the person.
        since: microseconds; what was shown before does not count.
    """
    shown = _LISTS.tuples(conn, ns.key, user, since) + _PAGES.tuples(conn, ns.key, user, since)
    done: dict[str, int] = {}
    for item, time in _EVENTS.tuples(conn, ns.key, user, since, IMPRESSION) if shown else ():
        done[item] = max(time, done.get(item, 0))
    return _counted(shown, done)


def _counted(shown: Iterable[tuple[Any, ...]], done: dict[str, int]) -> Showings:
    found: Showings = {}
    for time, places in shown:
        for place in decode_shown(bytes(places)):
            if time > done.get(place.item, -1):
                times, last = found.get(place.item, (0, 0))
                found[place.item] = times + 1, max(time, last)
    return found
