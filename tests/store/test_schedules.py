"""Schedules: due at their times, taken by one, and what was missed is made up once."""

from __future__ import annotations

import pytest

from palate.errors import NotFoundError, ParameterError
from palate.store import open_store, schedules
from palate.store.schedules import Schedule

HOUR = 3_600_000_000


def test_a_schedule_comes_out_as_it_went_in(store, ns, store_url):
    first = schedules.put(store, ns, "retrain", HOUR, due=5, details={"keep": 3})
    assert first == Schedule("retrain", HOUR, 5, {"keep": 3})
    second = schedules.put(store, ns, "retrain", 2 * HOUR, due=7, paused=True)
    with open_store(store_url) as other, other.read() as conn:  # also after a restart
        assert schedules.get(conn, ns, "retrain") == second == Schedule("retrain", 2 * HOUR, 7, {}, True)
        assert schedules.listed(conn, ns) == [second]
        assert schedules.all_due(conn, 10) == []  # paused
    schedules.delete(store, ns, "retrain")
    for ask in (lambda conn: schedules.get(conn, ns, "retrain"), lambda _: schedules.delete(store, ns, "retrain")):
        with store.read() as conn, pytest.raises(NotFoundError, match="the schedule of 'retrain' is not there"):
            ask(conn)


def test_without_a_time_it_is_due_after_its_interval(store, ns):
    made = schedules.put(store, ns, "retrain", HOUR)
    with store.read() as conn:
        assert schedules.all_due(conn) == []
        assert schedules.all_due(conn, made.due) == [(ns, made)]


def test_what_is_due_is_taken_once_and_missed_times_made_up_once(store, ns):
    shop = store.create_namespace("shop")
    made = schedules.put(store, ns, "retrain", HOUR, due=10)
    other = schedules.put(store, shop, "retrain", HOUR, due=5)
    with store.read() as conn:
        assert schedules.all_due(conn, 4) == []
        assert schedules.all_due(conn, 10) == [(shop, other), (ns, made)]
    late = 10 + 5 * HOUR + 1
    assert schedules.taken(store, ns, made, now=late)
    assert not schedules.taken(store, ns, made, now=late)  # another worker that found it due
    with store.read() as conn:
        assert schedules.get(conn, ns, "retrain").due == 10 + 6 * HOUR
        assert schedules.all_due(conn, late) == [(shop, other)]
    assert schedules.taken(store, shop, other, now=5)
    with store.read() as conn:
        assert schedules.get(conn, shop, "retrain").due == 5 + HOUR


def test_one_that_was_paused_meanwhile_is_not_taken(store, ns):
    made = schedules.put(store, ns, "retrain", HOUR, due=10)
    schedules.put(store, ns, "retrain", HOUR, due=10, paused=True)
    assert not schedules.taken(store, ns, made, now=10)


@pytest.mark.parametrize("every", [0, 59_999_999, 367 * 24 * HOUR, 1e9, "1h", True])
def test_what_is_no_interval(store, ns, every):
    with pytest.raises(ParameterError, match="every must be microseconds, from a minute to 366 days"):
        schedules.put(store, ns, "retrain", every)


@pytest.mark.parametrize("due", [-1, 0.5, 1 << 63])
def test_what_is_no_time(store, ns, due):
    with pytest.raises(ParameterError, match="due must be microseconds since 1970"):
        schedules.put(store, ns, "retrain", HOUR, due=due)
