"""Jobs in processes of their own: what they say, how they end, and how they are ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from store import own_job

from palate.store import jobs, open_store, working

MODULE = "store.own_job"
SECONDS = 60


@pytest.fixture(autouse=True)
def _tests_are_found(monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    )


@pytest.fixture
def store(sqlite_url, tmp_path):
    with open_store(sqlite_url, tmp_path / "files") as opened:
        yield opened


def job(store, ns, number):
    with store.read() as conn:
        return jobs.get(conn, ns, number)


def in_this_process(store, ns, end=None):
    number = jobs.only_one(store, ns, "retrain", {"end": end})
    words = ["--store", store.url, "--folder", str(store.folder), "--job", str(number)]
    return number, lambda: working.work(own_job.do, words)


@pytest.fixture(autouse=True)
def _not_niced(monkeypatch):
    monkeypatch.setattr(working, "NICE", 0)


def test_a_job_is_done_and_its_log_has_what_palate_logged(store, ns):
    number, run = in_this_process(store, ns)
    assert run() == 0
    done = job(store, ns, number)
    assert (done.state, done.log, done.outcome["version"]) == ("done", "half\nwarning: some of it\n", 3)


def test_a_job_that_is_refused_says_why(store, ns, capsys):
    number, run = in_this_process(store, ns, "refused")
    assert run() == 1
    told = capsys.readouterr().err.splitlines()  # what was logged stands above it
    assert (job(store, ns, number).state, told[-1]) == ("failed", "there is no event to learn from")
    assert job(store, ns, number).log.endswith("\nthere is no event to learn from\n")
    assert run() == 1  # it has ended already
    assert f"job {number} is failed already" in capsys.readouterr().err


def test_a_mistake_is_told_by_its_place_and_names_nobody(store, ns):
    number, run = in_this_process(store, ns, "mistake")
    with pytest.raises(ZeroDivisionError):
        run()
    assert "ZeroDivisionError" in job(store, ns, number).log
    assert "own_job.py" in job(store, ns, number).log
    assert "Anna" not in job(store, ns, number).log


def started(store, ns, end):
    number = jobs.only_one(store, ns, "retrain", {"end": end})
    assert jobs.take(store, ns, number)
    return number, working.launch(store, ns, number, MODULE)


def until(holds):
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_process_that_is_killed_leaves_a_failed_job_that_says_so(store, ns):
    number, process = started(store, ns, "killed")
    working.ended(store, ns, number, process)
    failed = job(store, ns, number)
    assert (failed.state, failed.progress) == ("failed", 0.5)
    assert "half\nwarning: some of it\nlast words\nits process ended by SIGKILL: the system does so" in failed.log
    assert not working.stderr_of(store, number).exists()


def test_a_process_that_takes_no_step_is_ended_when_its_job_is_cancelled(store, ns):
    number, process = started(store, ns, "hangs")
    until(lambda: job(store, ns, number).progress)
    assert os.getpgid(process.pid) == process.pid
    assert jobs.cancel(store, ns, number).cancel_asked
    working.ended(store, ns, number, process)
    assert (job(store, ns, number).state, process.returncode) == ("cancelled", -signal.SIGKILL)
    assert "its process was ended\n" in job(store, ns, number).log


def test_a_process_is_ended_with_whatever_it_started(store, ns):
    number, process = started(store, ns, "waits")
    until(lambda: job(store, ns, number).progress)
    working.kill(process)
    assert [one.number for one in jobs.bury(store)] == [number]
    working.kill(process)  # it is gone


def test_what_ended_before_it_began_is_told_by_its_code(store, ns):
    number = jobs.only_one(store, ns, "retrain", {"end": None})
    assert jobs.take(store, ns, number)
    process = working.launch(store, ns, number, "no_such_module")
    working.ended(store, ns, number, process)
    assert "No module named no_such_module\nits process ended with code 1\n" in job(store, ns, number).log
    assert job(store, ns, number).state == "failed"


def test_a_process_needs_to_know_its_store(capsys):
    with pytest.raises(SystemExit):
        working.work(own_job.do, ["--job", "1"])
    assert "--store" in capsys.readouterr().err


def test_what_nobody_removed_goes_after_a_day(store):
    working.remove_leftovers(store)  # there is no folder yet
    old, new = (working.stderr_of(store, number) for number in (1, 2))
    old.parent.mkdir(parents=True)
    for file in (old, new):
        file.write_text("words")
    os.utime(old, (0, 0))
    working.remove_leftovers(store)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_process_finds_a_store_in_postgres_whose_address_stands_in_no_command(postgres_url, tmp_path):
    with open_store(postgres_url, tmp_path / "files") as store:
        ns = store.namespace()
        number, process = started(store, ns, None)
        working.ended(store, ns, number, process)
        assert (job(store, ns, number).state, process.returncode) == ("done", 0)
        assert not [word for word in process.args if "postgres" in word or "://" in word]
