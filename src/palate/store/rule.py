"""The one rule from the log to rows: training, fold-in and evaluation read events by it.

A pair is a user and an item. Of its events those count whose kind is known, that nobody withdrew, and that are not
older than their kind counts. In order of time, and of receipt where times are equal:

    view "ratings"   one row for each pair that has a rating: the newest one is its value
    view "clicks"    one row for each pair with a positive event that no negative one follows; of a kind whose newest
                     event alone counts, that one must be positive. The value is the strength: the greatest weight among
                     the kinds, of a kind that is summed the weight times the number of its events

One person's rows are those of the same function over that person's events alone, so they equal the rows of training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, case, exists, literal_column, select

from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.errors import DataError
from palate.store import schema
from palate.store.kinds import Kinds, kinds_of
from palate.store.prepared import Among
from palate.store.records import Namespace
from palate.store.schema import WAITS, events
from palate.store.times import now as time_now

if TYPE_CHECKING:
    from palate.models import Recommender

View = Literal["clicks", "ratings"]
MICROSECONDS = 1_000_000
EVENT = np.dtype([("user", "i8"), ("item", "i8"), ("kind", "i4"), ("value", "f8"), ("time", "i8")])
LATEST = (1 << 63) - 1  # time of an event


@dataclass(frozen=True, eq=False)
class Log:
    """Events as columns, in the order of receipt, those that were withdrawn left out.

    Attributes:
        user, item: (n,) the store's keys.
        kind: (n,) codes of the kinds, -1 for impressions and kinds that are no longer there.
        value: (n,) NaN where there is none.
        time: (n,) microseconds.
        waiting: by user, when the next event of theirs begins to count that is left out here.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    kind: NDArray[np.int32]
    value: NDArray[np.float64]
    time: NDArray[np.int64]
    waiting: Mapping[int, int] = field(default_factory=dict, kw_only=True)

    @classmethod
    def of(cls, events: NDArray[Any], waiting: Mapping[int, int] | None = None) -> Log:
        """Return the columns of an array of `EVENT`."""
        return cls(*(events[name] for name in EVENT.names or ()), waiting=waiting or {})

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: NDArray[Any]) -> Log:
        """Return these events, in this order."""
        return Log(self.user[rows], self.item[rows], self.kind[rows], self.value[rows], self.time[rows])


@dataclass(frozen=True, eq=False)
class Pairs:
    """What the rule makes of a log: one row a pair, by user and item.

    Attributes:
        user, item: (n,) the store's keys.
        value: (n,) float32 ratings, or strengths.
        time: (n,) microseconds of the newest event that counts.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    value: NDArray[np.float32]
    time: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time)

    def of_users(self, users: Sequence[int]) -> list[Pairs]:
        """Return the rows of each of these users, by key."""
        first, stop = (np.searchsorted(self.user, users, side) for side in ("left", "right"))
        return [self.take(slice(a, b)) for a, b in zip(first.tolist(), stop.tolist(), strict=True)]

    def take(self, rows: NDArray[Any] | slice) -> Pairs:
        """Return these rows."""
        return Pairs(self.user[rows], self.item[rows], self.value[rows], self.time[rows])


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Which items may not be shown to whom now.

    Attributes:
        user, item: (n,) the store's keys of pairs, by user and item.
        hidden: (n,) True where no request may let the item in; else it was seen, and a request may.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    hidden: NDArray[np.bool_]

    def of_users(self, users: Sequence[int]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return (items seen, items hidden) of each of these users, by key."""
        first, stop = (np.searchsorted(self.user, users, side) for side in ("left", "right"))
        spans = [slice(a, b) for a, b in zip(first.tolist(), stop.tolist(), strict=True)]
        return [(self.item[s][~self.hidden[s]], self.item[s][self.hidden[s]]) for s in spans]


def view_of(model: Recommender | type[Recommender]) -> View:
    """Return the view of the log that a model learns from."""
    return "ratings" if model.score_kind == "rating" else "clicks"


def values_for(model: Recommender, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return strengths of clicks as a fitted model's own rule (``positive``) reads them: a positive pair is a click."""
    rule = getattr(model, "positive", None)
    if view_of(model) == "ratings" or rule == "values":
        return values
    return np.full(len(values), rule if isinstance(rule, int | float) else 1, np.float32)


def pairs(log: Log, kinds: Kinds, now: int, view: View = "clicks") -> Pairs:
    """Return the rows of a log, one a pair: the rule of this module.

    Args:
        log: events of any users.
        kinds: of the namespace, by whose codes the log is.
        now: microseconds, for kinds that count for some days alone.
        view: which model they are for, `view_of`.

    Raises:
        ParameterError: view is none of the two.
    """
    from palate.models.contract.parameters import check_choice  # the models come with it

    check_choice("view", view, ("clicks", "ratings"))
    log = _counting(log, kinds, now)
    log = log.take(np.lexsort((log.time, log.item, log.user)))
    return _ratings(log, kinds) if view == "ratings" else _clicks(log, kinds)


def rows_of(log: Log, kinds: Kinds, now: int, view: View = "clicks") -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return items, by key and ascending, and values of one person's events."""
    made = pairs(log, kinds, now, view)
    return made.item, made.value


def left_out(log: Log, kinds: Kinds, now: int) -> LeftOut:
    """Return which items are left out of lists now: seen ones that have not returned yet, and hidden ones.

    How long an event counts in what is learned does not matter here.
    """
    log, of = log.take(np.flatnonzero(log.kind >= 0)), kinds.columns
    log = log.take(np.flatnonzero(log.time + of.returns[log.kind] > now))
    hides = of.hides[log.kind]
    order = np.lexsort((hides, log.item, log.user))
    log, hides = log.take(order), hides[order]
    last = _lasts(log.user, log.item)
    return LeftOut(log.user[last], log.item[last], hides[last])


def _counting(log: Log, kinds: Kinds, now: int) -> Log:
    """Return the events whose kind is known, and that are not older than it counts."""
    log = log.take(np.flatnonzero(log.kind >= 0))
    return log.take(np.flatnonzero(log.time + kinds.columns.counts[log.kind] > now))


def _ratings(log: Log, kinds: Kinds) -> Pairs:
    """Return the newest rating of each pair of an ordered log."""
    of = kinds.columns
    ratings = np.where(of.own_rating[log.kind], log.value, of.rating[log.kind])
    rated = np.flatnonzero(~np.isnan(ratings))
    log, ratings = log.take(rated), ratings[rated]
    last = _lasts(log.user, log.item)
    return Pairs(log.user[last], log.item[last], ratings[last].astype(np.float32), log.time[last])


def _clicks(log: Log, kinds: Kinds) -> Pairs:
    """Return the positive pairs of an ordered log, and their strengths."""
    log = log.take(np.flatnonzero(_after_negatives(log, kinds)))
    log = log.take(np.lexsort((log.kind, log.item, log.user)))  # stable: by pair, kind and time
    last = _lasts(log.user, log.item, log.kind)
    log = log.take(np.flatnonzero(positive(log, kinds) & (~kinds.columns.newest[log.kind] | last)))
    return _strengths(log, kinds)


def _after_negatives(log: Log, kinds: Kinds) -> NDArray[np.bool_]:
    """Return which events of an ordered log come after the last negative one of their pair."""
    negative = kinds.columns.negative[log.kind]
    if not negative.any():
        return ~negative
    ends = np.flatnonzero(_lasts(log.user, log.item))
    begins = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(log))
    newest = np.maximum.reduceat(np.where(negative, place, -1), begins)
    return place > np.repeat(newest, ends - begins + 1)


def _strengths(log: Log, kinds: Kinds) -> Pairs:
    """Return one row a pair of positive events, which lie by pair and kind."""
    ends = np.flatnonzero(_lasts(log.user, log.item, log.kind))
    sizes = np.diff(np.concatenate([[-1], ends]))
    kind, of = log.kind[ends], kinds.columns
    strength = of.weight[kind] * np.where(of.summed[kind], sizes, 1)
    if not len(ends):
        return Pairs(log.user, log.item, strength.astype(np.float32), log.time)
    times = np.maximum.reduceat(log.time, ends - sizes + 1)
    last = np.flatnonzero(_lasts(log.user[ends], log.item[ends]))
    begins = np.concatenate([[0], last[:-1] + 1])
    greatest = np.maximum.reduceat(strength, begins).astype(np.float32)
    return Pairs(log.user[ends][last], log.item[ends][last], greatest, np.maximum.reduceat(times, begins))


def positive(log: Log, kinds: Kinds) -> NDArray[np.bool_]:
    """Return which events are positive by their kind's condition."""
    good = ~kinds.columns.negative[log.kind]
    for code, kind in enumerate(kinds.every):
        if kind.positive is not None:
            of = log.kind == code
            good[of] = kind.is_positive(log.value[of])
    return good


def _lasts(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where the next row differs in one of the columns."""
    lasts = np.ones(len(columns[0]), bool)
    if len(lasts):
        lasts[:-1] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return lasts


def _of_users(among: Any) -> Any:
    undo = events.alias("undo")
    columns = ("key", "user", "item", "kind", "value", "time", "received")
    return select(*(events.c[name] for name in columns)).where(
        # + 0, for SQLite would go through all rows of the namespace, and not by the index of users
        events.c.namespace + literal_column("0") == bindparam("namespace"),
        among,
        events.c.time <= bindparam("until"),
        events.c.item.is_not(None),
        ~exists().where(undo.c.withdraws == events.c.key),
    )


_OF_USERS = Among(_of_users, events.c.user, "namespace", "until")


def log_of(
    conn: Connection,
    ns: Namespace,
    kinds: Kinds,
    users: Iterable[int] | None = None,
    until: int | None = None,
    now: int | None = None,
) -> Log:
    """Return the events of a namespace in the order of receipt, without impressions and what was withdrawn.

    Args:
        conn, ns: where.
        kinds: of the namespace.
        users: keys of the users whose events are wanted; None: all.
        until: microseconds; events that happened later are left out, None: none.
        now: microseconds; of users' events those that wait until later are left out, None: none.
    """
    if users is None:
        return Log.of(_read(conn, _query(ns, kinds, until)))
    codes, latest = kinds.codes, LATEST if until is None else until
    rows = _OF_USERS.tuples(conn, dict.fromkeys(users), ns.key, latest)
    rows.sort()  # by key: the order of receipt
    of_kind = []
    waiting: dict[int, int] = {}
    for _, user, item, kind, value, time, received in rows:
        if now is not None and received == time + WAITS and received > now:
            waiting[user] = min(received, waiting.get(user, LATEST))
        elif kind in codes:
            of_kind.append((user, item, codes[kind], value, time))
    return Log.of(np.array(of_kind, EVENT), waiting)


def _read(conn: Connection, query: Any) -> NDArray[Any]:
    return np.fromiter(map(tuple, conn.execute(query)), EVENT)


def _query(ns: Namespace, kinds: Kinds, until: int | None) -> Any:
    code = case(kinds.codes, value=events.c.kind, else_=-1)
    undo = events.alias("undo")
    query = select(events.c.user, events.c.item, code, events.c.value, events.c.time).where(
        events.c.namespace + 0 == ns.key,  # not by the index of event ids: by user, or all in the order of keys
        events.c.kind.in_(kinds.names),
        ~exists().where(undo.c.withdraws == events.c.key),
    )
    if until is not None:
        query = query.where(events.c.time <= until)
    return query.order_by(events.c.key)


def interactions(
    conn: Connection, ns: Namespace, kinds: Kinds | None = None, until: int | None = None, view: View = "clicks"
) -> Interactions:
    """Return the rows of a namespace for training and evaluation, with the caller's ids.

    Args:
        conn, ns: where.
        kinds: other ones than the namespace's, to try them.
        until: microseconds; later events are left out, and days are counted back from here. None: now.
        view: which model they are for, `view_of`.

    Raises:
        DataError: no event counts.
    """
    kinds = kinds_of(conn, ns) if kinds is None else kinds
    log = log_of(conn, ns, kinds, until=until)
    now = time_now() if until is None else until
    made = pairs(log, kinds, now, view)
    if not len(made):
        raise DataError(
            f"the namespace '{ns.name}' has no {view} to learn from: none of its {len(log):,} events that may count is "
            + ("a rating" if view == "ratings" else "positive"),
            code="empty",
            subject=ns.name,
        )
    return _with_ids(conn, ns, made)


def _with_ids(conn: Connection, ns: Namespace, made: Pairs) -> Interactions:
    """Return pairs with the caller's ids, which ascend."""
    users, user_index = _ids(conn, ns, schema.users, made.user, "user")
    items, item_index = _ids(conn, ns, schema.items, made.item, "item")
    rows = Interactions(user_index, item_index, made.value, made.time // MICROSECONDS, users, items)
    return rows.take(np.lexsort((item_index, user_index)))


def _ids(
    conn: Connection, ns: Namespace, table: Any, keys: NDArray[np.int64], what: str
) -> tuple[Ids, NDArray[np.int32]]:
    """Return the ids of one side's keys, and the position of each row's."""
    found = conn.execute(select(table.c.key, table.c.id).where(table.c.namespace == ns.key)).all()
    known = pl.DataFrame(found, schema={"key": pl.Int64, "id": pl.String}, orient="row")
    rows = pl.DataFrame({"key": keys}).join(known, on="key", how="left", maintain_order="left")["id"]
    return Ids.from_column(rows.cast(pl.Int64) if ns.id_kind == "integer" else rows, what)
