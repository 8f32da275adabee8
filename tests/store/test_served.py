"""The engine over both stores: the next answer knows what was acknowledged, through one engine and through another."""

from __future__ import annotations

import pytest
from small_models import make

import palate
from palate.serve.engine import Ask, Engine
from palate.store import items, versions
from palate.store.records import Event, Thing


@pytest.fixture(scope="session")
def served_model(tmp_path_factory):
    """A small model of text ids, and its file."""
    rows = [(f"u{u}", f"i{i}") for u in range(12) for i in range(10) if (u + i) % 2 and (u * i) % 5]
    users, things = zip(*rows, strict=True)
    model = make("ials").set_params(positive="any").fit(palate.Interactions.from_table({"user": users, "item": things}))
    path = tmp_path_factory.mktemp("served") / "model.safetensors"
    palate.save(model, path)
    return model, path


@pytest.fixture
def engines(store):
    """Two engines over one store, as two workers have them."""
    pair = Engine(store), Engine(store)
    yield pair
    for engine in pair:
        engine.close()


def test_rate_and_see_the_next_answer_change_in_every_worker(store, ns, engines, served_model):
    model, path = served_model
    versions.activate(store, ns, versions.add(store, ns, path))
    ask = Ask(ns=ns, user="ann", n=5)
    for engine in engines:
        assert engine.answer([ask])[0].policy == "popular"
    store.writer.feedback(ns, [Event("ann", item, "click") for item in ("i1", "i3", "i5")]).result(10)
    expected = model.recommend(model.person(["i1", "i3", "i5"]), 5)["item_id"].to_list()
    for engine in engines:
        (answer,) = engine.answer([ask])
        assert [place.item for place in answer.places] == expected
        assert answer.logged
    items.upsert(store, ns, [Thing(expected[0], {}, hidden=True)])
    for engine in engines:
        known, person = engine.answer([Ask(ns=ns, user="u1", n=10, seen=True), ask])
        assert expected[0] not in [place.item for place in (*known.places, *person.places)]
    page = engines[1].following(ns, answer.list_id, 1, 5)
    assert [place.item for place in page.places] == expected[1:]
