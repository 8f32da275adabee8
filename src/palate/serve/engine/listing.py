"""From orders to answers, and to the lists that the store keeps of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from palate.errors import PalateError
from palate.serve.engine.asking import Answer, Ask
from palate.serve.engine.catalogue import Catalogue
from palate.serve.engine.exploring import Explored, explored
from palate.serve.engine.people import KnownPerson
from palate.serve.engine.ranking import BOOSTED, MODEL, SOURCES, Order
from palate.serve.engine.space import Tenant
from palate.serve.engine.why import boosted, explained, reasons
from palate.store.packing import CountedPlaces, Race, encode_ranked
from palate.store.records import Place, ShownList

ReasonList = list[dict[str, Any]]
MODEL_POLICY, POPULAR_POLICY = "model", "popular"


def list_ids(n: int, now: int) -> list[str]:
    """Return n new ids of lists, UUIDs of version 7: they ascend in time.

    Args:
        n: how many.
        now: microseconds.
    """
    high = (now // 1000 << 16) | 7 << 12 | now % 1000 * 4096 // 1000
    chance = os.urandom(8 * n)
    lows = (int.from_bytes(chance[8 * at : 8 * at + 8]) & (1 << 62) - 1 | 1 << 63 for at in range(n))
    return [f"{high:016x}{low:016x}" for low in lows]


def answered(
    space: Tenant,
    asks: Sequence[Ask],
    people: Sequence[KnownPerson],
    orders: Sequence[Order | PalateError],
    now: int,
    timings: Mapping[str, float],
) -> tuple[list[Answer | PalateError], list[ShownList]]:
    """Return the answers of a batch, which tell these timings, and the lists to keep."""
    answers: list[Answer | PalateError] = []
    shown: list[ShownList] = []
    for ask, person, order, id_ in zip(asks, people, orders, list_ids(len(asks), now), strict=True):
        try:
            if isinstance(order, PalateError):
                raise order
            made = _explored(space, ask, person, order, id_)
            order = order if made is None else made.order
            answer = _answer(space, ask, person, order, id_, timings, made)
        except PalateError as error:
            answers.append(error)
            continue
        answers.append(answer)
        shown.append(_shown(space, ask, order, answer, now, made))
    return answers, shown


def _explored(space: Tenant, ask: Ask, person: KnownPerson, order: Order, list_id: str) -> Explored | None:
    """Return what chance makes of an order, the last step; None where it takes no part."""
    explore = None if ask.through is None else ask.through.explore
    if explore is None or explore.policy == "none":
        return None
    return explored(space, person, order, explore, ask.n, list_id)


def _answer(
    space: Tenant,
    ask: Ask,
    person: KnownPerson,
    order: Order,
    list_id: str,
    timings: Mapping[str, float],
    made: Explored | None,
) -> Answer:
    at = order.places[: ask.n].tolist()
    items = space.catalogue.shown(at)
    places = _places(order, ask.n, items)
    if made is not None:
        places = tuple([place._replace(propensity=p) for place, p in zip(places, made.propensities, strict=True)])
    loaded = space.loaded
    newest = person.newest
    why = [_why(space, person, place, one) for place, one in zip(at, places, strict=True)] if ask.why else None
    return Answer(
        list_id=list_id,
        places=places,
        columns=tuple([columns for _, columns in items]),
        why=None if why is None else tuple(why),
        more=len(order.places) > ask.n,
        version=None if loaded is None else loaded.number,
        trained=None if loaded is None else loaded.trained,
        newest_feedback=loaded.newest_event if newest is None and loaded is not None else newest,
        policy=POPULAR_POLICY if order.popular else MODEL_POLICY,
        **_by(ask),
        explored={} if made is None else made.said,
        timings=timings,
    )


def _by(ask: Ask) -> dict[str, Any]:
    """Return which preset and arm a list is made through."""
    made = ask.through
    return {} if made is None else {"scenario": made.scenario, "experiment": made.experiment, "arm": made.arm}


def _places(order: Order, n: int, items: Sequence[tuple[str, Any]]) -> tuple[Place, ...]:
    scores = order.scores[:n].tolist()
    if order.sources is None:
        source = POPULAR_POLICY if order.popular else MODEL_POLICY
        return tuple([Place(id_, score, 1.0, source) for (id_, _), score in zip(items, scores, strict=True)])
    sources = [SOURCES[source] for source in order.sources[:n].tolist()]
    return tuple([Place(id_, s, 1.0, source) for (id_, _), s, source in zip(items, scores, sources, strict=True)])


def _why(space: Tenant, person: KnownPerson, place: int, shown: Place) -> ReasonList | None:
    """Return the reasons of a place that the model scored; others have none."""
    if (
        space.loaded is None
        or place >= space.catalogue.n_items
        or shown.source not in (SOURCES[MODEL], SOURCES[BOOSTED])
    ):
        return None
    explanation = explained(space.loaded, person, place)
    told = reasons(explanation)
    return boosted(told, shown.score, explanation.score) if shown.source == SOURCES[BOOSTED] else told


def _shown(space: Tenant, ask: Ask, order: Order, answer: Answer, now: int, made: Explored | None) -> ShownList:
    chance = None if made is None else made.chance
    to_count = None if made is None else made.to_count
    return ShownList(
        list_id=answer.list_id or "",
        user=ask.user,
        time=now,
        policy=answer.policy,
        version=answer.version,
        places=answer.places,
        request=ask.said(),
        ranked=packed(space.catalogue, order, chance) if answer.more else None,
        scenario=answer.scenario,
        experiment=answer.experiment,
        arm=answer.arm,
        explored=answer.explored,
        uncounted=None if to_count is None else to_count.to_bytes(),
    )


def kept(ask: Ask, answer: Answer, now: int, said: Mapping[str, Any]) -> ShownList:
    """Return a list that is nobody's own as the store keeps it, with a new id, and what else was asked."""
    return ShownList(
        list_id=list_ids(1, now)[0],
        user=None,
        time=now,
        policy=answer.policy,
        version=answer.version,
        places=answer.places,
        request={**ask.said(), **said},
    )


def packed(catalogue: Catalogue, order: Order, chance: Race | CountedPlaces | None = None) -> bytes:
    """Return an order as the store keeps it: new items by their ids, for the next version may have them."""
    places, n_items = order.places, catalogue.n_items
    is_new = places >= n_items
    if not is_new.any():
        return encode_ranked(places, n_items, chance=chance)
    places = places.astype(np.int64)
    new = places[is_new]
    places[is_new] = n_items + np.arange(len(new))
    return encode_ranked(places, n_items, [catalogue.new[at - n_items] for at in new.tolist()], chance)
