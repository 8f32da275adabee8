"""Lists as bytes: what goes in comes out, damage is told, and the bytes are as few as stated."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palate.errors import ParameterError, StoreError
from palate.store.packing import SOURCES, CountedPlaces, Race, decode_ranked, decode_shown, encode_ranked, encode_shown
from palate.store.records import Place

IDS = st.one_of(
    st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text and text.isprintable()),
    st.integers(0, 2**64).map(str),
    st.sampled_from(["01", "-1", "1.0", "٣", "0", "9223372036854775807", "9223372036854775808", "a/b", "🎬"]),
)
NUMBERS = st.floats(width=32, allow_nan=False)
PLACES = st.lists(st.builds(Place, IDS, NUMBERS, st.sampled_from([1.0, 0.25]), st.sampled_from(SOURCES)), max_size=12)


@settings(max_examples=100, deadline=None)
@given(PLACES)
def test_places_come_out_as_they_went_in(places):
    assert decode_shown(encode_shown(places)) == tuple(places)


def test_places_without_scores():
    (place, other) = decode_shown(encode_shown([Place("a", math.nan), Place("b", math.nan, 0.5, "popular")]))
    assert (place.item, place.propensity, place.source) == ("a", 1, "model")
    assert (other.item, other.propensity, other.source) == ("b", 0.5, "popular")
    assert math.isnan(place.score)
    assert math.isnan(other.score)
    mixed = decode_shown(encode_shown([Place("a", math.nan), Place("b", 2.0)]))
    assert math.isnan(mixed[0].score)
    assert mixed[1].score == 2


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 300, 65_536, 65_537, 2**24, 2**24 + 1, 5_000_000]), st.lists(IDS, max_size=4), st.data())
def test_orders_come_out_as_they_went_in(n_items, new, data):
    positions = data.draw(st.lists(st.integers(0, n_items + len(new) - 1), max_size=20))
    ranked = decode_ranked(encode_ranked(positions, n_items, new))
    assert ranked.positions.tolist() == positions
    assert (ranked.n_items, ranked.new) == (n_items, tuple(new))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 500), st.booleans(), st.integers(0, 2**32))
def test_what_chance_did_to_an_order_comes_out_as_it_went_in(m, is_race, seed):
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=m).astype(np.float32)
    chance = Race(numbers, rng.permutation(m)) if is_race else CountedPlaces(numbers)
    made = decode_ranked(encode_ranked(np.arange(500), 1682, ["new"], chance))
    assert (made.positions.tolist(), made.new) == (list(range(500)), ("new",))
    if isinstance(made.chance, Race):
        assert made.chance.utilities.tolist() == numbers.tolist()
        assert made.chance.order.tolist() == chance.order.tolist()
    else:
        assert made.chance.propensities.tolist() == numbers.tolist()
    assert decode_ranked(encode_ranked([1], 2)).chance is None


def test_what_chance_did_is_refused_where_it_is_damaged():
    packed = encode_ranked([0, 1], 2, [], Race(np.zeros(2), np.array([1, 0])))
    for damaged in (packed[:-2], packed + b"x", packed[:-1] + b"\1", packed.replace(b"\1\2", b"\3\2")):
        if damaged != packed:
            with pytest.raises(StoreError, match="a list in the store is damaged"):
                decode_ranked(damaged)


def test_bytes_of_a_list():
    ten = [Place(str(item), 1.5) for item in range(1000, 1010)]
    assert len(encode_shown(ten)) == 63  # 4 a score and 2 an id
    assert len(encode_ranked(np.arange(500), 1682)) == 1007
    assert len(encode_ranked(np.arange(500), 65_537)) == 1508
    assert len(encode_ranked(np.arange(500), 1682, chance=Race(np.zeros(100), np.arange(100)))) == 1609


def test_what_is_no_source_or_position_is_refused():
    with pytest.raises(ParameterError, match="no source of a place 'modell'; did you mean 'model'"):
        encode_shown([Place("a", 1, 1, "modell")])
    for positions in ([-1], [5]):
        with pytest.raises(ParameterError, match="a position must be from 0 to 4"):
            encode_ranked(positions, 4, ["new"])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_other_bytes_are_a_list_or_damaged(packed):
    for decode in (decode_shown, decode_ranked):
        with suppress(StoreError):
            decode(packed)


def test_damage_of_each_kind_is_told():
    shown, ranked = encode_shown([Place("äh", 1, 0.5, "new")]), encode_ranked([1, 0], 2, ["x"])
    for packed in (*(shown[:cut] for cut in range(len(shown))), shown + b"x", b"\2" + shown[1:], shown[:-1] + b"\xff"):
        with pytest.raises(StoreError, match="a list in the store is damaged"):
            decode_shown(packed)
    with pytest.raises(StoreError, match="damaged"):
        decode_shown(shown.replace("ä".encode(), b"\xff\xff"))
    far = ranked.replace(b"\1\0\0\0", b"\4\0\0\0")
    for packed in (*(ranked[:cut] for cut in range(len(ranked))), far, b"\1\1" + ranked[2:], b"\1\2" + b"\xff" * 11):
        with pytest.raises(StoreError, match="damaged"):
            decode_ranked(packed)
