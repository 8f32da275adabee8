"""Models by purpose, and two side by side, as the page asks for them."""

from __future__ import annotations

import pytest
from films import film_data
from in_process import wait_until

from palate.store import open_store, versions


@pytest.fixture
def visitor(films_service):
    return films_service(page="demo")()


def compared(visitor, **asked):
    answer = visitor.post("/web/compare", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_purposes_come_with_what_was_measured_the_best_lists_first(visitor):
    told = visitor.get("/web/me").json()["purposes"]
    assert [(one["name"], one["model"], one["version"], one["is_active"]) for one in told] == [
        ("lists", "ease", 1, False),
        ("stars", "bayes", 3, True),
        ("because", "ease", 1, False),
    ]
    assert told[0]["figure"] == {
        "metric": "ndcg@10",
        "value": 0.4,
        "low": 0.3,
        "high": 0.5,
        "popular": 0.2,
        "people": None,
        "of": "films, random:0.2:42",
    }
    assert (told[1]["figure"]["metric"], told[1]["sure"]["value"], told[0]["sure"]) == ("rmse", 0.79, None)


def test_two_lists_for_one_person_and_what_they_share(visitor):
    told = compared(visitor, left="lists", right="stars", user="p1", n=20)
    left, right = told["left"]["items"], told["right"]["items"]
    assert (told["left"]["version"], told["right"]["version"]) == (1, 3)
    assert {told["left"]["policy"], told["right"]["policy"]} == {"model"}
    shared = {one["item"] for one in left} & {one["item"] for one in right}
    assert told["both"] == len(shared)
    for items, others in ((left, right), (right, left)):
        assert len(items) == 20
        for one in items:
            assert one["other"] is None or others[one["other"] - 1]["item"] == one["item"]
            assert (one["other"] is not None) == (one["item"] in shared)


def test_a_list_beside_itself_shares_all(visitor):
    told = compared(visitor, left="lists", right="lists", user="p1")
    assert told["both"] == 10
    assert [one["other"] for one in told["left"]["items"]] == [*range(1, 11)]


def test_what_is_popular_leaves_out_what_the_person_had(visitor):
    told = compared(visitor, left="popular", right="lists", user="p1", n=20)
    log = film_data().interactions
    had = set(log.items.at(log.item_index[log.user_index == log.users.index(["p1"])[0]]))
    assert told["left"]["policy"] == "popular"
    assert {one["item"] for one in told["left"]["items"]}.isdisjoint(had)


@pytest.mark.parametrize("sides", [("lists", "stars"), ("popular", "because")])
def test_both_are_chosen_by_the_filters(visitor, sides):
    left, right = sides
    whole = compared(visitor, left=left, right=right, user="p1")
    told = compared(visitor, left=left, right=right, user="p1", **{"genre": "Comedy", "from": 1980, "to": 2010})
    for side in ("left", "right"):
        assert told[side]["items"]
        for one in told[side]["items"]:
            assert "Comedy" in one["genres"]
            assert 1980 <= one["year"] <= 2010
    assert 0 < told["chosen_from"] < whole["chosen_from"] < told["of"] == 120
    seen = compared(visitor, left=left, right=right, user="p1", seen=True)
    assert seen["chosen_from"] == 120


def test_somebody_new_gets_what_is_popular_and_is_told_so(visitor):
    told = compared(visitor, left="lists", right="stars")
    assert {told["left"]["policy"], told["right"]["policy"]} == {"popular"}


def test_what_cannot_be_compared_is_refused(visitor):
    refused = visitor.post("/web/compare", json={"left": "best", "right": "stars"})
    assert (refused.status_code, refused.json()["code"]) == (422, "request")
    assert visitor.post("/web/compare", json={"left": "lists", "right": "stars", "n": 51}).status_code == 422


def test_a_store_without_models_is_a_normal_state(visiting):
    visitor = visiting(engine=None)()
    assert visitor.get("/web/me").json()["purposes"] == []
    refused = visitor.post("/web/compare", json={"left": "lists", "right": "popular"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_name"), refused.text
    assert visitor.post("/web/compare", json={"left": "popular", "right": "popular"}).json()["both"] == 0


def test_stars_are_those_of_their_purpose_whoever_answers_with_the_list(visitor, tmp_path):
    before = visitor.get("/web/list", params={"user": "p1", "purpose": "lists"}).json()
    with open_store(f"sqlite:///{tmp_path}/films.db") as store:
        versions.activate(store, store.namespace(), 1)
    wait_until(lambda: visitor.get("/web/list", params={"user": "p1"}).json()["version"] == 1, 20)
    after = visitor.get("/web/list", params={"user": "p1"}).json()
    assert [one["item"] for one in after["items"]] == [one["item"] for one in before["items"]]
    assert all(one["stars"] is not None and one["low"] < one["high"] for one in after["items"])
    assert visitor.get("/web/me").json()["rating_scale"] == [1.0, 5.0]


def test_a_model_of_clicks_never_says_that_something_was_not_liked(visitor):
    told = visitor.get("/web/list", params={"user": "p1", "purpose": "lists"}).json()
    why = visitor.get("/web/why", params={"user": "p1", "purpose": "lists", "item": told["items"][0]["item"]}).json()
    said = [one["why"] for one in told["items"] if one["why"]] + why["words"]
    assert said
    assert all(words.lower().startswith("because you liked ") for words in said)


def test_reasons_are_those_of_the_purpose(visitor):
    item = visitor.get("/web/list", params={"user": "p1"}).json()["items"][0]["item"]
    stars, lists = (
        visitor.get("/web/why", params={"user": "p1", "item": item, "purpose": p}).json() for p in ("stars", "lists")
    )
    assert stars == visitor.get("/web/why", params={"user": "p1", "item": item}).json()
    assert lists["sum"] != stars["sum"]
    assert visitor.get("/web/why", params={"item": item, "purpose": "none"}).status_code == 422
