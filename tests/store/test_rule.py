"""The rule over a store: rows of training with the caller's ids, undone events left out, one person as everybody."""

from __future__ import annotations

import numpy as np
import pytest

from palate.errors import DataError, ParameterError
from palate.store import Event, feedback
from palate.store.configuring import set_kinds
from palate.store.kinds import DAY, EventKind, Kinds, kinds_of
from palate.store.records import UNDO
from palate.store.rule import interactions, left_out, log_of, pairs, rows_of


def rate(store, ns, *rows):
    """Write (user, item, kind, value, day, event id)."""
    events = [Event(u, i, k, v, int(d * DAY), e) for u, i, k, v, d, e in rows]
    receipts = feedback.add(store, ns, events)
    assert {receipt.status for receipt in receipts} == {"new"}


@pytest.fixture
def rated(store, ns):
    rate(
        store,
        ns,
        ("bob", "tea", "rating", 5, 10, "b1"),
        ("ann", "tea", "rating", 2, 10, "a1"),
        ("ann", "milk", "click", None, 11, "a2"),
        ("ann", "milk", "impression", None, 12, "a3"),
        ("ann", "cake", "rating", 4, 12, "a4"),
        ("bob", "cake", "click", None, 13, "b2"),
        ("bob", "milk", "hide", None, 14, "b3"),
    )
    feedback.add(store, ns, [Event("ann", None, UNDO, withdraws="a4", time=15 * DAY)])
    return store


def table(store, ns, **options):
    with store.read() as conn:
        return interactions(conn, ns, **options).to_table().rows()


def test_rows_of_training(rated, ns):
    day = 24 * 3600
    assert table(rated, ns) == [
        ("ann", "milk", 1.0, 11 * day),
        ("bob", "cake", 1.0, 13 * day),
        ("bob", "tea", 1.0, 10 * day),
    ]
    assert table(rated, ns, view="ratings") == [("ann", "tea", 2.0, 10 * day), ("bob", "tea", 5.0, 10 * day)]
    assert table(rated, ns, until=10 * DAY) == [("bob", "tea", 1.0, 10 * day)]
    clicks = Kinds((EventKind(name="click"), EventKind(name="rating", counts_for=2)))
    assert [row[:2] for row in table(rated, ns, kinds=clicks, until=11 * DAY)] == [
        ("ann", "milk"),
        ("ann", "tea"),
        ("bob", "tea"),
    ]


def test_one_persons_rows_are_those_of_training(rated, ns):
    with rated.read() as conn:
        kinds = kinds_of(conn, ns)
        everybody = pairs(log_of(conn, ns, kinds), kinds, 20 * DAY)
        for user in set(everybody.user.tolist()):
            items, values = rows_of(log_of(conn, ns, kinds, users=[user]), kinds, 20 * DAY)
            (own,) = everybody.of_users([user])
            np.testing.assert_array_equal(items, own.item)
            np.testing.assert_array_equal(values, own.value)
        assert len(log_of(conn, ns, kinds, users=[])) == 0
        assert len(log_of(conn, ns, kinds, users=range(1, 2_000))) == len(log_of(conn, ns, kinds)) == 5
        assert left_out(log_of(conn, ns, kinds), kinds, 20 * DAY).hidden.sum() == 1


def test_integer_ids_are_integers_in_training(store):
    shop = store.create_namespace("films", id_kind="integer")
    rate(store, shop, ("10", "7", "click", None, 1, None), ("9", "30", "click", None, 1, None))
    assert [row[:2] for row in table(store, shop)] == [(9, 30), (10, 7)]


def test_nothing_to_learn_from_is_told(store, ns):
    rate(store, ns, ("ann", "tea", "rating", 2, 1, None))
    with pytest.raises(DataError, match=r"'default' has no clicks to learn from: none of its 1 events .* is positive"):
        table(store, ns)
    with pytest.raises(DataError, match="has no ratings to learn from: none of its 0 events"):
        table(store, ns, view="ratings", until=1)


def test_kinds_are_set_and_those_left_out_are_told(rated, ns):
    assert set_kinds(rated, ns, [EventKind(name="rating", positive="value >= 2")]) == {"click": 2, "hide": 1}
    with rated.read() as conn:
        assert list(kinds_of(conn, ns)) == ["rating"]
    assert [row[:2] for row in table(rated, ns)] == [("ann", "tea"), ("bob", "tea")]
    (receipt,) = feedback.add(rated, ns, [Event("ann", "tea", "click")])
    assert str(receipt.error).startswith("no event kind 'click'; there is") or "this namespace has rating" in str(
        receipt.error
    )
    with pytest.raises(ParameterError, match="the event kinds are none"):
        set_kinds(rated, ns, [])


def test_a_namespace_is_made_with_its_kinds(store):
    made = store.create_namespace("shop", kinds=[{"name": "sale", "weight": 2}])
    with store.read() as conn:
        assert kinds_of(conn, made) == Kinds((EventKind(name="sale", weight=2),))
    with pytest.raises(ParameterError, match="no field 'wieght'"):
        store.create_namespace("other", kinds=[{"name": "sale", "wieght": 2}])


def test_events_that_the_kinds_do_not_allow_are_refused_one_by_one(store, ns):
    events = [Event("ann", "tea", "rating"), Event("ann", "tea", "stars", 3), Event("ann", "tea", "rating", 3)]
    receipts = feedback.add(store, ns, events)
    assert [receipt.status for receipt in receipts] == ["refused", "refused", "new"]
    assert [receipt.error and receipt.error.subject for receipt in receipts] == ["value", "kind", None]
