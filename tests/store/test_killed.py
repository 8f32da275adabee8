"""`kill -9` in mid-write: of writers, and of PostgreSQL under them; what was acknowledged is there, exactly once."""

from __future__ import annotations

import random
import threading

import pytest
from killed import ask, events_of, everything_once, killed_after, kill_often, nothing_lost, stored, writers
from killed_postgres import OwnPostgres

from palate.store.store import open_store


def kill_writers(url: str, folder: str, kills: int) -> None:
    """Kill a writer so often; look at the store after each; at last send everything again, as clients do."""
    where = {"url": url, "folder": folder}
    with writers() as process:

        def looked_at(told):
            with open_store(**where) as store:
                nothing_lost(told, store)

        told = kill_often(where, kills, process, looked_at)
        rounds = [names for number in range(kills) for names in events_of(number)]
        again = rounds[: 4 * 5]  # of five rounds: all of a hundred would take minutes
        assert not killed_after(process, told, 10**9, threads=again, **where)
    with open_store(**where) as store:
        nothing_lost(told, store)
        sent = {name for names in again for name in names}
        assert {name: count for name, count in stored(store).items() if name in sent} == dict.fromkeys(sent, 1)
    assert all(statuses.count("new") <= 1 for statuses in told.acknowledged.values())


def test_five_killed_writers_lose_nothing(store_address, tmp_path):
    kill_writers(store_address, str(tmp_path / "files"), 5)


@pytest.mark.long
def test_a_hundred_killed_writers_lose_nothing(store_address, tmp_path):
    kill_writers(store_address, str(tmp_path / "files"), 100)
