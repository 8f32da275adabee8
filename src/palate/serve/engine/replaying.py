"""Replaying: what a preset, and a version, would have made of lists that were shown, and how probably each place.

A list is asked for again as its request said, through the preset, with what was known of the person then: the events
before it. What it is compared with must not have seen what came of it, so lists from before the version's newest
training row are left out. Items, event kinds and attributes are those of today, and rotation is left out: what a preset
would have shown before is not known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sqlalchemy import bindparam, func, select

from palate.errors import NotFoundError, PalateError, UnavailableError
from palate.experiments.choosing import ListPolicy
from palate.experiments.clicks import ClickModel, crossfitted, folds
from palate.experiments.estimates import Places
from palate.experiments.explore import Explore
from palate.experiments.people import Reals
from palate.experiments.planning import METRICS
from palate.parallel import chunks
from palate.serve.engine.asking import Ask
from palate.serve.engine.exploring import policy_of
from palate.serve.engine.people import Stand, moment_of
from palate.serve.engine.presets import through
from palate.serve.engine.ranking import Order
from palate.serve.engine.space import LoadsVersions, Tenant
from palate.store.prepared import PreparedSQL
from palate.store.records import Namespace
from palate.store.scenarios import Scenario
from palate.store.schema import events

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from palate.store.store import Store

BATCH = 128  # lists that are replayed together
NOTHING_BY_CHANCE = Explore()
_NEWEST = PreparedSQL(  # key of a user's newest event before a moment
    select(func.max(events.c.key)).where(
        events.c.namespace == bindparam("namespace"),
        events.c.user == bindparam("user"),
        events.c.time < bindparam("at"),
    ),
    "namespace",
    "user",
    "at",
)


@dataclass(frozen=True, eq=False, slots=True)
class LoggedLists:
    """Lists that were shown, and their places.

    Attributes:
        lists: one row a list, in the order of `places`: list, person, user, time, request, explored.
        places: one row a place: list (0, 1, …), place, item, propensity, clicks, positives.
    """

    lists: pl.DataFrame
    places: pl.DataFrame


@dataclass(frozen=True, eq=False, slots=True)
class Replayed:
    """Lists as another policy would have made them.

    Attributes:
        places: of each metric, what `palate.experiments.estimates` takes.
        failed: lists that could not be asked for again, and are left out.
        version: number of the version that replayed them.
    """

    places: Mapping[str, Places]
    failed: int
    version: int


def tenant_of(store: Store, ns: Namespace, versions: LoadsVersions, share: float, number: int | None) -> Tenant:
    """Return what answers by a version, loaded; None for the active one.

    Raises:
        NotFoundError: there is no version.
        UnavailableError: it cannot be loaded.
    """
    space = Tenant(store, ns, versions, share, number)
    for _ in range(2):  # a version that is named is loaded in the background
        with store.read() as conn:
            space.refresh(conn, moment_of(conn, ns, ()))
        space.wait()
    if space.error is not None:
        raise UnavailableError.of(f"model version {number}", f"cannot be loaded: {space.error}", value=number)
    if space.loaded is None:
        raise NotFoundError.of(f"namespace '{ns.name}'", "has no model version to replay lists by", value=ns.name)
    return space


def replayed(
    space: Tenant, log: LoggedLists, scenario: Scenario, step: Callable[[float], None] = lambda _: None
) -> Replayed:
    """Return lists as a preset would have made them.

    Args:
        space: of the version that ranks.
        log: lists of people, all shown after the version was trained.
        scenario: whose preset; its name and revision are of no matter here.
        step: told how far it is, from 0 to 1.
    """
    if space.loaded is None:
        raise NotFoundError.of(f"namespace '{space.ns.name}'", "has no model version to replay lists by")
    shown = _Shown.of(space, log)
    found = _Found.empty(shown)
    for part in chunks(len(log.lists), BATCH):
        with space.store.read() as conn:
            _replay(space, conn, log, shown, scenario, range(part.start, part.stop), found)
        step(part.stop / len(log.lists))
    return Replayed(
        {name: found.places(shown, at) for at, name in enumerate(METRICS)}, found.failed, space.loaded.number
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Shown:
    """The places of the log as arrays, and reward models of them.

    Attributes:
        at: (n_lists + 1,) where the places of each list begin.
        place, item, propensity: (n,) item: position in the catalogue, those that it has not behind it.
        person: (n_lists,)
        rewards: (n_metrics, n)
        fold: (n_lists,) of the reward models.
        models: of each metric, one for each fold.
        log_probability: (n_lists,) of the list as a whole when it was made; NaN: not known.
    """

    at: NDArray[np.int64]
    place: NDArray[np.int64]
    item: NDArray[np.int64]
    propensity: Reals
    person: NDArray[np.int64]
    rewards: Reals
    fold: NDArray[np.int64]
    models: Sequence[Sequence[ClickModel]]
    log_probability: Reals

    @classmethod
    def of(cls, space: Tenant, log: LoggedLists) -> _Shown:
        n_lists, places = len(log.lists), log.places
        ids, index = np.unique(places["item"].to_numpy(), return_inverse=True)
        known = space.catalogue.index([str(id_) for id_ in ids.tolist()]).astype(np.int64)
        gone = known < 0
        known[gone] = space.catalogue.size + np.arange(int(gone.sum()))
        item, n_items = known[index], space.catalogue.size + int(gone.sum())
        place, whose = places["place"].to_numpy().astype(np.int64), places["list"].to_numpy()
        person = log.lists["person"].to_numpy()
        rewards = np.stack([places[name].to_numpy().astype(np.float64) for name in METRICS])
        fold = folds(person)
        k = int(place.max(initial=1))
        return cls(
            at=np.searchsorted(whose, np.arange(n_lists + 1)),
            place=place,
            item=item,
            propensity=places["propensity"].to_numpy().astype(np.float64),
            person=person,
            rewards=rewards,
            fold=fold,
            models=[crossfitted(fold[whose], place, item, each, k, n_items) for each in rewards],
            log_probability=np.array([_log_probability(said) for said in log.lists["explored"].to_list()]),
        )

    def span(self, one: int) -> slice:
        """Return where the places of a list stand."""
        return slice(int(self.at[one]), int(self.at[one + 1]))

    def whose(self) -> NDArray[np.int64]:
        """Return the list of each place."""
        return np.repeat(np.arange(len(self.person)), np.diff(self.at))


@dataclass(eq=False, slots=True)
class _Found:
    """What came of replaying, filled list by list.

    Attributes:
        target, fills: (n,) as in `Places`.
        direct: (n_metrics, n)
        log_probability: (n_lists,) of the list as a whole; NaN: could not be replayed.
        failed: how many could not.
    """

    target: Reals
    fills: Reals
    direct: Reals
    log_probability: Reals
    there: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    failed: int = 0

    @classmethod
    def empty(cls, shown: _Shown) -> _Found:
        n, n_lists = len(shown.place), len(shown.person)
        return cls(
            np.zeros(n),
            np.zeros(n),
            np.zeros((len(METRICS), n)),
            np.full(n_lists, -np.inf),
            np.zeros(n_lists, np.bool_),
        )

    def places(self, shown: _Shown, metric: int) -> Places:
        """Return the lists that could be replayed, numbered anew."""
        whose = shown.whose()
        kept, number = self.there[whose], np.cumsum(self.there) - 1
        fold, place, item = shown.fold[whose], shown.place, shown.item
        modelled = np.zeros(len(place))
        for own, model in enumerate(shown.models[metric]):
            modelled[fold == own] = model.expected(place[fold == own], item[fold == own])
        before = shown.log_probability[self.there]
        whole = None if np.isnan(before).any() else np.exp(self.log_probability[self.there] - before)
        return Places(
            list=number[whose][kept],
            place=place[kept],
            propensity=shown.propensity[kept],
            target=self.target[kept],
            fills=self.fills[kept],
            reward=shown.rewards[metric][kept],
            person=shown.person[self.there],
            modelled=modelled[kept],
            direct=self.direct[metric][kept],
            whole=whole,
        )


def _replay(
    space: Tenant, conn: Connection, log: LoggedLists, shown: _Shown, scenario: Scenario, part: range, found: _Found
) -> None:
    rows = log.lists[part.start : part.stop].to_dicts()
    people = space.people.then(conn, [(_stand(conn, space.ns, row), row["time"]) for row in rows])
    asks, failed = _asks(space.ns, rows, scenario)
    orders = space.ranking.orders(asks, people)
    for at, person, ask, order in zip(part, people, asks, orders, strict=True):
        if at - part.start in failed or isinstance(order, PalateError):
            found.failed += 1
            continue
        explore = NOTHING_BY_CHANCE
        if ask.through is not None and ask.through.explore is not None:
            explore = ask.through.explore
        policy = policy_of(space, person, order, explore)
        _fill(found, shown, at, policy, order)


def _stand(conn: Connection, ns: Namespace, row: Mapping[str, Any]) -> Stand:
    newest = _NEWEST.tuples(conn, ns.key, row["person"], row["time"])[0][0]
    return Stand(row["user"], row["person"], 0, newest or 0)


def _asks(ns: Namespace, rows: Sequence[Mapping[str, Any]], scenario: Scenario) -> tuple[list[Ask], set[int]]:
    """Return the requests as the preset makes them, and which of them cannot be made."""
    asks, failed = [], set()
    for at, row in enumerate(rows):
        own = asked(ns, row["user"], json.loads(row["request"]))
        try:
            own = through(own, scenario)
        except PalateError:
            failed.add(at)
        asks.append(own)
    return asks, failed


def asked(ns: Namespace, user: str | None, said: Mapping[str, Any]) -> Ask:
    """Return a request as a list keeps it (`Ask.said`)."""
    return Ask(
        ns=ns,
        user=user,
        n=said.get("n", 10),
        where=tuple(said.get("where", ())),
        include=tuple(said["include"]) if "include" in said else None,
        exclude=tuple(said.get("exclude", ())),
        not_mine=bool(said.get("not_mine", False)),
        seen=bool(said.get("seen", False)),
        no_twins=bool(said.get("no_twins", False)),
        diversity=said.get("diversity", 0.0),
        discovery=said.get("discovery", 0.0),
        boosts=tuple((condition, factor) for condition, factor in said.get("boosts", ())),
        given=frozenset(said.get("given", ())),
    )


def _fill(found: _Found, shown: _Shown, one: int, policy: ListPolicy, order: Order) -> None:
    """Write the probabilities of the places of a list, and what reward models expect of what would stand there."""
    span = shown.span(one)
    place, item = shown.place[span], shown.item[span]
    candidates = order.places.astype(np.int64)
    m, n = policy.m, len(candidates)
    stands = _stands(candidates, item)
    moved = (stands >= 0) & (stands < m) & (place <= m)
    target = ((stands == place - 1) & (stands >= 0)).astype(np.float64)
    target[moved] = policy.propensities(stands[moved], place[moved])
    found.target[span] = np.clip(target, 0, 1)
    found.fills[span] = place <= n
    chances = [_chances(policy, int(at)) for at in place[place <= m].tolist()]
    for metric, models in enumerate(shown.models):
        model = models[shown.fold[one]]
        gamma = model.attraction[candidates]
        behind = np.array([gamma[at - 1] if at <= n else 0.0 for at in place.tolist()])
        behind[place <= m] = [float(chance @ gamma[:m]) for chance in chances]
        found.direct[metric, span] = model.examination[place - 1] * behind
    found.log_probability[one] = _log_list(policy, stands, place)
    found.there[one] = True


def _stands(candidates: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where items stand in an order, -1 for those that are not in it."""
    if not len(candidates):
        return np.full(len(item), -1)
    by_item = np.argsort(candidates)
    at = np.searchsorted(candidates, item, sorter=by_item)
    at = by_item[np.minimum(at, len(candidates) - 1)]
    return np.where(candidates[at] == item, at, -1)


def _chances(policy: ListPolicy, place: int) -> Reals:
    """Return the probability of each candidate at a place, (m,)."""
    if policy.explore.policy == "none":
        return np.where(np.arange(policy.m) == place - 1, 1.0, 0.0)
    return policy.propensities(np.arange(policy.m), np.full(policy.m, place))


def _log_list(policy: ListPolicy, stands: NDArray[np.int64], place: NDArray[np.int64]) -> float:
    """Return the logarithm of the probability of a whole list, of which these items are all places."""
    first = place <= policy.m
    if (stands < 0).any() or (stands[~first] != place[~first] - 1).any() or (stands[first] >= policy.m).any():
        return -math.inf
    return policy.log_probability(stands[first])


def _log_probability(explored: str) -> float:
    """Return that which a list was made with; 0, of a certain list, where nothing was left to chance."""
    said = json.loads(explored)
    found = said.get("log_probability") if said.get("policy", "none") != "none" else 0.0
    return math.nan if found is None else float(found)
