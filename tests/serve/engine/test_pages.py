"""Following pages keep the order of the first request, and show nothing that has become forbidden since."""

from __future__ import annotations

import threading

import pytest

from palate.errors import NotFoundError, UnavailableError
from palate.serve.engine import engine
from palate.store import items, lists, versions
from palate.store.records import Thing
from palate.store.versions import folders


def names(answer):
    return [place.item for place in answer.places]


def test_pages_cut_the_order_of_the_first_request(world):
    world.use("ials")
    whole = world.items(n=20, seen=True)
    first = world.ask(n=4, seen=True)
    second = world.engine.following(world.ns, first.list_id, 5, 4)
    third = world.engine.following(world.ns, first.list_id, 9, 4)
    assert names(first) + names(second) + names(third) == whole[:12]
    assert (second.first, second.more, second.withheld, second.logged) == (5, True, 0, True)
    assert second.columns[0]["title"] == second.places[0].item.replace("i", "Title ")
    last = world.engine.following(world.ns, first.list_id, 28, 10)
    assert (len(last.places), last.more) == (3, False)
    assert world.engine.following(world.ns, first.list_id, 31, 10).places == ()
    with world.store.read() as conn:
        kept = lists.get(conn, world.ns, first.list_id)
    assert [[place.item for place in page.places] for page in kept.pages] == [names(second), names(third), names(last)]


def test_what_has_become_forbidden_is_withheld(world):
    world.use("ials")
    first = world.ask("u1", n=4, where=("year>=1990",))
    rest = names(world.engine.following(world.ns, first.list_id, 5, 5))
    items.upsert(world.store, world.ns, [Thing(rest[0], {}, hidden=True), Thing(rest[1], {"year": 1900})])
    world.events("u1", (rest[2], "click", None))
    page = world.engine.following(world.ns, first.list_id, 5, 5)
    assert names(page) == rest[3:]
    assert page.withheld == 3


def test_pages_go_on_after_a_switch_of_the_model(world):
    world.use("ials")
    new = ("new1", "new2", "new3")
    for name in new:
        items.upsert(world.store, world.ns, [Thing(name, {"year": 2000})])
    whole = world.items("u1", n=30)
    first = world.ask("u1", n=5)
    rest = names(world.engine.following(world.ns, first.list_id, 6, 25))
    assert rest == whole[5:]
    assert set(new) <= set(rest)
    world.use("ease")
    page = world.engine.following(world.ns, first.list_id, 6, 25)
    assert names(page) == rest
    assert (page.version, world.ask("u1").version) == (1, 2)
    assert {place.source for place in page.places} == {"model", "new"}
    world.engine._spaces[world.ns.key]._older.clear()
    folders.remove(folders.folder_of(world.store, world.ns, 1))
    with pytest.raises(NotFoundError, match="made by model version 1, which is gone: ask for a new list"):
        world.engine.following(world.ns, first.list_id, 6, 20)


def test_pages_of_lists_without_a_model(world):
    items.upsert(world.store, world.ns, [Thing(f"x{k}", {}) for k in range(6)])
    first = world.ask("ann", n=2)
    assert len(first.places) == 2
    page = world.engine.following(world.ns, first.list_id, 3, 10)
    assert {*names(first), *names(page)} == {f"x{k}" for k in range(6)}


def test_a_list_of_nobody_and_an_unknown_list(world):
    world.use("ials")
    first = world.ask(None, session=(("i1", 5.0),), n=3)
    assert len(world.engine.following(world.ns, first.list_id, 4, 3).places) == 3
    with pytest.raises(NotFoundError, match="there is no list"):
        world.engine.following(world.ns, "0" * 32, 1, 3)
    whole = world.ask(n=30)
    assert not whole.more
    assert world.engine.following(world.ns, whole.list_id, 2, 3).places == ()


def test_a_page_is_answered_where_it_cannot_be_kept(world, monkeypatch):
    world.use("ials")
    first = world.ask(n=3)

    def full(*_):
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(lists, "add_page", full)
    page = world.engine.following(world.ns, first.list_id, 4, 3)
    assert (len(page.places), page.logged) == (3, False)


def test_a_page_waits_for_a_locked_store_no_longer_than_a_little(world, monkeypatch):
    world.use("ials")
    first = world.ask(n=3)
    free, keep = threading.Event(), lists.add_page
    monkeypatch.setattr(lists, "add_page", lambda *given: free.wait(10) and keep(*given))
    monkeypatch.setattr(engine, "PATIENCE", 0.01)
    page = world.engine.following(world.ns, first.list_id, 4, 3)
    assert (len(page.places), page.logged) == (3, False)
    free.set()


def test_versions_that_lists_need_are_loaded_once(world, monkeypatch):
    world.use("ials")
    first = world.ask(n=3)
    world.use("ease")
    calls = []
    load = versions.load
    monkeypatch.setattr(versions, "load", lambda *given: [calls.append(given), load(*given)][1])
    for _ in range(2):
        world.engine.following(world.ns, first.list_id, 4, 3)
    assert len(calls) == 1
