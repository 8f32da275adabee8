"""`kill -9` in mid-write: of writers, and of PostgreSQL under them; what was acknowledged is there, exactly once."""

from __future__ import annotations

import pytest
from store.killed import Outcome, kill_server, kill_writers


def nothing_lost(outcome: Outcome, kills: int) -> None:
    assert outcome.kills == kills
    assert outcome.acknowledged > 10 * kills
    assert (outcome.missing, outcome.doubled) == (0, 0)


def test_five_killed_writers_lose_nothing(store_url, tmp_path):
    nothing_lost(kill_writers(store_url, str(tmp_path / "files"), 5), 5)


@pytest.mark.long
def test_a_hundred_killed_writers_lose_nothing(store_url, tmp_path):
    nothing_lost(kill_writers(store_url, str(tmp_path / "files"), 100), 100)


@pytest.mark.long
def test_a_postgres_killed_twice_loses_nothing_and_the_writer_goes_on(own_postgres, tmp_path):
    url = own_postgres.fresh()
    nothing_lost(kill_server(own_postgres, url, str(tmp_path / "files"), 2), 2)


@pytest.mark.long
def test_a_postgres_killed_a_hundred_times_loses_nothing(own_postgres, tmp_path):
    url = own_postgres.fresh()
    nothing_lost(kill_server(own_postgres, url, str(tmp_path / "files"), 100), 100)
