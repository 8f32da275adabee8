"""Schedules: their times, what is made up, and that of several who look one starts the job."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from palate.errors import NotFoundError, ParameterError
from palate.store import jobs, schedules
from palate.store.times import now

HOUR = 3600 * 1_000_000
NOW = int(datetime(2026, 11, 28, 3, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture
def hourly(store, ns):
    return schedules.put(store, ns, "retrain", "1h", {"model": "ials"}, first=NOW)


def open_jobs(store, ns):
    with store.read() as conn:
        return jobs.listed(conn, ns, states=jobs.OPEN)


def at(store, ns):
    with store.read() as conn:
        return schedules.get(conn, ns, "retrain")


@pytest.mark.parametrize(("text", "micros"), [("30m", HOUR // 2), ("1h", HOUR), ("1d", 24 * HOUR), ("1m", HOUR // 60)])
def test_intervals_are_read_and_said(text, micros):
    assert schedules.interval(text) == micros
    assert schedules.interval_said(micros) == text


@pytest.mark.parametrize("text", ["", "0m", "1s", "d", "1.5h", "-1d", "400d", "1d ", "1 d", "9999999m"])
def test_what_is_no_interval_is_refused(store, ns, text):
    with pytest.raises(ParameterError, match="every must be a time such as 30m, 12h or 1d, from a minute to a year"):
        schedules.put(store, ns, "retrain", text)


def test_a_job_is_added_when_its_time_has_come(store, ns, hourly):
    assert schedules.start_due(store, NOW - 1) == []
    ((where, number),) = schedules.start_due(store, NOW)
    (job,) = open_jobs(store, ns)
    assert (where, number, job.kind) == (ns, job.number, "retrain")
    assert (job.details, job.scheduled) == ({"model": "ials"}, NOW)
    assert at(store, ns).due == NOW + HOUR
    assert schedules.start_due(store, NOW) == []


def test_times_that_were_missed_are_made_up_once_and_the_grid_stays(store, ns, hourly):
    assert len(schedules.start_due(store, NOW + 5 * HOUR + 17)) == 1
    assert at(store, ns).due == NOW + 6 * HOUR
    assert len(open_jobs(store, ns)) == 1


def test_a_time_is_passed_over_while_the_last_job_runs(store, ns, hourly):
    ((_, number),) = schedules.start_due(store, NOW)
    assert schedules.start_due(store, NOW + HOUR) == []
    assert at(store, ns).due == NOW + 2 * HOUR
    jobs.cancel(store, ns, number)
    assert len(schedules.start_due(store, NOW + 2 * HOUR)) == 1


def test_of_two_that_look_one_adds_the_job(store, ns, hourly):
    first = schedules._begun(store, ns, hourly, NOW)
    assert first is not None
    jobs.cancel(store, ns, first)
    assert schedules._begun(store, ns, hourly, NOW) is None  # as another process, which read the row before
    assert open_jobs(store, ns) == []


def test_a_schedule_that_is_paused_does_nothing_and_goes_on(store, ns, hourly):
    assert schedules.pause(store, ns, "retrain").paused
    assert schedules.start_due(store, NOW + HOUR) == []
    assert not schedules.pause(store, ns, "retrain", paused=False).paused
    assert len(schedules.start_due(store, NOW + HOUR)) == 1


def test_a_schedule_is_written_anew_listed_and_removed(store, ns, hourly):
    shop = store.create_namespace("shop")
    schedules.pause(store, ns, "retrain")
    changed = schedules.put(store, ns, "retrain", "1d", first=NOW)
    assert (changed.every, changed.details, changed.paused) == (24 * HOUR, {}, False)
    before = now()
    later = schedules.put(store, shop, "retrain", "30m")
    assert before + HOUR // 2 <= later.due <= now() + HOUR // 2
    with store.read() as conn:
        assert schedules.listed(conn, ns) == [changed]
        assert schedules.listed(conn, shop) == [later]
    schedules.remove(store, ns, "retrain")
    for absent in (
        lambda: schedules.remove(store, ns, "retrain"),
        lambda: schedules.pause(store, ns, "retrain"),
        lambda: at(store, ns),
    ):
        with pytest.raises(NotFoundError, match="namespace 'default' has no schedule of 'retrain'"):
            absent()
