"""Cursors: whole, for one key and one person, and for a while."""

from __future__ import annotations

import pytest

from palate.errors import NotFoundError, RequestError
from palate.serve.cursors import CursorPage, Cursors, Holder

PAGE = CursorPage("0123456789abcdef" * 2, 11, 10)
HOLDER = Holder(1, 7, "196")
CURSORS = Cursors(b"s" * 32, 60)


def test_a_cursor_comes_back_as_its_page_in_every_worker():
    cursor = CURSORS.made(PAGE, HOLDER, 1000.0)
    assert Cursors(b"s" * 32, 5).read(cursor, HOLDER, 1059.0) == PAGE
    assert "0123456789abcdef" not in cursor


@pytest.mark.parametrize("other", [Holder(2, 7, "196"), Holder(1, 8, "196"), Holder(1, 7, "197"), Holder(1, 7, None)])
def test_to_others_it_is_as_one_that_does_not_exist(other):
    cursor = CURSORS.made(PAGE, HOLDER, 1000.0)
    with pytest.raises(NotFoundError) as foreign:
        CURSORS.read(cursor, other, 1001.0)
    with pytest.raises(NotFoundError) as none:
        CURSORS.read("A" * len(cursor), HOLDER, 1001.0)
    assert foreign.value.as_dict() == none.value.as_dict()


def test_no_letter_of_it_can_be_changed_and_other_secrets_make_other_cursors():
    cursor = CURSORS.made(PAGE, HOLDER, 1000.0)
    for at, letter in enumerate(cursor):
        changed = cursor[:at] + ("B" if letter == "A" else "A") + cursor[at + 1 :]
        with pytest.raises(NotFoundError):
            CURSORS.read(changed, HOLDER, 1001.0)
    for wrong in ("", "x", cursor[:-1], cursor + "A", cursor + "=", " " + cursor, "ü"):
        with pytest.raises(NotFoundError):
            CURSORS.read(wrong, HOLDER, 1001.0)
    with pytest.raises(NotFoundError):
        Cursors(b"t" * 32, 60).read(cursor, HOLDER, 1001.0)


def test_it_expires():
    cursor = CURSORS.made(PAGE, HOLDER, 1000.0)
    with pytest.raises(RequestError, match="ask for a new list") as refused:
        CURSORS.read(cursor, HOLDER, 1060.0)
    assert refused.value.code == "expired"


def test_over_http_pages_follow_until_the_list_ends(asking):
    page = asking("POST", "/v1/recommendations", json={"user": "196", "n": 15}).json()
    seen = [item["item"] for item in page["items"]]
    while page["next"]:
        page = asking("GET", "/v1/recommendations/next", params={"cursor": page["next"], "user": "196"}).json()
        seen += [item["item"] for item in page["items"]]
    assert seen == [str(item) for item in range(1, 41)]
    assert page["items"][-1]["place"] == 40


def test_over_http_a_cursor_is_for_its_person_and_its_key(asking):
    cursor = asking("POST", "/v1/recommendations", json={"user": "196"}).json()["next"]
    path = "/v1/recommendations/next"
    assert asking("POST", path, json={"cursor": cursor, "user": "196", "n": 3}).status_code == 200
    for other in ({"user": "197"}, {}, {"user": 19}):
        assert asking("POST", path, json={"cursor": cursor, **other}).status_code == 404
    assert asking("POST", path, json={"cursor": cursor, "user": "196"}, role="read").status_code == 404
    assert asking("POST", path, json={"cursor": cursor, "user": "196"}, namespace="numbers").status_code == 404


def test_over_http_an_expired_cursor_is_410(asking, monkeypatch):
    cursor = asking("POST", "/v1/recommendations", json={"user": "196"}).json()["next"]
    import time

    now = time.time()
    monkeypatch.setattr("palate.serve.routes.recommendations.time.time", lambda: now + 90_000)
    answer = asking("POST", "/v1/recommendations/next", json={"cursor": cursor, "user": "196"})
    assert (answer.status_code, answer.json()["code"]) == (410, "expired")
