"""Search and a film's page, as the page asks for them: of real models, and of a store that has none."""

from __future__ import annotations

from collections import Counter

import pytest
from films import HOSTILE, film_data, films
from in_process import serving

from palate.store import items, open_store
from palate.store.records import Event, Thing


@pytest.fixture
def visitor(films_service):
    return films_service()()


@pytest.fixture
def empty_visitor(tmp_path):
    """A visitor of a store without anything in it."""
    with serving(tmp_path / "empty.db", page="visitors", engine=None) as client:
        yield client


def titles(got):
    return [item["title"] for item in got.json()["items"]]


def ratings_of_training(item):
    log = film_data().interactions
    at = log.items.index([item])[0]
    return log.values[log.item_index == at].tolist()


def test_search_finds_by_the_beginning_of_words_and_the_best_known_first(visitor):
    got = visitor.get("/web/search", params={"typed": "hidden let", "n": 5})
    assert sorted(titles(got)) == ["Hidden Letters", "Hidden Letters II"]
    found = titles(visitor.get("/web/search", params={"typed": "ri", "n": 50}))
    assert found
    assert all("River" in title for title in found)
    every = visitor.get("/web/search", params={"typed": "ri", "n": 50}).json()["items"]
    known = [len(ratings_of_training(one["item"])) for one in every]
    assert known == sorted(known, reverse=True)


def test_titles_that_begin_so_come_first(visitor, tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'films.db'}") as store:
        items.upsert(store, store.namespace(), [Thing("m", {"title": "Machine Age (2001)"})])  # no model knows it
    found = titles(visitor.get("/web/search", params={"typed": "machine", "n": 50}))
    assert found[0] == "Machine Age"
    assert len(found) > 3


def test_before_anything_is_typed_there_is_what_many_know(visitor):
    got = visitor.get("/web/search", params={"n": 3}).json()["items"]
    counts = Counter(film_data().interactions.item_index.tolist())
    assert [len(ratings_of_training(one["item"])) for one in got] == [n for _, n in counts.most_common(3)]
    assert visitor.get("/web/search", params={"typed": "  ?! "}).json()["items"]


@pytest.mark.parametrize("title", HOSTILE)
def test_hostile_titles_are_told_as_they_are(visitor, title):
    found = titles(visitor.get("/web/search", params={"typed": title, "n": 50}))
    assert any(one in title for one in found)


@pytest.mark.parametrize(
    "params", [{"typed": "x" * 201}, {"typed": "a\0"}, {"n": 0}, {"n": 51}, {"n": "many"}, {"other": 1}]
)
def test_a_search_that_is_none_is_refused(visitor, params):
    assert visitor.get("/web/search", params=params).status_code == 422


def test_a_film_is_told_with_its_ratings_and_what_is_like_it(visitor):
    got = visitor.get("/web/film", params={"item": "f12"}).json()
    table, ratings = films(), ratings_of_training("f12")
    assert (got["title"], got["year"], got["genres"]) == ("Hidden Letters", table["year"][12], table["genres"][12])
    assert got["ratings"]["count"] == len(ratings)
    assert got["ratings"]["mean"] == pytest.approx(sum(ratings) / len(ratings))
    assert [bar["people"] for bar in got["ratings"]["histogram"]] == [ratings.count(v) for v in range(1, 6)]
    assert len(got["similar"]) == 8
    assert "f12" not in [one["item"] for one in got["similar"]]
    assert got["stars"] is not None
    assert got["version"] == 3
    ids = {one["item"] for one in got["likers"]["also"]}
    assert len(ids) <= 3
    assert not any(one.startswith("p") for one in ids)  # never people


def test_no_answer_names_people(visitor):
    text = visitor.get("/web/film", params={"item": "f12"}).text + visitor.get("/web/map").text
    assert not any(f'"p{k}"' in text for k in range(150))


def test_a_film_that_is_not_there_or_hidden_is_not_found(visitor, tmp_path):
    assert visitor.get("/web/film", params={"item": "f999"}).status_code == 404
    with open_store(f"sqlite:///{tmp_path / 'films.db'}") as store:
        items.hide(store, store.namespace(), ["f12"])
    got = visitor.get("/web/film", params={"item": "f12"})
    assert (got.status_code, got.json()["code"]) == (404, "not_found")
    assert "there is no item 'f12'" in got.json()["detail"]
    assert titles(visitor.get("/web/search", params={"typed": "hidden letters"})) == ["Hidden Letters II"]
    assert "f12" not in [point[2] for point in visitor.get("/web/map").json()["points"]]


def test_an_item_that_no_model_knows_is_told_from_the_store_alone(visitor, tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'films.db'}") as store:
        items.upsert(store, store.namespace(), [Thing("new", {"title": "Brand New", "director": "Somebody"})])
    got = visitor.get("/web/film", params={"item": "new"}).json()
    assert (got["title"], got["year"], got["genres"], got["attributes"]) == (
        "Brand New",
        None,
        [],
        {"director": "Somebody"},
    )
    assert (got["ratings"], got["likers"], got["similar"]) == (None, {"also": [], "genres": []}, [])
    assert titles(visitor.get("/web/search", params={"typed": "bra"})) == ["Brand New"]


def test_ones_own_ratings_are_marked_and_taken_back(films_service, tmp_path):
    visitor = films_service("demo")()
    person = visitor.get("/web/me").json()["person"]
    with open_store(f"sqlite:///{tmp_path / 'films.db'}") as store:
        ns = store.namespace()
        store.writer.feedback(ns, [Event(person, "f12", "rating", 5.0, event_id="a")]).result()
        store.writer.feedback(ns, [Event(person, "f13", "hide", event_id="b")]).result()
        assert visitor.get("/web/film", params={"item": "f12"}).json()["rated"] == 5
        assert visitor.get("/web/map/mine").json()["mine"] == [{"item": "f12", "value": 5}]
        found = visitor.get("/web/search", params={"typed": "hidden letters"}).json()["items"]
        assert {one["item"]: one["rated"] for one in found} == {"f12": 5, "f112": None}
        store.writer.feedback(ns, [Event(person, "f12", "rating", 2.0, event_id="c")]).result()
        assert visitor.get("/web/film", params={"item": "f12"}).json()["rated"] == 2
        store.writer.feedback(ns, [Event(person, None, "undo", withdraws="c")]).result()
        assert visitor.get("/web/film", params={"item": "f12"}).json()["rated"] == 5


def test_ratings_of_training_are_a_users_own_until_the_log_says_otherwise(films_service, tmp_path):
    visitor, log = films_service("demo")(), film_data().interactions
    at = log.users.index(["p7"])[0]
    own = log.user_index == at
    ids = log.items.values
    trained = {str(ids[i]): v for i, v in zip(log.item_index[own].tolist(), log.values[own].tolist(), strict=True)}
    told = visitor.get("/web/map/mine", params={"user": "p7"}).json()["mine"]
    assert {one["item"]: one["value"] for one in told} == trained
    first, second, *_ = trained
    with open_store(f"sqlite:///{tmp_path / 'films.db'}") as store:
        events = [Event("p7", first, "rating", 1.5, event_id="a"), Event("p7", second, "hide", event_id="b")]
        store.writer.feedback(store.namespace(), events).result()
    told = visitor.get("/web/map/mine", params={"user": "p7"}).json()["mine"]
    del trained[second]
    assert {one["item"]: one["value"] for one in told} == trained | {first: 1.5}


def test_others_ratings_are_not_told_to_visitors(visitor):
    for path in ("/web/map/mine?user=p7", "/web/film?item=f12&user=p7", "/web/search?typed=a&user=p7"):
        got = visitor.get(path)
        assert (got.status_code, got.json()["code"]) == (403, "not_yours")


def test_an_empty_store_is_a_normal_state(empty_visitor):
    visitor = empty_visitor
    assert visitor.get("/web/search").json() == {"typed": "", "items": []}
    assert visitor.get("/web/search", params={"typed": "a"}).json()["items"] == []
    assert visitor.get("/web/map").json() == {"version": None, "points": [], "regions": []}
    assert visitor.get("/web/map/mine").json() == {"mine": []}
    assert visitor.get("/web/film", params={"item": "f1"}).status_code == 404


def test_a_store_without_a_model_finds_what_is_popular_in_the_log(empty_visitor, tmp_path):
    visitor = empty_visitor
    with open_store(f"sqlite:///{tmp_path / 'empty.db'}") as store:
        ns = store.namespace()
        items.upsert(store, ns, [Thing(f"f{k}", {"title": f"Film {k}"}) for k in range(3)])
        events = [Event(f"u{k}", f"f{item}", "rating", 5.0) for item in (1, 2) for k in range(item)]
        store.writer.feedback(ns, events).result()
    assert titles(visitor.get("/web/search")) == ["Film 2", "Film 1"]
    got = visitor.get("/web/film", params={"item": "f2"}).json()
    assert (got["stars"], got["ratings"], got["similar"], got["version"]) == (None, None, [], None)
    assert titles(visitor.get("/web/search", params={"typed": "film"})) == ["Film 0", "Film 1", "Film 2"]
