"""What the settings of a database say of a power cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from palate.store.durability import doubts, of_postgres, on_network

GOOD = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
MOUNTS = "/dev/sda1 / ext4 rw 0 0\nserver:/shops /mnt/our\\040shops nfs4 rw 0 0\n"


def test_the_tests_own_postgres_is_quick_and_doubted(store):
    found = doubts(store)
    assert len(found) == (0 if store.engine.dialect.name == "sqlite" else 3), found
    if found:
        assert found[0] == (
            "PostgreSQL runs with fsync = off: a power cut may lose or damage the whole database; set it to on"
        )


@pytest.mark.parametrize(("name", "value", "doubted"), [
    ("synchronous_commit", "off", True), ("synchronous_commit", "remote_apply", False),
    ("full_page_writes", "off", True), ("fsync", "on", False),
])  # fmt: skip
def test_each_setting_is_judged(name, value, doubted):
    assert [name in doubt for doubt in of_postgres(GOOD | {name: value})] == [True] * doubted


def test_a_postgres_with_safe_settings_is_not_doubted(own_postgres, tmp_path):
    from palate.store import open_store

    with open_store(own_postgres.fresh(), folder=tmp_path) as store:
        assert doubts(store) == []
        with store.read() as connection:
            assert connection.execute(text("SHOW fsync")).scalar_one() == "on"


def test_sqlite_on_a_network_file_system_is_doubted():
    (doubt,) = on_network(Path("/mnt/our shops/shop.db"), MOUNTS)
    assert "network file system (nfs4)" in doubt
    assert on_network(Path("/srv/shop.db"), MOUNTS) == []
    assert on_network(Path("/srv/shop.db"), "") == []
