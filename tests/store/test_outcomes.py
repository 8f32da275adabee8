"""What was shown and what came of it: each place once, each event at its place, and what does not count left out."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store.test_packing import PLACES

from palate.errors import StoreError
from palate.store import ShownList, configuring, experiments, feedback, forgetting, lists, outcomes, scenarios
from palate.store.experiments import Arm
from palate.store.kinds import DEFAULTS
from palate.store.packing import encode_shown
from palate.store.presets import Preset
from palate.store.records import Event, Place
from palate.store.unpacking import unpacked

ONE, TWO, THREE = (f"0190{at:028x}" for at in (1, 2, 3))


def shown(list_id, user, items, time=1_000, **more):
    chance = more.pop("chance", ())
    places = tuple(Place(item, 1.0 - at / 10, *chance) for at, item in enumerate(items))
    return ShownList(list_id, user, time, "model", None, places, **more)


def put(store, ns, *made):
    store.writer.lists(ns, list(made)).result()


def did(store, ns, *events):
    receipts = feedback.add(store, ns, [Event(**event) for event in events])
    assert [receipt.error for receipt in receipts] == [None] * len(events)


def frame(store, ns, **which):
    with store.read() as conn:
        return outcomes.frame(conn, ns, **which)


@settings(max_examples=50, deadline=None)
@given(st.lists(PLACES, max_size=6))
def test_many_lists_are_read_as_one_is(made):
    places = unpacked([encode_shown(one) for one in made])
    expected = [(row, at, *place[:3]) for row, one in enumerate(made) for at, place in enumerate(one)]
    assert places.item.to_list() == [each[2] for each in expected]
    for column, at in ((places.row, 0), (places.at, 1), (places.score, 3), (places.propensity, 4)):
        np.testing.assert_array_equal(column, [each[at] for each in expected])


def test_damaged_lists_are_refused():
    good = encode_shown([Place("tea", 1.0, 0.5, "new"), Place("7", 2.0)])
    unpacked([good, good])
    for bad in (
        b"",
        good[:-1],
        good + b"x",
        good[:5],
        b"\2" + good[1:],
        good.replace(b"tea", b"t\xffa"),
        b"\1\0\xff" * 5,
    ):
        with pytest.raises(StoreError, match="a list in the store is damaged"):
            unpacked([good, bad])
    with pytest.raises(StoreError, match="a list in the store is damaged"):
        unpacked([bytes([1, 1, 1]) + b"\xfe" * 9 + b"\1"])  # a text of 2^62 bytes
    with pytest.raises(StoreError, match="a list in the store is damaged"):
        unpacked([good.replace(b"tea", b"t\0a")])


def test_each_event_counts_at_its_place(store, ns):
    put(store, ns, shown(ONE, "ann", ["tea", "milk", "7"]), shown(TWO, "bo", ["milk", "tea"], time=2_000))
    at_one, at_two = {"user": "ann", "list_id": ONE}, {"user": "bo", "list_id": TWO}
    did(
        store,
        ns,
        {**at_one, "item": "tea", "kind": "impression", "place": 1},
        {**at_one, "item": "tea", "kind": "click", "place": 1},
        {**at_one, "item": "tea", "kind": "purchase"},  # without its place
        {**at_one, "item": "milk", "kind": "rating", "value": 2.0},  # a click, and not positive
        {**at_one, "item": "7", "kind": "click", "event_id": "slip"},
        {"user": "ann", "item": None, "kind": "undo", "withdraws": "slip"},
        {**at_one, "item": "cake", "kind": "click"},  # was not in the list
        {**at_two, "item": "milk", "kind": "hide"},
        {"user": "bo", "item": "tea", "kind": "click"},  # names no list
    )
    found = frame(store, ns)
    assert found.select("place", "item", "clicks", "positives").rows() == [
        (1, "tea", 2, 2),
        (2, "milk", 1, 0),
        (3, "7", 0, 0),
        (1, "milk", 0, 0),
        (2, "tea", 0, 0),
    ]
    assert found["list_id"].to_list() == [ONE] * 3 + [TWO] * 2
    assert found["time"].to_list() == [1_000] * 3 + [2_000] * 2
    assert found["person"].n_unique() == 2
    assert found["score"].round(6).to_list() == [1.0, 0.9, 0.8, 1.0, 0.9]
    assert frame(store, ns, since=2_000)["list_id"].to_list() == [TWO] * 2
    assert frame(store, ns, until=2_000)["clicks"].to_list() == [2, 1, 0]
    configuring.set_kinds(store, ns, DEFAULTS[1:])  # ratings count no more
    assert frame(store, ns)["clicks"].to_list() == [2, 0, 0, 0, 0]


def test_following_pages_count_once(store, ns):
    put(store, ns, shown(ONE, "ann", ["a", "b"]), shown(TWO, None, ["a"]))
    for first, items in ((3, ["c", "d"]), (5, ["e"]), (3, ["c", "d"])):  # the second page was asked for twice
        lists.add_page(store, ns, ONE, first, [Place(item, math.nan, 0.5) for item in items])
    did(store, ns, {"user": "ann", "list_id": ONE, "item": "d", "kind": "click"})
    found = frame(store, ns)
    assert found.select("page", "place", "item", "propensity", "clicks").rows() == [
        (0, 1, "a", 1.0, 0),
        (0, 2, "b", 1.0, 0),
        (1, 3, "c", 0.5, 0),
        (1, 4, "d", 0.5, 1),
        (2, 5, "e", 0.5, 0),
        (0, 1, "a", 1.0, 0),
    ]
    assert found["person"].is_null().to_list() == [False] * 5 + [True]


def test_lists_of_a_scenario_and_of_an_experiment(store, ns):
    scenarios.put(store, ns, "home", Preset(n=1))
    scenarios.put(store, ns, "home", Preset(n=2))
    experiments.start(store, ns, "spring", "home", (Arm("a", 0.5, "home"), Arm("b", 0.5, "default")))
    named = {"scenario": ("home", 2), "experiment": "spring", "arm": "a"}
    put(store, ns, shown(ONE, "ann", ["a"], **named, request={"n": 1}, explored={"policy": "softmax"}))
    put(store, ns, shown(TWO, "ann", ["a"], scenario=("home", 1)), shown(THREE, None, ["a"]))
    shop = store.create_namespace("shop")
    put(store, shop, shown("0190" + "c" * 28, "ann", ["a"]))
    made_by = frame(store, ns).select("scenario", "revision", "experiment", "arm").rows()
    assert made_by == [("home", 2, "spring", "a"), ("home", 1, None, None), (None,) * 4]
    assert frame(store, ns, scenario="home")["list_id"].to_list() == [ONE, TWO]
    assert frame(store, ns, experiment="spring", scenario="home")["list_id"].to_list() == [ONE]
    assert frame(store, ns, experiment="autumn").shape == (0, frame(store, ns).width)
    with store.read() as conn:
        found = outcomes.list_frame(conn, ns, since=1)
        none = outcomes.list_frame(conn, ns, scenario="cart")
    assert found.select("list_id", "user", "request", "explored").rows() == [
        (ONE, "ann", '{"n": 1}', '{"policy": "softmax"}'),
        (TWO, "ann", "{}", "{}"),
        (THREE, None, "{}", "{}"),
    ]
    assert found["list"].to_list() == frame(store, ns)["list"].to_list()
    assert none.schema == found.schema


def test_merged_visitors_are_their_accounts_and_the_forgotten_are_gone(store, ns):
    put(store, ns, shown(ONE, "visitor", ["a"]), shown(TWO, "ann", ["a"]), shown(THREE, "bo", ["a"]))
    feedback.merge(store, ns, "visitor", "ann")
    put(store, ns, shown("0190" + "d" * 28, "visitor", ["b"]))
    person = frame(store, ns)["person"]
    assert person[0] == person[1] == person[3] != person[2]
    forgetting.forget(store, ns, "ann")
    assert frame(store, ns)["list_id"].to_list() == [THREE]


def test_propensities_that_are_still_to_be_counted_are_none(store, ns):
    put(store, ns, shown(ONE, "ann", ["a", "b"], chance=(math.nan,), uncounted=b"\1"))
    assert frame(store, ns)["propensity"].is_nan().all()


def test_an_empty_log(store, ns):
    found = frame(store, ns)
    assert found.is_empty()
    assert found.schema["clicks"] == pl.UInt32
