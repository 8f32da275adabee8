"""`/v1/popular`, `/v1/trending`, `/v1/latest`: the same for everybody of a namespace."""

from __future__ import annotations

from functools import partial
from typing import Any

from palate.serve import answers, bodies
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread, list_said

offer = Offers("popular")


@offer("GET", "/v1/popular", answers.Recommendations, role="read")
async def get_popular(call: Exchange, asked: bodies.SpanQuery) -> dict[str, Any]:
    """Return the items that were chosen most often."""
    return await _best(call, "popular", asked, asked.days)


@offer("GET", "/v1/trending", answers.Recommendations, role="read")
async def get_trending(call: Exchange, asked: bodies.SpanQuery) -> dict[str, Any]:
    """Return the items that are chosen more often now than before."""
    return await _best(call, "trending", asked, asked.days)


@offer("GET", "/v1/latest", answers.Recommendations, role="read")
async def get_latest(call: Exchange, asked: bodies.BestQuery) -> dict[str, Any]:
    """Return the newest items."""
    return await _best(call, "latest", asked, None)


async def _best(call: Exchange, kind: str, asked: bodies.BestQuery, days: int | None) -> dict[str, Any]:
    best = partial(call.service.engine.best, call.ns, kind, n=asked.n, where=tuple(asked.where), days=days)
    return list_said(call, await in_thread(best), None, asked.n)
