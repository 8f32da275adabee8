"""Jobs: their states, their progress and log, and how one is asked to stop."""

from __future__ import annotations

import pytest

from palate.errors import ConflictError, NotFoundError
from palate.store import jobs


@pytest.fixture
def number(store, ns):
    with store.write() as conn:
        return jobs.add(conn, ns, "train", {"model": "ials"})


def job(store, ns, number):
    with store.read() as conn:
        return jobs.get(conn, ns, number)


def test_a_job_waits_runs_and_is_done(store, ns, number):
    waiting = job(store, ns, number)
    assert (waiting.state, waiting.progress, waiting.started, waiting.details) == (
        "waiting",
        0,
        None,
        {"model": "ials"},
    )
    with jobs.running(store, ns, number) as run:
        run.step(0.25, "epoch 1")
        run.step(7, "epoch 2")
        assert job(store, ns, number).state == "running"
    done = job(store, ns, number)
    assert (done.state, done.progress, done.log) == ("done", 1, "epoch 1\nepoch 2\n")
    assert done.created <= done.started <= done.ended


def test_a_job_that_fails_says_of_what(store, ns, number):
    with pytest.raises(ZeroDivisionError), jobs.running(store, ns, number):
        1 / 0  # noqa: B018
    failed = job(store, ns, number)
    assert (failed.state, failed.log) == ("failed", "ZeroDivisionError\n")


def test_a_job_that_waits_is_cancelled_at_once(store, ns, number):
    assert jobs.cancel(store, ns, number).state == "cancelled"
    for again in (lambda: jobs.cancel(store, ns, number), lambda: jobs.running(store, ns, number).__enter__()):
        with pytest.raises(ConflictError, match=f"job {number} is cancelled already"):
            again()


def test_a_job_that_runs_stops_at_its_next_step(store, ns, number):
    steps = []
    with jobs.running(store, ns, number) as run:
        run.step(0.1)
        asked = jobs.cancel(store, ns, number)
        assert (asked.state, asked.cancel_asked, asked.details) == ("running", True, {"model": "ials"})
        run.step(0.2)
        steps.append("not reached")
    assert steps == []
    assert (job(store, ns, number).state, job(store, ns, number).progress) == ("cancelled", 0.2)


def test_a_log_keeps_its_newest_lines(store, ns, number, monkeypatch):
    monkeypatch.setattr(jobs, "LONGEST_LOG", 10)
    with jobs.running(store, ns, number) as run:
        for line in range(5):
            run.step(0, f"line {line}")
    assert job(store, ns, number).log == "e 3\nline 4\n"[-10:]


def test_jobs_are_listed_newest_first_and_only_to_their_namespace(store, ns, number):
    shop = store.create_namespace("shop")
    with store.write() as conn:
        second = jobs.add(conn, ns, "scrub")
    with store.read() as conn:
        assert [one.number for one in jobs.listed(conn, ns)] == [second, number]
        assert [one.number for one in jobs.listed(conn, ns, "scrub")] == [second]
        assert jobs.listed(conn, ns, states=("running",)) == []
        assert jobs.listed(conn, shop) == []
    for absent in (number + 100, "1", 0, True, 1 << 70):
        with pytest.raises(NotFoundError, match="is not there"):
            jobs.cancel(store, ns, absent)
    with pytest.raises(NotFoundError, match=f"job {number} is not there"):
        job(store, shop, number)
