"""Forgetting: no row, no byte in any file, no way back from a backup; and whoever comes again is somebody new."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest
from sqlalchemy import func, select, update

import palate
from palate.errors import ParameterError, StoreError, UnavailableError
from palate.store import (
    Event,
    ShownList,
    Thing,
    feedback,
    forgetting,
    jobs,
    lists,
    open_store,
    tombstones,
    users,
    versions,
)
from palate.store.hashes import tombstone
from palate.store.records import UNDO, Place
from palate.store.schema import daily, events, list_pages, namespaces
from palate.store.schema import lists as list_table
from palate.store.schema import tombstones as stone_table
from palate.store.schema import users as user_table
from palate.store.source import dataset

GONE = "zz-forget-me-zz"
LIST = "0190" + "ab" * 14
OTHER = "0190" + "cd" * 14


def live(store, ns, user=GONE, list_id=LIST):
    """Give somebody all that a store can have of a person."""
    users.upsert(store, ns, [Thing(user, {"name": f"{user}-name"})])
    chance = {"explored": {"seed": f"{user}-seed"}, "uncounted": f"{user}-candidates".encode()}
    first = (Place("tea", 1.0, 0.5),)
    store.writer.lists(ns, [ShownList(list_id, user, 1, "popular", None, first, {"n": 1}, **chance)]).result()
    lists.add_page(store, ns, list_id, 2, [Place("milk", 1.0)])
    mine = [
        Event(user, "tea", "rating", 5, 1, f"{user}-event-1", f"{user}-source", list_id, 1),
        Event(user, "milk", "click", None, 2, f"{user}-event-2"),
        Event(user, "cake", "click", None, 3, f"{user}-event-3"),
        Event(user, None, UNDO, time=4, event_id=f"{user}-event-4", withdraws=f"{user}-event-3"),
    ]
    assert {receipt.status for receipt in feedback.add(store, ns, mine)} == {"new"}


def count(store, table, *where):
    with store.read() as conn:
        return conn.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def of_user(store, ns, user):
    with store.read() as conn:
        return [event.item for event in feedback.of_user(conn, ns, user)]


def files_with(folder, word):
    """Return the files below a folder that hold the bytes of a word."""
    return [path.name for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


@pytest.fixture
def lived(store, ns):
    live(store, ns, "bob", OTHER)
    live(store, ns)
    return store


def test_every_row_is_gone_and_others_stay(lived, ns):
    feedback.merge(lived, ns, f"{GONE}-visitor", GONE)
    before = count(lived, namespaces, namespaces.c.changes > 0)
    made = forgetting.forget(lived, ns, GONE)
    assert (made.users, made.events, made.lists, made.models, made.scrubbed) == (2, 4, 1, 0, True)
    assert count(lived, namespaces, namespaces.c.changes > 0) == before + 1
    sizes = [count(lived, table) for table in (user_table, events, list_table, list_pages)]
    assert sizes == [1, 4, 1, 1]
    assert of_user(lived, ns, "bob") == ["tea", "milk"]
    with lived.read() as conn:
        rows = conn.execute(select(daily.c.positives, daily.c.events).order_by(daily.c.item)).all()
    assert [tuple(row) for row in rows] == [(1, 1)] * 4  # tea and milk, by day and of all days


def test_a_namespace_of_its_own(lived, ns):
    shop = lived.create_namespace("shop")
    live(lived, shop, GONE, "0190" + "ef" * 14)
    forgetting.forget(lived, shop, GONE)
    assert of_user(lived, ns, GONE) == ["tea", "milk"]
    assert of_user(lived, shop, GONE) == []


def test_somebody_whom_nobody_knows_leaves_a_tombstone(store, ns):
    made = forgetting.forget(store, ns, ["nobody", "nobody", "none"])
    assert (made.users, made.events, made.lists) == (0, 0, 0)
    with store.read() as conn:
        digests = tombstones.forgotten(conn, ns)
        assert set(digests) == {tombstone(store.secret, ns, "user", id_) for id_ in ("nobody", "none")}
        assert set(tombstones.times_of(conn, ns, ["nobody", "bob"])) == {"nobody"}
    text = tombstones.file_of(store).read_text()
    assert [json.loads(line)["namespace"] for line in text.splitlines()] == ["default", "default"]
    assert "nobody" not in text
    with pytest.raises(ParameterError, match="user must"):
        forgetting.forget(store, ns, "")


def test_whoever_comes_again_is_somebody_new(lived, ns):
    forgetting.forget(lived, ns, GONE)
    old, new = Event(GONE, "tea", "click", time=5), Event(GONE, "milk", "click")
    refused, taken = feedback.add(lived, ns, [old, new])
    assert taken.status == "new"
    assert str(refused.error) == "the event happened before its user was forgotten: it is not taken again"
    assert of_user(lived, ns, GONE) == ["milk"]
    assert forgetting.replay(lived) == 0
    assert of_user(lived, ns, GONE) == ["milk"]
    assert users_row(lived, GONE).attributes == "{}"


def users_row(store, user):
    with store.read() as conn:
        return conn.execute(select(user_table).where(user_table.c.id == user)).one_or_none()


def restored(store, ns):
    """Do what the restore of a backup does: the tombstone is gone, and the person back with old rows."""
    with store.write() as conn:
        conn.execute(stone_table.delete())
    live(store, ns)
    with store.write() as conn:
        conn.execute(update(events).values(received=10))
        conn.execute(update(user_table).values(created=10, updated=10))


def test_tombstones_are_replayed_after_a_restore(lived, ns, store_url, tmp_path):
    forgetting.forget(lived, ns, GONE)
    restored(lived, ns)
    with open_store(store_url, folder=tmp_path / "files") as opened:
        assert users_row(opened, GONE) is None
        assert (count(opened, events), count(opened, list_table), count(opened, stone_table)) == (4, 1, 1)
        with opened.read() as conn:
            assert [job.state for job in jobs.listed(conn, ns, "scrub")] == ["waiting", "done"]
        assert forgetting.scrub(opened) == 0
        with opened.read() as conn:
            assert [job.state for job in jobs.listed(conn, ns, "scrub")] == ["done", "done"]


def test_what_came_after_the_tombstone_stays_in_a_replay(lived, ns, store_url, tmp_path):
    forgetting.forget(lived, ns, GONE)
    restored(lived, ns)
    feedback.add(lived, ns, [Event(GONE, "cake", "click")])
    counter = users_row(lived, GONE).counter
    with open_store(store_url, folder=tmp_path / "files") as opened:
        assert of_user(opened, ns, GONE) == ["cake"]
        assert users_row(opened, GONE).attributes == "{}"
        assert users_row(opened, GONE).counter > counter


def test_a_lost_file_is_written_anew_from_the_table(lived, ns, store_url, tmp_path):
    forgetting.forget(lived, ns, GONE)
    written = tombstones.file_of(lived).read_text()
    tombstones.file_of(lived).unlink()
    open_store(store_url, folder=tmp_path / "files").close()
    assert tombstones.file_of(lived).read_text() == written


def test_a_line_that_was_cut_short_is_cut_off(lived, ns):
    forgetting.forget(lived, ns, "nobody")
    path = tombstones.file_of(lived)
    path.write_text(path.read_text() + '{"namespace": "defau')
    assert len(tombstones.in_file(lived)) == 1
    forgetting.forget(lived, ns, GONE)
    assert len(tombstones.in_file(lived)) == 2
    assert len(path.read_text().splitlines()) == 2


def test_a_damaged_file_of_tombstones_is_told(lived, ns, store_url, tmp_path):
    forgetting.forget(lived, ns, GONE)
    for line in ("nothing", "{}", '{"namespace": "default", "side": "user", "digest": "x", "time": 1}', "[1]"):
        tombstones.file_of(lived).write_text(line + "\n")
        with pytest.raises(StoreError, match=r"tombstones.jsonl, line 1: is no tombstone"):
            open_store(store_url, folder=tmp_path / "files")


def test_nobody_is_forgotten_where_the_file_cannot_be_written(lived, ns):
    lived.folder.write_text("a file where a folder should be")
    with pytest.raises(UnavailableError, match="cannot keep who was forgotten"):
        forgetting.forget(lived, ns, GONE)
    assert of_user(lived, ns, GONE) == ["tea", "milk"]
    assert (count(lived, stone_table), count(lived, daily, daily.c.events > 1)) == (0, 4)


def test_a_scrub_that_fails_waits_for_the_next(lived, ns, monkeypatch, caplog):
    def full(*args, **options):
        raise UnavailableError("the disk is full", subject="disk")

    with monkeypatch.context() as patched:
        patched.setattr(forgetting, "compact", full)
        made = forgetting.forget(lived, ns, GONE)
    assert (made.users, made.scrubbed) == (1, False)
    assert "bytes of people who were forgotten are still in files: the disk is full" in caplog.text
    assert GONE not in caplog.text
    later = forgetting.forget(lived, ns, "nobody", scrub_now=False)
    assert later.scrubbed is False
    assert forgetting.scrub(lived) == 0
    with lived.read() as conn:
        assert {job.state for job in jobs.listed(conn, ns, "scrub")} == {"done"}


def crowd(store, ns, n=300):
    """Write many others, before and after, so that pages split and rows move."""
    feedback.add(
        store, ns, [Event(f"user-{k % 70}" * 3, f"item-{k % 40}", "click", None, k, f"e{k}") for k in range(n)]
    )


def test_no_byte_is_left_in_store_log_models_or_messages(sqlite_url, tmp_path, caplog):
    with open_store(sqlite_url) as store:
        ns = store.namespace()
        live(store, ns, f"bob-{GONE[:5]}", OTHER)
        crowd(store, ns)
        live(store, ns)
        feedback.merge(store, ns, f"{GONE}-visitor", GONE)
        feedback.add(store, ns, [Event(f"new-{k}", "tea", "click", event_id=f"more-{k}") for k in range(300)])
        model = palate.ImplicitALS(n_factors=2, n_epochs=1).fit(clicks_with(GONE))
        palate.save(model, tmp_path / "kept-by-the-owner.safetensors")
        for _ in range(2):
            versions.add(store, ns, tmp_path / "kept-by-the-owner.safetensors")
        versions.activate(store, ns, 1)
        (tmp_path / "kept-by-the-owner.safetensors").unlink()
        assert len(files_with(tmp_path, GONE)) >= 3
        made = forgetting.forget(store, ns, GONE)
        assert (made.users, made.events, made.models, made.scrubbed) == (2, 4, 2, True)
        assert files_with(tmp_path, GONE) == []
        loaded = versions.load_active(store, ns)
        assert loaded.users_index([GONE, "user-1"]).tolist()[0] == -1
        assert loaded.users_index(["user-1"]).tolist()[0] >= 0
    assert files_with(tmp_path, GONE) == []
    assert GONE not in caplog.text


def clicks_with(user):
    pairs = [(f"user-{u}", f"item-{i}") for u in range(6) for i in range(u, u + 4)] + [
        (user, "item-1"),
        (user, "item-3"),
    ]
    names, items = zip(*pairs, strict=True)
    return palate.Interactions.from_table({"user": names, "item": items})


def test_a_backup_of_sqlite_that_is_restored_knows_nobody_who_was_forgotten(sqlite_url, tmp_path):
    file, backup = tmp_path / "shop.db", tmp_path / "backup" / "shop.db"
    backup.parent.mkdir()
    with open_store(sqlite_url) as store:
        live(store, store.namespace())
        with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(backup)) as new:
            old.backup(new)
        forgetting.forget(store, store.namespace(), GONE)
    backup.rename(file)
    assert files_with(tmp_path, GONE) == ["shop.db"]
    with open_store(sqlite_url) as store:
        assert users_row(store, GONE) is None
        assert forgetting.scrub(store) == 0
        assert files_with(tmp_path, GONE) == []


def test_a_version_trained_after_somebody_came_again_keeps_them(sqlite_url, tmp_path):
    with open_store(sqlite_url) as store:
        ns = store.namespace()
        forgetting.forget(store, ns, GONE)
        feedback.add(store, ns, [Event(GONE, item, "click") for item in ("tea", "milk")])
        feedback.add(store, ns, [Event("bob", item, "click") for item in ("tea", "cake")])
        trained(store, ns, tmp_path / "new.safetensors")
        versions.activate(store, ns, versions.add(store, ns, tmp_path / "new.safetensors"))
        assert forgetting.forget(store, ns, "bob").models == 1
        loaded = versions.load_active(store, ns)
        assert [at >= 0 for at in loaded.users_index([GONE, "bob"]).tolist()] == [True, False]


def trained(store, ns, path):
    palate.save(palate.ImplicitALS(n_factors=2, n_epochs=1).fit(dataset(store, ns, "clicks")), path)


def test_a_reader_of_an_older_state_holds_the_scrub_up_and_it_is_told(sqlite_url, monkeypatch, caplog):
    monkeypatch.setattr(forgetting, "TRIES", 2)
    with open_store(sqlite_url) as store:
        ns = store.namespace()
        live(store, ns)
        with store.read() as conn:
            conn.execute(select(user_table)).all()
            assert forgetting.forget(store, ns, GONE).scrubbed is False
        assert "is read all the time, so that its log cannot be emptied" in caplog.text
        assert forgetting.scrub(store) == 0


def test_postgres_keeps_no_byte_in_its_tables_after_a_full_scrub(postgres_url, postgres_folder, tmp_path):
    """Its own log, and copies of it, keep what they hold until they expire: docs/security.md says so."""
    with open_store(postgres_url, folder=tmp_path / "files") as store:
        ns = store.namespace()
        crowd(store, ns, 100)
        live(store, ns)
        with store.read() as conn:
            oid = conn.exec_driver_sql("SELECT oid::text FROM pg_database WHERE datname = current_database()").scalar()
        search = ["grep", "-rlaF", GONE, next(postgres_folder.rglob("base")) / str(oid)]
        forgetting._run_alone(store, ["CHECKPOINT"])
        assert subprocess.run(search, capture_output=True, check=True).stdout
        assert forgetting.forget(store, ns, GONE).scrubbed is True
        assert forgetting.scrub(store, full=True) == 0
        assert subprocess.run(search, capture_output=True, check=False).returncode == 1  # found nothing


def test_tombstones_keep_the_later_time(store, ns):
    stones = [tombstones.Tombstone("default", "user", b"d" * 32, time) for time in (5, 9, 7)]
    with store.write() as conn:
        for stone in stones:
            tombstones.bury(conn, ns, [stone])
        tombstones.bury(conn, ns, [])
        assert tombstones.forgotten(conn, ns) == {b"d" * 32: 9}
        assert tombstones.too_old(conn, ns, [("nobody", 1)]) == set()


def test_a_damaged_version_that_is_not_active_is_removed_for_nobody_can_read_who_is_in_it(sqlite_url, tmp_path):
    with open_store(sqlite_url) as store:
        ns = store.namespace()
        palate.save(palate.Popularity().fit(clicks_with(GONE)), tmp_path / "a.safetensors")
        for _ in range(2):
            versions.add(store, ns, tmp_path / "a.safetensors")
        versions.activate(store, ns, 2)
        (tmp_path / "a.safetensors").unlink()
        path = store.folder / "models" / str(ns.key) / "1" / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
        assert forgetting.forget(store, ns, GONE).models == 2
        assert [version.state for version in versions.listed(store, ns)] == ["active", "removed"]
        assert files_with(tmp_path, GONE) == []


def test_a_large_file_is_written_anew_at_a_quiet_hour(sqlite_url, tmp_path, caplog):
    with open_store(sqlite_url) as store:
        ns = store.namespace()
        live(store, ns)
        forgetting.forget(store, ns, GONE, scrub_now=False)
        assert forgetting.scrub(store, most=1_000) is None
        assert "do it at a quiet hour, with `palate store clean --store sqlite:" in caplog.text
        assert (tmp_path / "shop.db-wal").stat().st_size == 0
        assert forgetting.scrub(store, most=forgetting.QUICK) == 0
        assert forgetting.scrub(store, most=1_000) == 0  # nothing waits any more


def with_copies(url, tmp_path, monkeypatch, seed):
    """Forget somebody whose rows moved between pages, without writing the file anew; return what is left."""
    rng = random.Random(seed)

    def word():
        return "".join(rng.choice("abcdefghij") for _ in range(rng.randint(5, 200)))

    with open_store(url) as store, monkeypatch.context() as patched:
        ns = store.namespace()
        for step in range(40):
            rows = [Event(word(), "tea", "click", event_id=f"{word()}{n}") for n in range(20)]
            feedback.add(store, ns, rows + [Event(GONE, "tea", "click", event_id=f"{GONE}-{step}")] * (step > 10))
        patched.setattr(forgetting, "compact", lambda store, full: forgetting.empty_log(store))
        forgetting.forget(store, ns, GONE)
    return (tmp_path / "shop.db").read_bytes().count(GONE.encode())


def test_copies_of_rows_that_moved_are_gone_when_the_file_is_written_anew(empty_sqlite, tmp_path, monkeypatch):
    """SQLite's secure_delete overwrites a row where it stands, not where it stood before its page was split."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    for seed in range(8, 30):
        shutil.copy(empty_sqlite, tmp_path / "shop.db")
        if with_copies(url, tmp_path, monkeypatch, seed):
            break
    else:
        pytest.skip("this SQLite leaves no copies")
    with open_store(url) as store:
        forgetting.forget(store, store.namespace(), "nobody")
    assert files_with(tmp_path, GONE) == []


def test_one_scrub_at_a_time_takes_all_that_wait_with_it(lived, ns, monkeypatch):
    times = []

    def compact(store, full):
        times.append(full)
        assert forgetting.scrub(store, most=forgetting.QUICK) is None  # another one is at it
        if len(times) == 1:
            forgetting.forget(store, ns, "nobody", scrub_now=False)

    monkeypatch.setattr(forgetting, "compact", compact)
    assert forgetting.forget(lived, ns, GONE).scrubbed is True
    assert times == [False, False]
    with lived.read() as conn:
        assert {job.state for job in jobs.listed(conn, ns, "scrub")} == {"done"}
