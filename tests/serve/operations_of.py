"""Each operation of the service with requests that it takes, from its own documentation."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from palate.serve import gorse
from palate.serve.operations import Offer
from palate.serve.routes import PARTS

OFFERS: dict[str, Offer] = {offer.endpoint.__name__: offer for offers in (*PARTS, *gorse.PARTS) for offer in offers}
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
    "list_scenarios": {},
    "list_scenario_revisions": {"name": "home"},
    "delete_scenario": {"name": "home"},
    "list_experiments": {},
    "report_experiment": {"name": "layout"},
    "list_jobs": {"n": 5},
    "list_schedules": {},
    "delete_schedule": {"kind": "retrain"},
    "gorse_get_users": {"n": 3},
    "gorse_get_items": {"n": 3},
    "gorse_get_feedback": {"n": 3},
    "gorse_get_popular": {"n": 3, "user-id": "196"},
    "gorse_get_latest": {"n": 3, "user-id": "196"},
}
BESIDE: dict[str, dict[str, Any]] = {  # queries beside the parts of a path, or a body
    "gorse_recommend": {"n": 3, "offset": 1},
    "gorse_get_neighbors": {"n": 3, "user-id": "196"},
    "gorse_session_recommend": {"n": 3},
}
AT = {"user_id": "196", "item_id": "50", "feedback_type": "click", "category": "War", "name": "popular"}


def requests_of(name: str) -> list[dict[str, Any]]:
    """Return bodies or queries that an operation takes."""
    offer = OFFERS[name]
    if not in_parts(offer):
        return list(offer.examples.values()) if offer.has_body else [QUERIES.get(name, {})]
    at = {part: AT[part] for part in (offer.at.model_fields if offer.at else ())}
    bodies = list(offer.examples.values()) if offer.has_body else [None]
    return [{"at": at, "query": BESIDE.get(name, {}), "body": body} for body in bodies]


def in_parts(offer: Offer) -> bool:
    """Return whether a request is told as its path's parts, its query and its body."""
    return offer.at is not None or offer.query is not None


def send(asking: Any, name: str, given: dict[str, Any], path: str | None = None, **options: Any) -> Any:
    """Send a request to an operation."""
    offer = OFFERS[name]
    where = path or offer.path
    if in_parts(offer):
        where = where.format(**{part: quote(value, safe="") for part, value in given["at"].items()})
        body = {} if given["body"] is None else {"json": given["body"]}
        return asking(offer.method, where, params=given["query"], role=offer.role, **body, **options)
    if offer.has_body:
        return asking(offer.method, where, json=given, role=offer.role, **options)
    return asking(offer.method, where, params=given, role=offer.role, **options)
