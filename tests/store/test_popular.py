"""What is popular, trending and new: counted by what is written, undone, deleted, and by other kinds."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from sqlalchemy import select

from palate.errors import ParameterError
from palate.store import Event, Thing, feedback, items, popular
from palate.store.configuring import set_kinds
from palate.store.kinds import DAY, EventKind
from palate.store.records import UNDO
from palate.store.schema import daily, namespaces
from palate.store.schema import items as item_table


def write(store, ns, *rows):
    """Write (user, item, kind, value, day, event id)."""
    receipts = feedback.add(store, ns, [Event(u, i, k, v, int(d * DAY), e) for u, i, k, v, d, e in rows])
    assert {receipt.status for receipt in receipts} == {"new"}


def undo(store, ns, user, event, **more):
    (receipt,) = feedback.add(store, ns, [Event(user, None, UNDO, withdraws=event, **more)])
    assert receipt.status == "new"


def counts(store, ns):
    """Return {(day, item): (positives, events)} of the counts that are not 0; all days together are their sums."""
    query = select(daily.c.day, item_table.c.id, daily.c.positives, daily.c.events)
    query = query.join(item_table, item_table.c.key == daily.c.item).where(daily.c.namespace == ns.key)
    with store.read() as conn:
        rows = [tuple(row) for row in conn.execute(query)]
    sums, whole = Counter(), Counter()
    for day, item, good, n in rows:
        (whole if day == popular.ALL_DAYS else sums).update({(item, "positives"): good, (item, "events"): n})
    assert +sums == +whole
    return {(day, item): (good, n) for day, item, good, n in rows if day != popular.ALL_DAYS and (good or n)}


def ranked(store, of, ns, *args, **options):
    with store.read() as conn:
        return [(one.id, one.score) for one in of(conn, ns, *args, **options)]


@pytest.fixture
def rated(store, ns):
    write(
        store,
        ns,
        ("ann", "tea", "rating", 5, 10.1, "e1"),
        ("bob", "tea", "rating", 4, 10.9, "e2"),
        ("bob", "milk", "rating", 3, 11, "e3"),
        ("cat", "milk", "click", None, 11, "e4"),
        ("cat", "milk", "impression", None, 11, "e5"),
        ("dan", "cake", "skip", None, 11, "e6"),
    )
    return store


def test_events_are_counted_by_day(rated, ns):
    assert counts(rated, ns) == {(10, "tea"): (2, 2), (11, "milk"): (1, 2), (11, "cake"): (0, 1)}
    assert ranked(rated, popular.popular, ns) == [("tea", 2), ("milk", 1)]
    assert ranked(rated, popular.popular, ns, 1) == [("tea", 2)]


def test_what_is_undone_is_not_counted_and_undone_twice_only_once(rated, ns):
    undo(rated, ns, "ann", "e1")
    undo(rated, ns, "ann", "e1")
    assert counts(rated, ns) == {(10, "tea"): (1, 1), (11, "milk"): (1, 2), (11, "cake"): (0, 1)}
    both = [Event("eve", "tea", "click", None, 10 * DAY, "e7"), Event("eve", None, UNDO, withdraws="e7")]
    feedback.add(rated, ns, [*both, Event("eve", None, UNDO, withdraws="e7")])
    assert counts(rated, ns)[10, "tea"] == (1, 1)


def test_a_known_or_refused_event_is_not_counted(rated, ns):
    before = counts(rated, ns)
    again = [Event("ann", "tea", "rating", 5, int(10.1 * DAY), "e1"), Event("ann", "tea", "clik")]
    assert [r.status for r in feedback.add(rated, ns, again)] == ["known", "refused"]
    assert counts(rated, ns) == before


def test_other_kinds_count_the_log_anew(rated, ns):
    undo(rated, ns, "ann", "e1")
    kinds = [EventKind(name="rating", positive="value >= 3 and value < 4"), EventKind(name="click", negative=True)]
    set_kinds(rated, ns, kinds)
    assert counts(rated, ns) == {(10, "tea"): (0, 1), (11, "milk"): (1, 2)}


def test_counting_anew_gives_what_writing_gave(store, ns):
    rng = np.random.default_rng(1)
    kinds = ["rating", "click", "purchase", "skip", "hide", "impression"]
    rows = [
        ("u1", f"i{rng.integers(4)}", kinds[rng.integers(6)], float(rng.integers(1, 6)), rng.uniform(0, 4), f"e{n}")
        for n in range(60)
    ]
    write(store, ns, *rows)
    for n in rng.choice(60, 15, replace=False):
        undo(store, ns, "u1", f"e{n}")
    before = counts(store, ns)
    assert len(before) > 8
    with store.write() as conn:
        popular.recount(conn, ns)
    assert counts(store, ns) == before


def test_hidden_and_deleted_items_and_other_namespaces_are_left_out(rated, ns):
    shop = rated.create_namespace("shop")
    assert ranked(rated, popular.popular, shop) == []
    items.upsert(rated, ns, [Thing("tea", hidden=True)])
    assert ranked(rated, popular.popular, ns) == [("milk", 1)]
    items.delete_items(rated, ns, ["milk"])
    assert ranked(rated, popular.popular, ns) == []
    assert [item for item, _ in ranked(rated, popular.latest, ns)] == ["cake"]


def test_what_trends_is_above_what_is_usual_for_it(store, ns):
    usual = [("u", "tea", "click", None, 60 + day + 0.1 * n, None) for day in range(40) for n in range(4)]
    late = [("u", "cake", "click", None, 99.5, None) for _ in range(6)]
    write(store, ns, *usual, *late, ("u", "milk", "click", None, 64, None), ("u", "milk", "click", None, 99, None))
    trends = ranked(store, popular.trending, ns, today=99)
    assert trends == [("cake", 6.0), ("milk", pytest.approx(1.0))]  # milk: day 64 is before the four spans
    busy = ranked(store, popular.trending, ns, today=99, days=1)
    assert busy[0] == ("cake", 6.0)
    assert ranked(store, popular.trending, ns, 1, today=99) == trends[:1]
    write(store, ns, *[("u", "tea", "click", None, 99, None) for _ in range(40)])
    assert dict(ranked(store, popular.trending, ns, today=99))["tea"] == pytest.approx((68 - 28) / math.sqrt(29))
    assert ranked(store, popular.trending, ns, today=200) == []


def test_popular_of_the_last_days(rated, ns, monkeypatch):
    monkeypatch.setattr(popular, "time_now", lambda: int(11.5 * DAY))
    assert ranked(rated, popular.popular, ns, days=1) == [("milk", 1)]
    assert ranked(rated, popular.popular, ns, days=2) == [("tea", 2), ("milk", 1)]


@pytest.mark.parametrize("days", [0, 1.5, "7", True, -1])
def test_days_are_a_whole_number(store, ns, days):
    with pytest.raises(ParameterError, match="days must be a whole number from 1"):
        ranked(store, popular.trending, ns, days=days)


def test_latest_is_by_when_the_store_first_had_an_item(store, ns):
    items.upsert(store, ns, [Thing("tea")])
    write(store, ns, ("ann", "milk", "click", None, 1, None))
    with store.read() as conn:
        made = popular.latest(conn, ns, 2)
        created = dict(map(tuple, conn.execute(select(item_table.c.id, item_table.c.created))))
    assert [(one.id, one.score) for one in made] == [("milk", created["milk"]), ("tea", created["tea"])]
    assert ranked(store, popular.latest, ns, 1)[0][0] == "milk"


def test_a_change_of_kinds_is_seen_by_all_workers(store, ns):
    def changes():
        with store.read() as conn:
            return conn.execute(select(namespaces.c.changes)).scalar_one()

    before = changes()
    set_kinds(store, ns, [EventKind(name="click")])
    assert changes() == before + 1
