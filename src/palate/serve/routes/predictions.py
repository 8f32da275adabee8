"""`/v1/predictions`, `/v1/explanations`, `/v1/onboarding`, `/v1/items/similar`: what else a model can say."""

from __future__ import annotations

from functools import partial
from typing import Any

from palate.serve import answers, bodies
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import finite, in_thread, items_ids, list_said, model_said, time_said, users_id
from palate.store.ids import canonical

offer = Offers("model")


@offer(
    "POST",
    "/v1/items/similar",
    answers.Recommendations,
    role="read",
    errors=(404, 409),
    examples={"five like one": {"item": "50", "n": 5}},
)
async def similar_items(call: Exchange, asked: bodies.SimilarRequest) -> dict[str, Any]:
    """Return items like one."""
    return await _similar(call, asked)


@offer("GET", "/v1/items/similar", answers.Recommendations, role="read", errors=(404, 409))
async def similar_items_by_address(call: Exchange, asked: bodies.SimilarQuery) -> dict[str, Any]:
    """Return items like one."""
    return await _similar(call, asked)


@offer(
    "POST",
    "/v1/onboarding",
    answers.Questions,
    role="read",
    errors=(409,),
    examples={"the first ten": {"n": 10}, "five more": {"n": 5, "user": "196", "skipped": ["50"]}},
)
async def onboarding(call: Exchange, asked: bodies.OnboardingRequest) -> dict[str, Any]:
    """Return items to ask somebody about next: those they may know, and whose ratings tell most."""
    return await _onboarding(call, asked)


@offer("GET", "/v1/onboarding", answers.Questions, role="read", errors=(409,))
async def onboarding_by_address(call: Exchange, asked: bodies.OnboardingQuery) -> dict[str, Any]:
    """Return items to ask somebody about next."""
    return await _onboarding(call, asked)


@offer(
    "POST",
    "/v1/predictions",
    answers.Predictions,
    role="read",
    errors=(404, 409),
    examples={"with an interval": {"user": "196", "items": ["50", "181"], "interval": 0.9}},
)
async def predict(call: Exchange, asked: bodies.PredictionRequest) -> dict[str, Any]:
    """Predict what a user would think of items, with an interval where the model has one."""
    engine, user, items = call.service.engine, users_id(call, asked.user), items_ids(call, asked.items)
    done = await in_thread(engine.predict, call.ns, user, items, asked.interval, asked.scenario)
    return {
        "predictions": [
            {"item": item, "value": finite(value), "low": finite(low), "high": finite(high), "known": known}
            for item, value, low, high, known in done.rows
        ],
        "model": model_said(done.version, done.trained),
        "newest_feedback": time_said(done.newest_feedback),
    }


@offer(
    "POST",
    "/v1/explanations",
    answers.Explanation,
    role="read",
    errors=(404, 409),
    examples={"why this": {"user": "196", "item": "50"}},
)
async def explain(call: Exchange, asked: bodies.ExplanationRequest) -> dict[str, Any]:
    """Say which of a user's items led to an item, and how much each adds."""
    user, item = users_id(call, asked.user), canonical(call.ns, asked.item, "item")
    done = await in_thread(call.service.engine.explain, call.ns, user, item, asked.n, asked.scenario)
    return {
        "item": item,
        "reasons": done.reasons,
        "text": done.text,
        "model": model_said(done.version, done.trained),
        "newest_feedback": time_said(done.newest_feedback),
    }


async def _similar(call: Exchange, asked: bodies.SimilarRequest | bodies.SimilarQuery) -> dict[str, Any]:
    item = canonical(call.ns, asked.item, "item")
    answer = await in_thread(partial(call.service.engine.similar, call.ns, item, **_choice(call, asked)))
    return list_said(call, answer, None, asked.n)


async def _onboarding(call: Exchange, asked: bodies.OnboardingRequest | bodies.OnboardingQuery) -> dict[str, Any]:
    session = getattr(asked, "session", None)
    user = None if asked.user is None else users_id(call, asked.user)
    who = {
        "user": user,
        "session": session and tuple((canonical(call.ns, row.item, "item"), row.value) for row in session),
        "skipped": items_ids(call, asked.skipped),
    }
    answer = await in_thread(partial(call.service.engine.onboarding, call.ns, **_choice(call, asked), **who))
    return list_said(call, answer, user, asked.n) | {"known": answer.known}


def _choice(call: Exchange, asked: Any) -> dict[str, Any]:
    given = getattr(asked, "include", None)
    include = None if given is None else items_ids(call, given)
    return {
        "n": asked.n,
        "where": tuple(asked.where),
        "include": include,
        "exclude": items_ids(call, asked.exclude),
    }
