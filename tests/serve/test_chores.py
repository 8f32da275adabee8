"""The cleaning job: every worker would do it, one at a time does, and what fails is tried again."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("prometheus_client")

from palate.errors import UnavailableError
from palate.serve import measures
from palate.serve.chores import Chores


def counted(result):
    return measures.REGISTRY.get_sample_value("palate_chores_total", {"result": result}) or 0


def test_one_worker_at_a_time_cleans(tmp_path):
    inside, leave, done = threading.Event(), threading.Event(), []

    def job():
        done.append(1)
        inside.set()
        leave.wait(10)

    first, second = Chores(tmp_path, job), Chores(tmp_path, job)
    thread = threading.Thread(target=first.round)
    thread.start()
    inside.wait(10)
    assert not second.round()
    leave.set()
    thread.join()
    assert second.round()
    assert len(done) == 2


@pytest.mark.parametrize("error", [UnavailableError.of("the store", "is away"), OSError("disk full")])
def test_what_fails_is_logged_counted_and_tried_again(tmp_path, error, caplog):
    ways = [error, None]

    def job():
        if (way := ways.pop(0)) is not None:
            raise way

    chores, before = Chores(tmp_path, job), (counted("failed"), counted("done"))
    assert not chores.round()
    assert "cleaning of the store failed" in caplog.text
    assert chores.round()
    assert (counted("failed"), counted("done")) == (before[0] + 1, before[1] + 1)


def test_rounds_follow_one_another_until_the_end(tmp_path):
    thrice = threading.Semaphore(0)
    with Chores(tmp_path, thrice.release, seconds=0, first=0) as chores:
        assert all(thrice.acquire(timeout=10) for _ in range(3))
    assert not chores._thread.is_alive()
