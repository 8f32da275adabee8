"""What a person said: in the log, and before it in a model's training; who they are by it; and nothing is lost."""

from __future__ import annotations

import csv
import io
import uuid

import pytest
from films import film_data
from in_process import wait_until

import palate
from palate.serve.engine.scenarios import VersionLoadingError
from palate.store import open_store, versions

LOG = film_data().interactions


def in_training(user):
    at = LOG.user_index == LOG.users.index([user])[0]
    return dict(zip(LOG.items.at(LOG.item_index[at]), LOG.values[at].tolist(), strict=True))


TRAINED = in_training("p1")


@pytest.fixture
def visitor(films_service):
    return films_service("demo")()


def ask(visitor, path, **query):
    answer = visitor.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def mine(visitor, user="p1"):
    return ask(visitor, "/web/mine", user=user)["ratings"]


def rate(visitor, item, value, **more):
    given = {"item": item, "value": value, "event_id": str(uuid.uuid4()), **more}
    answer = visitor.post("/web/ratings", json=given)
    assert answer.status_code == 200, answer.text
    return answer.json()["event_id"]


def test_who_asks_is_told_how_many_ratings_they_gave(visitor):
    new = ask(visitor, "/web/me")
    assert new["n_ratings"] == 0
    rate(visitor, "f3", 5)
    then = ask(visitor, "/web/me")
    assert then["n_ratings"] == 1
    other = ask(visitor, "/web/me", user="p1")
    assert other["n_ratings"] == len(TRAINED)


def test_ratings_of_training_are_listed_and_marked(visitor):
    listed = mine(visitor)
    assert {one["item"]: one["value"] for one in listed} == TRAINED
    assert {(one["kind"], one["time"], one["event_id"], one["source"]) for one in listed} == {
        ("rating", None, None, "training")
    }
    assert mine(visitor, ask(visitor, "/web/me")["person"]) == []


def test_a_newer_rating_stands_in_its_place_until_it_is_taken_back(visitor):
    item = next(iter(TRAINED))
    event = rate(visitor, item, 1.0, user="p1")
    listed = mine(visitor)
    assert (listed[0]["item"], listed[0]["value"], listed[0]["source"]) == (item, 1.0, "page")
    assert len(listed) == len(TRAINED)
    undo = {"withdraws": event, "event_id": str(uuid.uuid4()), "user": "p1"}
    assert visitor.post("/web/undo", json=undo).status_code == 200
    assert {one["item"]: one["value"] for one in mine(visitor)} == TRAINED


def test_they_stay_when_a_version_of_clicks_answers(visitor, tmp_path):
    clicks = {"user": LOG.users.at(LOG.user_index), "item": LOG.items.at(LOG.item_index)}
    palate.save(palate.EASE().fit(palate.Interactions.from_table(clicks)), tmp_path / "clicks.safetensors")
    with open_store(f"sqlite:///{tmp_path}/films.db") as store:
        ns = store.namespace()
        versions.activate(store, ns, number := versions.add(store, ns, tmp_path / "clicks.safetensors"))
    wait_until(lambda: ask(visitor, "/web/list", user="p1")["version"] == number, 20)
    wait_until(lambda: visitor.get("/web/mine").status_code == 200, 20)  # the version of stars is loaded again
    assert {one["item"]: one["value"] for one in mine(visitor)} == TRAINED
    assert ask(visitor, "/web/me", user="p1")["n_ratings"] == len(TRAINED)
    marked = ask(visitor, "/web/map/mine", user="p1")["mine"]
    assert {one["item"]: one["value"] for one in marked} == TRAINED


def test_the_page_opens_while_the_version_of_stars_is_being_loaded(visitor, monkeypatch):
    engine = visitor.app.service.engine

    def loading(asked):
        def ask_the_active_one(*given):
            if len(given) > 1 and given[-1] == "purpose-stars":
                raise VersionLoadingError("it is being loaded", subject="scenario")
            return asked(*given)

        return ask_the_active_one

    for name in ("scale", "own_ratings", "trained_ratings"):
        monkeypatch.setattr(engine, name, loading(getattr(engine, name)))
    told = ask(visitor, "/web/me", user="p1")
    assert (told["rating_scale"], told["n_ratings"]) == ([1.0, 5.0], len(TRAINED))
    refused = visitor.get("/web/downloads/mine", params={"user": "p1"})  # a file never lacks something
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")


def test_they_are_taken_away_and_known_when_they_are_brought_back(visitor):
    rate(visitor, "f3", 5, user="p1")
    got = visitor.get("/web/downloads/mine", params={"user": "p1"})
    rows = list(csv.DictReader(io.StringIO(got.content.decode("utf-8-sig"))))
    of_training = {row["item_id"]: float(row["rating"]) for row in rows if row["source"] == "training"}
    assert of_training == TRAINED
    assert (rows[-1]["item_id"], rows[-1]["source"]) == ("f3", "page")
    told = ask(visitor, "/web/downloads/mine", user="p1", format="json")["said"]
    assert [one["item_id"] for one in told] == [row["item_id"] for row in rows]
    binary = {"content-type": "application/octet-stream"}
    shown = visitor.post("/web/uploads", params={"user": "p1"}, content=got.content, headers=binary).json()
    assert shown["n_had"] == shown["n_rated"] == len(TRAINED | {"f3": 5})
    assert shown["n_errors"] == 0


def test_a_user_of_training_who_is_forgotten_has_nothing_left(visitor):
    from palate.store import forgetting

    store = visitor.app.service.store
    forgetting.forget(store, store.namespace(), "p1")
    assert visitor.get("/web/mine", params={"user": "p1"}).status_code == 404
