"""What is kept too long is deleted, a batch at a time, and nothing else."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from palate.errors import ParameterError
from palate.store import Event, ShownList, cleaning, experiments, feedback, lists
from palate.store.cleaning import Cleaned, clean
from palate.store.experiments import Arm
from palate.store.kinds import DAY
from palate.store.records import Place
from palate.store.schema import daily, events, list_pages
from palate.store.schema import lists as list_table


def count(store, table):
    with store.read() as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def old(store, ns):
    """Ten events, received on days 0 to 9, and ten lists of these days, the second with a page."""
    feedback.add(store, ns, [Event("ann", f"i{n}", "click", event_id=f"e{n}", time=DAY) for n in range(10)])
    shown = [ShownList(f"{n:032x}", "ann", n * DAY, "popular", None, (Place("i1", 1.0),)) for n in range(10)]
    store.writer.lists(ns, shown).result()
    lists.add_page(store, ns, f"{1:032x}", 2, [Place("i2", 1.0)])
    with store.write() as conn:
        for n in range(10):
            conn.execute(update(events).where(events.c.event_id == f"e{n}").values(received=n * DAY))
    return store


def test_only_what_is_older_goes_and_counts_stay(old, ns):
    assert clean(old, now=20 * DAY) == Cleaned(0, 0)
    assert clean(old, keep_lists=15, now=20 * DAY) == Cleaned(5, 0)
    assert (count(old, list_table), count(old, list_pages), count(old, events)) == (5, 0, 10)
    assert clean(old, keep_events=12.5, now=20 * DAY) == Cleaned(0, 8)
    assert (count(old, events), count(old, daily)) == (2, 20)  # by day, and of all days
    assert clean(old, keep_lists=15, keep_events=12.5, now=20 * DAY) == Cleaned(0, 0)
    with old.read() as conn:
        assert [event.item for event in feedback.of_user(conn, ns, "ann")] == ["i8", "i9"]


def test_lists_of_an_experiment_that_runs_are_kept(old, ns):
    experiments.start(old, ns, "spring", "default", (Arm("a", 0.5, "default"), Arm("b", 0.5, "default")))
    shown = [ShownList(f"{n:032x}", "ann", 0, "popular", None, (), experiment="spring") for n in range(20, 24)]
    old.writer.lists(ns, shown).result()
    assert clean(old, keep_lists=1, now=20 * DAY, batch=2) == Cleaned(10, 0)
    experiments.end(old, ns, "spring")
    assert clean(old, keep_lists=1, now=20 * DAY, batch=2) == Cleaned(4, 0)


def test_batches_are_transactions_and_can_be_stopped(old):
    asked = []

    def stop():
        asked.append(count(old, events))
        return len(asked) > 2

    assert clean(old, keep_events=10, now=20 * DAY, batch=3, stop=stop) == Cleaned(0, 6)
    assert asked == [10, 7, 4]
    assert clean(old, keep_events=10, now=20 * DAY, batch=3) == Cleaned(0, 4)


def test_one_namespace_alone(old, ns):
    shop = old.create_namespace("shop")
    feedback.add(old, shop, [Event("ann", "tea", "click")])
    assert clean(old, keep_events=1, ns=shop, now=20 * DAY) == Cleaned(0, 0)
    assert count(old, events) == 11
    assert clean(old, keep_events=1, now=20 * DAY) == Cleaned(0, 10)


def test_rows_received_later_than_others_keep_the_older_ones_behind_them(old):
    """The oldest are looked at first: a batch without an old row ends it."""
    assert cleaning.BATCH >= 1_000
    with old.write() as conn:
        conn.execute(update(events).where(events.c.event_id == "e3").values(received=30 * DAY))
    assert clean(old, keep_events=10, now=20 * DAY, batch=4) == Cleaned(0, 9)


@pytest.mark.parametrize("days", [0, -1, "7", True, float("nan")])
def test_days_are_a_number_above_0(store, days):
    for name in ("keep_lists", "keep_events"):
        with pytest.raises(ParameterError, match=f"{name} must be a number of days above 0"):
            clean(store, **{name: days})
