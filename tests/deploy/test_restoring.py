"""Backup, restore and upgrade as docs/operations.md tells them, with a writer at work and people forgotten between."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from small_models import make
from store import postgres
from store.old_stores import old_postgres, old_sqlite

from palate import Interactions, save
from palate.cli import main
from palate.errors import StoreError
from palate.serve.checking import findings, ready
from palate.serve.settings import Settings
from palate.store import feedback, forgetting, versions
from palate.store.records import Event
from palate.store.store import Store, open_store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
BEFORE, AFTER = 40, 25


def told(what: str) -> str:
    """Return the block of the page that begins with a comment."""
    return re.search(rf"```sh\n# {what}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


def done(commands: str, folder: Path) -> None:
    commands = commands.replace("python -c", f"{sys.executable} -c")
    commands = commands.replace("palate store", f"{sys.executable} -m palate store")
    subprocess.run(["sh", "-euc", commands], cwd=folder, check=True, capture_output=True)


def say(store: Store, user: str, number: int) -> None:
    event = Event(user, f"i{number % 5}", "rating", 1.0 + number % 5, event_id=f"{user}-{number}")
    feedback.add(store, store.namespace(), [event])


@contextmanager
def writing(store: Store) -> Iterator[list[int]]:
    """Let a thread write while the block runs; yield the numbers that were acknowledged."""
    end, acknowledged = threading.Event(), []

    def write() -> None:
        while not end.is_set():
            say(store, "busy", len(acknowledged))
            acknowledged.append(len(acknowledged))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        end.set()
        thread.join()


def filled(store: Store, folder: Path) -> None:
    """Give a store people, a version that knows them, and something to forget."""
    rows = {"user": ["ann", "ann", "bob", "cat"], "item": ["i0", "i1", "i0", "i1"], "rating": [5.0, 3.0, 4.0, 2.0]}
    save(make("als", n_factors=2, n_epochs=2).fit(Interactions.from_table(rows)), folder / "m.safetensors")
    versions.activate(store, store.namespace(), versions.add(store, store.namespace(), folder / "m.safetensors"))
    for number in range(BEFORE):
        say(store, "ann" if number % 2 else "bob", number)


def rows_of(store: Store, user: str) -> int:
    with store.read() as conn:
        return len(feedback.of_user(conn, store.namespace(), user))


def check_restored(store: Store, saved: int, acknowledged: int) -> None:
    """What was there at the backup is there; what came later is not; who was forgotten later stays forgotten."""
    assert rows_of(store, "ann") == 0
    assert rows_of(store, "late") == 0
    assert rows_of(store, "bob") == BEFORE // 2
    assert saved <= rows_of(store, "busy") <= acknowledged
    loaded = versions.load_active(store, store.namespace())
    known = loaded.users_index(["ann", "bob"]) >= 0
    assert known.tolist() == [False, True]


def test_a_backup_of_sqlite_brings_all_back_but_whom_was_forgotten(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    with open_store(url) as store:
        filled(store, tmp_path)
        with pytest.raises(subprocess.CalledProcessError):
            done(told("restore"), tmp_path)  # of a backup that is not there: the store stays
        with writing(store) as acknowledged:
            while len(acknowledged) < 5:
                pass
            saved = len(acknowledged)
            done(told("back up"), tmp_path)
        say(store, "late", 1)
        forgetting.forget(store, store.namespace(), ["ann"])
    done(told("restore"), tmp_path)
    with open_store(url) as store:
        check_restored(store, saved, len(acknowledged))
        say(store, "busy", saved - 1)  # sent again: known
        assert rows_of(store, "busy") <= len(acknowledged)
    assert ready(findings(Settings(store=url, port=0)))


def test_a_backup_of_postgresql_brings_all_back_but_whom_was_forgotten(tmp_path: Path, postgres_folder: Path) -> None:
    url = postgres.fresh(postgres_folder)
    folder, name = tmp_path / "models", url.split("@/")[1].split("?")[0]
    tools = postgres.binaries()
    reach = ["-h", str(postgres_folder), "-U", "palate"]
    dump = str(tmp_path / "palate.dump")
    with open_store(url, folder) as store:
        filled(store, tmp_path)
        with writing(store) as acknowledged:
            while len(acknowledged) < 5:
                pass
            saved = len(acknowledged)
            subprocess.run([tools / "pg_dump", *reach, "--format=custom", f"--file={dump}", name], check=True)
            shutil.copytree(folder, tmp_path / "backup")
        say(store, "late", 1)
        forgetting.forget(store, store.namespace(), ["ann"])
    restore = ["--clean", "--if-exists", "--single-transaction", f"--dbname={name}", dump]
    subprocess.run([tools / "pg_restore", *reach, *restore], check=True)
    with open_store(url, folder) as store:
        check_restored(store, saved, len(acknowledged))
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: Any, tmp_path: Path) -> Iterator[str]:
    """The address of a store of the first schema."""
    if request.param == "sqlite":
        yield old_sqlite(tmp_path)
        return
    url = old_postgres(request.getfixturevalue("postgres_folder"))
    yield url
    postgres.drop(url)


def test_an_old_store_is_refused_upgraded_and_served(old: str, tmp_path: Path) -> None:
    settings = Settings(store=old, folder=tmp_path / "models", port=0)
    with pytest.raises(StoreError, match="palate store upgrade"):
        open_store(old)
    assert not ready(findings(settings))
    words = ["store", "upgrade", "--store", old, *([] if old.startswith("sqlite") else ["--backed-up"])]
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert not stop.value.code
    assert ready(findings(settings))
    with open_store(old, tmp_path / "models") as store:
        assert [one.name for one in store.namespaces()]


def test_an_empty_database_of_a_server_is_to_become_a_store(postgres_folder: Path, tmp_path: Path) -> None:
    url = postgres.fresh(postgres_folder)
    found = findings(Settings(store=url, folder=tmp_path, port=0))
    assert ready(found)
    assert any("is empty: the service makes its tables" in one.what for one in found)
    open_store(url, tmp_path).close()
    assert ready(findings(Settings(store=url, folder=tmp_path, port=0)))
    postgres.drop(url)
