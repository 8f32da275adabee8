"""An application hands over its user: by a token that it signed, soon, and once."""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode

import pytest
from pydantic import SecretStr

from palate.errors import ParameterError, RequestError, UnavailableError
from palate.serve.web.handover import Handovers, token
from palate.serve.web.once import Once
from palate.serve.web.visitors import HANDED_OVER

SECRET = "a secret of the shop"
NOW = 1_800_000_000


@pytest.fixture
def taking(tmp_path):
    return Handovers(SECRET, "default", Once(tmp_path / "used"))


def plain(raw):
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_token_is_what_its_documentation_says():
    signed = hmac.digest(SECRET.encode(), b"palate handover\0default\0zo\xc3\xab\x001800000060", hashlib.sha256)
    assert token(SECRET, "default", "zoë", now=NOW) == f"{plain('zoë'.encode())}.1800000060.{plain(signed)}"


def test_a_token_is_its_users_once(taking):
    given = token(SECRET, "default", 196, now=NOW)
    assert taking.user(given, NOW) == "196"
    for again in (given, given.replace(".1800000060.", ".01800000060.")):
        with pytest.raises(RequestError, match="was used before"):
            taking.user(again, NOW)


def test_what_was_used_is_remembered_no_longer_than_it_could_be_used(taking, tmp_path):
    taking.user(token(SECRET, "default", "ann", now=NOW), NOW)
    assert len(list((tmp_path / "used").iterdir())) == 1
    taking.user(token(SECRET, "default", "bob", now=NOW + 61), NOW + 61)
    assert [path.name.split("-")[0] for path in (tmp_path / "used").iterdir()] == [str(NOW + 121)]


@pytest.mark.parametrize(("after", "seconds"), [(60, 60), (-2, 300), (10**6, 300)])
def test_a_token_that_holds_no_longer_or_too_long_is_refused(taking, after, seconds):
    with pytest.raises(RequestError, match="holds no longer, or for too long"):
        taking.user(token(SECRET, "default", "ann", seconds, now=NOW), NOW + after)


def test_a_token_with_any_letter_changed_or_of_another_secret_is_nobodys(taking):
    given = token(SECRET, "default", "ann", now=NOW)
    changed = [given[:at] + ("A" if given[at] != "A" else "B") + given[at + 1 :] for at in range(len(given))]
    others = [token("another secret of 16", "default", "ann", now=NOW), token(SECRET, "shop", "ann", now=NOW)]
    for wrong in [*changed, *others, "", "a.b", "YW5u.1.AA", "a.b.c", given + "A", "_w.1.AA", "YW5u.\u0661.AA"]:
        with pytest.raises(RequestError, match="this token is n"):
            taking.user(wrong, NOW)
    assert taking.user(given, NOW) == "ann"


@pytest.mark.parametrize("seconds", [0, 301, -1])
def test_a_token_for_too_long_is_not_made(seconds):
    with pytest.raises(ParameterError, match="seconds must be 1 to 300"):
        token(SECRET, "default", "ann", seconds)


def test_a_token_that_cannot_be_remembered_is_not_taken(tmp_path):
    (tmp_path / "used").write_text("no folder")
    with pytest.raises(UnavailableError, match="used cannot be written"):
        Handovers(SECRET, "default", Once(tmp_path / "used")).user(token(SECRET, "default", "ann", now=NOW), NOW)


def test_whoever_brings_a_token_is_that_user_for_twelve_hours_and_no_other(visiting):
    service = visiting(handover_secret=SecretStr(SECRET))
    ann, bob = service(), service()
    given = {"token": token(SECRET, "default", "196")}
    taken = ann.post("/web/session", json=given)
    assert (taken.status_code, taken.json()) == (200, {"person": "196"})
    assert f"Max-Age={HANDED_OVER}; HttpOnly; SameSite=Lax" in taken.headers["set-cookie"]
    assert ann.get("/web/me").json()["person"] == "196"
    assert ann.get("/web/me", params={"user": "197"}).status_code == 403
    refused = bob.post("/web/session", json=given)
    assert (refused.status_code, refused.json()["code"]) == (403, "token")
    assert bob.get("/web/me").json()["person"] != "196"
    ann.app.service.guard.clock = lambda: time.time() + HANDED_OVER + 1
    assert ann.get("/web/me").json()["person"].startswith("visitor-")


def test_a_service_without_a_secret_takes_nobody(visiting):
    refused = visiting()().post("/web/session", json={"token": token(SECRET, "default", "196")})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_offered")
    assert "PALATE_HANDOVER_SECRET" in refused.json()["detail"]
