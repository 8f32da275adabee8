"""The schema: refused where it is another, upgraded whole or not at all, and equal then to that of a fresh store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from store import postgres
from store.old_stores import old_postgres, old_sqlite

from palate.errors import NotFoundError, ParameterError, StoreError
from palate.store import engine, feedback, jobs, lists, open_store, presets, scenarios, upgrade
from palate.store.schema import NEWEST, metadata
from palate.store.upgrading import schema_of

HERE = Path(__file__).parent


@contextmanager
def kept(request, tmp_path, schema):
    if request.param == "sqlite":
        yield old_sqlite(tmp_path, schema=schema)
        return
    url = old_postgres(request.getfixturevalue("postgres_folder"), schema)
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request, tmp_path):
    """The URL of a store of schema 1."""
    with kept(request, tmp_path, 1) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def second(request, tmp_path):
    """The URL of a store of schema 2."""
    with kept(request, tmp_path, 2) as url:
        yield url


def asked(url, statement):
    with engine.once(engine.parsed(url)) as one, one.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def schema(url):
    with engine.once(engine.parsed(url)) as one, one.connect() as connection:
        return schema_of(connection)


def events(url):
    return asked(url, "SELECT key, namespace, item, kind, value, time, event_id, place FROM events ORDER BY key")


def test_another_schema_is_refused_with_the_command(old):
    with pytest.raises(
        StoreError, match=r"has schema 1, and this Palate needs 3: .*`palate store upgrade (sqlite|post)"
    ):
        open_store(old)
    assert schema(old) == 1


def test_an_upgraded_store_has_all_that_was_there(old, tmp_path):
    before, users = events(old), asked(old, "SELECT * FROM users ORDER BY key")
    assert upgrade(old, backed_up=True) == (1, NEWEST)
    assert upgrade(old, backed_up=True) == (NEWEST, NEWEST)
    assert events(old) == before
    assert asked(old, "SELECT * FROM users ORDER BY key") == users
    assert asked(old, "SELECT namespace, day, item, positives, events FROM daily WHERE day >= 0 ORDER BY 1, 2, 3") == [
        (1, 0, 1, 2, 2),
        (1, 1, 2, 1, 1),
        (2, 0, 3, 1, 1),
    ]
    with open_store(old, folder=tmp_path / "files") as store:
        ns = store.namespace()
        with store.read() as connection:
            assert [event.event_id for event in feedback.of_user(connection, ns, "ann")] == ["e1", "e2", "e4"]
        known, new = feedback.add(
            store, ns, [feedback.Event("älva", "milk", "click", event_id=each) for each in ("e3", "e9")]
        )
        assert (known.status, new.status) == ("known", "new")
        assert store.counters(ns, ["älva"]).users["älva"] == (2, 6)
        with store.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_upgraded_store_of_schema_2_has_all_that_was_there(second, tmp_path):
    tables = ("users", "items", "events", "daily", "list_pages", "versions", "keys", "tombstones")
    before = {name: asked(second, f"SELECT * FROM {name} ORDER BY 1, 2, 3") for name in tables}
    kept = "SELECT key, namespace, list_id, time, policy, version, shown FROM lists"
    before["lists"] = asked(second, kept)
    assert upgrade(second, backed_up=True) == (2, NEWEST)
    after = {name: asked(second, f"SELECT * FROM {name} ORDER BY 1, 2, 3") for name in tables}
    assert after | {"lists": asked(second, kept)} == before
    with open_store(second, folder=tmp_path / "files") as store:
        ns = store.namespace()
        with store.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            assert [event.event_id for event in feedback.of_user(connection, ns, "ann")] == ["e1", "e2", "e4"]
            assert feedback.of_user(connection, ns, "älva") == []  # undone
            old = lists.get(connection, ns, "0190" + "ab" * 14)
            assert [job.state for job in jobs.listed(connection, ns)] == ["running", "done"]
        assert (old.user, old.scenario, old.experiment, old.explored, old.uncounted) == ("ann", None, None, {}, None)
        scenarios.put(store, ns, "home", presets.Preset(n=5))


def test_a_fresh_store_is_what_the_tables_say(store):
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def made_by(url):
    rows = asked(url, "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'")
    return {name: sorted(line.strip(" ,\t") for line in sql.splitlines()) for name, sql in rows}


@pytest.mark.parametrize("before", [1, 2])
def test_an_upgraded_sqlite_store_is_line_by_line_a_fresh_one(sqlite_url, tmp_path, before):
    old = old_sqlite(tmp_path, schema=before)
    upgrade(old)
    assert made_by(old) == made_by(sqlite_url)
    numbered = {name for name, lines in made_by(old).items() if "AUTOINCREMENT" in " ".join(lines)}
    assert numbered == {"users", "items", "events"}


def test_sqlite_is_copied_before_and_postgresql_asks_for_a_backup(old):
    file = engine.file_of(engine.parsed(old))
    before = events(old)
    if file is None:
        with pytest.raises(ParameterError, match=r"make a backup \(pg_dump\), then say backed_up=True"):
            upgrade(old)
        assert schema(old) == 1
        return
    upgrade(old)
    copy = f"sqlite:///{file}.schema1.backup"
    assert schema(copy) == 1
    assert events(copy) == before


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_any_statement_it_is_the_old_store_or_the_new(kind, tmp_path, request):
    if kind == "sqlite":
        step, urls = "13", [old_sqlite(tmp_path, f"old{k}") for k in range(10)]
    else:
        step, urls = "13", [old_postgres(request.getfixturevalue("postgres_folder")) for _ in range(4)]
    subprocess.run([sys.executable, HERE / "dying_upgrade.py", step, *urls], check=True, timeout=60)
    schemas = [schema(url) for url in urls]
    assert schemas == sorted(schemas)
    assert schemas.count(1) >= 2
    assert schemas[-1] == NEWEST  # the last statement was reached
    before = events(urls[-1])
    for url in urls:
        assert events(url) == before
        assert schema(url) == NEWEST or upgrade(url, backed_up=True) == (1, NEWEST)
        assert events(url) == before
        assert len(asked(url, "SELECT * FROM daily WHERE day >= 0")) == 3
        if kind == "postgresql":
            postgres.drop(url)


def test_two_upgrades_at_once_are_one(old):
    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(lambda url: upgrade(url, backed_up=True), [old, old]))
    assert done == [(1, NEWEST), (NEWEST, NEWEST)]


def test_a_store_of_a_newer_palate_is_refused(store_url):
    with engine.once(engine.parsed(store_url)) as one, engine.writing(one).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '99'"))
    for door in (open_store, upgrade):
        with pytest.raises(StoreError, match="has schema 99, and this Palate knows 3: install a newer Palate"):
            door(store_url)


def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path, postgres_folder):
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE notes (x)")
    before = file.read_bytes()
    url = postgres.fresh(postgres_folder)
    postgres.asked(postgres_folder, "CREATE TABLE notes (x int)", url.split("@/")[1].split("?")[0])
    for one in (str(file), url):
        for door in (open_store, upgrade):
            with pytest.raises(StoreError, match="is a database, and no store of Palate"):
                door(one, backed_up=True) if door is upgrade else door(one)
    assert file.read_bytes() == before
    postgres.drop(url)


def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "notes.db").write_text("Dear diary, " * 1000)
    for door in (open_store, upgrade):
        with pytest.raises(StoreError, match="is no SQLite database"):
            door(str(tmp_path / "notes.db"))
    assert (tmp_path / "notes.db").read_text() == "Dear diary, " * 1000


def test_what_is_not_there_is_made_or_refused(tmp_path, postgres_folder):
    with pytest.raises(NotFoundError, match="is not there"):
        open_store(str(tmp_path / "no.db"), create=False)
    with pytest.raises(NotFoundError, match="is not there"):
        upgrade(str(tmp_path / "no.db"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="cannot"):
        open_store(str(tmp_path / "no" / "no.db"))
    empty = postgres.fresh(postgres_folder)
    with pytest.raises(StoreError, match="is a database, and no store"):
        open_store(empty, create=False)
    (tmp_path / "empty.db").touch()
    for url in (str(tmp_path / "new.db"), str(tmp_path / "empty.db"), empty):
        with open_store(url) as store:
            assert [ns.name for ns in store.namespaces()] == ["default"]
    postgres.drop(empty)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"new.db", "new.db.lock", "empty.db", "empty.db.lock"}


def test_two_who_make_the_same_store_make_one(tmp_path, postgres_folder):
    empty = postgres.fresh(postgres_folder)
    for url in (str(tmp_path / "new.db"), empty):
        with ThreadPoolExecutor(4) as pool:
            stores = list(pool.map(open_store, [url] * 4))
        assert len({store.secret for store in stores}) == 1
        for store in stores:
            store.close()
    postgres.drop(empty)


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://x/y", "://", "sqlite:///x?mode=ro"]
)
def test_what_names_no_store(url):
    with pytest.raises(ParameterError, match=r"this URL names no store: write sqlite:///shop.db"):
        open_store(url)


def test_no_message_has_the_password(tmp_path):
    with pytest.raises(StoreError) as caught:
        open_store(f"postgresql+psycopg://palate:s3cret@/shop?host={tmp_path}&password=s3cret", folder=tmp_path)
    assert "s3cret" not in str(caught.value)
    assert "palate:***@" in str(caught.value)
