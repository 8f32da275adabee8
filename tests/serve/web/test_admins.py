"""Sessions of admins: a key once, a cookie for half an hour, and nothing where the key was revoked."""

from __future__ import annotations

import time

import pytest

from palate.serve.web import admins
from palate.serve.web.admins import FRESH, LONGEST
from palate.store import keys

MINUTE = 60


def ahead(visitor, seconds):
    """Set the page's clock."""
    visitor.app.service.guard.clock = lambda: time.time() + seconds


def key_of(visitor, role="admin", namespace="default"):
    """Make a key, which the service then knows; return what the store says of it, and the key."""
    service = visitor.app.service
    made = keys.create(service.store, service.store.namespace(namespace), role)
    service.access.refresh()
    return made


def begin(visitor, key):
    return visitor.post("/web/admin", json={"key": key})


def is_admin(visitor):
    return visitor.get("/web/me").json()["is_admin"]


def test_a_key_becomes_a_cookie_that_no_script_and_no_other_site_gets(visiting):
    visitor = visiting()()
    _, key = key_of(visitor)
    begun = begin(visitor, f" {key}\n")
    assert begun.json() == {"is_admin": True}
    cookie = begun.headers["set-cookie"].split("palate_admin=")[1].split(", ")[0]
    assert cookie.split("; ")[1:5] == ["Path=/", "Max-Age=1800", "HttpOnly", "SameSite=Strict"]
    assert key not in begun.text + str(begun.headers)
    assert is_admin(visitor)
    assert visitor.get("/web/me", params={"user": "196"}).status_code == 404  # may name, and there is nobody


def test_a_session_slides_and_ends_after_half_an_hour_without_a_request(visiting):
    visitor = visiting()()
    begin(visitor, key_of(visitor)[1])
    for times in range(1, 4):
        ahead(visitor, 29 * MINUTE * times)
        assert is_admin(visitor)
    ahead(visitor, (29 * 3 + 30) * MINUTE)
    assert not is_admin(visitor)


def test_a_session_is_not_renewed_within_a_minute_and_not_beyond_twelve_hours(visiting):
    visitor = visiting(admin_minutes=720)()
    begin(visitor, key_of(visitor)[1])
    ahead(visitor, FRESH - 20)
    assert "set-cookie" not in visitor.get("/web/me").headers
    ahead(visitor, 11 * 3600)
    assert "palate_admin" in visitor.get("/web/me").headers["set-cookie"]
    ahead(visitor, LONGEST + 2)
    assert not is_admin(visitor)


def test_a_session_ends_with_its_key(visiting):
    visitor = visiting()()
    made, key = key_of(visitor)
    begin(visitor, key)
    service = visitor.app.service
    keys.revoke(service.store, service.store.namespace(), made.prefix)
    service.access.refresh()
    assert not is_admin(visitor)
    assert begin(visitor, key).status_code == 401


def test_a_session_that_was_ended_is_over_in_its_copies_too(visiting):
    service = visiting()
    visitor, thief = service(), service()
    begin(visitor, key_of(visitor)[1])
    thief.cookies.set("palate_admin", visitor.cookies["palate_admin"])
    assert is_admin(thief)
    ended = visitor.delete("/web/admin")
    assert ended.json() == {"is_admin": False}
    assert "palate_admin=; Path=/; Max-Age=0" in ended.headers["set-cookie"]
    assert not is_admin(visitor)
    assert not is_admin(thief)
    assert visitor.delete("/web/admin").status_code == 200


@pytest.mark.parametrize("role", ["read", "write"])
def test_a_key_of_a_lesser_role_begins_no_session(visiting, role):
    visitor = visiting()()
    refused = begin(visitor, key_of(visitor, role)[1])
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert not is_admin(visitor)


def test_a_key_of_another_namespace_begins_no_session(visiting):
    visitor = visiting()()
    store = visitor.app.service.store
    store.create_namespace("other")
    refused = begin(visitor, key_of(visitor, namespace="other")[1])
    assert (refused.status_code, refused.json()["detail"]) == (403, "this key is of another namespace than this page")


def test_keys_are_tried_five_times_a_minute(visiting):
    visitor = visiting()()
    _, key = key_of(visitor)
    for _ in range(5):
        refused = begin(visitor, "palate_guess")
        assert (refused.status_code, refused.json()["code"]) == (401, "no_key")
    for tried in ("palate_guess", key):
        refused = begin(visitor, tried)
        assert (refused.status_code, refused.json()["detail"]) == (429, "Too many keys were tried: wait a minute.")


@pytest.mark.parametrize("key", ["", "k" * 1001, 5, None])
def test_what_is_no_key_is_not_repeated(visiting, key):
    refused = visiting()().post("/web/admin", json={"key": key})
    assert refused.status_code == 422
    assert "kkk" not in refused.text


def test_a_cookie_with_any_bit_changed_opens_nothing(visiting, monkeypatch):
    visitor = visiting()()
    begin(visitor, key_of(visitor)[1])
    read, now = visitor.app.service.guard.admins.read, time.time()
    value = visitor.cookies["palate_admin"]
    assert read(f"palate_admin={value}".encode(), now) is not None
    for at in range(len(value)):
        other = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        assert read(f"palate_admin={other}".encode(), now) is None
    assert read(f"palate_admin={visitor.cookies['palate_visitor']}".encode(), now) is None
    assert read(f"palate_visitor={value}".encode(), now) is None
    monkeypatch.setattr(admins, "FORM", 2)
    assert read(f"palate_admin={value}".encode(), now) is None
