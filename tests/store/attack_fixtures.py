"""Fixtures of the tests that kill: a compiled disk, a folder with a short name, PostgreSQL's programs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
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
