"""Jobs: their states, their progress and log, and how one is asked to stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest
from sqlalchemy import update

from palate.errors import ConflictError, NotFoundError
from palate.store import beating, jobs, owners
from palate.store.schema import jobs as table
from palate.store.times import now


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


GONE = json.dumps({"machine": "elsewhere", "process": 1, "began": ""})


def owned(store, number, owner, silent=0, **more):
    with store.write() as conn:
        values = {"owner": owner, "beat": now() - silent * 1_000_000, **more}
        conn.execute(update(table).where(table.c.key == number).values(**values))


def dead_process():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return json.dumps({**json.loads(owners.here()), "process": process.pid})


def test_an_owner_is_gone_when_its_process_is_or_its_number_belongs_to_another():
    here = json.loads(owners.here())
    assert owners.is_gone(owners.here()) is False
    assert owners.is_gone(dead_process()) is True
    assert owners.is_gone(json.dumps({**here, "began": "1"})) is True
    assert owners.is_gone(json.dumps({**here, "began": ""})) is None
    assert owners.is_gone(GONE) is None
    assert owners.is_gone("?") is None
    assert owners.words(GONE) == "process 1 on elsewhere"
    assert owners.words("?") == "another process"


def test_a_process_that_has_ended_and_that_nobody_asked_about_is_gone():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = json.dumps({**json.loads(owners.here()), "process": process.pid, "began": owners._began(process.pid)})
    assert owners.is_gone(owner) is False
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert owners.is_gone(owner) is True
    process.wait()


@pytest.mark.parametrize(
    ("owner", "silent", "state"),
    [(GONE, 61, "failed"), (GONE, 50, "running"), (None, 61, "failed"), (None, 50, "running"), ("dead", 0, "failed")],
)
def test_a_job_whose_owner_is_gone_is_failed_by_whoever_looks(store, ns, number, owner, silent, state):
    owned(store, number, dead_process() if owner == "dead" else owner, silent, state="running")
    assert [one.number for one in jobs.bury(store)] == [number] * (state == "failed")
    assert job(store, ns, number).state == state
    assert ("is gone\n" in job(store, ns, number).log) == (state == "failed")


def test_a_job_that_must_be_done_waits_again_when_its_owner_is_gone(store, ns):
    with store.write() as conn:
        scrub = jobs.add(conn, ns, "scrub", held=True)
    assert jobs.bury(store) == []
    owned(store, scrub, dead_process())
    assert [one.number for one in jobs.bury(store, ns)] == [scrub]
    assert (job(store, ns, scrub).state, job(store, ns, scrub).owner) == ("waiting", None)


def test_whoever_was_taken_for_dead_stops_at_the_next_step_and_changes_nothing(store, ns, number):
    with jobs.running(store, ns, number) as run:
        owned(store, number, GONE, 61)
        jobs.bury(store)
        run.step(0.5)
        pytest.fail("not reached")
    assert (job(store, ns, number).state, job(store, ns, number).progress) == ("failed", 0)


def test_a_job_runs_in_one_process_at_a_time(store, ns, number):
    with jobs.running(store, ns, number), pytest.raises(ConflictError, match=f"job {number} is running: process"):
        jobs.running(store, ns, number).__enter__()


def test_one_retrain_runs_at_a_time(store, ns):
    with store.write() as conn:
        first, second = (jobs.add(conn, ns, "retrain") for _ in range(2))
        other = jobs.add(conn, ns, "train")
    with jobs.running(store, ns, first):
        with pytest.raises(ConflictError, match=f"job {second} cannot run: another retrain runs already"):
            jobs.running(store, ns, second).__enter__()
        with jobs.running(store, ns, other):
            pass
        jobs.cancel(store, ns, second)
        with pytest.raises(ConflictError, match=f"job {first} is running, and one retrain at a time is enough"):
            jobs.only_one(store, ns, "retrain")


def test_of_two_that_would_start_a_job_one_does(store, ns):
    number = jobs.only_one(store, ns, "retrain", {"model": "ials"})
    with pytest.raises(ConflictError, match=f"job {number} is waiting"):
        jobs.only_one(store, ns, "retrain")
    assert jobs.take(store, ns, number)
    assert not jobs.take(store, ns, number)
    jobs.cancel(store, ns, number)
    held = jobs.only_one(store, ns, "retrain", held=True)
    assert not jobs.take(store, ns, held)
    owned(store, held, dead_process())
    assert jobs.only_one(store, ns, "retrain") > held
    assert job(store, ns, held).state == "failed"


def test_a_job_says_what_it_is_to_do_and_what_came_of_it(store, ns, number):
    with jobs.running(store, ns, number) as run:
        jobs.cancel(store, ns, number)
        run.note(version=7)
        assert run.details == {"model": "ials"}
        assert job(store, ns, number).cancel_asked
        jobs.say(store, ns, number, "a line")
    done = job(store, ns, number)
    assert (done.details, done.outcome, done.log) == ({"model": "ials"}, {"version": 7}, "a line\n")


def test_a_beat_tells_that_the_job_runs_and_hears_that_it_is_to_stop(store, ns, number, monkeypatch):
    monkeypatch.setattr(beating, "LISTEN_SECONDS", 0.01)
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.02)
    asked, beaten = threading.Event(), threading.Event()
    with jobs.running(store, ns, number, when_asked=asked.set):
        before = job(store, ns, number).beat
        while job(store, ns, number).beat == before:
            beaten.wait(0.01)
        jobs.cancel(store, ns, number)
        assert asked.wait(10)


def test_a_job_whose_owner_is_gone_ends_when_it_is_cancelled(store, ns, number):
    owned(store, number, dead_process(), state="running")
    assert jobs.cancel(store, ns, number).state == "failed"
    with pytest.raises(ConflictError, match="is failed already"):
        jobs.cancel(store, ns, number)


def test_the_newest_ended_jobs_are_kept(store, ns):
    with store.write() as conn:
        numbers = [jobs.add(conn, ns, "scrub") for _ in range(5)]
    for number in numbers[1:]:
        jobs.cancel(store, ns, number)
    assert jobs.forget_old(store, ns, keep=2) == 2
    assert jobs.forget_old(store, ns, keep=2) == 0
    with store.read() as conn:
        assert [one.number for one in jobs.listed(conn, ns)] == [numbers[4], numbers[3], numbers[0]]
        assert [one.number for one in jobs.listed(conn, ns, n=1)] == [numbers[4]]
