"""The operations of the page, each with a body or a query that is taken: whoever tries all of them begins here."""

from __future__ import annotations

from palate.serve.web import PARTS
from palate.serve.web.uploads import FileOperation

OFFERS = {f"{offer.method} {offer.path}": offer for offers in PARTS for offer in offers}
FILES = {f"{offer.method} {offer.path}" for offers in PARTS if offers.operation is FileOperation for offer in offers}

EVENT, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"

OF_A_PERSON = {  # a body or a query that is taken; the test adds whom it is about
    "GET /web/me": {},
    "POST /web/compare": {"left": "lists", "right": "stars"},
    "POST /web/uploads": {},
    "POST /web/uploads/commit": {"once": "0123456789abcdef"},
    "POST /web/uploads/undo": {"once": "0123456789abcdef"},
    "GET /web/downloads/lists": {"format": "json"},
    "GET /web/downloads/mine": {"format": "json"},
    "DELETE /web/me": {"sure": True},
    "POST /web/questions": {"n": 5, "skipped": ["f1"]},
    "GET /web/list": {},
    "GET /web/mine": {},
    "GET /web/search": {"typed": "s"},
    "GET /web/film": {"item": "f1"},
    "GET /web/map/mine": {},
    "GET /web/why": {"item": "f1"},
    "POST /web/ratings": {"event_id": EVENT, "item": "f1", "value": 4},
    "POST /web/reactions": {"event_id": EVENT, "item": "f1", "kind": "hide"},
    "POST /web/undo": {"event_id": EVENT, "withdraws": OTHER},
}
OF_NOBODY = {  # why nobody can name somebody in it, or ask for what is another's
    "GET /web/map": "is everybody's",
    "POST /web/admin": "changes the cookie of whoever asks alone",
    "DELETE /web/admin": "changes the cookie of whoever asks alone",
    "POST /web/session": "the token says who; tests/serve/web/test_handover.py",
}
ADMINS = {  # bodies or queries of what admins alone may
    **{f"GET /web/scenes/{part}": {} for part in ("card", "comparison", "calibration", "traffic", "arms", "jobs")},
    **{f"GET /web/scenes/{part}": {} for part in ("versions", "refused", "ready")},
    "POST /web/scenes/jobs": {"sure": True},
    "POST /web/scenes/jobs/cancel": {"job": 1, "sure": True},
    "POST /web/scenes/versions/activate": {"version": 1, "sure": True},
    "POST /web/scenes/versions/rollback": {"sure": True},
}
SECRETS = {"POST /web/admin": {"key": "wrong"}, "POST /web/session": {"token": "wrong"}}  # bodies of what they open


def send(visitor, name, given):
    method, path = name.split(" ")
    if name in FILES:
        headers = {"content-type": "application/octet-stream"}
        return visitor.request(method, path, params=given, content=b"title,rating\nHeat,4\n", headers=headers)
    return visitor.request(method, path, **({"json": given} if OFFERS[name].has_body else {"params": given}))
