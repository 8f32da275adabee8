"""Models by purpose, and two side by side, as the page asks for them."""

from __future__ import annotations

import pytest
from films import film_data


@pytest.fixture
def visitor(films_service):
    return films_service(page="demo")()


def compared(visitor, **asked):
    answer = visitor.post("/web/compare", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_purposes_come_with_what_was_measured_the_best_lists_first(visitor):
    told = visitor.get("/web/purposes").json()["purposes"]
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
        "of": "films",
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


def test_somebody_new_gets_what_is_popular_and_is_told_so(visitor):
    told = compared(visitor, left="lists", right="stars")
    assert {told["left"]["policy"], told["right"]["policy"]} == {"popular"}


def test_what_cannot_be_compared_is_refused(visitor):
    refused = visitor.post("/web/compare", json={"left": "best", "right": "stars"})
    assert (refused.status_code, refused.json()["code"]) == (422, "request")
    assert visitor.post("/web/compare", json={"left": "lists", "right": "stars", "n": 51}).status_code == 422


def test_a_store_without_models_is_a_normal_state(visiting):
    visitor = visiting(engine=None)()
    assert visitor.get("/web/purposes").json() == {"purposes": []}
    refused = visitor.post("/web/compare", json={"left": "lists", "right": "popular"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_name"), refused.text
    assert visitor.post("/web/compare", json={"left": "popular", "right": "popular"}).json()["both"] == 0
