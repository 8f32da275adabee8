"""One value for each kind, user and item: told again, it is added to or replaced. And events that wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from palate.errors import DataError, NotFoundError, ParameterError
from palate.store import Event, Thing, feedback, forgetting, items, popular, replacing, users
from palate.store.checking import AHEAD
from palate.store.kinds import kinds_of
from palate.store.records import UNDO
from palate.store.rows import user_keys
from palate.store.rule import log_of
from palate.store.times import now

DAY = 86_400_000_000


def told(store, ns, user="ann"):
    with store.read() as connection:
        return [(event.item, event.kind, event.value) for event in feedback.of_user(connection, ns, user)]


def test_values_are_added_up_or_replaced(store, ns):
    feedback.add(
        store,
        ns,
        [Event("ann", "tea", "rating", 2), Event("ann", "tea", "rating", 1), Event("bob", "tea", "rating", 5)],
    )
    replacing.put(store, ns, [Event("ann", "tea", "rating", 0.5)], adding=True)
    assert told(store, ns) == [("tea", "rating", 3.5)]
    batch = [Event("ann", "tea", "rating", 1), Event("ann", "milk", "click"), Event("ann", "tea", "rating", 1)]
    assert [receipt.status for receipt in replacing.put(store, ns, batch, adding=True)] == ["new", "new"]
    assert sorted(told(store, ns)) == [("milk", "click", None), ("tea", "rating", 5.5)]
    replacing.put(store, ns, [Event("ann", "tea", "rating", 4), Event("ann", "tea", "rating", 2)])
    assert sorted(told(store, ns)) == [("milk", "click", None), ("tea", "rating", 2.0)]
    assert told(store, ns, "bob") == [("tea", "rating", 5.0)]
    with store.read() as connection:
        assert {one.id: one.score for one in popular.popular(connection, ns)} == {"milk": 1.0, "tea": 1.0}


def test_a_batch_is_written_whole_or_not_at_all(store, ns):
    feedback.add(store, ns, [Event("ann", "tea", "rating", 2)])
    for wrong in (
        Event("ann", "milk", "sneeze"),
        Event("ann", "milk", "rating"),
        Event("ann", "milk", "click", time=-1),
    ):
        with pytest.raises((DataError, ParameterError)):
            replacing.put(store, ns, [Event("ann", "tea", "rating", 5), wrong])
        assert told(store, ns) == [("tea", "rating", 2.0)]


def test_of_somebody_who_was_forgotten_the_old_is_not_taken_and_the_others_are(store, ns):
    feedback.add(store, ns, [Event("ann", "tea", "click")])
    forgetting.forget(store, ns, "ann", scrub_now=False)
    receipts = replacing.put(store, ns, [Event("ann", "tea", "click", time=1), Event("bob", "tea", "click", time=1)])
    assert [receipt.status for receipt in receipts] == ["refused", "new"]
    assert told(store, ns) == []


def test_what_a_user_told_of_an_item_is_withdrawn(store, ns):
    users_of = [
        Event(user, item, kind) for user in ("ann", "bob") for item in ("tea", "milk") for kind in ("click", "purchase")
    ]
    feedback.add(store, ns, [*users_of, Event("ann", "tea", "click")])
    assert replacing.withdraw(store, ns, "ann", "tea", "click") == 2
    assert replacing.withdraw(store, ns, "ann", "tea") == 1
    assert replacing.withdraw(store, ns, "ann", "tea") == replacing.withdraw(store, ns, "nobody", "tea") == 0
    assert {item for item, *_ in told(store, ns)} == {"milk"}
    assert len(told(store, ns, "bob")) == 4


def test_a_merged_visitor_is_the_account(store, ns):
    feedback.add(store, ns, [Event("cookie", "tea", "rating", 2)])
    feedback.merge(store, ns, "cookie", "ann")
    replacing.put(store, ns, [Event("cookie", "tea", "rating", 1)], adding=True)
    assert told(store, ns) == [("tea", "rating", 3.0)]


def waiting(store, ns, at):
    """Return what counts of ann's events at a time, and when the next begins to."""
    with store.read() as connection:
        key = user_keys(connection, ns, ["ann"])["ann"]
        log = log_of(connection, ns, kinds_of(connection, ns), [key], now=at)
    return len(log), log.waiting.get(key)


def test_an_event_waits_where_it_is_said_and_else_counts_at_once(store, ns):
    soon = now() + DAY // 2
    ahead = Event("ann", "tea", "click", time=soon)
    assert [one.status for one in feedback.add(store, ns, [ahead, replace(ahead, item="milk", waits=True)])] == [
        "new"
    ] * 2
    assert told(store, ns) == [("tea", "click", None)]
    assert waiting(store, ns, now()) == (1, soon + 1)
    assert waiting(store, ns, soon + 1) == (2, None)
    assert waiting(store, ns, 5) == (1, soon + 1)  # a clock that is behind lets what was received count
    (refused,) = feedback.add(store, ns, [replace(ahead, time=now() + 2 * AHEAD, waits=True)])
    assert "a day ahead" in str(refused.error)
    assert replacing.withdraw(store, ns, "ann", "milk") == 1
    assert waiting(store, ns, soon + 1) == (1, None)


def test_what_waits_is_forgotten_with_its_person_when_a_backup_comes_back(store, ns):
    feedback.add(store, ns, [Event("ann", "tea", "click", time=now() + DAY // 2, waits=True)])
    with store.write() as connection:
        keys = [user_keys(connection, ns, ["ann"])["ann"]]
        assert forgetting._delete_all(connection, ns, keys, until=now() - 2 * DAY) == (0, 0)
        assert forgetting._delete_all(connection, ns, keys, until=now())[0] == 1


def test_users_and_items_are_changed_in_one_transaction_and_paged_by_id(store, ns):
    items.upsert(store, ns, [Thing(id_, {"title": id_}, created=5) for id_ in ("b", "a", "é", "c")])
    items.change(store, ns, "a", lambda thing: replace(thing, attributes={"title": "A"}, hidden=True))
    users.upsert(store, ns, [Thing(id_) for id_ in ("y", "x", "z")])
    users.change(store, ns, "x", lambda thing: replace(thing, attributes={"age": 3}))
    items.delete_items(store, ns, ["c"])
    feedback.merge(store, ns, "z", "y")
    with store.read() as connection:
        found = items.page(connection, ns, "", 2)
        assert [(one.id, one.attributes, one.hidden, one.created) for one in found] == [
            ("a", {"title": "A"}, True, 5),
            ("b", {"title": "b"}, False, 5),
        ]
        assert [one.id for one in items.page(connection, ns, "b", 9)] == ["é"]
        assert [(one.id, one.attributes) for one in users.page(connection, ns, "", 9)] == [("x", {"age": 3}), ("y", {})]
    for side, what in ((items, "item"), (users, "user")):
        with pytest.raises(NotFoundError, match=f"there is no {what} 'nobody'"):
            side.change(store, ns, "nobody", lambda thing: thing)


def test_the_log_is_only_added_to(store, ns):
    replacing.put(store, ns, [Event("ann", "tea", "rating", 1)])
    replacing.put(store, ns, [Event("ann", "tea", "rating", 2)])
    with store.read() as connection:
        assert [event.kind for _, event in feedback.log(connection, ns)] == ["rating", "rating", UNDO]
