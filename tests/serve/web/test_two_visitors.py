"""Two visitors: each action of the page is tried by one on the other. An operation that is missing here fails."""

from __future__ import annotations

import pytest
from films import copied
from in_process import Visitor, serving

from palate.serve.web import PARTS, guards
from palate.serve.web.offers import OfPerson, PageOperation
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


def send(visitor, name, given):
    method, path = name.split(" ")
    if name in FILES:
        headers = {"content-type": "application/octet-stream"}
        return visitor.request(method, path, params=given, content=b"title,rating\nHeat,4\n", headers=headers)
    return visitor.request(method, path, **({"json": given} if OFFERS[name].has_body else {"params": given}))


def test_every_operation_of_the_page_is_tried():
    assert {*OFFERS} == {*OF_A_PERSON, *OF_NOBODY, *ADMINS}
    for offers in PARTS:
        assert offers.operation in (PageOperation, FileOperation)
        assert not offers.documented
    for name, offer in OFFERS.items():
        of_person = offer.asked is not None and issubclass(offer.asked, OfPerson)
        assert of_person == (name in OF_A_PERSON), f"{name}: what is about a person takes OfPerson"
        assert (offer.role == "admin") == (name in ADMINS), name
        assert "{" not in offer.path, f"{name}: ids stand in no path"


@pytest.fixture(scope="module")
def page(tmp_path_factory, films_file):
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "ARRIVALS", 10_000)  # more people come here in a minute than one address may send
        with serving(copied(films_file, folder), page="visitors", engine=None) as client:
            yield client.app


@pytest.mark.parametrize("name", OF_A_PERSON)
def test_nobody_asks_about_another_visitor(page, name):
    ann, bob = Visitor(page), Visitor(page)
    own = bob.get("/web/me").json()["person"]
    for other in (own, "p1", "nobody"):
        refused = send(ann, name, OF_A_PERSON[name] | {"user": other})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_yours"), refused.text
        assert other not in refused.text
        assert refused.json()["value"] is None
    mine = ann.get("/web/me").json()["person"]
    assert send(ann, name, OF_A_PERSON[name] | {"user": mine}).json().get("code") != "not_yours"


@pytest.mark.parametrize("name", [name for name in OFFERS if not name.startswith("GET")])
def test_no_other_site_changes_anything(page, name):
    ann = Visitor(page)
    for origin in ("http://evil.example", "null"):
        given = OF_A_PERSON.get(name) or ADMINS.get(name) or {}
        ann.headers["origin"] = origin
        refused = send(ann, name, given)
        assert (refused.status_code, refused.json()["code"]) == (403, "origin")
    ann.headers.pop("origin")
    assert send(ann, name, given).json()["code"] == "origin"


@pytest.mark.parametrize("name", ADMINS)
def test_what_is_for_admins_is_for_admins(page, name):
    refused = send(Visitor(page), name, ADMINS[name])
    assert (refused.status_code, refused.json()["code"], refused.json()["subject"]) == (403, "forbidden", "session")
