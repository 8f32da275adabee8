"""A store with a log to retrain on."""

from __future__ import annotations

import shutil

import pytest
from retraining import small_log

from palate.store import open_store


@pytest.fixture(scope="session")
def filled_file(tmp_path_factory):
    """The file of a store with the small log."""
    file = tmp_path_factory.mktemp("filled") / "filled.db"
    with open_store(f"sqlite:///{file}") as store:
        small_log.fill(store, store.namespace())
    return file


@pytest.fixture
def url(filled_file, tmp_path):
    """The address of a store of this test's own, with the small log."""
    shutil.copy(filled_file, tmp_path / "shop.db")
    return f"sqlite:///{tmp_path / 'shop.db'}"


@pytest.fixture
def store(url):
    """That store, open."""
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def ns(store):
    """Its namespace."""
    return store.namespace()
