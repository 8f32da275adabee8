"""API keys: shown once, kept as a hash, found by it, of one namespace, and gone when they are revoked."""

from __future__ import annotations

import hashlib
import re

import pytest
from sqlalchemy import select

from palate.errors import NotFoundError, ParameterError
from palate.store import keys
from palate.store.schema import keys as table


def found(store, key):
    with store.read() as conn:
        return keys.find(conn, key)


def counter(store):
    with store.read() as conn:
        return keys.changes(conn)


def test_the_first_key_is_made_found_and_revoked(store, ns):
    with store.read() as conn:
        assert not keys.any_made(conn)
        assert keys.listed(conn) == []
    made, secret = keys.create(store, ns, "write", "the shop")
    assert re.fullmatch(rf"palate_{made.prefix}_[A-Za-z0-9_-]{{43}}", secret)
    assert counter(store) == 1
    access = found(store, secret)
    assert (access.namespace, access.role, access.prefix) == (ns, "write", made.prefix)
    assert [access.may(role) for role in ("read", "write", "admin")] == [True, True, False]
    gone = keys.revoke(store, ns, made.prefix)
    assert gone.revoked is not None
    assert found(store, secret) is None
    assert counter(store) == 2
    assert keys.revoke(store, ns, secret) == gone  # again, by the whole key: nothing changes
    assert counter(store) == 2
    with store.read() as conn:
        assert keys.listed(conn, ns) == [gone]
        assert keys.any_made(conn)


def test_the_key_itself_is_not_in_the_store(store, ns):
    _, secret = keys.create(store, ns, "admin")
    with store.read() as conn:
        row = conn.execute(select(table)).mappings().one()
    assert bytes(row["hash"]) == hashlib.sha256(secret.encode()).digest()
    random = secret.split("_", 2)[2]
    assert not any(random in str(value) or random.encode() in bytes(str(value), "utf-8") for value in row.values())


@pytest.mark.parametrize("other", ["", "palate", "x" * 201, "palate_aaaaaaaaaa_" + "A" * 43, "\ud800", "🗝"])
def test_other_keys_open_nothing(store, ns, other):
    keys.create(store, ns, "read")
    assert found(store, other) is None


def test_a_changed_key_opens_nothing(store, ns):
    _, secret = keys.create(store, ns, "read")
    for at in (0, 7, len(secret) - 1):
        assert found(store, secret[:at] + ("a" if secret[at] != "a" else "b") + secret[at + 1 :]) is None
    assert found(store, secret[:-1]) is None
    assert found(store, secret + " ") is None


def test_keys_are_of_their_namespace(store, ns):
    shop = store.create_namespace("shop")
    made, secret = keys.create(store, shop, "read")
    assert found(store, secret).namespace == shop
    with pytest.raises(NotFoundError, match=f"the namespace 'default' has no key '{made.prefix}'"):
        keys.revoke(store, ns, made.prefix)
    assert found(store, secret) is not None
    with store.read() as conn:
        assert keys.listed(conn, ns) == []
        assert [key.namespace for key in keys.listed(conn)] == ["shop"]


@pytest.mark.parametrize(
    ("role", "name", "words"),
    [
        ("owner", "", "role must be 'read', 'write' or 'admin', got 'owner'"),
        ("read", "a\nb", "name must be up to 100 printable characters"),
        ("read", "a" * 101, "name must be up to 100 printable characters"),
        ("read", 3, "name must be up to 100 printable characters"),
    ],
)
def test_what_is_no_role_or_name_is_refused(store, ns, role, name, words):
    with pytest.raises(ParameterError, match=words):
        keys.create(store, ns, role, name)


def test_roles_hold_those_before_them(ns):
    may = {role: [keys.Grant(ns, role, 1, "").may(wanted) for wanted in keys.ROLES] for role in keys.ROLES}
    assert may == {"read": [True, False, False], "write": [True, True, False], "admin": [True, True, True]}
