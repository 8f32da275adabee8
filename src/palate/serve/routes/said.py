"""What routes share: ids in, times and lists out."""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from palate.errors import PalateError
from palate.serve import problems
from palate.serve.cursors import CursorPage, Holder
from palate.store.ids import canonical

if TYPE_CHECKING:
    from palate.serve.operations import Exchange
    from palate.store.records import Thing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
T = TypeVar("T")


async def in_thread(function: Callable[..., T], *given: Any) -> T:
    """Return what a function returns that waits for the store."""
    return await asyncio.to_thread(function, *given)


def time_said(micros: int | None) -> datetime | None:
    """Return a time of the store as JSON writes it."""
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def micros(time: datetime | None) -> int | None:
    """Return a time as the store keeps it."""
    return None if time is None else (time - EPOCH) // timedelta(microseconds=1)


def finite(value: float | None) -> float | None:
    """Return a number as JSON holds it."""
    return None if value is None or not isfinite(value) else float(value)


def users_id(call: Exchange, user: str) -> str:
    """Return a user's id as the namespace writes it."""
    return canonical(call.ns, user, "user")


def items_ids(call: Exchange, items: Iterable[str]) -> tuple[str, ...]:
    """Return ids of items as the namespace writes them."""
    ns = call.ns
    return tuple(canonical(ns, item, "item") for item in items)


def holder(call: Exchange, user: str | None) -> Holder:
    """Return whom a cursor is for."""
    return Holder(call.ns.key, call.known.key, user)


def thing_said(thing: Thing) -> dict[str, Any]:
    """Return a user or an item as JSON holds it."""
    return {
        "id": thing.id,
        "attributes": dict(thing.attributes),
        "hidden": bool(thing.hidden),
        "created": time_said(thing.created),
        "updated": time_said(thing.updated),
    }


def problem_row(error: PalateError, call: Exchange) -> dict[str, Any]:
    """Return a refusal as a result among others."""
    return problems.document(error, call.request_id)


def model_said(version: int | None, trained: int | None) -> dict[str, Any] | None:
    """Return which model version answered."""
    return None if version is None else {"version": version, "trained": time_said(trained)}


def items_said(
    places: Sequence[Any], columns: Sequence[Mapping[str, Any]], why: Sequence[Any] | None, first: int
) -> list[dict[str, Any]]:
    """Return the items of a list as JSON holds them."""
    return [
        {
            "item": place.item,
            "place": first + at,
            "score": place.score,  # NaN becomes null
            "propensity": place.propensity,
            "source": place.source,
            "attributes": columns[at] if columns else {},
            "why": why[at] if why else None,
        }
        for at, place in enumerate(places)
    ]


def next_cursor(call: Exchange, answer: Any, user: str | None, n: int, now: float) -> str | None:
    """Return the cursor of the page after an answer, None at the end of the list."""
    if not answer.more or answer.list_id is None:
        return None
    page = CursorPage(answer.list_id, answer.first + n, n)
    return call.service.cursors.made(page, holder(call, user), now)


def made_by(scenario: tuple[str, int] | None) -> dict[str, Any] | None:
    """Return the preset that a list was made by."""
    return None if scenario is None else {"name": scenario[0], "revision": scenario[1]}


def list_said(call: Exchange, answer: Any, user: str | None, n: int) -> dict[str, Any]:
    """Return a list as JSON holds it."""
    call.timings |= answer.timings
    return {
        "list_id": answer.list_id,
        "items": items_said(answer.places, answer.columns, answer.why, answer.first),
        "policy": answer.policy,
        "scenario": made_by(answer.scenario),
        "experiment": answer.experiment,
        "arm": answer.arm,
        "explored": answer.explored,
        "model": model_said(answer.version, answer.trained),
        "newest_feedback": time_said(answer.newest_feedback),
        "logged": answer.logged,
        "next": next_cursor(call, answer, user, n, clock.time()),
        "withheld": answer.withheld,
    }


def things(call: Exchange, written: Sequence[Any], side: str) -> list[Thing]:
    """Return users or items to write as the store takes them."""
    from palate.store.records import Thing

    return [Thing(canonical(call.ns, thing.id, side), dict(thing.attributes), thing.hidden) for thing in written]
