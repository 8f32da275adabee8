"""A visitor's list, what each change does to it, and why an item is in it; by real models."""

from __future__ import annotations

import uuid

import pytest
from films import films

from palate.store import items
from palate.store.records import Thing


@pytest.fixture
def visitor(films_service):
    return films_service("demo")()


def said(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()


def list_of(visitor, query="", status=200):
    return said(visitor.get(f"/web/list?{query}"), status)


def names(listed):
    return [card["item"] for card in listed["items"]]


def rate(visitor, item, value, status=200, **more):
    return said(visitor.post("/web/ratings", json={"item": item, "value": value, **event(), **more}), status)


def react(visitor, item, kind, status=200, **more):
    return said(visitor.post("/web/reactions", json={"item": item, "kind": kind, **event(), **more}), status)


def event():
    return {"event_id": str(uuid.uuid4())}


def test_the_first_list_of_a_newcomer_is_the_popular_one(visitor):
    got = list_of(visitor)
    assert (got["policy"], got["words"]) == ("popular", "popular with everybody")
    assert (len(got["items"]), got["left"], got["of"], got["version"]) == (20, 120, 120, 3)
    assert {card["why"] for card in got["items"]} == {None}


def test_the_first_list_is_varied(visitor):
    plain = said(visitor.get("/v1/recommendations?user=nobody-yet&n=20"))
    varied = said(visitor.get("/v1/recommendations?user=nobody-yet&n=20&diversity=0.3"))
    assert names(list_of(visitor)) == names(varied) != names(plain)


def test_a_rating_moves_the_list_and_the_film_leaves_it(visitor):
    before = list_of(visitor)
    first = before["items"][0]["item"]
    got = rate(visitor, first, 5, list_id=before["list_id"], place=1)
    assert (got["status"], got["list"]["policy"], got["list"]["left"]) == ("new", "model", 119)
    assert first not in names(got["list"])
    assert names(got["list"]) == names(list_of(visitor))  # nothing is lost on reload


def test_an_event_that_is_sent_again_counts_once(visitor):
    once = {"item": "f3", "value": 4, **event()}
    assert said(visitor.post("/web/ratings", json=once))["status"] == "new"
    again = said(visitor.post("/web/ratings", json=once))
    assert again["status"] == "known"
    assert len(said(visitor.get("/web/mine"))["ratings"]) == 1


def test_undo_gives_the_list_back(visitor):
    before = names(list_of(visitor))
    made = rate(visitor, before[0], 1)
    undone = said(visitor.post("/web/undo", json={"withdraws": made["event_id"], **event()}))
    assert names(undone["list"]) == before
    assert said(visitor.get("/web/mine"))["ratings"] == []


def test_nobody_takes_back_what_somebody_else_said(films_service):
    visitors = films_service()
    one, other = visitors(), visitors()
    made = rate(one, "f3", 5)
    problem = said(other.post("/web/undo", json={"withdraws": made["event_id"], **event()}), 404)
    assert "of this user is not there" in problem["detail"]
    assert len(said(one.get("/web/mine"))["ratings"]) == 1


def test_not_for_me_teaches_and_seen_does_not(visitor):
    rate(visitor, "f1", 5)
    before = {card["item"]: card["stars"] for card in list_of(visitor, "n=100")["items"]}
    seen = react(visitor, "f7", "seen")["list"]
    assert "f7" not in names(seen)
    after = {card["item"]: card["stars"] for card in list_of(visitor, "n=100")["items"]}
    assert all(after[item] == before[item] for item in after if item in before)
    hidden = react(visitor, "f13", "hide")["list"]
    assert "f13" not in names(hidden)
    taught = {card["item"]: card["stars"] for card in list_of(visitor, "n=100")["items"]}
    assert any(taught[item] != before[item] for item in taught if item in before)


def test_filters_choose_and_the_count_tells_what_is_left(visitor):
    got = list_of(visitor, "genre=Comedy&from=1980&to=1999&n=100")
    assert all("Comedy" in card["genres"] and 1980 <= card["year"] <= 1999 for card in got["items"])
    assert 0 < got["left"] < got["of"] == 120
    assert got["left"] == len(got["items"])


def test_what_was_rated_comes_back_with_its_rating_where_seen_ones_are_wanted(visitor):
    rate(visitor, "f3", 4)
    assert "f3" not in names(list_of(visitor, "n=100"))
    cards = list_of(visitor, "n=100&seen=1")["items"] + list_of(visitor, "n=100&seen=1&genre=Romance")["items"]
    assert next(card["rated"] for card in cards if card["item"] == "f3") == 4.0


def test_variety_and_discovery_change_the_order(visitor):
    for item in ("f1", "f2", "f3"):
        rate(visitor, item, 5)
    plain, varied, known = (names(list_of(visitor, more)) for more in ("", "variety=0.9", "discovery=1"))
    assert plain != varied
    assert plain != known


def test_a_known_user_has_stars_intervals_and_reasons(visitor):
    cards = list_of(visitor, "user=p1")["items"]
    assert all(1 <= card["low"] <= card["stars"] <= card["high"] <= 5 for card in cards)
    assert {card["sure"] for card in cards} <= {"sure", "fairly", "unsure"}
    assert any((card["why"] or "").startswith("because you ") for card in cards)


@pytest.mark.parametrize("user", ["", "&user=p1"])
def test_why_says_what_counts_most_and_adds_up(visitor, user):
    for item, value in (("f1", 5), ("f2", 1), ("f7", 4), ("f13", 5)):
        rate(visitor, item, value)
    first = list_of(visitor, user[1:])["items"][0]["item"]
    got = said(visitor.get(f"/web/why?item={first}{user}"))
    assert got["adds_up"]
    assert 1 <= len(got["top"]) <= 3
    assert len(got["words"]) == len(got["top"])
    assert 0 < sum(row["share"] for row in got["top"]) <= 1 + 1e-9
    total = sum(row["contribution"] for row in [*got["top"], *got["parts"]]) + got["rest"]
    assert total == pytest.approx(got["sum"], abs=1e-6)


def test_why_of_somebody_unknown_is_said_in_words(visitor):
    got = said(visitor.get("/web/why?item=f1"))
    assert got["words"] == ["It is popular with everybody; of you nothing is known yet."]
    assert (got["top"], got["sum"], got["adds_up"]) == ([], None, False)


def test_mine_tells_what_counts_the_newest_first(visitor):
    rate(visitor, "f1", 5)
    rate(visitor, "f1", 2)
    react(visitor, "f115", "hide")
    got = said(visitor.get("/web/mine"))["ratings"]
    assert [(row["item"], row["kind"], row["value"]) for row in got] == [("f115", "hide", None), ("f1", "rating", 2.0)]
    assert got[0]["title"] == "<img src=x onerror=alert(1)>"


REFUSED = [
    ({"item": "f1", "value": 6}, 422, "a rating is from 1 to 5, got 6"),
    ({"item": "nothing", "value": 4}, 404, "there is no item 'nothing'"),
    ({"item": "f1", "value": 4, "event_id": "1"}, 422, "event_id"),
    ({"item": "f1", "value": 4, "ask": {"n": 101}}, 422, "ask.n"),
    ({"item": "f1", "value": 4, "ask": {"user": "p1"}}, 422, "ask.user"),
]


@pytest.mark.parametrize(("body", "status", "words"), REFUSED)
def test_a_wrong_rating_is_refused_in_words_and_writes_nothing(visitor, body, status, words):
    problem = said(visitor.post("/web/ratings", json={**event(), **body}), status)
    assert words in str(problem)
    assert said(visitor.get("/web/mine"))["ratings"] == []


def test_a_film_that_the_catalogue_has_twice_is_not_suggested_to_whoever_rated_it(visitor):
    store, table = visitor.app.service.store, films()
    twin = {name: table[name][2] for name in ("title", "year", "genres")}
    items.upsert(store, store.namespace(), [Thing("f8", twin)])
    assert "f8" in names(list_of(visitor, "n=100&genre=Horror"))
    got = rate(visitor, "f2", 5, ask={"n": 100, "genre": "Horror"})["list"]
    assert not {"f2", "f8"} & set(names(got))
    compared = said(visitor.post("/web/compare", json={"left": "lists", "right": "stars"}))
    assert compared["chosen_from"] == list_of(visitor)["left"] == 118
    assert "f8" not in names({"items": said(visitor.get("/web/film?item=f2"))["similar"]})
