"""Each operation of the service with requests that it takes, from its own documentation."""

from __future__ import annotations

from typing import Any

from palate.serve.operations import Offer
from palate.serve.routes import PARTS

OFFERS: dict[str, Offer] = {offer.endpoint.__name__: offer for offers in PARTS for offer in offers}
QUERIES: dict[str, dict[str, Any]] = {
    "recommend_by_address": {"user": "196", "n": 3, "exclude": ["50"]},
    "recommend_next_by_address": {"cursor": "AAAA", "user": "196"},
    "similar_items_by_address": {"item": "5"},
    "onboarding_by_address": {"n": 3},
    "find_items": {"id": "50"},
    "delete_item": {"id": "50"},
    "get_user": {"id": "196"},
    "forget_user": {"id": "196"},
    "get_popular": {"n": 3},
    "get_trending": {"n": 3, "days": 7},
    "get_latest": {"n": 3},
    "list_models": {},
    "list_jobs": {"n": 5},
    "list_schedules": {},
    "delete_schedule": {"kind": "retrain"},
}


def requests_of(name: str) -> list[dict[str, Any]]:
    """Return bodies or queries that an operation takes."""
    offer = OFFERS[name]
    return list(offer.examples.values()) if offer.has_body else [QUERIES[name]] if name in QUERIES else [{}]


def send(asking: Any, name: str, given: dict[str, Any], path: str | None = None, **options: Any) -> Any:
    """Send a request to an operation."""
    offer = OFFERS[name]
    where = path or offer.path
    if offer.has_body:
        return asking(offer.method, where, json=given, role=offer.role, **options)
    return asking(offer.method, where, params=given, role=offer.role, **options)
