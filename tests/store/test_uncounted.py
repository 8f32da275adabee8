"""Lists that are still to be counted: found in their order, and written with their pages, each once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from palate.errors import StoreError
from palate.sparse import Rows
from palate.store import ShownList, lists, uncounted
from palate.store.packing import CountedPlaces, decode_ranked, encode_ranked
from palate.store.records import Place
from palate.store.to_count import ToCount
from palate.store.uncounted import Propensities

SAID = {"policy": "thompson", "draw": 3, "candidates": 3, "log_probability": None}


def list_id(n):
    return f"{n:032x}"


def shown(n):
    places = (Place("a", 2.0, math.nan), Place("b", 1.0, math.nan))
    ranked = encode_ranked([0, 1, 2, 3], 4)
    return ShownList(
        list_id(n), "ann", 1_000, "model", None, places, ranked=ranked, explored=SAID, uncounted=b"what it takes"
    )


@pytest.fixture
def three(store, ns):
    store.writer.lists(ns, [shown(n) for n in (1, 2, 3)]).result()
    return store


def waiting(store, ns, key=0, most=10):
    with store.read() as conn:
        return uncounted.after(conn, [ns], key, most)


def test_lists_are_found_one_behind_the_other(three, ns):
    first, second = waiting(three, ns, most=2)
    assert (first.packed, first.n, first.explored, first.version) == (b"what it takes", 2, SAID, None)
    (third,) = waiting(three, ns, second.key)
    assert first.key < second.key < third.key
    with three.read() as conn:
        assert uncounted.pending(conn) == 3
        assert uncounted.after(conn, [], 0, 10) == []
        assert uncounted.waited_for(conn, ns) == set()


def test_what_was_counted_is_in_the_list_its_order_and_its_pages(three, ns):
    lists.add_page(three, ns, list_id(2), 3, [Place("d", math.nan, math.nan)], time=2_000)  # "c" was withheld
    one = waiting(three, ns)[1]
    found = Propensities(np.array([0.5, 0.25, 0.75]), -1.5, {"a": 0, "b": 1, "c": 2, "d": 3})
    with three.write() as conn:
        uncounted.put(conn, one, found)
    with three.read() as conn:
        kept, other = (lists.get(conn, ns, list_id(n)) for n in (2, 3))
        assert uncounted.pending(conn) == 2
    assert [place.propensity for place in kept.places] == [0.5, 0.25]
    assert [place.propensity for place in kept.pages[0].places] == [1]  # behind the candidates
    assert isinstance(decode_ranked(kept.ranked).chance, CountedPlaces)
    assert (kept.uncounted, kept.explored["log_probability"]) == (None, -1.5)
    assert math.isnan(other.places[0].propensity)


def test_a_list_that_was_deleted_meanwhile_stays_so_and_a_lost_one_says_why(three, ns):
    from palate.store import forgetting

    one, two, _ = waiting(three, ns)
    with three.write() as conn:
        uncounted.put_lost(conn, two, "its version is gone")
    with three.read() as conn:
        assert lists.get(conn, ns, list_id(2)).explored == {**SAID, "lost": "its version is gone"}
    forgetting.forget(three, ns, ["ann"])
    with three.write() as conn:
        uncounted.put(conn, one, Propensities(np.ones(3), 0.0, {}))
    with three.read() as conn:
        assert uncounted.pending(conn) == 0


@pytest.mark.parametrize("weights", [None, np.array([1.0, 2.0], np.float32)])
def test_what_a_list_is_counted_from_comes_out_as_it_went_in(weights):
    row = Rows.of_sizes([2], np.array([3, 9], np.int32), np.array([1.0, 5.0], np.float32))
    row = Rows(row.indptr, row.indices, row.values, weights)
    items, offsets = np.array([3, -1, 7], np.int32), np.array([0.0, 0.5, -2.0], np.float32)
    one = ToCount(None, row, np.ones((1, 2), np.float32), items, offsets, np.array([2, 0, 1]))
    back = ToCount.from_bytes(one.to_bytes())
    assert back.user is None
    for name in ("items", "offsets", "order", "features"):
        np.testing.assert_array_equal(getattr(back, name), getattr(one, name))
    np.testing.assert_array_equal(back.rows.indices, row.indices)
    np.testing.assert_array_equal(back.rows.values, row.values)
    assert (back.rows.weights is None) == (weights is None)
    known = ToCount.from_bytes(ToCount("ann", None, None, items, offsets, np.arange(3)).to_bytes())
    assert (known.user, known.rows, known.features) == ("ann", None, None)


@pytest.mark.parametrize("packed", [b"", b"no", b"\x02" + bytes(7) + b"{}"])
def test_damaged_bytes_are_refused(packed):
    with pytest.raises(StoreError, match="what a list's propensities are counted from is damaged") as caught:
        ToCount.from_bytes(packed)
    assert caught.value.code == "damaged"
