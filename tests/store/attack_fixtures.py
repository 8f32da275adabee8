"""Fixtures of the tests that kill: a compiled disk, a folder with a short name, a PostgreSQL of the test's own."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from killed_postgres import OwnPostgres
from recorded_disk import compiled


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Return the shared library that records what is done to a disk."""
    found = compiled(tmp_path_factory.mktemp("disk"))
    if found is None:
        pytest.skip("no C compiler: syncs cannot be counted, nor unsynced writes dropped")
    found.chmod(0o755)
    return found


@pytest.fixture
def short_folder():
    """Return a folder whose name leaves room for a socket's (107 bytes), and that other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_programs():
    return Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def own_postgres(postgres_programs, short_folder):
    """Return a running server that the test may kill."""
    server = OwnPostgres(postgres_programs, short_folder)
    server.create()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path}/shop.db"
