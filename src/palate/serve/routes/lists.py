"""`/v1/lists/{list_id}`: what was shown, and why."""

from __future__ import annotations

import re
from typing import Any

from palate.errors import NotFoundError
from palate.serve import answers
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread, items_said, made_by, time_said
from palate.store import lists
from palate.store.records import ShownList

offer = Offers("lists")


@offer("GET", "/v1/lists/{list_id}", answers.Shown, role="read", errors=(404,))
async def get_list(call: Exchange, asked: Any) -> dict[str, Any]:
    """Return a list that was shown: to whom, when, by which policy and model version, and each item's propensity."""
    shown = await in_thread(_shown, call, asked["list_id"])
    pages = [(shown.first, shown.places), *((page.first, page.places) for page in shown.pages)]
    return {
        "list_id": shown.list_id,
        "user": shown.user,
        "time": time_said(shown.time),
        "policy": shown.policy,
        "scenario": made_by(shown.scenario),
        "experiment": shown.experiment,
        "arm": shown.arm,
        "explored": dict(shown.explored),
        "version": shown.version,
        "request": dict(shown.request),
        "items": [item for first, places in pages for item in items_said(places, (), None, first)],
    }


def _shown(call: Exchange, list_id: str) -> ShownList:
    if not re.fullmatch("[0-9a-f]{32}", list_id):
        raise NotFoundError("there is no such list", subject="list_id", value=list_id)
    with call.service.store.read() as conn:
        return lists.get(conn, call.ns, list_id)
