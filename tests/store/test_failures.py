"""Full disks, locks and lost connections: a clear error, nothing half written, and well again without a restart."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, text
from store import postgres

from palate.errors import NotFoundError, StoreError, UnavailableError
from palate.store import Event, ShownList, Thing, engine, feedback, items, locking, open_store, users, writing
from palate.store.records import Place

HERE = Path(__file__).parent
LONG = "x" * 400


def many(n, name="e"):
    return [Event(f"{name}{k}{LONG}", f"i{k}{LONG}", "click", event_id=f"{name}{k}") for k in range(n)]


def ids(store, ns):
    with store.read() as connection:
        return [event.event_id for _, event in feedback.log(connection, ns)]


@pytest.fixture
def lite(sqlite_url):
    with open_store(sqlite_url) as store:
        yield store


@contextmanager
def small_files(limit):
    """No file grows beyond a size: what a full disk is to a process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def few_pages(store):
    """The database itself may not grow: SQLite's own word for a full disk."""

    def limit(connection, *_):
        connection.execute("PRAGMA max_page_count=1")  # SQLite takes the number of pages that there are

    def free(connection, *_):
        connection.execute("PRAGMA max_page_count=1000000")

    event.listen(store.engine, "checkout", limit)
    try:
        yield
    finally:
        event.remove(store.engine, "checkout", limit)
        event.listen(store.engine, "checkout", free)


@pytest.mark.parametrize("kind", ["files", "pages"])
def test_a_full_disk(lite, kind):
    ns = lite.namespace()
    feedback.add(lite, ns, many(3, "before"))
    users.upsert(lite, ns, [Thing("ann")])
    wal = Path(f"{engine.file_of(engine.parsed(lite.url))}-wal").stat().st_size
    before = lite.counters(ns, ["ann"])
    with small_files(wal + 10_000) if kind == "files" else few_pages(lite):
        for write in (
            lambda: feedback.add(lite, ns, many(200)),
            lambda: items.upsert(lite, ns, [Thing(f"t{k}", {"title": LONG}) for k in range(200)]),
        ):
            with pytest.raises(UnavailableError, match=r"the disk (is full|failed or is full)") as caught:
                write()
            assert caught.value.code == "unavailable"
        assert lite.counters(ns, ["ann"]) == before
        assert ids(lite, ns) == ["before0", "before1", "before2"]
    assert {receipt.status for receipt in feedback.add(lite, ns, many(200))} == {"new"}
    assert len(ids(lite, ns)) == 203
    assert lite.counters(ns, ["ann"]).catalogue == before.catalogue + 1


def test_a_program_that_knows_nothing_of_our_lock(sqlite_url, monkeypatch):
    monkeypatch.setitem(engine.SETTINGS, "busy_timeout", 20)
    with open_store(sqlite_url) as store, closing(sqlite3.connect(engine.file_of(engine.parsed(sqlite_url)))) as other:
        ns = store.namespace()
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="is locked by another program"):
            feedback.add(store, ns, many(1))
        assert store.counters(ns, []).changes == 0  # reading goes on
        other.execute("ROLLBACK")
        assert feedback.add(store, ns, many(1))[0].status == "new"


def test_another_writer_that_takes_too_long(lite):
    ns = lite.namespace()
    lite.lock.patience = 0.02
    other = locking.WriteLock(lite.lock.path)
    with other.held(), pytest.raises(UnavailableError, match="is locked by another writer for more than"):
        feedback.add(lite, ns, many(1))
    held, go = threading.Event(), threading.Event()

    def hold():
        with lite.lock.held():
            held.set()
            go.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with pytest.raises(UnavailableError, match="is locked by another writer"), lite.lock.held():
        pass
    go.set()
    thread.join()
    assert feedback.add(lite, ns, many(1))[0].status == "new"


def test_a_lock_ends_with_the_process_that_held_it(tmp_path):
    path = tmp_path / "shop.db.lock"
    code = (
        "import sys, pathlib, time; from palate.store.locking import WriteLock\n"
        "with WriteLock(pathlib.Path(sys.argv[1])).held(): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UnavailableError), locking.WriteLock(path, 0.01).held():
            pass
        holder.kill()
    lock = locking.WriteLock(path, 5)
    with lock.held(), lock.held():
        pass
    with locking.WriteLock(path, 0.01).held():
        pass


def test_a_damaged_file(sqlite_url):
    file = engine.file_of(engine.parsed(sqlite_url))
    content = bytearray(file.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"is damaged: go back to a backup|is a database, and no store"):
        open_store(sqlite_url)


def test_each_connection_keeps_what_is_committed(lite, sqlite_url, monkeypatch):
    with lite.read() as connection:
        for name, value in engine.SETTINGS.items():
            assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == value
    assert (engine.SETTINGS["journal_mode"], engine.SETTINGS["synchronous"]) == ("wal", 2)
    monkeypatch.setitem(engine.SETTINGS, "page_count", 99)
    with pytest.raises(StoreError, match="does not take the setting page_count=99"):
        open_store(sqlite_url)


@pytest.fixture(scope="module")
def server():
    server = postgres.Server(*postgres.SAFE)
    yield server
    server.remove()


def test_postgresql_is_killed_and_comes_back(server, tmp_path):
    url = server.fresh()
    with open_store(url, folder=tmp_path) as store:
        ns = store.namespace()
        assert feedback.add(store, ns, many(3))[0].status == "new"
        server.kill()
        for ask in (lambda: feedback.add(store, ns, many(4)), lambda: store.counters(ns, []), store.namespaces):
            with pytest.raises(UnavailableError, match=r"cannot be reached|lost its connection"):
                ask()
        with pytest.raises(UnavailableError, match="cannot be reached"):
            open_store(url, folder=tmp_path)
        server.start()
        assert [receipt.status for receipt in feedback.add(store, ns, many(4))] == ["known"] * 3 + ["new"]
        assert store.counters(ns, []).changes == 0


def test_a_connection_lost_in_mid_write(server, tmp_path):
    url = server.fresh()
    with open_store(url, folder=tmp_path) as store:
        ns = store.namespace()

        def write():
            with store.write() as connection:
                connection.execute(text("UPDATE namespaces SET changes = 7"))
                pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
                postgres.asked(server.folder, f"SELECT pg_terminate_backend({pid})")
                connection.execute(text("UPDATE namespaces SET changes = 8"))

        with pytest.raises(UnavailableError, match=r"cannot be reached|shutting down"):
            write()
        assert store.counters(ns, []).changes == 0
        assert feedback.add(store, ns, many(1))[0].status == "new"


def test_what_a_user_of_postgresql_may_not_do(server, tmp_path):
    url = server.fresh()
    open_store(url, folder=tmp_path).close()
    postgres.asked(server.folder, "CREATE ROLE guest LOGIN")
    with pytest.raises(StoreError, match="does not let this user read or write its tables"):
        open_store(url.replace("palate@", "guest@"), folder=tmp_path)
    name = url.split("@/")[1].split("?")[0]
    postgres.asked(server.folder, "DROP TABLE events CASCADE", name)
    with open_store(url, folder=tmp_path) as store, pytest.raises(StoreError, match="lacks a table"):
        feedback.add(store, store.namespace(), many(1))
    with pytest.raises(UnavailableError, match=r"cannot be reached .*does not exist"):
        open_store(url.replace(name, "nothing"), folder=tmp_path)


def test_a_commit_waits_for_the_disk_whatever_the_server_says(server, tmp_path):
    url = server.fresh()
    name = url.split("@/")[1].split("?")[0]
    postgres.asked(server.folder, f"ALTER DATABASE {name} SET synchronous_commit = off")
    with open_store(url, folder=tmp_path) as store:
        with store.write() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
        with store.read() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "off"


def test_what_is_read_is_of_one_moment_and_writes_nothing(store, ns):
    feedback.add(store, ns, many(1, "a"))
    with store.read() as connection:
        assert len(list(feedback.log(connection, ns))) == 1
        feedback.add(store, ns, many(1, "b"))
        assert len(list(feedback.log(connection, ns))) == 1
    assert len(ids(store, ns)) == 2


def test_a_request_that_cannot_be_written_takes_no_other_with_it(store, ns):
    bad = ShownList("0" * 32, "ann", 5, "model", 99, (Place("tea", 1.0),))
    with store.lock.held() if store.lock.path else store.write():  # all three wait, and are one group
        first = store.writer.feedback(ns, many(1, "a"))
        middle = store.writer.lists(ns, [bad])
        last = store.writer.feedback(ns, many(1, "b"))
    with pytest.raises(NotFoundError, match="model version 99 is not there"):
        middle.result()
    assert first.result()[0].status == last.result()[0].status == "new"
    assert sorted(ids(store, ns)) == ["a0", "b0"]


def test_a_write_that_fails_writes_nothing(store, ns):
    def write():
        with store.write() as connection:
            connection.execute(text("UPDATE namespaces SET changes = 7"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert store.counters(ns, []).changes == 0


def test_event_loops_are_told(store, ns):
    async def ask():
        shown = ShownList("0" * 32, "ann", 5, "popular", None, (Place("tea", 1.0),))
        waiting = [store.writer.feedback_soon(ns, [one]) for one in many(20)]
        gone = store.writer.feedback_soon(ns, many(1, "gone"))
        gone.cancel()
        await store.writer.lists_soon(ns, [shown])
        return await asyncio.gather(*waiting)

    receipts = asyncio.run(ask())
    assert {receipt.status for (receipt,) in receipts} == {"new"}
    assert len(ids(store, ns)) == 21


def test_too_many_rows_that_wait(store, ns, monkeypatch):
    monkeypatch.setattr(writing, "WAITING", 50)
    with store.lock.held() if store.lock.path else store.write():
        first = store.writer.feedback(ns, many(1, "a"))
        while store.writer._rows:  # the writer has taken it, and waits for the lock
            pass
        waiting = store.writer.feedback(ns, many(40))
        with pytest.raises(UnavailableError, match="has 40 rows waiting to be written: try again"):
            store.writer.feedback(ns, many(11, "c"))
    assert first.result()[0].status == waiting.result()[0].status == "new"


def test_a_closed_store_says_so(store_url, tmp_path):
    store = open_store(store_url, folder=tmp_path)
    ns = store.namespace()
    done = store.writer.feedback(ns, many(1))
    store.close()
    store.close()
    assert done.result()[0].status == "new"
    for ask in (
        lambda: feedback.add(store, ns, many(1)),
        store.namespaces,
        lambda: items.upsert(store, ns, [Thing("a")]),
    ):
        with pytest.raises(StoreError, match="was closed"):
            ask()


def test_a_forked_process_opens_its_own(lite):
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            lite.namespaces()
        except StoreError as error:
            os.write(write, str(error).encode())
        os._exit(0)
    os.wait()
    os.close(write)
    with os.fdopen(read) as said:
        assert "was opened before this process was forked: open it in each process" in said.read()


def test_several_processes_write_at_once_and_nothing_is_lost_or_doubled(store_url, tmp_path):
    with open_store(store_url, folder=tmp_path) as store:
        ns = store.namespace()
        words = [sys.executable, HERE / "writing_process.py", store_url, tmp_path]
        running = [subprocess.Popen([*words, f"p{k}"], stdout=subprocess.PIPE, text=True) for k in range(2)]
        said = [process.communicate(timeout=60)[0].split() for process in running]
        assert [process.returncode for process in running] == [0, 0]
        told = sorted(one for each in said for one in each)
        assert len(told) == 2 * 25
        assert sorted(ids(store, ns)) == sorted([*told, "shared"])
        assert store.counters(ns, ["everybody"]).users["everybody"][0] == 2 * 25  # transactions
        if store.lock.path is not None:
            with store.read() as connection:
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
