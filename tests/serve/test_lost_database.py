"""A locked file, a database that goes away under the service and comes back: clear refusals, and healing by itself."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager

import psycopg
import pytest
from serve.attacked import made, refused, served

from palate.store import engine, locking

EVENT = {"user": "1", "item": "2", "kind": "click"}
HOLD = """
import sys, fcntl
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
WRITE = """
import sys, sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_program(code: str, path):
    """Run a program that holds the file until the block ends."""
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        yield
        other.stdin.close()


def is_well(client, number: int) -> bool:
    """Whether feedback is taken and lists are logged."""
    event = EVENT | {"event_id": f"after {number}"}
    taken = client.ask("POST", "/v1/feedback", json=event).status_code in {200, 201}
    answer = client.ask("POST", "/v1/recommendations", json={"user": "1"})
    return taken and answer.status_code == 200 and answer.json()["logged"]


def heals(client) -> None:
    """Assert that the service comes to itself again."""
    for number in range(200):
        if is_well(client, number):
            return
        time.sleep(0.05)
    raise AssertionError("the service does not heal")


@pytest.mark.parametrize(("code", "name"), [(HOLD, "shop.db.lock"), (WRITE, "shop.db")])
def test_a_file_locked_by_another_program(tmp_path, monkeypatch, code, name):
    monkeypatch.setattr("palate.store.locking.PATIENCE", 0.2)
    monkeypatch.setitem(engine.SETTINGS, "busy_timeout", 200)
    url = f"sqlite:///{tmp_path}/shop.db"
    keys = made(url)
    with served(url) as client:
        client.keys = keys
        client.app.service.store.lock.patience = 0.2
        assert is_well(client, -1)
        with another_program(code, tmp_path / name):
            problem = refused(client.ask("POST", "/v1/feedback", json=EVENT), 503)
            assert "locked" in problem["detail"]
            answer = client.ask("POST", "/v1/recommendations", json={"user": "1"})
            assert (answer.status_code, answer.json()["logged"]) == (200, False)
        heals(client)


def test_answers_do_not_wait_for_a_store_that_is_locked_for_long(tmp_path, monkeypatch):
    """With the usual patience of ten seconds for writes, and a tenth of one for lists."""
    monkeypatch.setattr("palate.store.writing.PATIENCE", 0.1)
    url = f"sqlite:///{tmp_path}/shop.db"
    keys = made(url)
    with served(url) as client:
        client.keys = keys
        assert is_well(client, -1)
        with another_program(HOLD, tmp_path / "shop.db.lock"):
            began = time.monotonic()
            for _ in range(20):
                answer = client.ask("POST", "/v1/recommendations", json={"user": "1"})
                assert (answer.status_code, answer.json()["logged"]) == (200, False)
            assert time.monotonic() - began < 20 * locking.PATIENCE / 2  # else each would take all of it
        heals(client)


def test_a_postgres_that_does_not_sync_is_told_loudly(tmp_path, own_postgres, caplog):
    with psycopg.connect(host=own_postgres.folder, user="palate", dbname="postgres", autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    own_postgres.settings = tuple(setting for setting in own_postgres.settings if "sync" not in setting)
    own_postgres.kill()
    own_postgres.start()
    with served(own_postgres.fresh(), tmp_path / "files") as client:
        (doubt,) = client.get("/readyz").json()["doubts"]
    assert doubt.startswith("PostgreSQL runs with fsync = off: a power cut may lose or damage the whole database")
    assert doubt in caplog.text


def test_a_postgres_that_dies_under_the_service(tmp_path, own_postgres):
    url = own_postgres.fresh()
    keys = made(url, tmp_path / "files")
    with served(url, tmp_path / "files") as client:
        client.keys = keys
        assert is_well(client, -1)
        own_postgres.kill()
        refused(client.ask("POST", "/v1/feedback", json=EVENT | {"event_id": "lost"}), 503)
        refused(client.ask("POST", "/v1/recommendations", json={"user": "1"}), 503)
        refused(client.ask("GET", "/v1/popular"), 503)
        refused(client.ask("GET", "/v1/items", params={"id": "1"}), 503)
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        own_postgres.start()
        heals(client)
        assert client.ask("POST", "/v1/feedback", json=EVENT | {"event_id": "lost"}).status_code in {200, 201}
        assert client.get("/readyz").status_code == 200
