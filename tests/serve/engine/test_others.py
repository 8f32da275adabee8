"""Items alike, what is popular, predictions and explanations."""

from __future__ import annotations

import numpy as np
import pytest

from palate.errors import NotFoundError, ParameterError
from palate.serve.engine.asking import Ask
from palate.store import items, lists, scenarios, versions
from palate.store.presets import Preset
from palate.store.records import Event, Thing


def names(answer):
    return [place.item for place in answer.places]


@pytest.mark.parametrize("key", ["ials", "ease", "blend"])
def test_similar_items_are_the_models(world, key):
    model = world.use(key)
    answer = world.engine.similar(world.ns, "i3", 5)
    table = model.similar_items("i3", 5)
    assert names(answer) == table["item_id"].to_list()
    assert [place.score for place in answer.places] == table["score"].to_list()
    assert (answer.policy, answer.version, answer.logged) == ("similar", 1, True)
    with world.store.read() as conn:
        kept = lists.get(conn, world.ns, answer.list_id)
    assert [place.item for place in kept.places] == names(answer)
    assert (kept.user, kept.policy, kept.request) == (None, "similar", {"n": 5, "item": "i3"})


def test_similar_items_obey_filters_and_hide_what_is_hidden(world):
    model = world.use("ials")
    every = model.similar_items("i3", 29)["item_id"].to_list()
    even = [item for item in every if int(item[1:]) % 2 == 0]
    assert names(world.engine.similar(world.ns, "i3", 12, where=("genres=even",))) == even[:12]
    items.upsert(world.store, world.ns, [Thing(every[0], {}, hidden=True)])
    assert names(world.engine.similar(world.ns, "i3", 5, exclude=(every[1],))) == every[2:7]
    assert names(world.engine.similar(world.ns, "i3", 5, include=(every[4], "i3"))) == [every[4]]


def test_what_has_no_likeness_is_told(world):
    with pytest.raises(NotFoundError, match="has no model yet, and the likeness of items need one"):
        world.engine.similar(world.ns, "i3")
    world.use("ials")
    items.upsert(world.store, world.ns, [Thing("new", {})])
    with pytest.raises(NotFoundError, match="there is no item 'never'"):
        world.engine.similar(world.ns, "never")
    with pytest.raises(NotFoundError, match="has not seen item 'new' yet"):
        world.engine.similar(world.ns, "new")
    world.use("popularity")
    with pytest.raises(ParameterError, match="has no likeness of items"):
        world.engine.similar(world.ns, "i3")


def test_popular_trending_and_latest_by_filter(world):
    for user in ("ann", "bob"):
        world.events(user, ("i1", "click", None))
    world.events("ann", ("i2", "click", None))
    items.upsert(
        world.store, world.ns, [Thing("i1", {"stock": 0}), Thing("i2", {"stock": 2}), Thing("i3", {"stock": 1})]
    )
    assert names(world.engine.best(world.ns, "popular")) == ["i1", "i2"]
    assert names(world.engine.best(world.ns, "popular", where=("stock>0",))) == ["i2"]
    assert names(world.engine.best(world.ns, "trending", days=7, exclude=("i1",))) == ["i2"]
    assert names(world.engine.best(world.ns, "latest", where=("stock>0",))) == ["i3", "i2"]
    assert world.engine.best(world.ns, "popular").columns[0] == {"title": "i1", "stock": 0}
    items.upsert(world.store, world.ns, [Thing("i1", {}, hidden=True)])
    assert names(world.engine.best(world.ns, "popular")) == ["i2"]
    world.use("ials")
    assert names(world.engine.best(world.ns, "popular")) == ["i2"]
    answer = world.engine.best(world.ns, "trending", days=3)
    (receipt,) = world.engine.store.writer.feedback(
        world.ns, [Event("ann", "i2", "click", list_id=answer.list_id, place=1)]
    ).result(10)
    assert (answer.policy, answer.version, receipt.status) == ("trending", None, "new")
    with pytest.raises(ParameterError, match="no list 'best'"):
        world.engine.best(world.ns, "best")


def test_predictions_are_the_models_with_intervals_where_it_has_them(world):
    model = world.use("bayes")
    told = world.engine.predict(world.ns, "u1", ["i1", "i2", "never"], 0.8)
    np.testing.assert_allclose([row[1] for row in told.rows[:2]], model.predict("u1", ["i1", "i2"]))
    low, high = model.predict_interval("u1", ["i1", "i2"], 0.8)
    np.testing.assert_allclose([row[2:4] for row in told.rows[:2]], np.array([low, high]).T)
    assert told.rows[2] == ("never", None, None, None, False)
    world.rate("u1", i2=5)
    ((_, value, low, high, known),) = world.engine.predict(world.ns, "u1", ["i4"], 0.8).rows
    assert low < value < high
    assert known
    assert 1 <= value <= 5
    with pytest.raises(ParameterError, match="interval must be a number between 0 and 1, got 1"):
        world.engine.predict(world.ns, "u1", ["i4"], 1.5)


def test_predictions_for_people(world):
    model = world.use("als")
    world.rate("ann", i1=5, i3=1)
    told = world.engine.predict(world.ns, "ann", ["i5", "i7"])
    person = model.person({"i1": 5.0, "i3": 1.0})
    np.testing.assert_allclose([row[1] for row in told.rows], model.predict(person, ["i5", "i7"]))
    ((_, value, *_),) = world.engine.predict(world.ns, "nobody", ["i5"]).rows
    assert value == pytest.approx(float(np.clip(model.mean_of(np.array([-1]), model.items_.index(["i5"])), 1, 5)[0]))
    world.use("ials")
    with pytest.raises(ParameterError, match="ask for recommendations"):
        world.engine.predict(world.ns, "ann", ["i5"])


def test_intervals_of_people_folded_in_and_of_nobody(world):
    model = world.use("bayes")
    world.rate("ann", i1=5, i3=1)
    person = model.person({"i1": 5.0, "i3": 1.0})
    for user, who in (("ann", person), ("nobody", model.person({}))):
        told = world.engine.predict(world.ns, user, ["i5", "i7"], 0.8)
        low, high = model.predict_interval(who, ["i5", "i7"], 0.8)
        np.testing.assert_allclose([row[2:4] for row in told.rows], np.array([low, high]).T, rtol=1e-6)
        again = world.engine.predict(world.ns, user, ["i5", "i7"])
        assert [row[:2] for row in told.rows] == [row[:2] for row in again.rows]
        assert [row[2:4] for row in again.rows] == [(None, None)] * 2
    sure = model._predictive_for(model.person({}).rows, None, np.zeros(1, int), model.items_.index(["i5"]))
    ((_, value, *_),) = world.engine.predict(world.ns, "nobody", ["i5"]).rows
    assert value == pytest.approx(float(np.clip(sure.mean(), 1, 5)[0]))


def test_predictions_and_explanations_by_scenario(world):
    world.use("bayes")
    other, path = world.models("als")
    number = versions.add(world.store, world.ns, path)
    scenarios.put(world.store, world.ns, "stars", Preset(model=number))
    world.engine.refresh()
    ((_, value, low, _, _),) = world.engine.predict(world.ns, "u1", ["i5"], 0.8, scenario="stars").rows
    assert (value, low) == (pytest.approx(float(other.predict("u1", "i5")[0])), None)
    told = world.engine.explain(world.ns, "u1", "i7", scenario="stars")
    assert (told.version, told.score) == (number, pytest.approx(other.explain("u1", "i7").score))
    assert world.engine.predict(world.ns, "u1", ["i5"], 0.8, scenario="default").version == 1
    with pytest.raises(ParameterError, match="no scenario 'never'"):
        world.engine.predict(world.ns, "u1", ["i5"], scenario="never")
    with pytest.raises(ParameterError, match="no scenario 'never'"):
        world.engine.explain(world.ns, "u1", "i7", scenario="never")


@pytest.mark.parametrize("key", ["ials", "als", "ease", "blend"])
def test_explanations_add_up(world, key):
    model = world.use(key)
    world.rate("ann", i1=5, i3=5, i5=4)
    for user in ("u1", "ann"):
        told = world.engine.explain(world.ns, user, "i7", 2)
        assert sum(part["contribution"] for part in told.reasons) == pytest.approx(told.score)
        assert [("item" in part) for part in told.reasons].count(True) == 2
        assert "which add up to" in told.text
    assert world.engine.explain(world.ns, "u1", "i7").score == pytest.approx(model.explain("u1", "i7").score)
    assert world.engine.explain(world.ns, "nobody", "i7").reasons == []
    with pytest.raises(NotFoundError, match="there is no item 'never'"):
        world.engine.explain(world.ns, "u1", "never")


def test_what_is_popular_without_what_somebody_had(world):
    world.use("ials")
    world.rate("ann", i1=5)
    everybody = [place.item for place in world.ask("nobody", n=30).places]
    answer = world.engine.popular_for(Ask(ns=world.ns, user="ann", n=20))
    assert names(answer) == [item for item in everybody if item != "i1"][:20]
    assert (answer.policy, answer.logged) == ("popular", True)
    with world.store.read() as conn:
        assert lists.get(conn, world.ns, answer.list_id).user == "ann"
    with pytest.raises(ParameterError, match="n must be a whole number from 1"):
        world.engine.popular_for(Ask(ns=world.ns, user="ann", n=0))
