"""Event kinds, and the one rule from the log to rows: its naive twin, and one person's rows against everybody's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import palate
from palate.errors import DataError, ParameterError
from palate.store.kinds import DAY, DEFAULTS, EventKind, Kinds, kinds_from
from palate.store.records import Event
from palate.store.rule import EVENT, Log, left_out, pairs, rows_of, values_for, view_of

NOW = 1_000 * DAY
KINDS = Kinds(
    (
        EventKind(name="rating", positive="value >= 4", repeated="last", rating="value"),
        EventKind(name="watched", positive="watched >= 0.5 and watched <= 1", weight=2, counts_for=300),
        EventKind(name="play", repeated="sum", weight=0.5, returns_after=10),
        EventKind(name="skip", negative=True, hides=False, counts_for=100),
        EventKind(name="hide", negative=True, rating=1, returns_after=500),
    )
)


def log(*events):
    """Return a log of (user, item, kind, value, day)."""
    rows = [(u, i, KINDS.codes.get(k, -1), math.nan if v is None else v, int(d * DAY)) for u, i, k, v, d in events]
    return Log.of(np.array(rows, EVENT))


def clicks(*events):
    """Return {item: strength} of one user's events."""
    items, values = rows_of(log(*((1, *event) for event in events)), KINDS, NOW)
    return dict(zip(items.tolist(), values.tolist(), strict=True))


def ratings(*events):
    items, values = rows_of(log(*((1, *event) for event in events)), KINDS, NOW, "ratings")
    return dict(zip(items.tolist(), values.tolist(), strict=True))


def test_a_condition_makes_an_event_positive():
    assert clicks((7, "rating", 4, 900), (8, "rating", 3.5, 900), (9, "rating", None, 900)) == {7: 1}
    assert clicks((7, "watched", 0.5, 900), (8, "watched", 1.5, 900)) == {7: 2}


def test_the_newest_rating_counts_whenever_it_arrived():
    assert clicks((7, "rating", 5, 900), (7, "rating", 2, 901)) == {}
    assert clicks((7, "rating", 2, 901), (7, "rating", 5, 900)) == {}
    assert ratings((7, "rating", 2, 901), (7, "rating", 5, 900)) == {7: 2}
    assert ratings((7, "rating", 5, 900), (7, "rating", 2, 900)) == {7: 2}  # at one time: the one received later


def test_events_count_once_or_are_summed_and_the_strongest_kind_decides():
    assert clicks((7, "watched", 0.6, 900), (7, "watched", 0.9, 901), (7, "watched", 0.1, 902)) == {7: 2}
    assert clicks(*[(7, "play", None, 900 + d) for d in range(3)]) == {7: 1.5}
    assert clicks(*[(7, "play", None, 900 + d) for d in range(5)], (7, "rating", 5, 901)) == {7: 2.5}


def test_a_negative_event_takes_back_what_was_positive_before_it():
    assert clicks((7, "rating", 5, 900), (7, "skip", None, 901)) == {}
    assert clicks((7, "skip", None, 901), (7, "rating", 5, 902)) == {7: 1}
    assert clicks((8, "play", None, 900), (7, "play", None, 902), (7, "hide", None, 903)) == {8: 0.5}


def test_a_kind_may_stand_for_a_rating():
    assert ratings((7, "rating", 5, 900), (7, "hide", None, 901), (8, "play", None, 900)) == {7: 1}
    assert ratings((7, "rating", 5, 900), (7, "skip", None, 901)) == {7: 5}


def test_events_count_for_their_days():
    assert clicks((7, "watched", 1, 700), (8, "watched", 1, 700.001), (9, "rating", 5, 1)) == {8: 2, 9: 1}
    assert clicks((7, "rating", 5, 850), (7, "skip", None, 890)) == {7: 1}  # what it took back is back


def test_impressions_and_kinds_of_yesterday_are_no_rows():
    assert clicks((7, "impression", None, 900), (8, "bought", None, 900)) == {}
    assert not len(left_out(log((1, 7, "impression", None, 900)), KINDS, NOW).item)


def left(*events):
    """Return (seen, hidden) items of user 1."""
    seen, hidden = left_out(log(*((1, *event) for event in events)), KINDS, NOW).of_users([1])[0]
    return set(seen.tolist()), set(hidden.tolist())


def test_seen_items_return_after_their_days_and_hidden_ones_are_told_apart():
    assert left((7, "rating", 1, 1), (8, "play", None, 989), (9, "play", None, 991)) == ({7, 9}, set())
    assert left((7, "hide", None, 600), (8, "hide", None, 400), (9, "skip", None, 1)) == ({9}, {7})
    assert left((7, "hide", None, 600), (7, "rating", 5, 700)) == (set(), {7})
    assert left((7, "watched", 1, 1)) == ({7}, set())  # no longer learned from, and still seen


def test_users_of_a_batch_are_told_apart():
    both = log((2, 7, "rating", 5, 900), (1, 8, "play", None, 999), (2, 9, "hide", None, 900))
    (seen, _), (nothing, none), (more, hidden) = left_out(both, KINDS, NOW).of_users([1, 5, 2])
    assert (seen.tolist(), nothing.tolist(), none.tolist()) == ([8], [], [])
    assert (more.tolist(), hidden.tolist()) == ([7], [9])
    one, empty, two = pairs(both, KINDS, NOW).of_users([1, 5, 2])
    assert (one.item.tolist(), empty.item.tolist(), two.item.tolist()) == ([8], [], [7])


def naive(events, view):
    """Return {(user, item): (value, day)} by the words of the rule, event by event."""
    rows = {}
    for pair in {event[:2] for event in events}:
        own = [event for event in events if event[:2] == pair and event[2] in KINDS]
        own = [(k, v, d) for _, _, k, v, d in own if KINDS[k].counts_for is None or d + KINDS[k].counts_for > 1000]
        own.sort(key=lambda event: event[2])
        row = naive_rating(own) if view == "ratings" else naive_click(own)
        if row is not None:
            rows[pair] = row
    return rows


def naive_rating(own):
    given = [(v if KINDS[k].rating == "value" else KINDS[k].rating, d) for k, v, d in own]
    given = [(rating, d) for rating, d in given if rating is not None]
    return given[-1] if given else None


def naive_click(own):
    for at in range(len(own), 0, -1):
        if KINDS[own[at - 1][0]].negative:
            own = own[at:]
            break
    strengths, days = [], []
    for name, kind in KINDS.items():
        of = [(v, d) for k, v, d in own if k == name]
        if kind.repeated == "last":
            of = of[-1:]
        good = [d for v, d in of if naive_positive(name, v)]
        if good:
            strengths.append(kind.weight * (len(good) if kind.repeated == "sum" else 1))
            days.append(max(good))
    return (max(strengths), max(days)) if strengths else None


def naive_positive(name, value):
    if name == "rating":
        return value is not None and value >= 4
    if name == "watched":
        return value is not None and 0.5 <= value <= 1
    return not KINDS[name].negative


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(1, 4),
        st.sampled_from(["rating", "watched", "play", "skip", "hide", "impression", "bought"]),
        st.sampled_from([None, 0.25, 0.5, 1.0, 3.0, 4.0, 5.0]),
        st.sampled_from([1, 650, 750, 880, 950, 960, 999]),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.sampled_from(["clicks", "ratings"]))
def test_rows_are_those_of_the_naive_rule_and_one_persons_are_everybodys(events, view):
    made = pairs(log(*events), KINDS, NOW, view)
    columns = (made.user.tolist(), made.item.tolist(), made.value.tolist(), made.time.tolist())
    assert {(u, i): (v, t / DAY) for u, i, v, t in zip(*columns, strict=True)} == naive(events, view)
    assert list(zip(*columns[:2], strict=True)) == sorted(zip(*columns[:2], strict=True))
    for user, part in zip((1, 2, 3), made.of_users([1, 2, 3]), strict=True):
        items, values = rows_of(log(*(event for event in events if event[0] == user)), KINDS, NOW, view)
        np.testing.assert_array_equal(items, part.item)
        np.testing.assert_array_equal(values, part.value)


def test_no_such_view():
    with pytest.raises(ParameterError, match="view must be"):
        pairs(log(), KINDS, NOW, "stars")


def test_a_model_says_which_view_it_learns_from_and_how_it_reads_strengths():
    assert (view_of(palate.EASE), view_of(palate.BayesianMF), view_of(palate.ImplicitALS())) == (
        "clicks",
        "ratings",
        "clicks",
    )
    values = np.array([1, 2.5], np.float32)
    assert values_for(palate.ALS(), values) is values
    assert values_for(palate.EASE(positive="values"), values) is values
    assert values_for(palate.EASE(positive=4), values).tolist() == [4, 4]
    assert (
        values_for(palate.EASE(), values).tolist() == values_for(palate.EASE(positive="any"), values).tolist() == [1, 1]
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "Click"}, "the name of an event kind must be up to 64 small letters"),
        ({"name": 3}, "small letters"),
        ({"name": "undo"}, "another than 'undo', which all have"),
        ({"positive": "stars >= 4"}, "positive of the kind 'click' must be a condition such as 'value >= 4'"),
        ({"positive": "value >= x"}, "a condition such as"),
        ({"positive": "value >= inf"}, "a condition such as"),
        ({"positive": ""}, "a condition such as"),
        ({"positive": 4}, "a condition such as"),
        ({"positive": "value >= 4", "negative": True}, "left out where it is negative"),
        ({"negative": 1}, "negative of the kind 'click' must be true or false, got 1"),
        ({"hides": "yes"}, "hides of the kind 'click' must be true or false"),
        ({"repeated": "first"}, "repeated of the kind 'click' must be 'last', 'once' or 'sum'"),
        ({"weight": 0}, "weight of the kind 'click' must be a number above 0, got 0"),
        ({"weight": math.nan}, "weight"),
        ({"weight": 10**400}, "weight"),
        ({"weight": True}, "weight"),
        ({"returns_after": -1}, "returns_after of the kind 'click' must be a number of days from 0"),
        ({"counts_for": 0}, "counts_for of the kind 'click' must be a number of days above 0"),
        ({"rating": "stars"}, "rating of the kind 'click' must be 'value', a number, or nothing"),
    ],
)
def test_what_is_no_kind_is_refused(fields, words):
    with pytest.raises(ParameterError) as caught:
        EventKind(**{"name": "click", **fields})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "the event kinds are none"),
        ([{"name": "a"}, {"name": "a"}], "have one name twice among a, a"),
        ([{"weight": 2}], "an event kind is an object such as"),
        (["click"], "an event kind is an object such as"),
        ([{"name": "a", "wieght": 2}], "an event kind has no field 'wieght'; did you mean 'weight'?"),
        ({"name": "a"}, "event kinds are given as a list"),
        ("click", "event kinds are given as a list"),
        (3, "event kinds are given as a list"),
    ],
)
def test_what_are_no_kinds_is_refused(given, words):
    with pytest.raises(ParameterError) as caught:
        kinds_from(given)
    assert words in str(caught.value)


def test_kinds_are_kept_as_json():
    for kinds in (KINDS, Kinds(), Kinds((EventKind(name="a", hides=True, returns_after=0, rating=0),))):
        assert Kinds.from_json(kinds.to_json()) == kinds
    assert Kinds((EventKind(name="click"),)).to_json() == '[{"name": "click"}]'
    assert Kinds.from_json(KINDS.to_json()) is Kinds.from_json(KINDS.to_json())
    assert list(Kinds()) == [kind.name for kind in DEFAULTS] == ["rating", "click", "purchase", "skip", "hide"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event("u", "i", "click", value=math.nan), "value must be a finite number, got nan"),
        (Event("u", "i", "click", value="4"), "value must be a finite number, got '4'"),
        (Event("u", "i", "clik"), "no event kind 'clik'; did you mean 'click'? this namespace has rating, click"),
        (Event("u", "i", "rating"), "an event of kind 'rating' has a value: what counts is value >= 4"),
        (Event("u", None, "click"), "an event of kind 'click' names an item"),
        (Event("u", None, "impression"), "an event of kind 'impression' names an item"),
        (Event("u", None, "undo"), "an undo names the event that it withdraws"),
    ],
)
def test_events_that_the_kinds_do_not_allow_are_refused(event, words):
    with pytest.raises(DataError) as caught:
        Kinds().check(event)
    assert words in str(caught.value)


def test_events_that_the_kinds_allow():
    for event in (
        Event("u", "i", "rating", value=3),
        Event("u", "i", "click"),
        Event("u", "i", "impression"),
        Event("u", None, "undo", withdraws="e"),
    ):
        Kinds().check(event)
