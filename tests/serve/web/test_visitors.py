"""Cookies of visitors: read by whoever made them, and nobody's where a bit is changed."""

from __future__ import annotations

import base64

import pytest

from palate.serve.visitor_ids import FIRST_NUMBER
from palate.serve.web.visitors import DAY, HANDED_OVER, RENEWED, YEAR, Visitors
from palate.store.records import Namespace

NS = Namespace(1, "default", "text")
NOW = 1_800_000_000.0


def sent(cookie):
    """Return what a browser sends of a Set-Cookie header."""
    return cookie[1].split(b";")[0]


@pytest.fixture
def visitors():
    return Visitors(b"s" * 32, NS)


def test_a_cookie_is_its_persons_for_a_year(visitors):
    cookie = sent(visitors.cookie("visitor-1", NOW, secure=False))
    assert visitors.read(cookie, NOW) == visitors.read(b"a=1; " + cookie, NOW + YEAR - 1) == "visitor-1"
    assert visitors.read(cookie, NOW + YEAR) is None


def test_no_script_and_no_other_site_gets_a_cookie(visitors):
    plain, secure = (visitors.cookie("zoë", NOW, secure=flag)[1].decode() for flag in (False, True))
    assert plain.split("; ")[1:] == ["Path=/", f"Max-Age={YEAR}", "HttpOnly", "SameSite=Lax"]
    assert secure == f"{plain}; Secure"
    assert visitors.read(sent((b"", plain.encode())), NOW) == "zoë"


def test_a_cookie_with_any_bit_changed_is_nobodys(visitors):
    name, _, value = sent(visitors.cookie("visitor-1", NOW, secure=False)).partition(b"=")
    raw = base64.urlsafe_b64decode(value + b"=" * (-len(value) % 4))
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        assert visitors.read(name + b"=" + base64.urlsafe_b64encode(changed).rstrip(b"="), NOW) is None


@pytest.mark.parametrize(
    "header", [b"", b"palate_visitor=", b"palate_visitor=AAAA", b"palate_visitor=%", b"\xff", b"palate_visitor=A" * 90]
)
def test_what_is_no_cookie_of_ours_is_nobodys(visitors, header):
    assert visitors.read(header, NOW) is None


def test_a_cookie_of_another_store_or_namespace_is_nobodys(visitors):
    for other in (Visitors(b"t" * 32, NS), Visitors(b"s" * 32, Namespace(2, "other", "text"))):
        assert visitors.read(sent(other.cookie("visitor-1", NOW, secure=False)), NOW) is None


def test_new_persons_differ_and_are_of_the_namespaces_kind(visitors):
    assert len({visitors.new() for _ in range(100)}) == 100
    assert visitors.new().startswith("visitor-")
    number = int(Visitors(b"s" * 32, Namespace(1, "numbers", "integer")).new())
    assert FIRST_NUMBER <= number < 2 * FIRST_NUMBER


def test_a_cookie_of_a_visitor_is_renewed_and_one_of_a_user_handed_over_is_not(visitors):
    own = visitors.known(sent(visitors.cookie("visitor-1", NOW, secure=False)), NOW)
    handed = visitors.known(sent(visitors.cookie("196", NOW, secure=False, seconds=HANDED_OVER)), NOW)
    assert not visitors.is_to_renew(own, NOW + RENEWED)
    assert visitors.is_to_renew(own, NOW + RENEWED + 1)
    assert not visitors.is_to_renew(handed, NOW + RENEWED + 1)


@pytest.mark.parametrize("days", [1, 7, 30])
def test_a_cookie_that_ends_soon_is_renewed_in_time(days):
    visitors = Visitors(b"s" * 32, NS, days * DAY)
    known = visitors.known(sent(visitors.cookie("visitor-1", NOW, secure=False)), NOW)
    assert not visitors.is_to_renew(known, NOW + 60)
    assert visitors.is_to_renew(known, NOW + min(RENEWED, days * DAY / 10) + 1)
