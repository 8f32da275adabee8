"""`/web/me`: who somebody is to this page, and what they may do on it."""

from __future__ import annotations

from typing import Any, Literal

from palate.serve.answers import Said
from palate.serve.operations import Exchange
from palate.serve.web.offers import OfPerson, page_offers

offer = page_offers("me")


class Me(Said):
    """Who asks."""

    person: str
    is_own: bool
    is_admin: bool
    may_name: bool
    page: Literal["demo", "visitors"]


@offer("GET", "/web/me", Me, role="write")
async def get_me(call: Exchange, asked: OfPerson) -> dict[str, Any]:
    """Return who asks; somebody new gets a cookie."""
    visit = call.visit
    return {
        "person": visit.person,
        "is_own": visit.person == visit.own,
        "is_admin": visit.is_admin,
        "may_name": visit.may_name,
        "page": call.service.settings.page,
    }
