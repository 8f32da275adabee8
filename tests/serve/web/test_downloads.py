"""What one takes away, and being forgotten."""

from __future__ import annotations

import csv
import io
import json

import pytest
from films import films

FILMS = films()


@pytest.fixture
def visitor(films_service):
    return films_service()()


def rate(visitor, item, value):
    given = {"item": item, "value": value, "event_id": f"00000000-0000-4000-8000-{int(item[1:]):012d}"}
    assert visitor.post("/web/ratings", json=given).status_code == 200


def table(answer):
    assert answer.content.startswith("\ufeff".encode())
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_my_list_is_a_table_with_titles_stars_and_reasons(visitor):
    rate(visitor, "f3", 5)
    got = visitor.get("/web/downloads/lists")
    assert got.headers["content-type"] == "text/csv; charset=utf-8"
    assert got.headers["content-disposition"] == 'attachment; filename="palate-list.csv"'
    rows = table(got)
    assert len(rows) == 100
    assert list(rows[0]) == ["place", "item_id", "title", "year", "genres", "stars", "low", "high", "why"]
    assert [row["place"] for row in rows] == [str(place) for place in range(1, 101)]
    told = visitor.get("/web/downloads/lists", params={"format": "json"})
    assert told.headers["content-disposition"] == 'attachment; filename="palate-list.json"'
    assert [card["item"] for card in told.json()["items"]] == [row["item_id"] for row in rows]
    assert float(rows[0]["stars"]) == pytest.approx(told.json()["items"][0]["stars"])


def test_formulas_in_titles_are_no_formulas_in_a_table(visitor):
    rows = {row["item_id"]: row["title"] for row in table(visitor.get("/web/downloads/lists"))}
    assert all(not title.startswith(("=", "+", "-", "@")) for title in rows.values())
    from palate.serve.web.downloads import OWN_COLUMNS, _csv

    row = dict.fromkeys(OWN_COLUMNS) | {"title": "=cmd|' /C calc'!A0"}
    assert b"'=cmd" in _csv([row], OWN_COLUMNS)


def test_what_i_said_is_a_table_that_can_be_brought_back(visitor, films_service):
    rate(visitor, "f3", 5)
    rate(visitor, "f4", 2)
    rows = table(got := visitor.get("/web/downloads/mine"))
    assert [(row["item_id"], row["rating"], row["kind"]) for row in rows] == [
        ("f3", "5.0", "rating"),
        ("f4", "2.0", "rating"),
    ]
    assert rows[0]["title"] == FILMS["title"][3].rsplit(" (", 1)[0]
    shown = visitor.post(
        "/web/uploads",
        content=got.content,
        params={"name": "palate-ratings.csv"},
        headers={"content-type": "application/octet-stream"},
    ).json()
    assert (shown["n_rated"], shown["n_had"], shown["n_errors"]) == (2, 2, 0)


def test_all_that_is_known_of_me_is_in_the_json(visitor):
    rate(visitor, "f3", 5)
    list_id = visitor.get("/web/list").json()["list_id"]
    data = json.loads(visitor.get("/web/downloads/mine", params={"format": "json"}).content)
    assert data["person"] == visitor.get("/web/me").json()["person"]
    assert [(one["item_id"], one["rating"], one["source"]) for one in data["said"]] == [("f3", 5.0, "page")]
    shown = {one["list_id"]: one for one in data["lists"]}
    assert shown[list_id]["items"][0]["place"] == 1
    assert shown[list_id]["items"][0]["title"]


def test_somebody_new_has_nothing(visitor):
    assert table(visitor.get("/web/downloads/mine")) == []
    assert visitor.get("/web/downloads/mine", params={"format": "json"}).json()["said"] == []


@pytest.mark.parametrize("path", ["/web/downloads/lists", "/web/downloads/mine"])
def test_only_my_own_is_told(visitor, path):
    assert visitor.get(path, params={"user": "p1"}).status_code == 403
    assert visitor.get(path, params={"format": "xlsx"}).status_code == 422


def test_in_a_demonstration_anybodys_is_told(films_service):
    visitor = films_service("demo")()
    assert visitor.get("/web/downloads/lists", params={"user": "p1"}).status_code == 200


def test_who_asks_to_be_forgotten_is_somebody_new(visitor):
    rate(visitor, "f3", 5)
    person = visitor.get("/web/me").json()["person"]
    assert visitor.delete("/web/me", params={"sure": "true"}).json() == {"forgotten": True}
    assert visitor.get("/web/me").json()["person"] != person
    assert table(visitor.get("/web/downloads/mine")) == []
    with visitor.app.service.store.read() as conn:
        from palate.store import users

        assert users.get(conn, visitor.app.service.store.namespace(), [person]) == {}


def test_nobody_is_forgotten_by_one_click_or_by_somebody_else(films_service):
    visitor = films_service("demo")()
    rate(visitor, "f3", 5)
    assert visitor.delete("/web/me").status_code == 422
    refused = visitor.delete("/web/me", params={"sure": "true", "user": "p1"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    assert len(table(visitor.get("/web/downloads/mine"))) == 1
