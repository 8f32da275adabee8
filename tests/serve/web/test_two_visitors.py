"""Two visitors: each action of the page is tried by one on the other. An operation that is missing here fails."""

from __future__ import annotations

import pytest
from films import copied
from in_process import Visitor, serving
from page_routes import ADMINS, OF_A_PERSON, OF_NOBODY, OFFERS, send

from palate.serve.web import PARTS, guards
from palate.serve.web.offers import OfPerson, PageOperation
from palate.serve.web.uploads import FileOperation


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
