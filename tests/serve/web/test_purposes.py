"""Models by purpose, and two side by side, as the page asks for them."""

from __future__ import annotations

import pytest
from conftest import Visitor
from films import copied
from in_process import serving

from palate.serve.engine.purposes import make_purposes
from palate.store import open_store, versions

MEASURED = {
    "ease": {"of": "films", "metrics": {"ndcg@10": {"value": 0.4, "low": 0.3, "high": 0.5, "popular": 0.2}}},
    "bayes": {"of": "films", "metrics": {"rmse": {"value": 0.9}, "coverage_80": {"value": 0.79}}},
}


def with_purposes(path):
    """Give a store of films its purposes and figures, and return its path."""
    with open_store(f"sqlite:///{path}") as store:
        versions.keep_figures(store, store.namespace(), MEASURED)
        make_purposes(store, store.namespace())
    return path


@pytest.fixture(scope="module")
def app(films_file, tmp_path_factory):
    path = with_purposes(copied(films_file, tmp_path_factory.mktemp("purposes")))
    with serving(path, page="demo", engine=None) as client:
        yield client.app


def compared(visitor, **asked):
    answer = visitor.post("/web/compare", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_purposes_come_with_what_was_measured_the_best_lists_first(app):
    told = Visitor(app).get("/web/purposes").json()["purposes"]
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


def test_two_lists_for_one_person_and_what_they_share(app):
    told = compared(Visitor(app), left="lists", right="stars", user="p1", n=20)
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


def test_a_list_beside_itself_shares_all(app):
    told = compared(Visitor(app), left="lists", right="lists", user="p1")
    assert told["both"] == 10
    assert [one["other"] for one in told["left"]["items"]] == [*range(1, 11)]


def test_what_is_popular_leaves_out_what_the_person_had(app):
    told = compared(Visitor(app), left="popular", right="lists", user="p1", n=20)
    with open_store(app.state.service.settings.store) as store:
        seen = versions.load_active(store, store.namespace()).model
    had = {seen.items_.at([place])[0] for place in seen.seen_.row(int(seen.users_.index(["p1"])[0]))[0]}
    assert told["left"]["policy"] == "popular"
    assert {one["item"] for one in told["left"]["items"]}.isdisjoint(had)


def test_somebody_new_gets_what_is_popular_and_is_told_so(app):
    told = compared(Visitor(app), left="lists", right="stars")
    assert {told["left"]["policy"], told["right"]["policy"]} == {"popular"}


def test_what_cannot_be_compared_is_refused(app):
    visitor = Visitor(app)
    refused = visitor.post("/web/compare", json={"left": "best", "right": "stars"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert visitor.post("/web/compare", json={"left": "lists", "right": "stars", "n": 51}).status_code == 422


def test_a_store_without_models_or_purposes_is_a_normal_state(visiting, films_service):
    assert visiting(engine=None)().get("/web/purposes").json() == {"purposes": []}
    visitor = films_service()()
    assert visitor.get("/web/purposes").json() == {"purposes": []}
    refused = visitor.post("/web/compare", json={"left": "lists", "right": "popular"})
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_name") or refused.status_code in (404, 422)
