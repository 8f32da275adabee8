"""A power cut at any moment: what was acknowledged is there, once, though no write outlives it that was not synced.

Killing a process cannot show a missing sync, for the kernel keeps what was written; here unsynced writes are dropped.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from store.killed import Outcome, Told, ask, stored, writers
from store.postgres import SAFE, Server
from store.recorded_disk import Disk, Record, environment, records

from palate.errors import PalateError
from palate.store.store import open_store


def recorded_writer(disk: Path, log: Path, library: Path, **what) -> None:
    """Run a writer to its end; its words go into a file of the same disk, so that they have their place in the log."""
    with (disk / "acks").open("ab") as acks, writers(acks, **environment(library, disk, log)) as process:
        ask(process, **what)
    assert b"done" in (disk / "acks").read_bytes()


@pytest.fixture
def sqlite_disk(tmp_path, library):
    """Return a function that writes events to a SQLite store and gives the disk as it was, and what was done to it."""

    def written(**what) -> tuple[Disk, list[Record]]:
        folder, log = tmp_path / "disk", tmp_path / "log"
        folder.mkdir()
        open_store(f"sqlite:///{folder}/shop.db").close()
        (folder / "acks").touch()
        disk = Disk(folder)
        recorded_writer(folder, log, library, url=f"sqlite:///{folder}/shop.db", folder=None, **what)
        return disk, list(records(log))

    return written


def events(threads: int, each: int) -> list[list[str]]:
    return [[f"{n}-{thread}" for n in range(each)] for thread in range(threads)]


def moments(disk: Disk, done: list[Record]) -> Iterator[tuple[Record, Told]]:
    """Replay, and stop after each record with all that was acknowledged until then."""
    told = Told()
    for record in done:
        disk.do(record)
        if record.path.endswith("acks"):
            told.hear(record.data)
        yield record, told


def names_in(file: Path) -> set[str]:
    """Read a SQLite store that lost its power; nothing where it cannot be read."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        try:
            return {name for (name,) in connection.execute("SELECT event_id FROM events")}
        except sqlite3.DatabaseError:
            return set()


def losses(disk: Disk, done: list[Record], folder: Path, every: int = 1) -> int:
    """Cut the power after every so many records, twice: without and with some of the unsynced sectors; count losses."""
    lost, chance = 0, random.Random(19)
    for number, (_, told) in enumerate(moments(disk, done)):
        for luck in (None, chance) if number % every == 0 else ():
            disk.after_power_cut(folder, luck)
            lost += bool(set(told.acknowledged) - names_in(folder / "shop.db"))
            shutil.rmtree(folder)
    return lost


def test_sqlite_syncs_its_log_before_each_acknowledgement(sqlite_disk):
    disk, done = sqlite_disk(threads=events(1, 20))
    syncs, acknowledged = 0, 0
    for record, _ in moments(disk, done):
        syncs += record.what == "s" and record.path.endswith("shop.db-wal")
        if record.path.endswith("acks") and record.data.startswith(b"ack"):
            assert not {"shop.db", "shop.db-wal"} & set(disk.unsynced())
            acknowledged += 1
            assert syncs >= acknowledged
    assert acknowledged == 20


def test_sqlite_keeps_what_it_acknowledged_through_a_power_cut_at_any_moment(sqlite_disk, tmp_path):
    disk, done = sqlite_disk(threads=events(4, 15), wal_autocheckpoint=8)  # pages: checkpoints in between, too
    assert any(record.what == "s" and record.path.endswith("shop.db") for record in done)
    assert losses(disk, done, tmp_path / "left", every=3) == 0


def test_a_store_opens_after_a_power_cut_and_goes_on(sqlite_disk, tmp_path):
    disk, done = sqlite_disk(threads=events(4, 15))
    _, told = list(moments(disk, done[: len(done) * 2 // 3]))[-1]
    disk.after_power_cut(tmp_path / "left", random.Random(1))
    with open_store(f"sqlite:///{tmp_path}/left/shop.db") as store:
        outcome = Outcome()
        outcome.look(told, store)
    assert (outcome.missing, outcome.doubled) == (0, 0)
    assert outcome.acknowledged > 10


def test_without_syncs_the_loss_is_seen(sqlite_disk, tmp_path):
    disk, done = sqlite_disk(threads=events(2, 10), synchronous=0)
    assert losses(disk, done, tmp_path / "left", every=5) > 0


@pytest.fixture
def postgres_disk(own_postgres, library, tmp_path):
    """Return a function like `sqlite_disk`'s for PostgreSQL, and the server."""
    server = own_postgres
    url = server.fresh()
    open_store(url, folder=tmp_path / "files").close()
    server.kill()

    def written(*settings: str, **what) -> tuple[Disk, list[Record]]:
        (server.data / "acks").touch()
        log = server.folder / "recorded"
        log.touch()
        log.chmod(0o666)
        disk = Disk(server.data)
        server.settings = (*SAFE, *settings)
        server.environment = environment(library, server.data, log)
        server.start()
        recorded_writer(server.data, log, library, url=url, folder=str(tmp_path / "files"), **what)
        server.kill()
        server.environment = {}
        return disk, list(records(log))

    return written, server, url


def after_power_cut(disk: Disk, server: Server, chance: random.Random | None) -> None:
    """Start PostgreSQL on what a power cut leaves."""
    shutil.rmtree(server.data)
    disk.after_power_cut(server.data, chance)
    if server.user is not None:
        subprocess.run(["chown", "-R", f"{server.user}:", server.data], check=True)
    server.data.chmod(0o700)
    (server.data / "postmaster.pid").unlink(missing_ok=True)  # after a real one its number is somebody else's
    server.start()


def cut_postgres(postgres_disk, cuts: int, tmp_path: Path, *settings: str) -> int:
    """Cut the power at so many moments of a run; return at how many something acknowledged was missing."""
    written, server, url = postgres_disk
    disk, done = written(*settings, threads=events(4, 10 * cuts))
    assert any(record.what == "w" and "/pg_wal/" in record.path for record in done)
    chance, lost = random.Random(19), 0
    spoken = [number for number, record in enumerate(done) if record.path.endswith("acks")]
    chosen = set(chance.sample(spoken[len(spoken) // 4 :], cuts))
    for number, (_, told) in enumerate(moments(disk, done)):
        if number not in chosen:
            continue
        try:
            after_power_cut(disk, server, chance if number % 2 else None)
            with open_store(url, folder=tmp_path / "files") as store:
                lost += bool(set(told.acknowledged) - set(stored(store)))
        except (RuntimeError, PalateError):
            lost += 1  # it does not even start
        else:
            server.kill()
    return lost


@pytest.mark.long
def test_postgres_keeps_what_it_acknowledged_through_a_power_cut(postgres_disk, tmp_path):
    assert cut_postgres(postgres_disk, 2, tmp_path) == 0


@pytest.mark.long
def test_postgres_keeps_what_it_acknowledged_through_fifty_power_cuts(postgres_disk, tmp_path):
    assert cut_postgres(postgres_disk, 50, tmp_path) == 0


@pytest.mark.long
def test_without_syncs_the_loss_of_postgres_is_seen(postgres_disk, tmp_path):
    assert cut_postgres(postgres_disk, 3, tmp_path, "fsync=off") > 0
