"""``palate keys``: a key is made, shown once, listed by its prefix and revoked."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palate.cli import app
from palate.errors import NotFoundError, ParameterError
from palate.store import keys, open_store


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'shop.db'}"


def run(*words):
    return CliRunner().invoke(app, ["keys", *map(str, words)])


def test_a_key_from_the_first_to_its_end(url):
    done = run("create", "--store", url, "--role", "write", "--name", "shop")
    assert done.exit_code == 0, done.output
    key = done.stdout.strip()
    assert "shown this once" in done.stderr
    with open_store(url) as store, store.read() as conn:
        access = keys.find(conn, key)
        assert (access.role, access.namespace.name) == ("write", "default")
    (listed,) = json.loads(run("list", "--store", url, "--json").stdout)["keys"]
    assert (listed["prefix"], listed["name"], listed["revoked"]) == (access.prefix, "shop", None)
    assert key not in run("list", "--store", url).stdout
    gone = run("revoke", access.prefix, "--store", url)
    assert gone.stdout.startswith(f"the key {access.prefix} is revoked since 20")
    with open_store(url) as store, store.read() as conn:
        assert keys.find(conn, key) is None
    shown = run("list", "--store", url, "--namespace", "default").stdout
    assert access.prefix in shown
    assert json.loads(run("revoke", key, "--store", url, "--json").stdout)["revoked"]


def test_json_has_the_key_once(url):
    made = json.loads(run("create", "--store", url, "--role", "admin", "--json").stdout)
    assert made["key"].startswith(f"palate_{made['prefix']}_")
    assert made["role"] == "admin"


def test_nothing_is_made_by_listing_and_unknown_names_are_told(url, tmp_path):
    assert isinstance(run("list", "--store", url).exception, NotFoundError)
    assert not (tmp_path / "shop.db").exists()
    open_store(url).close()
    assert "no key was made yet" in run("list", "--store", url).stderr
    assert isinstance(run("list", "--store", url, "--namespace", "x").exception, NotFoundError)
    assert isinstance(run("revoke", "abc", "--store", url).exception, NotFoundError)
    assert isinstance(run("create", "--store", url, "--role", "read", "--name", "a\nb").exception, ParameterError)
    assert run("create", "--store", url, "--role", "owner").exit_code == 2
