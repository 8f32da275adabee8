"""`/v1/recommendations`: lists for users, for sessions, for many at once, and their following pages."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from palate.errors import PalateError
from palate.serve import answers, bodies
from palate.serve.engine import presets
from palate.serve.engine.asking import Ask
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import holder, in_thread, items_ids, list_said, problem_row, users_id
from palate.store.ids import canonical

offer = Offers("recommendations")
ListRequest = bodies.RecommendationRequest | bodies.RecommendationQuery | bodies.SessionRequest
TOGETHER = 64  # lists of one batch that are asked for at once; others' requests come between
OPEN = frozenset(presets.OPEN)  # fields that a preset may say where the request does not
CURSOR = "AZ0rUNoXcnyV2pj1Lw4ZpQALAApp1wqgR1nBk8cNpYw2p0mUXKQ8Ew"
EXAMPLE = {"user": "196", "n": 10, "where": ["year>=1990"], "exclude": ["50"], "diversity": 0.3}


@offer("POST", "/v1/recommendations", answers.Recommendations, role="read", errors=(409,), examples={"a user": EXAMPLE})
async def recommend(call: Exchange, asked: bodies.RecommendationRequest) -> dict[str, Any]:
    """Recommend items to a user, with all feedback up to this moment.

    A user of whom nothing is known gets what is popular.
    """
    return await _answered(call, asked)


@offer("GET", "/v1/recommendations", answers.Recommendations, role="read", errors=(409,))
async def recommend_by_address(call: Exchange, asked: bodies.RecommendationQuery) -> dict[str, Any]:
    """Recommend items to a user; what the address cannot hold, POST takes."""
    return await _answered(call, asked)


@offer(
    "POST",
    "/v1/recommendations/session",
    answers.Recommendations,
    role="read",
    errors=(409,),
    examples={"a session": {"session": [{"item": "50", "value": 5}, {"item": "181"}], "n": 10}},
)
async def recommend_for_session(call: Exchange, asked: bodies.SessionRequest) -> dict[str, Any]:
    """Recommend items to somebody without an id, from items that they looked at or rated."""
    return await _answered(call, asked)


@offer(
    "POST",
    "/v1/recommendations/batch",
    answers.BatchAnswer,
    role="read",
    examples={"two lists": {"requests": [{"user": "196"}, {"session": [{"item": "50"}]}]}},
)
async def recommend_to_many(call: Exchange, asked: bodies.BatchRequest) -> dict[str, Any]:
    """Recommend items to many; each request has a result of its own."""
    gate = asyncio.Semaphore(TOGETHER)

    async def one(request: ListRequest) -> dict[str, Any]:
        async with gate:
            try:
                return {"status": 200, "list": await _answered(call, request), "problem": None}
            except PalateError as error:
                problem = problem_row(error, call)
                return {"status": problem["status"], "list": None, "problem": problem}

    return {"results": await asyncio.gather(*map(one, asked.requests))}


@offer(
    "POST",
    "/v1/recommendations/next",
    answers.Recommendations,
    role="read",
    errors=(404, 410),
    examples={"the next ten": {"cursor": CURSOR, "user": "196"}},
)
async def recommend_next(call: Exchange, asked: bodies.NextRequest) -> dict[str, Any]:
    """Return the following page of a list: in the same order, without what has become forbidden since."""
    return await _following(call, asked)


@offer("GET", "/v1/recommendations/next", answers.Recommendations, role="read", errors=(404, 410))
async def recommend_next_by_address(call: Exchange, asked: bodies.NextRequest) -> dict[str, Any]:
    """Return the following page of a list."""
    return await _following(call, asked)


async def _answered(call: Exchange, asked: ListRequest) -> dict[str, Any]:
    ask = _ask(call, asked)
    answer = await call.service.batcher.answer(ask)
    return list_said(call, answer, ask.user, len(answer.places))  # more follow where there are as many as were asked


async def _following(call: Exchange, asked: bodies.NextRequest) -> dict[str, Any]:
    user = None if asked.user is None else users_id(call, asked.user)
    page = call.service.cursors.read(asked.cursor, holder(call, user), time.time())
    n = asked.n or page.n
    answer = await in_thread(call.service.engine.following, call.ns, page.list_id, page.first, n)
    return list_said(call, answer, user, n)


def _ask(call: Exchange, asked: ListRequest) -> Ask:
    """Return a request as the engine takes it; by its type, for pydantic takes long to say that it lacks a field."""
    session = asked.session if isinstance(asked, bodies.SessionRequest) else ()
    include = None if isinstance(asked, bodies.RecommendationQuery) else asked.include
    boosts = () if isinstance(asked, bodies.RecommendationQuery) else asked.boosts
    return Ask(
        ns=call.ns,
        user=None if isinstance(asked, bodies.SessionRequest) else users_id(call, asked.user),
        session=tuple((canonical(call.ns, row.item, "item"), row.value) for row in session) or None,
        n=asked.n,
        where=tuple(asked.where),
        include=None if include is None else items_ids(call, include),
        exclude=items_ids(call, asked.exclude),
        not_mine=False if isinstance(asked, bodies.SessionRequest) else asked.not_mine,
        seen=asked.seen,
        diversity=asked.diversity,
        discovery=asked.discovery,
        boosts=tuple((boost.where, boost.factor) for boost in boosts),
        why=asked.why,
        scenario=asked.scenario,
        given=frozenset(asked.model_fields_set & OPEN),
    )
