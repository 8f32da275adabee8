"""An open store: its namespaces, its connections, and what it says where something is not there."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing

import pytest
import sqlalchemy
from sqlalchemy import event
from store.old_stores import old_sqlite

import palate.store
from palate import atomic
from palate.errors import ConflictError, NotFoundError, PalateError, ParameterError, StoreError, UnavailableError
from palate.store import Thing, engine, items, open_store, upgrade, users
from palate.store.store import Store


def test_namespaces(store):
    shop = store.create_namespace("shop", "integer")
    assert [ns.name for ns in store.namespaces()] == ["default", "shop"]
    assert store.namespace("shop") == shop
    assert shop.id_kind == "integer"
    with pytest.raises(NotFoundError, match="no namespace 'shp'; did you mean 'shop'"):
        store.namespace("shp")
    with pytest.raises(ConflictError, match="namespace 'shop' is there already"):
        store.create_namespace("shop")
    with pytest.raises(ParameterError, match="name must have 1 to 64 bytes"):
        store.create_namespace("")
    with pytest.raises(ParameterError, match="id_kind must be 'text' or 'integer'"):
        store.create_namespace("other", "float")
    assert len(store.namespaces()) == 2


def test_one_namespace_sees_nothing_of_another(store, ns):
    other = store.create_namespace("other")
    items.upsert(store, ns, [Thing("tea", {"title": "Tea"})])
    users.upsert(store, ns, [Thing("ann")])
    with store.read() as connection:
        assert items.get(connection, other, ["tea"]) == users.get(connection, other, ["ann"]) == {}
        assert items.changed_since(connection, other, 0) == items.search(connection, other, "tea") == []
        assert items.count(connection, other) == 0
    assert items.hide(store, other, ["tea"]) == users.hide(store, other, ["ann"]) == 0
    assert items.delete_items(store, other, ["tea"]) == 0
    assert store.counters(other, ["ann"]).users == {}
    assert store.counters(other, []).catalogue == 0


def test_what_was_written_is_there_when_it_is_opened_again(store_url, tmp_path):
    with open_store(store_url, folder=tmp_path) as store:
        secret = store.secret
        users.upsert(store, store.namespace(), [Thing("ann", {"age": 31})])
    with open_store(store_url, folder=tmp_path) as store, store.read() as connection:
        assert store.secret == secret
        assert users.get(connection, store.namespace(), ["ann"])["ann"].attributes == {"age": 31}


def test_a_closed_sqlite_store_is_one_file(sqlite_url, tmp_path):
    with open_store(sqlite_url) as store:
        users.upsert(store, store.namespace(), [Thing("ann")])
        assert (tmp_path / "shop.db-wal").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"shop.db", "shop.db.lock"}


def test_all_connections_in_use(store_url, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "CONNECTIONS", 2)
    monkeypatch.setattr(engine, "PATIENCE", 0.05)
    with open_store(store_url, folder=tmp_path) as store, ExitStack() as held:

        def read_more():
            for _ in range(3):
                held.enter_context(store.read())

        with pytest.raises(UnavailableError, match="has all its connections in use: try again"):
            read_more()
        held.close()
        assert len(store.namespaces()) == 1


def test_a_file_that_may_not_be_written(sqlite_url):
    with open_store(sqlite_url) as store:
        event.listen(store.engine, "checkout", lambda connection, *_: connection.execute("PRAGMA query_only=1"))
        with pytest.raises(StoreError, match="may not be written by this process"):
            users.upsert(store, store.namespace(), [Thing("ann")])


def test_a_folder_is_no_store(tmp_path):
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(UnavailableError, match="cannot be opened"):
        open_store(str(tmp_path / "folder.db"))


def test_a_store_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    def fail(folder):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(atomic, "sync_folder", fail)
    with pytest.raises(StoreError, match=r"cannot make the store .*: Input/output error"):
        open_store(str(tmp_path / "shop.db"))
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_rows_that_point_nowhere_are_not_carried_over(tmp_path):
    url = old_sqlite(tmp_path)
    with closing(sqlite3.connect(engine.file_of(engine.parsed(url)))) as plain, plain:
        plain.execute("UPDATE events SET item = 99 WHERE key = 1")
    with pytest.raises(StoreError, match=r"was not upgraded: \d rows point at rows that are not there"):
        upgrade(url)
    with pytest.raises(StoreError, match="has schema 1"):
        open_store(url)


def test_a_mistake_of_ours_stays_what_it_is(store):
    with pytest.raises(sqlalchemy.exc.DBAPIError) as caught, store.read() as connection:
        connection.exec_driver_sql("SELECT nonsense FROM users")
    assert not isinstance(caught.value, PalateError)


def test_the_public_names():
    assert palate.store.Store is Store
    assert all(getattr(palate.store, name) is not None for name in palate.store.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        palate.store.nothing  # noqa: B018
