"""Lists whose propensities are still to be counted: found in the order they were shown, and made good one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select, update

from palate.store.packing import CountedPlaces, RankedOrder, decode_ranked, decode_shown, encode_ranked, encode_shown
from palate.store.records import Namespace, Place
from palate.store.schema import list_pages, lists, versions


@dataclass(frozen=True, eq=False, slots=True)
class Uncounted:
    """A list that is still to be counted.

    Attributes:
        key: the store's.
        ns: whose.
        version: number of the version that it was made by.
        explored: how chance took part.
        packed: what its propensities are counted from, as bytes.
        n: how many places its first page has.
        ranked: the order that following pages cut; None: there are none.
    """

    key: int
    ns: Namespace
    version: int | None
    explored: Mapping[str, Any]
    packed: bytes
    n: int
    ranked: RankedOrder | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Propensities:
    """What was counted of a list.

    Attributes:
        of_places: (m,) of the candidates, by their places; behind them everything stands where it stood.
        log_probability: logarithm of the probability of the first page as a whole; None where no draw makes it.
        numbers: the place of each item in the whole list, from 0.
    """

    of_places: NDArray[np.float64]
    log_probability: float | None
    numbers: Mapping[str, int]


def pending(conn: Connection) -> int:
    """Return how many lists are still to be counted, of all namespaces."""
    return int(conn.execute(select(func.count()).where(lists.c.uncounted.is_not(None))).scalar_one())


def waited_for(conn: Connection, ns: Namespace) -> set[int]:
    """Return the versions by which lists of a namespace are still to be counted."""
    rows = conn.execute(
        select(versions.c.number)
        .join(lists, lists.c.version == versions.c.key)
        .where(lists.c.uncounted.is_not(None), lists.c.namespace == ns.key)
        .distinct()
    )
    return set(rows.scalars())


def after(conn: Connection, namespaces: Sequence[Namespace], key: int, most: int) -> list[Uncounted]:
    """Return the first lists behind a key that are still to be counted.

    Args:
        conn: a transaction.
        namespaces: of the store; lists of others are left out.
        key: of the last one before; 0 for none.
        most: how many at most.
    """
    by_key = {ns.key: ns for ns in namespaces}
    columns = lists.c.key, lists.c.namespace, versions.c.number, lists.c.explored, lists.c.uncounted
    rows = conn.execute(
        select(*columns, lists.c.shown, lists.c.ranked)
        .outerjoin(versions, versions.c.key == lists.c.version)
        .where(lists.c.uncounted.is_not(None), lists.c.key > key, lists.c.namespace.in_(by_key))
        .order_by(lists.c.key)
        .limit(most)
    )
    return [
        Uncounted(
            key=row.key,
            ns=by_key[row.namespace],
            version=row.number,
            explored=json.loads(row.explored or "{}"),
            packed=bytes(row.uncounted),
            n=len(decode_shown(bytes(row.shown))),
            ranked=None if row.ranked is None else decode_ranked(bytes(row.ranked)),
        )
        for row in rows
    ]


def put(conn: Connection, one: Uncounted, found: Propensities) -> None:
    """Write the propensities of a list, of its first page and of those that followed."""
    shown = conn.execute(select(lists.c.shown).where(lists.c.key == one.key)).scalar_one_or_none()
    if shown is None:
        return  # deleted meanwhile
    values: dict[str, Any] = {"shown": _with(bytes(shown), found.of_places, range(one.n))}
    if one.ranked is not None:
        ranked = one.ranked
        values["ranked"] = encode_ranked(ranked.positions, ranked.n_items, ranked.new, CountedPlaces(found.of_places))
        _put_pages(conn, one.key, found)
    _settle(conn, one.key, {**one.explored, "log_probability": found.log_probability}, **values)


def put_lost(conn: Connection, one: Uncounted, why: str) -> None:
    """Write that the propensities of a list cannot be counted any more: they stay NaN."""
    _settle(conn, one.key, {**one.explored, "lost": why})


def _settle(conn: Connection, key: int, explored: Mapping[str, Any], **values: Any) -> None:
    conn.execute(
        update(lists).where(lists.c.key == key).values(uncounted=None, explored=json.dumps(dict(explored)), **values)
    )


def _put_pages(conn: Connection, key: int, found: Propensities) -> None:
    """Write the propensities of pages that were shown before they were counted."""
    pages = conn.execute(select(list_pages.c.key, list_pages.c.shown).where(list_pages.c.list == key)).all()
    for page, shown in pages:
        at = [found.numbers[place.item] for place in decode_shown(bytes(shown))]
        packed = _with(bytes(shown), found.of_places, at)
        conn.execute(update(list_pages).where(list_pages.c.key == page).values(shown=packed))


def _with(shown: bytes, propensities: NDArray[np.float64], at: Sequence[int]) -> bytes:
    """Return a page with the propensities of its places, which are numbered from 0."""
    places = decode_shown(shown)
    return encode_shown([_counted(place, propensities, n) for place, n in zip(places, at, strict=True)])


def _counted(place: Place, propensities: NDArray[np.float64], at: int) -> Place:
    return place._replace(propensity=float(propensities[at]) if at < len(propensities) else 1.0)
