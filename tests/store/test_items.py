"""Items: each change has a number of the catalogue, and a title is found as one types."""

from __future__ import annotations

import pytest

from palate.errors import ParameterError
from palate.store import Event, Thing, feedback, items, users


def found(store, ns, typed, **options):
    with store.read() as connection:
        return [item.id for item in items.search(connection, ns, typed, **options)]


def changed(store, ns, counter):
    with store.read() as connection:
        return [(item.id, item.hidden, gone) for _, item, gone in items.changed_since(connection, ns, counter)]


def catalogue(store, ns):
    return store.counters(ns, []).catalogue


def test_items_are_written_hidden_and_deleted_and_each_change_is_told(store, ns):
    items.upsert(store, ns, [Thing("a", {"title": "A", "year": 1999}), Thing("b", {"title": "B"})])
    first = catalogue(store, ns)
    assert changed(store, ns, 0) == [("a", False, False), ("b", False, False)]
    assert changed(store, ns, first) == []
    assert items.hide(store, ns, ["b", "unknown"]) == 1
    assert changed(store, ns, first) == [("b", True, False)]
    items.upsert(store, ns, [Thing("b", {"title": "B 2"})])  # a feed that comes again shows no hidden item
    assert changed(store, ns, first) == [("b", True, False)]
    second = catalogue(store, ns)
    assert items.delete_items(store, ns, ["a"]) == 1
    assert items.delete_items(store, ns, ["a"]) == 0
    assert changed(store, ns, second) == [("a", True, True)]
    with store.read() as connection:
        assert set(items.get(connection, ns, ["a", "b", "c"])) == {"b"}
        assert items.count(connection, ns) == 1
    items.upsert(store, ns, [Thing("a", {"title": "A again"})])
    with store.read() as connection:
        assert items.get(connection, ns, ["a"])["a"].hidden is False


def test_items_of_feedback_are_there_too(store, ns):
    feedback.add(store, ns, [Event("ann", "tea", "click")])
    assert changed(store, ns, 0) == [("tea", False, False)]


def test_search_as_you_type(store, ns):
    titles = {"1": "Toy Story (1995)", "2": "Amélie", "3": "The Story of Us", "4": "STORYTELLING", "5": "To Die For"}
    items.upsert(store, ns, [Thing(item, {"title": title}) for item, title in titles.items()])
    assert found(store, ns, "sto") == ["1", "3", "4"]
    assert found(store, ns, "to") == ["5", "1"]  # the very word first
    assert found(store, ns, "story to") == ["1"]
    assert found(store, ns, "amel") == found(store, ns, "AMÉL") == ["2"]
    assert found(store, ns, "sto", n=1) == ["1"]
    assert found(store, ns, "") == found(store, ns, "%") == found(store, ns, "zzz") == []
    items.upsert(store, ns, [Thing("6", {"title": "Toy to toad"})])
    assert found(store, ns, "to") == ["5", "6", "1"]
    assert found(store, ns, "to", n=2) == ["5", "6"]
    assert found(store, ns, "to toad toy") == ["6"]
    items.hide(store, ns, ["1"])
    assert found(store, ns, "sto") == ["3", "4"]
    assert found(store, ns, "sto", hidden=True) == ["1", "3", "4"]
    items.upsert(store, ns, [Thing("3", {"title": "Nothing"})])
    assert found(store, ns, "sto") == ["4"]
    items.delete_items(store, ns, ["4"])
    assert found(store, ns, "sto") == []
    assert found(store, store.create_namespace("other"), "noth") == []


@pytest.mark.parametrize("side", [users, items])
@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        ({"x": float("nan")}, "attribute 'x' must be a finite number"),
        ({"x": {"deep": 1}}, "attribute 'x' must be a finite number"),
        ({"x": [1]}, "attribute 'x' must be a finite number"),
        ({"x": "a\0"}, "attribute 'x' must be"),
        ({"x": "\ud800"}, "attribute 'x' must be"),
        ({"x": 1 << 64}, "attribute 'x' must be"),
        ({"": 1}, "the name of an attribute must have 1 to 128 bytes"),
        ({1: 1}, "the name of an attribute must be text"),
        ({"x": "y" * 20_000}, "attributes must have at most 16384 bytes as JSON"),
        ([1], "attributes must be an object"),
    ],
)
def test_attributes_that_are_not_kept(store, ns, side, attributes, match):
    with pytest.raises(ParameterError, match=match):
        side.upsert(store, ns, [Thing("good", {}), Thing("bad", attributes)])
    with store.read() as connection:
        assert side.get(connection, ns, ["good", "bad"]) == {}
