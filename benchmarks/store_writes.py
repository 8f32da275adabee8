"""What the store itself costs: a group of events, a group of lists, the counters of a batch, feedback a second.

    python benchmarks/store_writes.py sqlite:////tmp/shop.db
    python benchmarks/store_writes.py postgresql+psycopg://palate@/shop

Processor time is this process's alone: what PostgreSQL's server takes comes on top. The store is filled by the runs:
give it a new one.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from itertools import count

import numpy as np

from palate.store import Event, ShownList, Store, open_store
from palate.store.checking import checked
from palate.store.recording import record_events, record_lists
from palate.store.records import Place

GROUP, GROUPS, SECONDS = 32, 100, 3.0
N_USERS, N_ITEMS = 3_000, 2_000
RNG = np.random.default_rng(0)
NUMBERS = count()


def event() -> Event:
    user, item = RNG.integers(N_USERS), RNG.integers(N_ITEMS)
    return Event(f"user-{user}", f"item-{item}", "click", event_id=f"{uuid.uuid4().hex}-{next(NUMBERS)}")


def shown() -> ShownList:
    places = tuple(Place(f"item-{RNG.integers(N_ITEMS)}", float(RNG.random())) for _ in range(10))
    user = f"user-{RNG.integers(N_USERS)}"
    return ShownList(uuid.uuid4().hex, user, 5, "model", None, places, ranked=bytes(1_000))


def timed(name: str, rows: int, run: Callable[[int], object]) -> None:
    """Print what one row costs, of processor and by the clock."""
    run(0)
    cpu, wall = time.thread_time(), time.perf_counter()
    for k in range(1, GROUPS):
        run(k)
    cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
    each = 1e6 / (GROUPS - 1)
    print(f"{name:32} {cpu * each:8.0f} us of processor, {wall * each:8.0f} by the clock ({rows} rows)")


def second_by_second(store: Store, waiting: int) -> None:
    """Print how many events a second are acknowledged where so many clients wait at a time, one event each."""
    ns, done = store.namespace(), [0] * waiting
    end = time.perf_counter() + SECONDS

    def client(k: int) -> None:
        while time.perf_counter() < end:
            (receipt,) = store.writer.feedback(ns, [event()]).result()
            done[k] += receipt.status == "new"

    cpu = time.process_time()
    threads = [threading.Thread(target=client, args=(k,)) for k in range(waiting)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu = (time.process_time() - cpu) / sum(done) * 1e6
    print(f"{waiting:3} clients: {sum(done) / SECONDS:6.0f} events a second, {cpu:4.0f} us of processor each")


def main(url: str) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(url, folder=folder) as store:
        ns = store.namespace()
        for _ in range(50):
            store.writer.feedback(ns, [event() for _ in range(200)]).result()
        groups = [[checked(ns, event()) for _ in range(GROUP)] for _ in range(GROUPS)]
        lists = [[shown() for _ in range(GROUP)] for _ in range(GROUPS)]
        users = [f"user-{k}" for k in range(GROUP)]

        def write(record: Callable[..., object], rows: list[list[object]]) -> Callable[[int], None]:
            def run(k: int) -> None:
                with store.write() as connection:
                    record(connection, ns, rows[k])

            return run

        timed("a group of events", GROUP, write(record_events, groups))
        timed("a group of lists", GROUP, write(record_lists, lists))
        timed("the counters of a batch", GROUP, lambda _: store.counters(ns, users))
        for waiting in (16, 64):
            second_by_second(store, waiting)


if __name__ == "__main__":
    main(sys.argv[1])
