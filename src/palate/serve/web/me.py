"""`/web/me`: who somebody is to this page, and what they may do on it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from palate.serve.answers import Said
from palate.serve.operations import Exchange
from palate.serve.routes.said import in_thread
from palate.serve.web.offers import OfPerson, page_offers
from palate.serve.web.purposes import PurposeSaid, own_ratings, purposes_said, rating_scale_now

offer = page_offers("me")


class Me(Said):
    """Who asks, and what there is for them."""

    person: str
    own: Annotated[str, Field(description="Whom the cookie stands for.")]
    is_own: bool
    is_admin: bool
    may_name: Annotated[bool, Field(description="May ask about others, by `user`.")]
    page: Literal["demo", "visitors"]
    has_model: bool
    n_ratings: Annotated[int, Field(description="How many items the person rated.")]
    purposes: Annotated[list[PurposeSaid], Field(description="Models by what they are good for, the best lists first.")]
    upload_bytes: Annotated[int, Field(description="The largest file that is taken.")]
    genres: Annotated[list[str], Field(description="Of the catalogue, the most frequent first.")]
    rating_scale: Annotated[tuple[float, float] | None, Field(description="The ratings that people give, or none.")]
    years: Annotated[list[int] | None, Field(description="Of the catalogue, the first and the last.")]


@offer("GET", "/web/me", Me, role="write")
async def get_me(call: Exchange, asked: OfPerson) -> dict[str, Any]:
    """Return who asks; somebody new gets a cookie."""
    return await in_thread(_me, call)


def _me(call: Exchange) -> dict[str, Any]:
    visit, engine, settings = call.visit, call.service.engine, call.service.settings
    has_model, spread = engine.facts(call.ns)
    scale = rating_scale_now(call)  # the page opens while a version is being loaded
    return {
        "person": visit.person,
        "own": visit.own,
        "is_own": visit.person == visit.own,
        "is_admin": visit.is_admin,
        "may_name": visit.may_name,
        "page": settings.page,
        "has_model": has_model,
        "n_ratings": len(own_ratings(call)),
        "purposes": purposes_said(call),
        "upload_bytes": settings.upload_bytes,
        "rating_scale": None if scale is None else (scale.low, scale.high),
        "genres": list(spread.genres),
        "years": None if spread.years is None else list(spread.years),
    }
