"""Versions, forgotten people and a store that fails: what a worker answers meanwhile."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest
from sqlalchemy import update

from palate.errors import ModelFileError, UnavailableError
from palate.serve import measures
from palate.serve.engine import Ask, Engine, catalogue, people
from palate.store import items, versions
from palate.store.feedback import merge
from palate.store.forgetting import forget
from palate.store.records import Thing
from palate.store.schema import namespaces


def names(answer):
    return [place.item for place in answer.places]


def add(world, key):
    number = versions.add(world.store, world.ns, world.models(key)[1])
    versions.activate(world.store, world.ns, number)


class Slow:
    """Loads versions as the store does, when it may; fails when it is told to."""

    def __init__(self):
        self.may, self.error = threading.Event(), None
        self.load, self.renewed = versions.load, versions.renewed
        self.may.set()

    def load_active(self, store, ns):
        self.may.wait(10)
        if self.error is not None:
            raise self.error
        return versions.load_active(store, ns)


@pytest.fixture
def slow(world):
    """A way of loading that waits, in the world's engine."""
    world.engine.close()
    loads = Slow()
    world.engine = Engine(world.store, versions=loads)
    return loads


def test_a_switch_happens_behind_the_version_that_answers(world, slow):
    world.use("ials")
    before = world.items()
    slow.may.clear()
    add(world, "ease")
    assert [world.ask().version, world.ask().version] == [1, 1]
    assert world.items() == before
    slow.may.set()
    world.engine.refresh()
    assert world.ask().version == 2


def test_a_switch_during_a_switch_is_not_missed(world, slow):
    world.use("ials")
    slow.may.clear()
    add(world, "ease")
    assert world.ask().version == 1
    slow.may.set()
    space = world.engine._spaces[world.ns.key]
    space.wait()
    space._loading = threading.Thread()  # as if it were not quite done
    add(world, "als")
    assert world.ask().version == 2
    space._loading = None
    world.engine.refresh()
    assert world.ask().version == 3


def test_a_switch_after_a_switch_whose_thread_has_not_ended_is_not_missed(world, slow):
    world.use("ials")
    add(world, "ease")
    world.engine.refresh()
    space = world.engine._spaces[world.ns.key]
    assert world.ask().version == 2  # what was loaded is taken, and nothing more comes from there
    space._loading = threading.Thread()  # as if it were not quite done
    add(world, "als")
    assert world.ask().version == 2
    space._loading = None
    world.engine.refresh()
    assert world.ask().version == 3


def test_a_version_that_cannot_be_loaded_leaves_the_one_before_it(world, slow, monkeypatch):
    world.use("ials")
    world.engine.ready()
    slow.error = ModelFileError("the file is damaged")
    add(world, "ease")
    world.engine.refresh()
    assert world.ask().version == 1
    with pytest.raises(UnavailableError, match="does not answer by its active version: the file is damaged"):
        world.engine.ready()
    slow.error = None
    world.engine._spaces[world.ns.key]._again = 0.0  # five seconds later
    world.engine.refresh()
    assert world.ask().version == 2
    world.engine.ready()


def test_without_any_version_that_can_be_loaded_nobody_is_answered(world, slow):
    slow.error = ModelFileError("the file is damaged")
    add(world, "ials")
    with pytest.raises(UnavailableError, match="has no model version that can be loaded: the file is"):
        world.ask()
    slow.error = None
    world.engine._spaces[world.ns.key]._again = 0.0
    assert world.ask().version == 1


def test_going_back_is_a_switch_too(world):
    world.use("ials")
    before = world.items()
    world.use("ease")
    versions.roll_back(world.store, world.ns)
    world.engine.refresh()
    assert (world.ask().version, world.items()) == (1, before)


def test_going_back_while_a_version_is_loaded_is_not_missed(world, slow):
    world.use("ials")
    slow.may.clear()
    add(world, "ease")
    assert world.ask().version == 1
    slow.may.set()
    world.engine._spaces[world.ns.key].wait()  # loaded, and nobody has asked since
    versions.roll_back(world.store, world.ns)
    assert [world.ask().version, world.ask().version] == [1, 1]
    world.engine.refresh()
    assert world.ask().version == 1


def test_going_back_during_a_switch_is_not_missed(world, slow):
    world.use("ials")
    space = world.engine._spaces[world.ns.key]
    slow.may.clear()
    add(world, "ease")
    assert world.ask().version == 1
    slow.may.set()
    space.wait()
    space._loading = threading.Thread()  # as if it were not quite done
    versions.roll_back(world.store, world.ns)
    world.ask()
    space._loading = None
    world.engine.refresh()
    assert world.ask().version == 1


def test_going_back_from_a_version_that_cannot_be_loaded_mends_the_worker(world, slow):
    world.use("ials")
    slow.error = ModelFileError("the file is damaged")
    add(world, "ease")
    world.engine.refresh()
    versions.roll_back(world.store, world.ns)
    world.engine.ready()
    assert world.ask().version == 1


def test_another_worker_knows_what_this_one_was_told(world):
    world.use("ials")
    other = Engine(world.store)
    try:
        other.refresh()
        world.rate("ann", i1=5, i3=5)
        items.upsert(world.store, world.ns, [Thing(world.items("ann")[0], {}, hidden=True)])
        (answer,) = other.answer([Ask(ns=world.ns, user="ann")])
        assert names(answer) == world.items("ann")
    finally:
        other.close()


def test_nothing_of_somebody_forgotten_is_used(world):
    world.use("ials")
    world.rate("u1", i0=5)
    assert world.ask("u1").policy == "model"
    forget(world.store, world.ns, "u1")
    answer = world.ask("u1")
    assert (answer.policy, answer.newest_feedback) == ("popular", None)
    assert "i0" in world.items("u1", n=30)
    world.rate("u1", i2=5)
    again = world.ask("u1", n=30)
    assert again.policy == "model"
    assert set(names(again)) == {f"i{k}" for k in range(30)} - {"i2"}


def test_namespaces_share_nothing(world):
    world.use("ials")
    other = world.store.create_namespace("other")
    items.upsert(world.store, other, [Thing("x", {})])
    answers = world.engine.answer([Ask(ns=world.ns, user="u1"), Ask(ns=other, user="u1"), Ask(ns=world.ns, user="u2")])
    assert [answer.policy for answer in answers] == ["model", "popular", "model"]
    assert names(answers[1]) == ["x"]
    assert {answer.logged for answer in answers} == {True}


def test_where_the_store_cannot_write_lists_are_answered_and_say_so(world, monkeypatch):
    world.use("ials")
    expected = world.items()
    failed = Future()
    failed.set_exception(UnavailableError("the disk is full"))
    monkeypatch.setattr(world.store.writer, "lists", lambda *_: failed)
    answer = world.ask()
    assert (names(answer), answer.logged) == (expected, False)

    def closed(*_):
        raise UnavailableError("too many wait")

    monkeypatch.setattr(world.store.writer, "lists", closed)
    assert world.ask().logged is False


def test_where_the_store_cannot_be_read_nobody_is_answered_until_it_can(world, monkeypatch):
    world.use("ials")
    whole = type(world.store).read

    @contextmanager
    def lost(_):
        raise UnavailableError("the connection is lost")
        yield

    monkeypatch.setattr(type(world.store), "read", lost)
    asks = [Ask(ns=world.ns, user="u1"), Ask(ns=world.ns, user="u2", n=0)]
    first, second = world.engine.answer(asks)
    assert isinstance(first, UnavailableError)
    assert "the connection is lost" in str(first)
    assert "n must be" in str(second)
    monkeypatch.setattr(type(world.store), "read", whole)
    assert world.ask().policy == "model"


def test_a_settings_share_of_places_is_the_namespaces_own(world):
    world.use("ials")
    items.upsert(world.store, world.ns, [Thing(f"new{k}", {}) for k in range(9)])

    def share(value):
        with world.store.write() as conn:
            settings = json.dumps({"new_items_share": value})
            conn.execute(update(namespaces).values(settings=settings, changes=namespaces.c.changes + 1))

    share(0.5)
    assert [place.source for place in world.ask(n=6).places] == ["model", "new"] * 3
    share(0)
    assert {place.source for place in world.ask(n=30).places} == {"model"}


def test_few_people_are_kept(world, monkeypatch):
    monkeypatch.setattr(people, "KEPT", 2)
    world.use("ials")
    for user in ("u1", "u2", "u3", "u1"):
        world.ask(user)
    kept = world.engine._spaces[world.ns.key].people
    assert list(kept._kept) == ["u3", "u1"]
    assert kept._cells == sum(person.cells for person in kept._kept.values())


def test_a_merged_visitor_is_the_account(world):
    world.use("ials")
    world.rate("visitor", i1=5, i3=5)
    world.rate("account", i5=5)
    merge(world.store, world.ns, "visitor", "account")
    assert world.items("visitor") == world.items("account")
    assert not {"i1", "i3", "i5"} & set(world.items("visitor", n=30))


def test_metrics_count_lists_and_people(world):
    def counted():
        found = (measures.LISTS.labels("model"), measures.FOLD_INS, *map(measures.CACHE.labels, ("hit", "miss")))
        return np.array([one._value.get() for one in found])

    world.use("ials")
    world.rate("ann", i1=5)
    before = counted()
    for user in ("ann", "ann", "u1"):
        world.ask(user)
    assert (counted() - before).tolist() == [3, 1, 1, 2]


def test_masks_are_bounded_by_what_they_take(world, monkeypatch):
    world.use("ials")
    monkeypatch.setattr(catalogue, "MASK_BYTES", 30 * 5)
    for year in range(1990, 2000):
        world.items(where=(f"year>={year}",))
    assert len(world.engine._spaces[world.ns.key].catalogue._masks) == 5


def test_whoever_is_first_finds_everything_warm(world, monkeypatch):
    calls = []
    monkeypatch.setattr("palate.serve.engine.space.warm", calls.append)
    world.use("ials")
    assert [loaded.number for loaded in calls] == [1]
