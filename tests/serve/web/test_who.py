"""Who asks on the page: a visitor about themselves, in a demonstration about anybody, and no other site at all."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from in_process import HERE

from palate.data.ids import Ids
from palate.errors import NotFoundError, UnavailableError
from palate.serve.engine.typed import typed_user
from palate.serve.operations import add
from palate.serve.visitor_ids import FIRST_NUMBER
from palate.serve.web import guards
from palate.serve.web.offers import OfPerson, Sure, page_offers
from palate.store import forgetting, users
from palate.store.records import Thing


@pytest.fixture
def changing(visiting):
    """Return a function that makes services with an operation that changes something."""
    offer = page_offers("trial")

    @offer("POST", "/web/trial", OfPerson, role="write")
    async def change(call, asked: OfPerson):
        """Change something."""
        return {"person": call.visit.person}

    @offer("POST", "/web/trial/sure", Sure, role="write")
    async def change_surely(call, asked: Sure):
        """Change something for good."""
        return {"sure": asked.sure}

    def service(**settings):
        visitor = visiting(**settings)
        app = visitor().app
        app.operations = {**app.operations, **add(app, offer)}
        app.middleware_stack = None
        return visitor

    return service


def who(visitor, **query):
    return visitor.get("/web/me", params=query)


def test_somebody_new_gets_a_person_and_keeps_it(visiting):
    visitor = visiting()()
    first, second = who(visitor), who(visitor)
    assert first.json() == second.json()
    assert first.json()["person"].startswith("visitor-")
    assert first.json()["is_own"]
    assert "set-cookie" in first.headers
    assert "set-cookie" not in second.headers


def test_two_visitors_are_two_persons_and_neither_may_name_the_other(visiting):
    service = visiting()
    ann, bob = service(), service()
    one, other = (who(visitor).json()["person"] for visitor in (ann, bob))
    assert one != other
    assert who(ann, user=one).json()["is_own"]
    refused = who(bob, user=one)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    assert refused.json()["detail"] == "This page shows everybody their own lists alone."
    assert one not in refused.text


def with_users(visitor, *ids):
    store = visitor.app.service.store
    users.upsert(store, store.namespace(), [Thing(each, {}) for each in ids])


def test_a_demonstration_shows_whom_the_store_knows(visiting):
    visitor = visiting("demo")()
    with_users(visitor, "196")
    for typed in ("196", " 196 "):
        told = who(visitor, user=typed).json()
        assert (told["person"], told["is_own"], told["may_name"]) == ("196", False, True)
    unknown = who(visitor, user="197")
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "There is no such user yet.")
    own = who(visitor).json()["person"]
    assert who(visitor, user=own).json()["is_own"]


def test_a_demonstration_says_of_wrong_ids_what_the_original_page_says(films_service):
    visitor = films_service("demo")()
    assert who(visitor, user=" p3 ").json()["person"] == "p3"
    wrong = who(visitor, user="Rosa")
    assert (wrong.status_code, wrong.json()["detail"]) == (
        404,
        "There is no user “Rosa”. Ids look like “p0” or “p1”.",
    )
    store = visitor.app.service.store
    forgetting.forget(store, store.namespace(), "p3")
    assert who(visitor, user="p3").status_code == 404


@pytest.mark.parametrize(
    ("known", "typed", "sentence"),
    [
        (["visitor-abc", "p1", "visitor-abd"], "visitor-ab", "There is no user “visitor-ab”. Ids look like “p1”."),
        (["visitor-abc"], "visitor-ab", "There is no such user."),
        ([3, 7, FIRST_NUMBER + 5], "9", "There is no user 9: ids go from 3 to 7."),
        ([FIRST_NUMBER + 5], str(FIRST_NUMBER + 6), "There is no such user."),
    ],
)
def test_a_wrong_id_names_no_visitor(visiting, known, typed, sentence):
    store = visiting()().app.service.store
    ids = Ids(known, "user")
    loaded = SimpleNamespace(model=SimpleNamespace(users_=ids))
    with store.read() as conn, pytest.raises(NotFoundError) as refused:
        typed_user(conn, store.namespace(), loaded, typed)
    assert str(refused.value) == sentence


def test_a_forged_cookie_makes_somebody_new(visiting):
    visitor = visiting()()
    person = who(visitor).json()["person"]
    visitor.cookies.clear()
    visitor.cookies.set("palate_visitor", "A" * 60)
    assert who(visitor).json()["person"] != person


def test_without_a_page_nothing_of_it_is_there(visiting):
    visitor = visiting("off")()
    assert who(visitor).status_code == visitor.get("/").status_code == 404


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8000", "", "http://127.0.0.1:80"])
def test_a_change_from_elsewhere_is_refused(changing, origin):
    visitor = changing()()
    refused = visitor.post("/web/trial", json={}, headers={"origin": origin})
    assert (refused.status_code, refused.json()["code"]) == (403, "origin")
    assert "set-cookie" not in refused.headers


def test_a_change_from_our_own_page_is_taken(changing):
    visitor = changing()()
    assert visitor.post("/web/trial", json={}).json() == {"person": who(visitor).json()["person"]}
    assert visitor.post("/web/trial", json={"user": "196"}).status_code == 403


def test_behind_a_trusted_proxy_cookies_are_for_tls_alone(changing):
    proxied = {"x-forwarded-proto": "https", "origin": HERE.replace("http", "https")}
    trusting, other = changing(trust_proxy=True)(), changing()()
    assert trusting.post("/web/trial", json={}, headers=proxied).headers["set-cookie"].endswith("; Secure")
    assert other.post("/web/trial", json={}, headers=proxied).status_code == 403


def test_a_browser_without_origin_says_where_it_is_in_another_header(changing):
    visitor = changing()()
    visitor.headers.pop("origin")
    here = {"sec-fetch-site": "same-origin"}
    assert visitor.post("/web/trial", json={}, headers=here).status_code == 200
    for site in ("same-site", "cross-site", "none"):
        assert visitor.post("/web/trial", json={}, headers={"sec-fetch-site": site}).status_code == 403
    assert visitor.post("/web/trial", json={}, headers=here | {"origin": "http://evil.example"}).status_code == 403


def test_a_form_of_another_site_is_no_change(changing):
    refused = changing()().post("/web/trial", content=b"{}", headers={"content-type": "text/plain"})
    assert (refused.status_code, refused.json()["code"]) == (415, "media_type")


def test_what_cannot_be_undone_is_asked_twice(changing):
    visitor = changing()()
    refused = visitor.post("/web/trial/sure", json={})
    assert (refused.status_code, refused.json()["subject"]) == (422, "sure")
    assert visitor.post("/web/trial/sure", json={"sure": True}).json() == {"sure": True}


def test_the_document_brings_the_cookie_that_all_that_is_asked_at_once_comes_with(visiting):
    visitor = visiting()()
    assert "set-cookie" in visitor.get("/").headers
    assert "set-cookie" not in visitor.get("/").headers
    assert "set-cookie" not in who(visitor).headers


def test_whoever_comes_back_after_a_day_gets_a_cookie_for_another_year(visiting):
    visitor = visiting()()
    first = visitor.get("/").headers["set-cookie"]
    person = who(visitor).json()["person"]
    visitor.app.service.guard.clock = lambda: time.time() + 25 * 3600
    again = visitor.get("/").headers["set-cookie"]
    assert again != first
    assert who(visitor).json()["person"] == person


def test_a_click_is_kept_for_nobody_else_when_the_visit_has_ended(changing):
    visitor = changing()()
    own = who(visitor).json()["own"]
    meant = {"palate-visitor": own}
    assert visitor.post("/web/trial", json={}, headers=meant).json() == {"person": own}
    clock = visitor.app.service.guard.clock
    visitor.app.service.guard.clock = lambda: clock() + 400 * 24 * 3600
    for _ in range(2):
        refused = visitor.post("/web/trial", json={}, headers=meant)
        assert (refused.status_code, refused.json()["code"], refused.json()["subject"]) == (410, "expired", "visit")
        assert "Your visit has ended" in refused.json()["detail"]
        assert "set-cookie" not in refused.headers
        assert who(visitor).json()["own"] != own  # then the browser is somebody new, and still refused


def test_a_user_of_any_letters_may_say_for_whom_the_page_is_open(changing):
    visitor = changing()()
    _, value = visitor.app.service.guard.visitors.cookie("zo\u00eb 1", time.time(), secure=False)
    visitor.headers["cookie"] = value.decode().partition(";")[0]
    told = visitor.post("/web/trial", json={}, headers={"palate-visitor": "zo%C3%AB%201"})
    assert told.json() == {"person": "zo\u00eb 1"}


def test_cookies_of_other_programs_on_this_host_do_not_hide_ours(visiting):
    visitor = visiting()()
    person = who(visitor).json()["person"]
    ours = f"palate_visitor={visitor.cookies['palate_visitor']}"
    visitor.cookies.clear()
    told = visitor.get("/web/me", headers={"cookie": f'a={{"b": 1}}; bad name; c="; {ours}'})
    assert told.json()["person"] == person


def test_a_visitor_who_changes_faster_than_anybody_can_waits(changing):
    service = changing(visitor_rate=0.5)
    ann, bob = service(), service()
    assert ann.post("/web/trial", json={}).status_code == 200
    refused = ann.post("/web/trial", json={})
    assert (refused.status_code, refused.json()["subject"]) == (429, "visitor")
    assert refused.headers["retry-after"] == "2"
    assert who(ann).status_code == 200
    assert bob.post("/web/trial", json={}).status_code == 200


def test_an_address_that_sends_a_crowd_waits_and_who_was_there_does_not(visiting, monkeypatch):
    monkeypatch.setattr(guards, "ARRIVALS", 3)
    service = visiting()
    known, crowd = service(), service()
    who(known)
    for _ in range(2):
        who(crowd)
        crowd.cookies.clear()
    refused = who(crowd)
    assert (refused.status_code, refused.json()["subject"]) == (429, "address")
    assert "set-cookie" not in crowd.get("/").headers
    assert crowd.get("/").status_code == who(known).status_code == 200


@pytest.mark.parametrize(
    ("client", "forwarded", "trusts", "found"),
    [
        ("10.0.0.1", "", True, "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", True, "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4", False, "10.0.0.1"),
        ("2001:db8::1:2:3:4", "", False, "2001:db8::/64"),
        ("::ffff:10.0.0.1", "", False, "10.0.0.1"),
        ("", "", False, ""),
    ],
)
def test_where_a_request_comes_from(client, forwarded, trusts, found):
    settings = SimpleNamespace(trust_proxy=trusts)
    headers = {b"x-forwarded-for": forwarded.encode()} if forwarded else {}
    scope = {"client": (client, 1)} if client else {}
    call = SimpleNamespace(scope=scope, headers=headers, service=SimpleNamespace(settings=settings))
    assert guards.address(call) == found


def test_a_page_is_asked_for_nothing_where_there_is_none(visiting):
    service = visiting("off")().app.service
    with pytest.raises(UnavailableError, match="this service has no page"):
        _ = service.visitors
