from __future__ import annotations

import multiprocessing
import os
import threading
import time
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from palate import parallel
from palate.errors import ParameterError
from palate.parallel import Workers, check_threads, chunks, default_threads, once, shares, single_blas_thread


def blas_threads() -> set[int]:
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


def in_a_thread(call):
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


@pytest.fixture
def two_blas_threads():
    """BLAS on two threads, whatever the machine has; set by threads that end, for threadpoolctl obeys one alone."""
    np.ones((2, 2)) @ np.ones((2, 2))
    limits = []
    in_a_thread(lambda: limits.append(threadpool_limits(limits=2, user_api="blas")))
    if blas_threads() != {2}:
        pytest.skip("BLAS here cannot run on two threads")
    yield
    in_a_thread(limits[0].restore_original_limits)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_results_come_in_order(n_threads):
    with Workers(n_threads) as workers:
        for n in (0, 1, 5, 20):
            assert workers.run([partial(pow, k, 2) for k in range(n)]) == [k * k for k in range(n)]


def test_tasks_run_at_the_same_time():
    barrier = threading.Barrier(3, timeout=10)
    with Workers(3) as workers:
        workers.run([barrier.wait] * 3)  # passes only when three wait together


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_in_one_task_waits_for_those_running_and_starts_no_other(error):
    started, finished = [], []

    def slow(k):
        started.append(k)
        time.sleep(0.2)
        finished.append(k)

    def fail():
        time.sleep(0.05)
        raise error

    with Workers(2) as workers:
        with pytest.raises(type(error)):
            workers.run([fail, partial(slow, 1), *[partial(slow, k) for k in range(2, 30)]])
        assert finished == started  # nothing runs any more
        assert 1 <= len(started) < 5
        assert workers.run([partial(int, k) for k in range(3)]) == [0, 1, 2]  # and the pool is of use again


def test_an_interruption_while_waiting_waits_for_those_running(monkeypatch):
    finished = []

    def slow():
        time.sleep(0.1)
        finished.append(1)

    class Interrupted(parallel.Future):
        """A future whose result is never had: Ctrl-C comes first."""

        def result(self, timeout=None):
            raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.thread._base.Future", Interrupted)
    with Workers(2) as workers:
        with pytest.raises(KeyboardInterrupt):
            workers.run([slow] * 10)
        assert len(finished) in (1, 2, 3)
        count = len(finished)
        time.sleep(0.15)
        assert len(finished) == count


def test_one_thread_needs_no_pool():
    before = threading.active_count()
    with Workers(1) as workers:
        assert workers.run([threading.get_ident] * 3) == [threading.get_ident()] * 3
        assert threading.active_count() == before


def test_threads_end_with_the_block():
    before = threading.active_count()
    with Workers(3) as workers:
        workers.run([partial(time.sleep, 0.01)] * 6)
    assert threading.active_count() == before


def test_default_is_the_cores_that_this_process_may_use(monkeypatch):
    assert default_threads() == check_threads(None) == Workers().n_threads >= 1
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
        assert default_threads() == 3
        monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert default_threads() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert default_threads() == 1


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, "2", True])
def test_a_wrong_number_of_threads_is_refused(n_threads):
    with pytest.raises(ParameterError) as error:
        Workers(n_threads)
    assert str(error.value) == f"n_threads must be None or a whole number of at least 1, got {n_threads!r}"


def test_chunks_cover_and_shares_deal_out():
    assert [(s.start, s.stop) for s in chunks(10, 4)] == [(0, 4), (4, 8), (8, 10)]
    assert chunks(0, 4) == []
    parts = np.arange(7)
    assert [s.tolist() for s in shares(parts, 3)] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [s.tolist() for s in shares(parts[:2], 5)] == [[0], [1]]
    assert shares(parts[:0], 5) == []


def test_the_blas_guard_holds_one_thread_nests_and_restores(two_blas_threads):
    with single_blas_thread():
        assert blas_threads() == {1}
        with single_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_the_blas_guard_restores_after_an_error(two_blas_threads):
    with pytest.raises(ValueError, match="broken"), single_blas_thread():
        raise ValueError("broken")
    assert blas_threads() == {2}


def test_the_blas_guard_holds_until_the_last_of_several_threads_leaves(two_blas_threads):
    inside = threading.Barrier(3, timeout=10)
    leave_last = threading.Event()
    seen = []

    def work(last):
        with single_blas_thread():
            inside.wait()
            if last:
                leave_last.wait(10)
                seen.append(blas_threads())

    threads = [threading.Thread(target=work, args=(k == 2,)) for k in range(3)]
    for t in threads:
        t.start()
    for t in threads[:2]:
        t.join(10)
    assert blas_threads() == {1}  # one is still inside
    leave_last.set()
    threads[2].join(10)
    assert seen == [{1}]
    assert blas_threads() == {2}


def test_the_blas_guard_restores_though_its_first_user_lives_on(two_blas_threads):
    """The thread of a server that enters first is not the one that leaves last, and does not end."""
    entered, leave, end = threading.Event(), threading.Event(), threading.Event()

    def first():
        with single_blas_thread():
            entered.set()
            leave.wait(10)
        end.wait(10)

    server = threading.Thread(target=first)
    server.start()
    entered.wait(10)
    with single_blas_thread():
        leave.set()
        time.sleep(0.05)
        assert blas_threads() == {1}
    assert blas_threads() == {2}
    end.set()
    server.join(10)


class Derived:
    """An object with one derived value, and how often it was computed."""

    def __init__(self):
        self.computed = 0

    @once
    def value(self):
        """Return an array of its own."""
        self.computed += 1
        time.sleep(0.01)  # the other threads come meanwhile
        return np.arange(3)


def test_once_computes_a_value_once_for_all_threads_and_keeps_it():
    derived, found = Derived(), []
    threads = [threading.Thread(target=lambda: found.append(derived.value)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert derived.computed == 1
    assert all(value is derived.value for value in found)
    assert isinstance(Derived.value, once)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_waits_for_no_thread_that_computed_at_the_fork():
    entered, leave = threading.Event(), threading.Event()

    class Slow:
        @once
        def value(self):
            entered.set()
            return leave.wait(20)

    thread = threading.Thread(target=lambda: Slow().value)
    thread.start()
    entered.wait(20)
    try:
        context = multiprocessing.get_context("fork")
        child = context.Process(target=lambda: os._exit(len(Derived().value)))
        child.start()
        child.join(20)
        assert child.exitcode == 3
    finally:
        leave.set()
        thread.join()
