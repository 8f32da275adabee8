"""Feedback: acknowledged means committed, the same event is one event, and whoever it tells of is known then."""

from __future__ import annotations

import math

import pytest

from palate.errors import ConflictError, NotFoundError, ParameterError
from palate.store import Event, ShownList, Thing, feedback, items, users
from palate.store.records import Place

LIST = "0190" + "ab" * 14


def one(store, ns, *given, **named):
    (receipt,) = feedback.add(store, ns, [Event(*given, **named)])
    return receipt


def refused(store, ns, error, match, *given, **named):
    receipt = one(store, ns, *given, **named)
    assert receipt.status == "refused"
    with pytest.raises(error, match=match):
        raise receipt.error


def of(store, ns, user):
    with store.read() as connection:
        return feedback.of_user(connection, ns, user)


def test_an_event_is_there_when_it_is_acknowledged(store, ns):
    event = Event("ann", "tea", "rating", 4.5, 10, "e1", "web", None, None)
    assert [r.status for r in feedback.add(store, ns, [event])] == ["new"]
    assert of(store, ns, "ann") == [event]


def test_the_same_event_twice_is_one_event_in_one_call_and_in_two(store, ns):
    event = Event("ann", "tea", "rating", 4.5, event_id="e1")
    assert [r.status for r in feedback.add(store, ns, [event, event])] == ["new", "known"]
    assert one(store, ns, "ann", "tea", "rating", 4.5, event_id="e1", source="app").status == "known"
    assert len(of(store, ns, "ann")) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"user": "bob"},
        {"item": "milk"},
        {"kind": "click"},
        {"value": 5.0},
        {"value": None},
        {"time": 11},
    ],
)
def test_the_same_id_with_other_content_is_a_conflict(store, ns, other):
    event = {"user": "ann", "item": "tea", "kind": "rating", "value": 4.5, "time": 10, "event_id": "e1"}
    assert feedback.add(store, ns, [Event(**event)])[0].status == "new"
    refused(store, ns, ConflictError, "event 'e1' is there with other content", **(event | other))
    both = [Event(**event | {"event_id": "e2"}), Event(**(event | other | {"event_id": "e2"}))]
    assert [r.status for r in feedback.add(store, ns, both)] == ["new", "refused"]
    with store.read() as connection:
        assert users.get(connection, ns, ["bob"]) == {}  # a refused event makes nobody
        assert items.get(connection, ns, ["milk"]) == {}


def test_without_an_id_the_store_makes_one_and_says_so(store, ns):
    first, second = one(store, ns, "ann", "tea", "click"), one(store, ns, "ann", "tea", "click")
    assert first.made_id
    assert second.made_id
    assert first.event_id != second.event_id
    assert len(of(store, ns, "ann")) == 2


def test_feedback_makes_users_and_items_and_raises_counters(store, ns):
    before = store.counters(ns, ["ann"])
    one(store, ns, "ann", "tea", "click")
    after = store.counters(ns, ["ann", "bob"])
    assert before.users == {}
    assert after.catalogue == before.catalogue + 1
    assert set(after.users) == {"ann"}
    one(store, ns, "ann", "tea", "click")
    again = store.counters(ns, ["ann"])
    assert again.catalogue == after.catalogue
    assert again.users["ann"][0] == after.users["ann"][0] + 1
    assert again.users["ann"][1] > after.users["ann"][1]


def test_an_undo_withdraws_an_event(store, ns):
    one(store, ns, "ann", "tea", "click", event_id="e1")
    one(store, ns, "ann", "milk", "click", event_id="e2")
    counter = store.counters(ns, ["ann"]).users["ann"][0]
    undo = Event("ann", None, "undo", event_id="u1", withdraws="e1")
    assert [r.status for r in feedback.add(store, ns, [undo, undo])] == ["new", "known"]
    assert one(store, ns, "ann", None, "undo", event_id="u1", withdraws="e1").status == "known"
    assert [event.item for event in of(store, ns, "ann")] == ["milk"]
    assert store.counters(ns, ["ann"]).users["ann"][0] == counter + 1
    refused(store, ns, ConflictError, "other content", "ann", None, "undo", event_id="u1", withdraws="e2")
    refused(store, ns, ParameterError, "is an undo", "ann", None, "undo", withdraws="u1")
    refused(store, ns, NotFoundError, "event 'e9' of this user", "ann", None, "undo", withdraws="e9")
    refused(store, ns, NotFoundError, "event 'e2' of this user", "bob", None, "undo", withdraws="e2")


def test_an_event_and_its_undo_in_one_call(store, ns):
    both = [Event("ann", "tea", "click", event_id="e1"), Event("ann", None, "undo", withdraws="e1")]
    assert [r.status for r in feedback.add(store, ns, both)] == ["new", "new"]
    assert of(store, ns, "ann") == []


def test_an_event_names_a_list_of_its_own_namespace(store, ns):
    other = store.create_namespace("other")
    shown = ShownList(LIST, "ann", 5, "popular", None, (Place("tea", 1.0),))
    store.writer.lists(ns, [shown]).result()
    assert one(store, ns, "ann", "tea", "impression", list_id=LIST, place=1).status == "new"
    refused(store, other, NotFoundError, "list '0190.*' is not there", "ann", "tea", "click", list_id=LIST, place=1)
    refused(store, ns, NotFoundError, "list '0{32}' is not there", "ann", "tea", "click", list_id="0" * 32)
    assert of(store, ns, "ann")[0].list_id == LIST
    assert of(store, ns, "ann")[0].place == 1


def test_a_list_of_a_new_user_makes_the_user_and_raises_no_counter(store, ns):
    shown = ShownList(LIST, "ann", 5, "popular", None, (Place("tea", 1.0),))
    store.writer.lists(ns, [shown]).result()
    store.writer.lists(ns, [shown]).result()  # a group that is tried again
    assert store.counters(ns, ["ann"]).users == {"ann": (0, 0)}


@pytest.mark.parametrize(
    ("event", "match"),
    [
        ({"user": ""}, "user must have 1 to 512 bytes"),
        ({"user": "x" * 513}, "user must have 1 to 512 bytes of UTF-8, this has 513"),
        ({"user": "ä" * 257}, "this has 514"),
        ({"user": "a\0b"}, "user must not have the character NUL"),
        ({"user": "\ud800"}, "user has half a surrogate pair"),
        ({"user": 1.5}, "user must be text or a whole number"),
        ({"user": True}, "user must be text or a whole number"),
        ({"item": "a\0b"}, "item must not have the character NUL"),
        ({"item": None}, "item is there in every event but an undo"),
        ({"kind": ""}, "kind must have 1 to 64 bytes"),
        ({"kind": "undo"}, "item is there in every event but an undo"),
        ({"value": math.nan}, "value must be a finite number"),
        ({"value": math.inf}, "value must be a finite number"),
        ({"value": True}, "value must be a finite number"),
        ({"time": -1}, "time must be a whole number from 0"),
        ({"time": 1 << 60}, "time must be a whole number"),
        ({"time": 1.0}, "time must be a whole number"),
        ({"event_id": ""}, "event_id must have 1 to 512 bytes"),
        ({"event_id": 7}, "event_id must be text"),
        ({"source": "\0"}, "source must not have the character NUL"),
        ({"list_id": "x"}, "list_id must be 32 hexadecimal digits"),
        ({"place": 1}, "place needs the list_id"),
        ({"list_id": LIST, "place": 0}, "place must be a whole number from 1"),
        ({"withdraws": "e1"}, "item is there in every event but an undo"),
    ],
)
def test_what_no_event_may_say_is_refused_and_the_others_are_written(store, ns, event, match):
    good = Event("ann", "tea", "click")
    bad = Event(**({"user": "ann", "item": "tea", "kind": "click"} | event))
    receipts = feedback.add(store, ns, [good, bad, good])
    assert [r.status for r in receipts] == ["new", "refused", "new"]
    with pytest.raises(ParameterError, match=match):
        raise receipts[1].error


def test_ids_are_compared_byte_by_byte(store, ns):
    ids = ["e\u0301", "é", "E", "e", " e", "e ", "/../e", "🍵", "x" * 512, "%s", "?", "'", "\u202e"]
    feedback.add(store, ns, [Event(each, each, "click") for each in ids])
    assert set(store.counters(ns, ids).users) == set(ids)
    assert [[event.item for event in of(store, ns, each)] for each in ids] == [[each] for each in ids]


def test_integer_ids_have_one_form(store):
    shop = store.create_namespace("shop", "integer")
    feedback.add(store, shop, [Event("1", "-5", "click"), Event(1, -5, "click")])
    assert len(of(store, shop, "1")) == 2
    for wrong in ("01", "+1", "1.0", " 1", "x", "9223372036854775808", 1 << 63, "-0"):
        refused(store, shop, ParameterError, "user must be a", wrong, "1", "click")


def test_one_id_in_two_namespaces_is_two_events(store, ns):
    other = store.create_namespace("other")
    assert one(store, ns, "ann", "tea", "click", event_id="e1").status == "new"
    assert one(store, other, "ann", "milk", "click", event_id="e1").status == "new"
    assert [event.item for event in of(store, ns, "ann")] == ["tea"]
    refused(store, other, NotFoundError, "of this user", "ann", None, "undo", withdraws="e2")


def test_the_log_has_everything_in_order(store, ns):
    feedback.add(store, ns, [Event("ann", f"i{k}", "click", event_id=f"e{k}") for k in range(5)])
    one(store, ns, "ann", None, "undo", withdraws="e0")
    with store.read() as connection:
        rows = list(feedback.log(connection, ns))
        assert [event.event_id for _, event in rows[:5]] == [f"e{k}" for k in range(5)]
        assert rows[5][1].withdraws == "e0"
        assert list(feedback.log(connection, ns, after=rows[1][0], until=rows[3][0])) == rows[2:4]


def test_a_visitor_becomes_an_account(store, ns):
    one(store, ns, "visitor", "tea", "click", event_id="e1")
    one(store, ns, "ann", "milk", "click", event_id="e2")
    before = store.counters(ns, ["visitor", "ann"]).users
    assert feedback.merge(store, ns, "visitor", "ann") == 1
    assert feedback.merge(store, ns, "visitor", "ann") == 0
    after = store.counters(ns, ["visitor", "ann"]).users
    assert after["ann"][0] == before["ann"][0] + 1
    assert after["visitor"] == after["ann"]
    assert one(store, ns, "visitor", "tea", "click", event_id="e1").status == "known"
    assert one(store, ns, "visitor", "bread", "click").status == "new"  # sent late
    later = store.counters(ns, ["visitor", "ann"]).users
    assert later["visitor"] == later["ann"] > after["ann"]
    assert [event.item for event in of(store, ns, "ann")] == ["tea", "milk", "bread"]
    assert of(store, ns, "visitor") == of(store, ns, "ann")


def test_what_cannot_be_merged(store, ns):
    assert feedback.merge(store, ns, "new visitor", "new account") == 0
    with pytest.raises(ParameterError, match="another id than the account's"):
        feedback.merge(store, ns, "ann", "ann")
    with pytest.raises(ConflictError, match="merged into another account"):
        feedback.merge(store, ns, "new visitor", "bob")
    with pytest.raises(ConflictError, match="the account that the other id was merged into"):
        feedback.merge(store, ns, "new account", "new visitor")
    assert feedback.merge(store, ns, "new account", "third") == 0  # and its visitors go with it
    one(store, ns, "new visitor", "tea", "click")
    assert [event.item for event in of(store, ns, "third")] == ["tea"]


def test_users_are_written_read_and_hidden(store, ns):
    users.upsert(store, ns, [Thing("ann", {"age": 31, "tags": ["a", "b"], "name": "Änn", "vip": True, "x": None})])
    one(store, ns, "bob", "tea", "click")
    with store.read() as connection:
        there = users.get(connection, ns, ["ann", "bob", "cid"])
    assert there["ann"].attributes == {"age": 31, "tags": ["a", "b"], "name": "Änn", "vip": True, "x": None}
    assert set(there) == {"ann", "bob"}
    assert there["bob"].hidden is False
    counter = store.counters(ns, ["ann"]).users["ann"][0]
    assert users.hide(store, ns, ["ann", "cid"]) == 1
    users.upsert(store, ns, [Thing("ann", {"age": 32})])
    with store.read() as connection:
        ann = users.get(connection, ns, ["ann"])["ann"]
    assert (ann.attributes, ann.hidden) == ({"age": 32}, True)
    assert store.counters(ns, ["ann"]).users["ann"][0] == counter + 2
    users.upsert(store, ns, [Thing("ann", {}, hidden=False)])
    with store.read() as connection:
        assert users.get(connection, ns, ["ann"])["ann"].hidden is False


def test_a_merge_raises_what_both_ids_count_above_what_either_had(store, ns):
    for k in range(5):
        one(store, ns, "visitor", "tea", "click", time=k)
    one(store, ns, "ann", "tea", "click")
    before = store.counters(ns, ["visitor", "ann"]).users
    feedback.merge(store, ns, "visitor", "ann")
    after = store.counters(ns, ["visitor", "ann"]).users
    assert after["visitor"] == after["ann"]
    assert after["ann"][0] > max(before["visitor"][0], before["ann"][0])  # no cache has a list under this number
