"""Who asks: what the model has stored of a user, or their feedback up to this moment, folded in.

A user without an event that the model has not learned from is answered by the stored row. Everybody else is folded in:
with the log alone, by the kinds' rule, where the model was trained on this log; else with the model's own row of the
user, of which the log decides each item that it knows. What is known of a person is kept, by the user's counter, until
the version, the event kinds or the tombstones change; where event kinds let items return or stop counting, for a
minute; and where an event waits, until it counts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, select

from palate.errors import NotFoundError, PalateError, ParameterError
from palate.models.contract.abilities import ScoresPeople
from palate.models.contract.scoring import Scorer
from palate.serve.engine.catalogue import Catalogue
from palate.serve.engine.features import features_of_people
from palate.serve.engine.loaded import LoadedVersion
from palate.sparse import Rows, stacked
from palate.store.kinds import Kinds
from palate.store.prepared import Among
from palate.store.records import Namespace
from palate.store.rule import Log, left_out, log_of, pairs, values_for, view_of
from palate.store.schema import items, namespaces, users

KEPT = 20_000  # people
MOST_CELLS = 4_000_000  # of their rows and of what their lists leave out
MINUTE = 60_000_000  # microseconds
NOTHING = np.empty(0, np.int32)
_MOMENT = Among(  # the namespace's counters, once for each user who is there and at least once
    lambda among: (
        select(
            namespaces.c.changes,
            namespaces.c.catalogue,
            users.c.id,
            users.c.key,
            users.c.counter,
            users.c.last_event,
            users.c.merged_into,
        )
        .select_from(namespaces.outerjoin(users, (users.c.namespace == namespaces.c.key) & among))
        .where(namespaces.c.key == bindparam("namespace"))
    ),
    users.c.id,
    "namespace",
)
_ACCOUNTS = Among(
    lambda among: select(users.c.key, users.c.id, users.c.counter, users.c.last_event).where(
        users.c.namespace == bindparam("namespace"), among
    ),
    users.c.key,
    "namespace",
)
_ITEMS = Among(
    lambda among: select(items.c.key, items.c.id).where(items.c.namespace == bindparam("namespace"), among),
    items.c.key,
    "namespace",
)


@dataclass(frozen=True, slots=True)
class Stand:
    """What the store says of a user at this moment.

    Attributes:
        id: the caller's; of a visitor who was merged, the account's.
        key: the store's; 0 where it has no row of the user.
        counter: raised with each write about the user.
        last_event: key of their newest event.
    """

    id: str
    key: int = 0
    counter: int = 0
    last_event: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class KnownPerson:
    """What is known of somebody who asks, for one version.

    Attributes:
        stand: when it was read.
        place: among the model's users, or -1.
        scorer: of this one person, where they were folded in.
        rows: what was folded in, a single row.
        features: of the person, or None.
        seen: positions of what they had, which a request may let in; ascending.
        hidden: of what is never shown to them; ascending.
        newest: time of their newest event.
        until: when this no longer holds.
    """

    stand: Stand
    place: int = -1
    scorer: Scorer | None = None
    rows: Rows | None = None
    features: NDArray[Any] | None = None
    seen: NDArray[np.int32] = field(default_factory=lambda: NOTHING)
    hidden: NDArray[np.int32] = field(default_factory=lambda: NOTHING)
    newest: int | None = None
    until: int | None = None

    @property
    def cells(self) -> int:
        """How many numbers it holds, about."""
        return 100 + len(self.seen) + len(self.hidden) + (0 if self.rows is None else 300 + len(self.rows.indices))


NOBODY = KnownPerson(Stand(""))
Session = Sequence[tuple[str, float | None]]
ToFold = tuple[KnownPerson, Rows | None, Any]  # somebody, and the row and the features that are to be folded in


class KnownPeople:
    """Everybody who asked lately.

    Args:
        loaded: the version that answers; None for none.
        catalogue: its items.
        kinds: of the events.
    """

    def __init__(self, ns: Namespace, loaded: LoadedVersion | None, catalogue: Catalogue, kinds: Kinds) -> None:
        self.ns, self.loaded, self.catalogue, self.kinds = ns, loaded, catalogue, kinds
        self.passing = any(kind.returns_after or kind.counts_for for kind in kinds.values())
        model = None if loaded is None else loaded.model
        self.folds_in, self.knows_users = isinstance(model, ScoresPeople), model is not None and model.lists_its_users
        self._kept: OrderedDict[str, KnownPerson] = OrderedDict()
        self._cells = 0
        self._counts = [0, 0, 0]

    def of(self, conn: Connection, stands: Mapping[str, Stand], now: int) -> dict[str, KnownPerson]:
        """Return what is known of users at this moment, by the ids asked about.

        Args:
            conn: a read transaction, that in which the counters were read.
            stands: what the store says of the users.
            now: microseconds.
        """
        people: dict[str, KnownPerson] = {}
        lacking: dict[str, Stand] = {}
        for id_, stand in stands.items():
            kept = self._kept.get(stand.id)
            if kept is not None and kept.stand == stand and (kept.until is None or now < kept.until):
                people[id_] = kept
                self._kept.move_to_end(stand.id)
            else:
                lacking[id_] = stand
        self._counts[0] += len(people)
        self._counts[1] += len(lacking)
        if lacking:
            accounts = {stand.id: stand for stand in lacking.values()}
            read = dict(zip(accounts, self._read(conn, list(accounts.values()), now), strict=True))
            people |= {id_: read[stand.id] for id_, stand in lacking.items()}
            for person in read.values():
                self._keep(person)
        return people

    def counted(self) -> tuple[int, int, int]:
        """Return how many people were kept, looked up and folded in since this was last asked."""
        hits, misses, folded = self._counts
        self._counts = [0, 0, 0]
        return hits, misses, folded

    def then(self, conn: Connection, stands: Sequence[tuple[Stand, int]]) -> list[KnownPerson]:
        """Return what would have been known of people at moments of the past, by this version; nothing is kept.

        Args:
            conn: a read transaction.
            stands: of each, the stand at that moment (its ``last_event`` is the newest before it), and microseconds.
        """
        known = self.loaded is not None and self.knows_users
        ids = [stand.id for stand, _ in stands]
        places = self.loaded.users_index(ids).tolist() if known and self.loaded is not None else [-1] * len(ids)
        features = features_of_people(conn, self.loaded, [stand.key for stand, _ in stands])
        found: list[ToFold] = []
        for (stand, moment), place in zip(stands, places, strict=True):
            log = log_of(conn, self.ns, self.kinds, [stand.key], moment - 1) if stand.last_event else None
            if log is None:
                found.append((self._stored(stand, place), None, None))
                continue
            self.learn_items(conn, log)
            found.append(self._found(stand, place, _Read(self, log, moment), features.get(stand.key), None))
        return self._folded(found)

    def of_sessions(self, sessions: Sequence[Session]) -> list[KnownPerson | PalateError]:
        """Return nameless people by the items of their sessions, or what is wrong with one."""
        found: list[ToFold | PalateError] = [self._of_session(session) for session in sessions]
        folded = iter(self._folded([one for one in found if not isinstance(one, PalateError)]))
        return [one if isinstance(one, PalateError) else next(folded) for one in found]

    def _of_session(self, session: Session) -> ToFold | PalateError:
        places = self.catalogue.index([item for item, _ in session])
        values = dict(zip(places.tolist(), (value for _, value in session), strict=True))  # the last one counts
        values.pop(-1, None)
        seen = np.array(sorted(values), np.int32)
        try:
            row = _session_row(self.loaded, seen[seen < self.catalogue.n_items], values)
        except ParameterError as error:
            return error
        return KnownPerson(NOBODY.stand, seen=seen), row, None

    # -- reading ----------------------------------------------------------------------------------------------------

    def _read(self, conn: Connection, stands: list[Stand], now: int) -> list[KnownPerson]:
        places = [-1] * len(stands)
        if self.loaded is not None and self.knows_users:
            places = self.loaded.users_index([stand.id for stand in stands]).tolist()
        with_events = [stand.key for stand in stands if stand.last_event]
        log = log_of(conn, self.ns, self.kinds, with_events, now=now) if with_events else None
        if log is None:
            return [self._stored(stand, place) for stand, place in zip(stands, places, strict=True)]
        self.learn_items(conn, log)
        read = _Read(self, log, now)
        features = features_of_people(conn, self.loaded, [stand.key for stand in stands])
        soon = now + MINUTE if self.passing else None
        return self._folded(
            [
                self._found(stand, place, read, features.get(stand.key), _sooner(soon, log.waiting.get(stand.key)))
                for stand, place in zip(stands, places, strict=True)
            ]
        )

    def _found(self, stand: Stand, place: int, read: _Read, features: Any, until: int | None) -> ToFold:
        """Return somebody by their events, and what is to be folded in of them."""
        newest = read.newest.get(stand.key)
        if newest is None and (place >= 0 or not stand.last_event):
            return replace(self._stored(stand, place), until=until), None, None
        seen, hidden = read.left_out(stand.key)
        if place >= 0 and self._has_learned(stand):
            had = np.setdiff1d(self._had(place), read.said(stand.key), assume_unique=True)
            return (
                KnownPerson(stand, place, seen=_joined(had, seen), hidden=hidden, newest=newest, until=until),
                None,
                None,
            )
        row, had = self._row(place, read, stand.key)
        stays = place if not self.folds_in else -1  # else the rows of this moment alone count
        known = KnownPerson(stand, stays, None, None, features, _joined(had, seen), hidden, newest, until)
        return known, row, features

    def _stored(self, stand: Stand, place: int) -> KnownPerson:
        return KnownPerson(stand, place, seen=self._had(place))

    def _had(self, place: int) -> NDArray[np.int32]:
        """Return what the model knows that a user of its training had, ascending; not copied."""
        seen = None if self.loaded is None or place < 0 else self.loaded.model.seen_
        return NOTHING if seen is None else seen.row(place)[0]

    def _has_learned(self, stand: Stand) -> bool:
        to = None if self.loaded is None else self.loaded.trained_to
        return to is not None and stand.last_event <= to

    def _row(self, place: int, read: _Read, key: int) -> tuple[Rows | None, NDArray[np.int32]]:
        """Return what is folded in, and what the model knows beyond the log that the user had."""
        if self.loaded is None:
            return None, NOTHING
        model, own = self.loaded.model, read.row(key)
        if self.loaded.trained_to is not None or place < 0 or model.seen_ is None:
            return own, NOTHING
        before = model.seen_.take(np.array([place]))
        before = before.filter(~np.isin(before.indices, read.said(key)))
        return _merged(before, own), before.indices

    def learn_items(self, conn: Connection, log: Log) -> None:
        """Let the catalogue know which items the store means by the keys of a log."""
        keys = np.unique(log.item)
        lacking = keys[self.catalogue.of_keys(keys) < 0]
        if len(lacking):
            self.catalogue.learn(_ITEMS.tuples(conn, lacking.tolist(), self.ns.key))

    # -- folding in -------------------------------------------------------------------------------------------------

    def _folded(self, found: list[ToFold]) -> list[KnownPerson]:
        """Return people with their scorers, where there is something to fold in: one call for all of one kind."""
        people = [person for person, _, _ in found]
        if self.loaded is None or not self.folds_in:
            return people
        model = self.loaded.model
        for has_features in (False, True):
            at = [
                n
                for n, (_, row, features) in enumerate(found)
                if row is not None and (features is not None) is has_features and (len(row.indices) or has_features)
            ]
            if at:
                self._counts[2] += len(at)
                rows = stacked([row for row in (found[n][1] for n in at) if row is not None])
                features = np.concatenate([found[n][2] for n in at]) if has_features else None
                scorer = model.ranker_of(rows, features).scorer
                for row, n in enumerate(at):
                    people[n] = _with_scorer(people[n], scorer.take(np.array([row], np.int32)), found[n][1])
        return people

    def _keep(self, person: KnownPerson) -> None:
        before = self._kept.pop(person.stand.id, None)
        self._cells += person.cells - (0 if before is None else before.cells)
        self._kept[person.stand.id] = person
        while self._kept and (len(self._kept) > KEPT or self._cells > MOST_CELLS):
            _, gone = self._kept.popitem(last=False)
            self._cells -= gone.cells


class _Read:
    """The events of those who are looked up together, as positions of items.

    Args:
        people: who asks for it.
        log: their events; the catalogue has learned its items.
        now: microseconds.
    """

    def __init__(self, people: KnownPeople, log: Log, now: int) -> None:
        catalogue, loaded = people.catalogue, people.loaded
        view = "clicks" if loaded is None else view_of(loaded.model)
        made, apart = pairs(log, people.kinds, now, view), left_out(log, people.kinds, now)
        self.log, self.made, self.apart, self.catalogue = log, made, apart, catalogue
        self.n_items = catalogue.n_items
        self.values = made.value if loaded is None else values_for(loaded.model, made.value)
        self.places_made, self.places_apart = catalogue.of_keys(made.item), catalogue.of_keys(apart.item)
        order = np.argsort(log.time, kind="stable")
        self.newest = dict(zip(log.user[order].tolist(), log.time[order].tolist(), strict=True))

    def row(self, key: int) -> Rows:
        """Return the rule's row of a user, by the model's items."""
        own = _span(self.made.user, key)
        places, values = self.places_made[own], self.values[own]
        known = (places >= 0) & (places < self.n_items)
        return _single(places[known], values[known])

    def left_out(self, key: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return which items a user has seen, and which are hidden from them, ascending."""
        own = _span(self.apart.user, key)
        places, hidden = self.places_apart[own], self.apart.hidden[own]
        there = places >= 0
        return np.sort(places[there & ~hidden]), np.sort(places[there & hidden])

    def said(self, key: int) -> NDArray[np.int32]:
        """Return the items that a user's events tell of, ascending."""
        places = np.unique(self.catalogue.of_keys(self.log.item[self.log.user == key]))
        return places[places >= 0]


def _sooner(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _span(column: NDArray[np.int64], key: int) -> slice:
    """Return where a key stands in a sorted column."""
    return slice(*np.searchsorted(column, [key, key + 1]).tolist())


def _joined(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the items of either, ascending."""
    return b if not len(a) else a if not len(b) else np.union1d(a, b)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a read transaction says first.

    Attributes:
        changes, catalogue: counters of the namespace.
        stands: of each user asked about; of a merged visitor, what the store says of the account.
    """

    changes: int
    catalogue: int
    stands: dict[str, Stand]


def moment_of(conn: Connection, ns: Namespace, ids: Iterable[str]) -> Moment:
    """Return the counters of a namespace and of users, in one query.

    Raises:
        NotFoundError: there is no such namespace any more.
    """
    wanted = list(dict.fromkeys(ids))
    rows = _MOMENT.tuples(conn, wanted or [""], ns.key)
    if not rows:
        raise NotFoundError.of(f"namespace '{ns.name}'", "is not there", value=ns.name)
    stands = {id_: Stand(id_) for id_ in wanted}
    merged: dict[str, int] = {}
    for _, _, id_, key, counter, last, into in rows:
        if into is not None:
            merged[id_] = into
        elif id_ is not None:
            stands[id_] = Stand(id_, key, counter, last)
    if merged:
        accounts = _ACCOUNTS.tuples(conn, dict.fromkeys(merged.values()), ns.key)
        by_key = {key: Stand(id_, key, counter, last) for key, id_, counter, last in accounts}
        stands |= {id_: by_key[into] for id_, into in merged.items() if into in by_key}
    return Moment(rows[0][0], rows[0][1], stands)


def _with_scorer(person: KnownPerson, scorer: Scorer, rows: Rows | None) -> KnownPerson:
    return KnownPerson(
        person.stand,
        person.place,
        scorer,
        rows,
        person.features,
        person.seen,
        person.hidden,
        person.newest,
        person.until,
    )


def _single(places: NDArray[np.int32], values: NDArray[np.float32]) -> Rows:
    """Return one row of items in any order."""
    order = np.argsort(places, kind="stable")
    return Rows.of_sizes([len(places)], places[order], values[order])


def _merged(before: Rows, own: Rows) -> Rows:
    """Return one row of two that share no item; a cell of the second weighs 1 where the first has weights."""
    both = stacked([before, own])
    order = np.argsort(both.indices, kind="stable")
    weights = None if both.weights is None else both.weights[order]
    row = Rows.of_sizes([len(order)], both.indices[order], both.values[order])
    return Rows(row.indptr, row.indices, row.values, weights)


def _session_row(
    loaded: LoadedVersion | None, places: NDArray[np.int32], values: Mapping[int, float | None]
) -> Rows | None:
    """Return the row of a session, as `Recommender.person` reads a basket.

    Raises:
        ParameterError: the model learns from ratings, and an item has none.
    """
    if loaded is None:
        return None
    model, given = loaded.model, [values[place] for place in places.tolist()]
    if view_of(model) == "ratings" and None in given:
        raise ParameterError.of("the session", "has an item without a rating, and the model learns from ratings")
    click = float(values_for(model, np.ones(1, np.float32))[0])
    numbers = np.array([click if value is None else value for value in given], np.float32)
    return Rows.of_sizes([len(places)], places, numbers)
