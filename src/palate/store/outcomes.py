"""What was shown and what came of it: one row a place, for reports and estimates.

An event belongs to a place where it names the list and the item that stood there, whoever sent it. Undone events and
impressions are none, and neither are events of kinds that the namespace has no more.

    clicks      events that are not negative: the person did something with the item
    positives   those that are positive by their kind (`palate.store.kinds`)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, select

from palate.store.kinds import Kinds, kinds_of
from palate.store.prepared import PreparedSQL
from palate.store.records import Namespace
from palate.store.schema import events, experiments, items, list_pages, lists, scenarios, users, versions
from palate.store.unpacking import unpacked

PART = 20_000  # lists read at once
EVENTS = 200_000
Types = dict[str, pl.DataType]
LISTS: Types = {
    "list": pl.Int64(),
    "list_id": pl.String(),
    "person": pl.Int64(),
    "time": pl.Int64(),
    "version": pl.Int32(),
    "policy": pl.String(),
    "scenario": pl.String(),
    "revision": pl.Int32(),
    "experiment": pl.String(),
    "arm": pl.String(),
}
PLACES: Types = {
    "page": pl.Int32(),
    "place": pl.Int32(),
    "item": pl.String(),
    "score": pl.Float64(),
    "propensity": pl.Float64(),
}
REPLAYED: Types = {"user": pl.String(), "request": pl.String(), "explored": pl.String()}


def frame(
    conn: Connection,
    ns: Namespace,
    *,
    since: int | None = None,
    until: int | None = None,
    scenario: str | None = None,
    experiment: str | None = None,
) -> pl.DataFrame:
    """Return the places of lists, each with what came of it, in the order in which lists were kept.

    Columns: list (the store's number), list_id, person (the store's number, an account's for merged visitors; null for
    sessions), time (microseconds), version, policy, scenario, revision, experiment, arm, page (0, 1, …), place (from
    1), item, score (NaN for none), propensity (NaN: still to be counted), clicks, positives.

    Args:
        conn, ns: where.
        since, until: microseconds: lists shown from ``since`` on and before ``until``.
        scenario: lists of this scenario alone, of any revision.
        experiment: lists of this experiment alone.
    """
    kept = _Kept(ns, since, until, scenario, experiment)
    first, following = list(_first_pages(conn, kept)), _following_pages(conn, kept)
    parts = [*first, *following]
    shown = pl.concat(parts) if parts else pl.DataFrame(schema=LISTS | PLACES)
    if following:
        shown = shown.sort("list", "page", "place")
    return _counted(shown, _came(conn, ns, since))


def _counted(shown: pl.DataFrame, came: pl.DataFrame) -> pl.DataFrame:
    """Return places with their clicks and positives; most have none."""
    rows = shown.lazy().select("list_id", "item").with_row_index("row")
    having = rows.filter(pl.col("list_id").is_in(came["list_id"].unique().implode()))
    found = having.join(came.lazy(), on=["list_id", "item"]).select("row", "clicks", "positives").collect()
    zero = pl.zeros(len(shown), pl.UInt32, eager=True)
    counts = [zero.alias(name).scatter(found["row"], found[name].cast(pl.UInt32)) for name in ("clicks", "positives")]
    return shown.with_columns(counts)


def list_frame(
    conn: Connection,
    ns: Namespace,
    *,
    since: int | None = None,
    until: int | None = None,
    scenario: str | None = None,
    experiment: str | None = None,
) -> pl.DataFrame:
    """Return the lists whose places `frame` has, one row each: its columns without places, and what replays them.

    Further columns: user (the caller's id), request (what was asked, JSON), explored (how chance took part, JSON).
    """
    kept = _Kept(ns, since, until, scenario, experiment)
    query = kept.columns(users.c.id, lists.c.request, lists.c.explored).outerjoin(users, users.c.key == lists.c.user)
    parts = [_table(part, LISTS | REPLAYED) for part in kept.parts(conn, query.order_by(lists.c.key))]
    whole = pl.concat(parts) if parts else pl.DataFrame(schema=LISTS | REPLAYED)
    said = pl.col("request", "explored").fill_null("{}")
    return whole.with_columns(said)


class _Kept:
    """Which lists are read."""

    def __init__(
        self, ns: Namespace, since: int | None, until: int | None, scenario: str | None, experiment: str | None
    ) -> None:
        given = {"since": since, "until": until, "scenario": scenario, "experiment": experiment}
        self.given = {"namespace": ns.key, **{name: value for name, value in given.items() if value is not None}}

    def columns(self, *more: Any) -> Select[Any]:
        """Return the query for the columns of `LISTS`, and some more."""
        own = (lists.c.key, lists.c.list_id, lists.c.user, lists.c.time, versions.c.number, lists.c.policy)
        made_by = (scenarios.c.name, scenarios.c.revision, experiments.c.name.label("experiment_name"), lists.c.arm)
        query = select(*own, *made_by, *more).select_from(lists)
        query = query.outerjoin(versions, versions.c.key == lists.c.version)
        query = query.outerjoin(scenarios, scenarios.c.key == lists.c.scenario)
        query = query.outerjoin(experiments, experiments.c.key == lists.c.experiment)
        return query.where(lists.c.namespace == bindparam("namespace"), *self._conditions())

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        if "since" in self.given:
            yield lists.c.time >= bindparam("since")
        if "until" in self.given:
            yield lists.c.time < bindparam("until")
        for table, column in ((scenarios, lists.c.scenario), (experiments, lists.c.experiment)):
            if column.name in self.given:
                named = select(table.c.key).where(
                    table.c.namespace == bindparam("namespace"), table.c.name == bindparam(column.name)
                )
                yield column.in_(named)

    def parts(self, conn: Connection, query: Select[Any], size: int = PART) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query in parts."""
        return PreparedSQL(query, *self.given).parts(conn, size, *self.given.values())


def _first_pages(conn: Connection, kept: _Kept) -> Iterator[pl.DataFrame]:
    for part in kept.parts(conn, kept.columns(lists.c.shown).order_by(lists.c.key)):
        yield _places(_table([row[:-1] for row in part], LISTS), [row[-1] for row in part])


def _following_pages(conn: Connection, kept: _Kept) -> list[pl.DataFrame]:
    """Return the places of following pages; a page that was asked for twice was shown once."""
    query = kept.columns(list_pages.c.first, list_pages.c.shown).join(list_pages, list_pages.c.list == lists.c.key)
    parts = []
    for part in kept.parts(conn, query.order_by(list_pages.c.key)):
        table = _table([row[:-1] for row in part], LISTS | {"first": pl.Int32()})
        parts.append(_places(table, [row[-1] for row in part]))
    if not parts:
        return []
    whole = pl.concat(parts).unique(["list", "item"], keep="first", maintain_order=True)
    return [whole.with_columns(page=pl.col("first").rank("dense").over("list").cast(pl.Int32)).drop("first")]


def _table(rows: list[tuple[Any, ...]], schema: dict[str, Any]) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else [[]] * len(schema)
    made = zip(schema.items(), columns, strict=True)
    return pl.DataFrame([_series(name, list(values), kind) for (name, kind), values in made])


def _series(name: str, values: list[Any], kind: pl.DataType) -> pl.Series:
    """Return a column; ids of lists become text here, one a list and not one a place."""
    if name == "list_id":
        return pl.Series(name, values, dtype=pl.Binary).bin.encode("hex")
    return pl.Series(name, values, dtype=kind)


def _places(table: pl.DataFrame, packed: list[bytes]) -> pl.DataFrame:
    """Return one row a place for a table of one row a page."""
    places = unpacked(packed)
    first = table["first"].to_numpy() if "first" in table.columns else np.ones(len(table), np.int32)
    own = [
        pl.Series("page", np.zeros(len(places.row), np.int32)),
        pl.Series("place", (first[places.row] + places.at).astype(np.int32)),
        places.item,
        pl.Series("score", places.score),
        pl.Series("propensity", places.propensity),
    ]
    names = [*LISTS, *PLACES, *(name for name in table.columns if name == "first")]
    return table[places.row].with_columns(own).select(names)


def _came(conn: Connection, ns: Namespace, since: int | None) -> pl.DataFrame:
    """Return clicks and positives by list and item, of all that came since."""
    undo = events.alias("undo")
    query = select(events.c.list_id, items.c.id, events.c.kind, events.c.value).join(
        items, items.c.key == events.c.item
    )
    query = query.where(
        events.c.namespace == bindparam("namespace"),
        events.c.list_id.is_not(None),
        events.c.received >= bindparam("since"),
        ~exists().where(undo.c.withdraws == events.c.key),
    )
    kinds = kinds_of(conn, ns)
    schema = {"list_id": pl.String(), "item": pl.String(), "kind": pl.String(), "value": pl.Float64()}
    rows = PreparedSQL(query, "namespace", "since").parts(conn, EVENTS, ns.key, since or 0)
    parts = [_judged(_table(part, schema), kinds) for part in rows]
    whole = pl.concat(parts) if parts else _judged(pl.DataFrame(schema=schema), kinds)
    return whole.group_by("list_id", "item").agg(pl.col("clicks", "positives").sum())


def _judged(rows: pl.DataFrame, kinds: Kinds) -> pl.DataFrame:
    """Return what events say: whether each is a click, and whether it is positive."""
    rows = rows.filter(pl.col("kind").is_in(list(kinds)))
    value, kind = rows["value"].fill_null(np.nan).to_numpy(), rows["kind"].to_numpy()
    clicks, positives = np.zeros(len(rows), np.uint32), np.zeros(len(rows), np.uint32)
    for name, what in kinds.items():
        own = np.flatnonzero(kind == name)
        clicks[own] = not what.negative
        positives[own] = what.is_positive(value[own])
    return rows.select("list_id", "item").with_columns(pl.Series("clicks", clicks), pl.Series("positives", positives))
