"""Who may ask: keys, roles, and the one case in which none is needed."""

from __future__ import annotations

import pytest
from in_process import HERE, serving, wait_until

from palate.serve.access import name_in
from palate.store import keys
from palate.store.store import open_store

ASK = {"json": {"user": "196"}}
PATH = "/v1/recommendations"


def code_of(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


def test_without_a_key_one_may_read_and_write_but_not_administer(keyless):
    assert keyless.post(PATH, **ASK).status_code == 200
    event = {"user": "196", "item": "50", "kind": "click"}
    assert keyless.post("/v1/feedback", json=event).status_code == 201
    assert code_of(keyless.post("/v1/models/activate", json={"version": 1})) == (403, "forbidden")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "10.0.0.7"},
        {"X-Forwarded-Proto": "https"},
        {"forwarded": "for=10.0.0.7"},
        {"via": "1.1 proxy"},
        {"x-real-ip": "10.0.0.7"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
    ],
)
def test_without_a_key_no_proxy_and_no_page_of_another_site(keyless, headers):
    refused = keyless.post(PATH, **ASK, headers=headers)
    assert code_of(refused) == (401, "no_key")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert keyless.post(PATH, **ASK, headers={"origin": HERE}).status_code == 200


def test_a_request_of_http_1_0_comes_from_a_proxy_that_says_nothing(keyless):
    app = keyless.app

    def older(scope, receive, send):
        return app({**scope, "http_version": "1.0"} if scope["type"] == "http" else scope, receive, send)

    keyless._transport.app = older
    assert code_of(keyless.post(PATH, **ASK)) == (401, "no_key")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"host": "0.0.0.0"}, "other machines"),
        ({"host": "10.1.2.3"}, "other machines"),
        ({"client": ("10.0.0.7", 5)}, "other machines"),
        ({"base_url": "http://shop.example.org", "allow_host": ("shop.example.org",)}, "another name"),
    ],
)
def test_without_a_key_the_service_and_the_client_are_on_this_machine(tmp_path, options, why):
    with serving(tmp_path / "shop.db", **options) as client:
        refused = client.post(PATH, **ASK)
        assert code_of(refused) == (401, "no_key")
        assert why in refused.json()["detail"]


def test_once_a_key_was_made_none_is_answered_without_and_a_revoked_one_is_dead_within_a_second(tmp_path):
    path = tmp_path / "shop.db"
    with serving(path) as one, serving(path) as two, open_store(f"sqlite:///{path}") as store:
        assert one.post(PATH, **ASK).status_code == 200
        made, secret = keys.create(store, store.namespace(), "read")
        wait_until(lambda: {client.post(PATH, **ASK).status_code for client in (one, two)} == {401})
        with_key = {"headers": {"authorization": f"Bearer {secret}"}, **ASK}
        assert {client.post(PATH, **with_key).status_code for client in (one, two)} == {200}
        keys.revoke(store, store.namespace(), made.prefix)
        wait_until(lambda: {client.post(PATH, **with_key).status_code for client in (one, two)} == {401})
        assert code_of(one.post(PATH, **ASK)) == (401, "no_key")  # a revoked key does not open the door again


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
def test_keys_are_taken_from_both_headers(shop, name):
    secret = shop.secrets["default", "read"]
    value = f"bEaReR {secret}" if name == "authorization" else secret
    assert shop.post(PATH, **ASK, headers={name: value}).status_code == 200
    for wrong in (value[:-1], value + "x", "Basic dTpw", "", "Bearer", "Bearer ü".encode("latin-1")):
        assert code_of(shop.post(PATH, **ASK, headers={name: wrong})) == (401, "no_key"), wrong


def test_roles_may_what_those_before_them_may(asking):
    event = {"user": "196", "item": "50", "kind": "click"}
    asked = [
        ("POST", PATH, {"user": "196"}, "read"),
        ("POST", "/v1/feedback", event, "write"),
        ("POST", "/v1/models/activate", {"version": 77}, "admin"),
    ]
    roles = ["read", "write", "admin"]
    for method, path, body, needed in asked:
        for role in roles:
            status = asking(method, path, json=body, role=role).status_code
            assert (status != 403) == (roles.index(role) >= roles.index(needed)), (path, role)


def test_a_header_that_decides_may_not_stand_twice(shop):
    secret = shop.secrets["default", "read"]
    twice = [("x-api-key", secret), ("x-api-key", "other")]
    assert code_of(shop.post(PATH, **ASK, headers=twice)) == (422, "request")


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.evil.example:8000", "", "a b"])
def test_a_name_that_is_not_ours_is_not_answered(keyless, host):
    for path in (PATH, "/docs", "/healthz", "/nothing"):
        assert code_of(keyless.get(path, headers={"host": host})) == (421, "host")


def test_names_of_a_host_header():
    assert [name_in(h) for h in (b"LocalHost:80", b"[::1]:80", b"[::1]", b"")] == ["localhost", "[::1]", "[::1]", ""]


def test_no_origin_is_ever_allowed(shop):
    asked = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    preflight = shop.options(PATH, headers=asked)
    assert preflight.status_code == 405
    answered = shop.post(PATH, **ASK, headers={"x-api-key": shop.secrets["default", "read"], **asked})
    assert answered.status_code == 200
    for answer in (preflight, answered):
        assert not [name for name in answer.headers if name.startswith("access-control")]
