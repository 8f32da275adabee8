"""`/web/me`: who somebody is to this page, and what they may do on it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from palate.serve.answers import Said
from palate.serve.operations import Exchange
from palate.serve.routes.said import in_thread
from palate.serve.web.offers import OfPerson, page_offers
from palate.serve.web.purposes import rating_scale

offer = page_offers("me")


class Me(Said):
    """Who asks, and what there is for them."""

    person: str
    is_own: bool
    is_admin: bool
    may_name: Annotated[bool, Field(description="May ask about others, by `user`.")]
    page: Literal["demo", "visitors"]
    has_model: bool
    genres: Annotated[list[str], Field(description="Of the catalogue, the most frequent first.")]
    rating_scale: Annotated[tuple[float, float] | None, Field(description="The ratings that people give, or none.")]
    years: Annotated[list[int] | None, Field(description="Of the catalogue, the first and the last.")]


@offer("GET", "/web/me", Me, role="write")
async def get_me(call: Exchange, asked: OfPerson) -> dict[str, Any]:
    """Return who asks; somebody new gets a cookie."""
    visit = call.visit
    has_model, spread = await in_thread(call.service.engine.facts, call.ns)
    scale = await in_thread(rating_scale, call)
    return {
        "person": visit.person,
        "is_own": visit.person == visit.own,
        "is_admin": visit.is_admin,
        "may_name": visit.may_name,
        "page": call.service.settings.page,
        "has_model": has_model,
        "rating_scale": None if scale is None else (scale.low, scale.high),
        "genres": list(spread.genres),
        "years": None if spread.years is None else list(spread.years),
    }
