"""`/api/recommend`, sessions, neighbours, latest and popular: lists of the engine, cut as Gorse's clients ask."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np

from palate.errors import NotFoundError, ParameterError
from palate.serve.engine.asking import DEPTH, Answer, Ask
from palate.serve.gorse import answers, bodies
from palate.serve.gorse.feedback import events_of
from palate.serve.gorse.offers import offers
from palate.serve.operations import Exchange
from palate.serve.routes import feedback as ours
from palate.serve.routes.said import finite, in_thread, users_id
from palate.store.ids import canonical
from palate.store.kinds import Kinds, kinds_of
from palate.store.records import Event, Place
from palate.store.times import now

offer = offers("lists")
BEST = ("popular", "trending", "latest")  # of /v1, and names of recommenders here
VIEWED = {"FeedbackType": "click", "UserId": "visitor", "ItemId": "tea", "Timestamp": "2026-11-27T16:30:00Z"}


# -- for a user --------------------------------------------------------------------------------------------------------


@offer("GET", "/api/recommend/{user_id}", answers.Recommended, role="read", errors=(409,))
async def gorse_recommend(call: Exchange, asked: bodies.RecommendQuery, at: bodies.OfUser) -> list[Any]:
    """Recommend items to a user; `write-back-type` also tells that they were seen, which needs the role `write`."""
    return await _recommended(call, at.user_id, asked.category, asked)


@offer("GET", "/api/recommend/{user_id}/{category}", answers.Recommended, role="read", errors=(409,))
async def gorse_recommend_in_category(
    call: Exchange, asked: bodies.RecommendQuery, at: bodies.OfUserAndCategory
) -> list[Any]:
    """Recommend items of a category to a user."""
    return await _recommended(call, at.user_id, asked.category or [at.category], asked)


async def _recommended(call: Exchange, user: str, categories: Sequence[str], asked: bodies.RecommendQuery) -> list[Any]:
    user, kind = users_id(call, user), asked.write_back_type
    if kind:
        call.known.may("write")
        (await in_thread(_kinds, call)).check(Event(user, "", kind, 0.0))
    n, offset = _cut(asked)
    if not n:
        return []
    ask = Ask(ns=call.ns, user=user, n=offset + n, where=_conditions(categories))
    answer = await _told(call.service.batcher.answer(ask))
    if answer is None:
        return []
    call.timings |= answer.timings
    places = answer.places[offset:]
    if kind:
        await _write_back(call, user, kind, [place.item for place in places], asked.write_back_delay)
    return _scores(places) if call.headers.get(b"x-api-version") == b"2" else [place.item for place in places]


async def _write_back(call: Exchange, user: str, kind: str, items: Sequence[str], delay: timedelta) -> None:
    """Tell that a list was seen, or will be after a delay; it is committed when this returns."""
    time = now() + delay // timedelta(microseconds=1) if delay else None
    waits = time is not None
    told = [Event(user, item, kind, 0.0, time, source="write-back", waits=waits) for item in items]
    receipts = await call.service.store.writer.feedback_soon(call.ns, told)
    ours.count(receipts)
    for receipt in receipts:
        if receipt.error is not None:
            raise receipt.error


# -- for a session -----------------------------------------------------------------------------------------------------


@offer(
    "POST",
    "/api/session/recommend",
    answers.Scores,
    role="read",
    errors=(409,),
    examples={"somebody who looked at tea": [VIEWED]},
)
async def gorse_session_recommend(call: Exchange, asked: bodies.GorseSession, query: bodies.Cut) -> list[Any]:
    """Recommend items to somebody without an id, by what they did."""
    return await _of_session(call, asked, query, ())


@offer(
    "POST",
    "/api/session/recommend/{category}",
    answers.Scores,
    role="read",
    errors=(409,),
    examples={"somebody who looked at tea": [VIEWED]},
)
async def gorse_session_recommend_in_category(
    call: Exchange, asked: bodies.GorseSession, query: bodies.Cut, at: bodies.OfCategory
) -> list[Any]:
    """Recommend items of a category to somebody without an id, by what they did."""
    return await _of_session(call, asked, query, (at.category,))


async def _of_session(
    call: Exchange, asked: bodies.GorseSession, query: bodies.Cut, categories: Sequence[str]
) -> list[Any]:
    n, offset = _cut(query)
    session = await in_thread(_session, call, asked)
    if not n:
        return []
    ask = Ask(
        ns=call.ns,
        session=session or None,
        n=offset + n,
        where=_conditions(categories),
        exclude=tuple(canonical(call.ns, row.ItemId, "item") for row in asked.root),
    )
    answer = await _told(call.service.batcher.answer(ask))
    return [] if answer is None else _scores(answer.places[offset:])


def _session(call: Exchange, asked: bodies.GorseSession) -> tuple[tuple[str, float | None], ...]:
    """Return the items of positive events, and their ratings where the kind has some."""
    kinds, found = _kinds(call), []
    for row in asked.root:
        item, value = canonical(call.ns, row.ItemId, "item"), row.Value or 0.0
        kinds.check(Event("", item, row.FeedbackType, value))
        kind = kinds.get(row.FeedbackType)
        if kind is not None and kind.is_positive(np.array([value]))[0]:
            found.append((item, value if kind.rating == "value" else kind.rating))
    return tuple(found)


# -- for everybody -----------------------------------------------------------------------------------------------------


@offer("GET", "/api/latest", answers.Scores, role="read")
async def gorse_get_latest(call: Exchange, asked: bodies.BestQuery) -> list[Any]:
    """Return the newest items; the score is when they were made, in seconds."""
    return await _best(call, "latest", asked, asked.category)


@offer("GET", "/api/latest/{category}", answers.Scores, role="read")
async def gorse_get_latest_in_category(call: Exchange, asked: bodies.BestQuery, at: bodies.OfCategory) -> list[Any]:
    """Return the newest items of a category."""
    return await _best(call, "latest", asked, [at.category])


@offer("GET", "/api/popular", answers.Scores, role="read")
async def gorse_get_popular(call: Exchange, asked: bodies.BestQuery) -> list[Any]:
    """Return the items that were chosen most often."""
    return await _best(call, "popular", asked, asked.category)


@offer("GET", "/api/popular/{category}", answers.Scores, role="read")
async def gorse_get_popular_in_category(call: Exchange, asked: bodies.BestQuery, at: bodies.OfCategory) -> list[Any]:
    """Return the items of a category that were chosen most often."""
    return await _best(call, "popular", asked, [at.category])


@offer("GET", "/api/non-personalized/{name}", answers.Scores, role="read", errors=(404,))
async def gorse_get_non_personalized(call: Exchange, asked: bodies.BestQuery, at: bodies.OfName) -> list[Any]:
    """Return the items of a list for everybody: popular, trending or latest."""
    if at.name not in BEST:
        raise NotFoundError.unknown("no list for everybody", at.name, BEST)
    return await _best(call, at.name, asked, asked.category)


async def _best(call: Exchange, kind: str, asked: bodies.BestQuery, categories: Sequence[str]) -> list[Any]:
    n, offset = _cut(asked)
    if not n:
        return []
    had = await _had(call, asked)
    best = partial(call.service.engine.best, call.ns, kind, n=n + offset, where=_conditions(categories), exclude=had)
    answer = await _told(in_thread(best))
    unit = 1e-6 if kind == "latest" else 1.0  # microseconds
    return [] if answer is None else _scores(answer.places[offset:], unit)


# -- like an item ------------------------------------------------------------------------------------------------------


@offer("GET", "/api/item/{item_id}/neighbors", answers.Scores, role="read", errors=(409,))
async def gorse_get_neighbors(call: Exchange, asked: bodies.BestQuery, at: bodies.OfItem) -> list[Any]:
    """Return items like one; none where nothing is known of it yet."""
    return await _like(call, at.item_id, asked, asked.category)


@offer("GET", "/api/item/{item_id}/neighbors/{category}", answers.Scores, role="read", errors=(409,))
async def gorse_get_neighbors_in_category(
    call: Exchange, asked: bodies.BestQuery, at: bodies.OfItemAndCategory
) -> list[Any]:
    """Return items of a category like one."""
    return await _like(call, at.item_id, asked, [at.category])


@offer("GET", "/api/item-to-item/{name}/{item_id}", answers.Scores, role="read", errors=(409,))
async def gorse_item_to_item(call: Exchange, asked: bodies.BestQuery, at: bodies.OfNameAndItem) -> list[Any]:
    """Return items like one, by the model, whatever the name."""
    return await _like(call, at.item_id, asked, asked.category)


async def _like(call: Exchange, item: str, asked: bodies.BestQuery, categories: Sequence[str]) -> list[Any]:
    n, offset = _cut(asked)
    item = canonical(call.ns, item, "item")
    if not n:
        return []
    had = await _had(call, asked)
    similar = partial(
        call.service.engine.similar,
        *(call.ns, item),
        n=n + offset,
        where=_conditions(categories),
        include=None,
        exclude=had,
    )
    try:
        answer = await _told(in_thread(similar))
    except NotFoundError:  # Gorse has no neighbours of what it does not know
        return []
    return [] if answer is None else _scores(answer.places[offset:])


# -- what they share ---------------------------------------------------------------------------------------------------


async def _had(call: Exchange, asked: bodies.BestQuery) -> tuple[str, ...]:
    """Return what the user had whom the query names."""
    if asked.user_id is None:
        return ()
    told: list[Event] = await in_thread(events_of, call, asked.user_id)
    return tuple(dict.fromkeys(event.item for event in told if event.item is not None))


def _cut(asked: bodies.Cut) -> tuple[int, int]:
    """Return how many are shown, and how many are left out first: lists have 500 places."""
    offset = min(asked.offset, DEPTH)
    return min(asked.n, DEPTH - offset), offset


def _conditions(categories: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"categories={category}" for category in categories if category)


async def _told(answer: Awaitable[Answer]) -> Answer | None:
    """Return an answer, None where no item has categories, so that none meets a condition on them."""
    try:
        return await answer
    except ParameterError as error:
        if error.code == "columns":
            return None
        raise


def _kinds(call: Exchange) -> Kinds:
    with call.service.store.read() as conn:
        return kinds_of(conn, call.ns)


def _scores(places: Sequence[Place], unit: float = 1.0) -> list[dict[str, Any]]:
    return [{"Id": place.item, "Score": unit * (finite(place.score) or 0.0)} for place in places]
