"""The taste map as the page asks for it: once, and again only where it has changed."""

from __future__ import annotations

import json

import pytest
from films import film_data
from in_process import wait_until

from palate.serve.web.maps import MAPS
from palate.store import items, open_store, versions
from palate.store.records import Thing


@pytest.fixture
def visitor(films_service):
    return films_service()()


def test_the_map_has_every_film_that_was_rated_once(visitor):
    got = visitor.get("/web/map").json()
    rated = set(film_data().interactions.items.values)
    assert {point[2] for point in got["points"]} == rated
    assert len(got["points"]) == len(rated)
    assert all(-1 <= x <= 1 and -1 <= y <= 1 for x, y, *_ in got["points"])
    assert {region["genre"] for region in got["regions"]} <= {genre for point in got["points"] for genre in point[5]}
    assert got["regions"]
    assert got["version"] == 3


def test_a_browser_that_has_the_map_is_told_so_until_it_changes(visitor, tmp_path):
    first = visitor.get("/web/map")
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers.get_list("cache-control") == ["private, no-cache"]
    again = visitor.get("/web/map", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    with open_store(f"sqlite:///{tmp_path / 'films.db'}") as store:
        items.upsert(store, store.namespace(), [Thing("f12", {"title": "Renamed (1999)", "year": 1999})])
    changed = visitor.get("/web/map", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert [point[3:5] for point in changed.json()["points"] if point[2] == "f12"] == [["Renamed", 1999]]


def test_it_is_packed_where_a_browser_takes_that(visitor):
    packed = visitor.get("/web/map", headers={"accept-encoding": "gzip"})
    plain = visitor.get("/web/map", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert json.loads(packed.content) == json.loads(plain.content)
    assert packed.headers["vary"] == "accept-encoding"


def test_it_is_drawn_once_a_version(visitor, tmp_path, monkeypatch):
    drawn = []
    make = MAPS._make
    monkeypatch.setattr(MAPS, "_make", lambda model: drawn.append(type(model).__name__) or make(model))
    for _ in range(2):
        visitor.get("/web/map")
    assert drawn == ["BayesianMF"]
    with open_store(f"sqlite:///{tmp_path / 'films.db'}") as store:
        versions.activate(store, store.namespace(), 1)
    wait_until(lambda: visitor.get("/web/map").json()["version"] == 1, 20)
    assert drawn == ["BayesianMF", "EASE"]
