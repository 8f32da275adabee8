"""`/v1/popular`, `/v1/trending`, `/v1/latest`: the same for everybody of a namespace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from palate.serve import answers, bodies
from palate.serve.operations import Call, Offers
from palate.serve.routes.said import finite, in_thread
from palate.store import popular

offer = Offers("popular")


@offer("GET", "/v1/popular", answers.Best, role="read")
async def get_popular(call: Call, asked: bodies.SpanQuery) -> dict[str, Any]:
    """Return the items that most people chose."""
    return await in_thread(_best, call, popular.popular, asked)


@offer("GET", "/v1/trending", answers.Best, role="read")
async def get_trending(call: Call, asked: bodies.SpanQuery) -> dict[str, Any]:
    """Return the items that are chosen more now than before."""
    return await in_thread(_best, call, popular.trending, asked)


@offer("GET", "/v1/latest", answers.Best, role="read")
async def get_latest(call: Call, asked: bodies.BestQuery) -> dict[str, Any]:
    """Return the newest items."""
    return await in_thread(_best, call, popular.latest, asked)


def _best(call: Call, rank: Callable[..., Sequence[Any]], asked: Any) -> dict[str, Any]:
    """Return items in a store's order, the first that meet the conditions."""
    where = tuple(asked.where)
    days = {"days": asked.days} if hasattr(asked, "days") else {}
    with call.service.store.read() as conn:
        counted = rank(conn, call.ns, None if where else asked.n, **days)
    columns = call.service.engine.described(call.ns, [one.id for one in counted], where)
    kept = [(one, of) for one, of in zip(counted, columns, strict=True) if of is not None][: asked.n]
    return {
        "items": [
            {"item": one.id, "place": at, "score": finite(one.score), "attributes": of}
            for at, (one, of) in enumerate(kept, 1)
        ]
    }
