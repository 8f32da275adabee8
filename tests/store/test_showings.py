"""What somebody was shown since they last did anything with it, in both databases."""

from __future__ import annotations

from sqlalchemy import select

from palate.store import lists
from palate.store.records import Event, Place, ShownList
from palate.store.schema import users
from palate.store.showings import showings


def shown(store, number, user, time, *items):
    one = ShownList(f"{number:032x}", user, time, "model", None, tuple(Place(item, 1.0) for item in items))
    store.writer.lists(store.namespace(), [one]).result(10)
    return one.list_id


def test_lists_and_pages_count_until_something_is_done(store):
    ns = store.namespace()
    first = shown(store, 1, "ann", 100, "a", "b")
    lists.add_page(store, ns, first, 3, [Place("c", 1.0)], 150)
    shown(store, 2, "ann", 200, "a", "b")
    shown(store, 3, "bob", 300, "a", "b")
    events = [
        Event("ann", "b", "click", time=150),
        Event("ann", "a", "impression", time=160),
        Event("ann", "c", "click", time=250, event_id="taken-back"),
        Event("ann", None, "undo", withdraws="taken-back"),
    ]
    assert [one.error for one in store.writer.feedback(ns, events).result(10)] == [None] * 4
    with store.read() as conn:
        ann = conn.execute(select(users.c.key).where(users.c.id == "ann")).scalar_one()
        assert showings(conn, ns, ann, 0) == {"a": (2, 200), "b": (1, 200), "c": (1, 150)}
        assert showings(conn, ns, ann, 151) == {"a": (1, 200), "b": (1, 200)}
        assert showings(conn, ns, ann, 201) == {}
