"""What a namespace still lacks before a model can learn from it, in sentences for whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from palate.store import info
from palate.store.records import IMPRESSION, UNDO, Namespace
from palate.store.schema import events, items, schedules, versions

if TYPE_CHECKING:
    from palate.store.store import Store

POSITIVES, PEOPLE, ITEMS = 100, 20, 20  # fewer teach nothing that holds
OLD = 14  # days without an event
DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Hint:
    """One thing that learning needs.

    Attributes:
        words: how it is.
        done: whether that is enough.
        do: what can be done; empty where it is enough.
    """

    words: str
    done: bool
    do: str = ""

    def settled(self) -> Hint:
        """Return the hint without what to do, where it is enough."""
        return replace(self, do="") if self.done else self


def hints(store: Store, ns: Namespace, now: int) -> list[Hint]:
    """Return what learning needs, each with whether it is there; a time in microseconds is now."""
    with store.read() as conn:
        facts = info.of_namespace(conn, ns)
        return [
            _events(facts),
            _people(conn, ns),
            _kinds(facts),
            _titles(conn, ns),
            _age(facts, now),
            _version(conn, ns),
            _schedule(conn, ns),
        ]


def _feedback(facts: Mapping[str, Any]) -> dict[str, int]:
    return {kind: n for kind, n in facts["events"].items() if kind not in (IMPRESSION, UNDO)}


def _events(facts: Mapping[str, Any]) -> Hint:
    n = sum(_feedback(facts).values())
    return Hint(
        f"{n:,} events of feedback",
        n >= POSITIVES,
        f"From {POSITIVES} on a model is worth training: send what people did to /v1/feedback, import a log with"
        " 'palate store import', or let visitors rate on this page.",
    ).settled()


def _people(conn: Connection, ns: Namespace) -> Hint:
    counted = select(func.count(events.c.user.distinct()), func.count(events.c.item.distinct()))
    people, of = conn.execute(counted.where(events.c.namespace == ns.key)).one()
    return Hint(
        f"Feedback of {people:,} people on {of:,} items",
        people >= PEOPLE and of >= ITEMS,
        f"Taste is learned from people who share items: {PEOPLE} people and {ITEMS} items are the least.",
    ).settled()


def _kinds(facts: Mapping[str, Any]) -> Hint:
    kinds = sorted(_feedback(facts))
    return Hint(
        f"Kinds of events: {', '.join(kinds) or 'none'}",
        len(kinds) > 1,
        "One kind alone says what people met, and not what they made of it: send ratings, or views and purchases.",
    ).settled()


def _titles(conn: Connection, ns: Namespace) -> Hint:
    there = items.c.namespace == ns.key, items.c.deleted.is_(False)
    total = conn.execute(select(func.count()).select_from(items).where(*there)).scalar_one()
    described = conn.execute(
        select(func.count()).select_from(items).where(*there, items.c.described.is_(True))
    ).scalar_one()
    return Hint(
        f"{described:,} of {total:,} items are described",
        total > 0 and 2 * described >= total,
        "Without titles lists are bare ids, and search finds nothing: write items to /v1/items, or import a table.",
    ).settled()


def _age(facts: Mapping[str, Any], now: int) -> Hint:
    newest = facts["newest_event"]
    if newest is None:
        return Hint("No event yet", False, "The first one starts the clock.")
    days = max(0, (now - newest) // DAY)
    return Hint(
        f"The newest event is {days:,} days old" if days else "The newest event is of today",
        days <= OLD,
        "What people like now is not in the log any more: is the application still sending?",
    ).settled()


def _version(conn: Connection, ns: Namespace) -> Hint:
    chosen = select(versions.c.number, versions.c.model).where(
        versions.c.namespace == ns.key, versions.c.state == "active"
    )
    active = conn.execute(chosen).first()
    words = "No model answers" if active is None else f"Version {active.number} ({active.model}) answers"
    return Hint(
        words,
        active is not None,
        "Lists are what is popular until a model answers: start a retraining under 'Jobs', or add a model file.",
    ).settled()


def _schedule(conn: Connection, ns: Namespace) -> Hint:
    chosen = select(schedules.c.kind).where(schedules.c.namespace == ns.key, schedules.c.kind == "retrain")
    there = conn.execute(chosen).first() is not None
    return Hint(
        "The model is trained anew on a schedule" if there else "No retraining is scheduled",
        there,
        "What people do now is learned when somebody starts a job: 'palate serve --schedule 1d' does it each day.",
    ).settled()
