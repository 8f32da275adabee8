"""Twins: items of one title and year. Whoever had one of them is suggested, and asked about, none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from palate.serve.engine.twins import twins_of, with_twins
from palate.store import items
from palate.store.records import Thing

from .conftest import N_ITEMS


def of(*rows, first=0):
    titles, years = zip(*rows, strict=True)
    table = pl.DataFrame({"title": titles, "year": years}, schema={"title": pl.String, "year": pl.Int32})
    return np.arange(first, first + len(rows)), table


def test_twins_have_one_title_and_one_year():
    parts = [of(("Heat", 1995), ("heat ", 1995), ("Heat", 1986), ("Heat", None), ("Heat", None), (None, 1995))]
    assert twins_of(parts).tolist() == [[0, 1], [0, 0]]


def test_a_year_in_the_title_is_one():
    parts = [of(("Chasing Amy (1997)", None), ("Ransom", None), ("Chasing Amy (1997)", None), ("Ransom", None))]
    assert twins_of(parts).tolist() == [[0, 2], [0, 0]]


def test_of_an_item_that_stands_twice_what_was_written_last_counts():
    assert twins_of([of(("Heat", 1995), ("Heat", 1995)), of(("Ran", 1985), first=1)]).shape == (2, 0)
    assert twins_of([of(("Heat", 1995), ("Ran", 1985)), of(("Heat", 1995), first=1)]).tolist() == [[0, 1], [0, 0]]


def test_items_without_titles_have_none():
    bare = np.arange(2), pl.DataFrame({"price": [1.0, 1.0]})
    assert twins_of([bare]).shape == twins_of([]).shape == (2, 0)


def test_an_item_comes_with_all_its_twins():
    twins = np.array([[2, 4, 5, 7, 9], [2, 2, 5, 5, 2]], np.int32)
    assert with_twins(np.array([9, 0], np.int32), twins).tolist() == [0, 2, 4, 9]
    assert with_twins(np.array([], np.int32), twins).tolist() == []


@pytest.mark.parametrize("key", [None, "ials"])
def test_whoever_had_a_film_gets_no_twin_of_it(world, key):
    if key is not None:
        world.use(key)
    things = [Thing(f"i{k}", {"title": f"Title {k}", "year": 1990 + k}) for k in range(N_ITEMS)]
    things[4] = Thing("i4", {"title": "Title 5", "year": 1995})
    items.upsert(world.store, world.ns, things)
    world.rate("new", i5=5, i7=4)
    with_it, without = (set(world.items("new", n=N_ITEMS, no_twins=flag)) for flag in (False, True))
    assert with_it - without == {"i4"}
    assert "i5" not in with_it
    assert {"i4", "i5"} <= set(world.items("new", n=N_ITEMS, seen=True, no_twins=True))  # had ones are asked for
    asked = world.engine.onboarding(world.ns, n=N_ITEMS, user="new")
    assert not {"i4", "i5"} & {place.item for place in asked.places}


def test_what_was_hidden_hides_its_twin_and_the_next_page_knows(world):
    world.use("ials")
    items.upsert(world.store, world.ns, [Thing("i4", {"title": "Title 5", "year": 1995})])
    world.rate("new", i7=5)
    first = world.ask("new", n=2, no_twins=True)
    world.events("new", ("i5", "hide", None))
    rest = {place.item for place in world.engine.following(world.ns, first.list_id, 3, N_ITEMS).places}
    assert not {"i4", "i5"} & rest
    assert "i4" not in world.items("new", n=N_ITEMS, seen=True, no_twins=True)
    assert "i4" in world.items("new", n=N_ITEMS, seen=True)
