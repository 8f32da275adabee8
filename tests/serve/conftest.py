"""Clients of a service without keys, and of one of two namespaces with keys of each role."""

from __future__ import annotations

import pytest
from in_process import serving
from store.conftest import library, own_postgres  # noqa: F401 - fixtures

from palate.store import keys
from palate.store.store import open_store


@pytest.fixture
def keyless(tmp_path):
    """A client of a service that has no keys."""
    with serving(tmp_path / "shop.db") as client:
        yield client


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A service of two namespaces, "default" of text ids and "numbers" of integers, with a key of each role in each."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    with open_store(f"sqlite:///{path}") as store:
        store.create_namespace("numbers", "integer")
        secrets = {
            (name, role): keys.create(store, store.namespace(name), role)[1]
            for name in ("default", "numbers")
            for role in ("read", "write", "admin")
        }
    with serving(path) as client:
        client.secrets = secrets
        yield client


@pytest.fixture
def asking(shop):
    """Return a function that sends a request with a key: `asking("POST", "/v1/…", json={…}, role="write")`."""

    def ask(method, path, *, role="write", namespace="default", headers=(), **request):
        key = {"authorization": f"Bearer {shop.secrets[namespace, role]}"}
        return shop.request(method, path, headers={**key, **dict(headers)}, **request)

    return ask
