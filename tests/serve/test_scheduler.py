"""The scheduler of a service: one worker leads, one job runs, and what was left open is found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client")

from in_process import serving, wait_until
from store.test_jobs import dead_process, owned

from palate.errors import ParameterError, UnavailableError
from palate.serve import measures, scheduler
from palate.serve.preparing import prepare
from palate.serve.scheduler import Scheduler
from palate.serve.settings import Settings
from palate.store import jobs, open_store, schedules

MODULES = {"retrain": "store.own_job"}
SECONDS = 60


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    )
    with open_store(f"sqlite:///{tmp_path}/shop.db") as opened:
        opened.folder.mkdir(exist_ok=True)
        yield opened


@pytest.fixture
def ns(store):
    return store.namespace()


def job(store, ns, number):
    with store.read() as conn:
        return jobs.get(conn, ns, number)


def counted(state):
    return measures.REGISTRY.get_sample_value("palate_jobs_total", {"kind": "retrain", "state": state}) or 0


def until_ended(one, store, ns, number):
    wait_until(lambda: one.round() and one._child is None, SECONDS)
    return job(store, ns, number)


def test_a_due_schedule_becomes_a_job_that_is_run_and_watched(store, ns):
    one, before = Scheduler(store, MODULES), counted("done")
    schedules.put(store, ns, "retrain", "1d", first=0)
    assert one.round()
    with store.read() as conn:
        (begun,) = jobs.listed(conn, ns)
    assert measures.REGISTRY.get_sample_value("palate_jobs_running", {"kind": "retrain"}) == 1
    done = until_ended(one, store, ns, begun.number)
    assert (done.state, done.outcome["version"], done.scheduled) == ("done", 3, 0)
    assert counted("done") == before + 1
    assert measures.REGISTRY.get_sample_value("palate_jobs_running", {"kind": "retrain"}) == 0
    one._lead.close()


def test_one_worker_leads_and_another_takes_over_when_it_is_gone(store):
    first, second = Scheduler(store, {}), Scheduler(store, {})
    assert first.round()
    assert not second.round()
    assert first.round()
    first._lead.close()
    assert second.round()
    second._lead.close()


def test_the_service_ends_its_job_with_itself_and_the_next_one_makes_it_up_once(store, ns):
    schedules.put(store, ns, "retrain", "1d", {"end": "waits"}, first=0)
    number = begun(store, ns)
    left = job(store, ns, number)
    assert (left.state, left.progress, left.is_again) == ("waiting", 0, True)
    assert "the service ended, and its process with it\n" in left.log
    assert begun(store, ns) == number
    assert job(store, ns, number).state == "failed"


def begun(store, ns):
    """Let a scheduler begin what is due, and end with its job in the middle; return the job's number."""
    with Scheduler(store, MODULES, seconds=0.02):
        wait_until(lambda: [one for one in listed(store, ns) if one.progress], SECONDS)
    (only,) = listed(store, ns)
    return only.number


def listed(store, ns):
    with store.read() as conn:
        return jobs.listed(conn, ns)


def test_what_a_killed_service_left_is_failed_and_a_scheduled_time_made_up(store, ns):
    asked = jobs.only_one(store, ns, "retrain")
    owned(store, asked, dead_process(), state="running")
    one = Scheduler(store, {})
    one.round()
    assert job(store, ns, asked).state == "failed"
    schedules.put(store, ns, "retrain", "1d", first=0)
    one.round()
    again = listed(store, ns)[0].number
    owned(store, again, dead_process(), state="running")
    one.round()
    assert (job(store, ns, again).state, job(store, ns, again).is_again) == ("waiting", True)
    owned(store, again, dead_process(), state="running")
    one.round()
    assert job(store, ns, again).state == "failed"
    one._lead.close()


def test_one_job_runs_at_a_time_and_none_beside_that_of_a_person(store, ns):
    shop = store.create_namespace("shop")
    held = jobs.only_one(store, ns, "retrain", held=True)
    waiting = jobs.only_one(store, shop, "retrain")
    assert jobs.next_waiting(store, MODULES) is None  # the person's is about to begin, in this process
    jobs.cancel(store, ns, held)
    assert jobs.next_waiting(store, MODULES)[1].number == waiting
    assert jobs.next_waiting(store, {}) is None
    assert jobs.take(store, shop, waiting)
    assert jobs.next_waiting(store, MODULES) is None


def test_a_job_that_is_cancelled_ends(store, ns):
    one, number = Scheduler(store, MODULES), jobs.only_one(store, ns, "retrain", {"end": "waits"})
    wait_until(lambda: one.round() and job(store, ns, number).progress, SECONDS)
    jobs.cancel(store, ns, number)
    assert until_ended(one, store, ns, number).state == "cancelled"
    one._lead.close()


def test_a_process_that_cannot_be_started_fails_its_job(store, ns, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(scheduler.working, "launch", refuse)
    one, number = Scheduler(store, MODULES), jobs.only_one(store, ns, "retrain")
    assert one.round()
    assert job(store, ns, number).state == "failed"
    assert job(store, ns, number).log == "no process can be started: Cannot allocate memory\n"
    assert "the scheduler failed" in caplog.text
    one._lead.close()


def test_a_store_that_is_away_is_tried_again(store, monkeypatch, caplog):
    def away(_):
        raise UnavailableError.of("the store", "is away")

    one = Scheduler(store, {})
    monkeypatch.setattr(scheduler.jobs, "bury", away)
    assert one.round()
    assert "the scheduler failed" in caplog.text
    one._lead.close()


def test_a_service_leads_where_it_may_run_jobs(store):
    file = Path(store.folder).parent / "shop.db"
    with serving(file, run_jobs=True):
        wait_until(lambda: list(store.folder.glob(".scheduler.lock")), 10)
    assert not list(store.folder.glob(".scheduler.lock"))
    with serving(file):
        assert Scheduler(store, {}).round()


def test_a_schedule_of_the_command_line_is_written_and_one_that_stands_keeps_its_time(tmp_path):
    url = f"sqlite:///{tmp_path}/shop.db"
    found = []
    for every in ("1d", "1d", "2d"):
        prepare(Settings(store=url, schedule=every), ())
        with open_store(url) as store, store.read() as conn:
            found += schedules.listed(conn, store.namespace())
    assert found[0] == found[1]
    assert [schedules.interval_said(one.every) for one in found] == ["1d", "1d", "2d"]
    with pytest.raises(ParameterError, match="every must be a time such as 30m"):
        prepare(Settings(store=url, schedule="daily"), ())


def test_a_killed_leader_is_followed(store):
    """The lock of a process that is killed is free at once."""
    code = (
        "import sys; from palate.store import open_store; from palate.serve.scheduler import Scheduler\n"
        "print(Scheduler(open_store(sys.argv[1]), {}).round(), flush=True); input()"
    )
    command = [sys.executable, "-c", code, store.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        one = Scheduler(store, {})
        assert not one.round()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert one.round()
    one._lead.close()
