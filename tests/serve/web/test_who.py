"""Who asks on the page: a visitor about themselves, in a demonstration about anybody, and no other site at all."""

from __future__ import annotations

import pytest
from in_process import HERE

from palate.serve.operations import add
from palate.serve.web.offers import OfPerson, page_offers


@pytest.fixture
def changing(visiting):
    """Return a function that makes services with an operation that changes something."""
    offer = page_offers("trial")

    @offer("POST", "/web/trial", OfPerson, role="write")
    async def change(call, asked: OfPerson):
        """Change something."""
        return {"person": call.visit.person}

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
    assert one not in refused.text


def test_a_demonstration_shows_anybody(visiting):
    visitor = visiting("demo")()
    assert who(visitor, user="196").json() | {"page": "demo"} == {"person": "196", "is_own": False, "page": "demo"}


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
