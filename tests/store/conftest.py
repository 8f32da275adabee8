"""Fixtures of the store: one suite over SQLite and a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from store import postgres
from store.recorded_disk import compiled

from palate.store import open_store


@pytest.fixture(scope="session")
def postgres_folder(tmp_path_factory):
    """The folder of the session's PostgreSQL, shared by all processes of pytest-xdist."""
    root = tmp_path_factory.getbasetemp()
    with postgres.shared(root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_database(postgres_folder):
    """A store in PostgreSQL that this process has for itself."""
    return postgres.fresh(postgres_folder, "empty_store")


@pytest.fixture
def postgres_url(postgres_database):
    """An empty store in PostgreSQL: emptied, which takes a hundredth of a new database."""
    postgres.empty(postgres_database)
    return postgres_database


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory):
    """The file of an empty store."""
    file = tmp_path_factory.mktemp("empty") / "empty.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def sqlite_url(empty_sqlite, tmp_path):
    """A fresh empty store in SQLite."""
    shutil.copy(empty_sqlite, tmp_path / "shop.db")
    return f"sqlite:///{tmp_path / 'shop.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request):
    """The URL of a fresh empty store, once in each database."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
def store(store_url, tmp_path):
    """A fresh open store, once in each database."""
    with open_store(store_url, folder=tmp_path / "files") as opened:
        yield opened


@pytest.fixture
def ns(store):
    """The namespace that every store has."""
    return store.namespace()


@pytest.fixture(scope="session")
def library():
    """The shared library that records what a program does to its disk."""
    with tempfile.TemporaryDirectory(prefix="palate-disk-") as folder:  # PostgreSQL's user may not look into ours
        Path(folder).chmod(0o755)
        found = compiled(Path(folder))
        if found is None:
            pytest.skip("no C compiler: syncs cannot be counted, nor unsynced writes dropped")
        yield found


@pytest.fixture
def own_postgres():
    """A server with the settings of production, which the test may kill."""
    server = postgres.Server(*postgres.SAFE)
    yield server
    server.remove()
