"""Make the kept stores of an old schema, from its migration: schema_2.db, and schema_2.sql for PostgreSQL.

    PYTHONPATH=src:tests python tests/store/samples/make_samples.py 2

They are kept as they were made: what upgrades them must do so for ever.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, MetaData
from store import postgres

from palate.store import engine
from palate.store.upgrading import migrate

HERE = Path(__file__).parent
LIST = bytes.fromhex("0190" + "ab" * 14)
DAY = 86_400_000_000
SHARED = {"namespace": 1, "created": 1, "updated": 1, "hidden": False, "attributes": "{}"}
EVENT = {"namespace": 1, "received": 9, "value": None, "list_id": None, "place": None}
ROWS = {
    "meta": [{"key": 1, "secret": bytes(range(32)), "keys_changes": 0, "created": 1}],
    "namespaces": [
        {"name": name, "id_kind": kind, "kinds": "{}", "settings": "{}", "changes": 0, "catalogue": 2, "created": 1}
        for name, kind in (("default", "text"), ("shop", "integer"))
    ],
    "users": [
        SHARED | {"id": "ann", "attributes": '{"age":31}', "counter": 3, "last_event": 4, "merged_into": None},
        SHARED | {"id": "älva", "counter": 1, "last_event": 3, "merged_into": None},
        SHARED | {"id": "visitor", "counter": 1, "last_event": 4, "merged_into": 1},
        SHARED | {"namespace": 2, "id": "1", "counter": 1, "last_event": 5, "merged_into": None},
    ],
    "items": [
        SHARED | {"id": "tea", "attributes": '{"title":"Tea"}', "described": True, "deleted": False, "changed": 1},
        SHARED | {"id": "milk", "described": False, "deleted": False, "changed": 2},
        SHARED | {"namespace": 2, "id": "7", "described": False, "deleted": False, "changed": 1},
    ],
    "item_words": [{"namespace": 1, "word": "tea", "item": 1}],
    "versions": [
        {"namespace": 1, "number": 1, "model": "ials", "digest": bytes(32), "state": "active", "trained": 5}
        | {"newest_event": 4, "trained_to": 1, "activated": 6, "details": "{}"}
    ],
    "lists": [
        {"namespace": 1, "list_id": LIST, "user": 1, "time": 5, "policy": "model", "version": 1, "arm": None}
        | {"request": None, "shown": b"\x01\x01\x00", "ranked": None}
    ],
    "list_pages": [{"namespace": 1, "list": 1, "time": 6, "first": 11, "shown": b"\x01\x01\x00"}],
    "events": [
        EVENT | {"user": 1, "item": 1, "kind": "rating", "value": 4.5, "time": 5, "event_id": "e1"},
        EVENT | {"user": 1, "item": 1, "kind": "impression", "time": 6, "event_id": "e2", "list_id": LIST, "place": 1},
        EVENT | {"user": 2, "item": 2, "kind": "click", "time": DAY + 1, "event_id": "e3"},
        EVENT | {"user": 1, "item": 1, "kind": "purchase", "time": 7, "event_id": "e4"},
        EVENT | {"namespace": 2, "user": 4, "item": 3, "kind": "click", "time": 8, "event_id": "e1"},
    ],
    "keys": [
        {"namespace": 1, "name": "web", "role": "write", "prefix": "abc", "hash": bytes(32), "created": 1}
        | {"revoked": None}
    ],
    "jobs": [
        {"namespace": 1, "kind": "train", "state": "done", "progress": 1.0, "created": 1, "started": 2, "ended": 3}
        | {"details": "{}", "log": ""}
    ],
    "tombstones": [{"namespace": 1, "side": "user", "digest": bytes(32), "time": 4}],
}


UNDO = EVENT | {"user": 2, "item": None, "kind": "undo", "time": DAY + 2, "event_id": "e5", "withdraws": 3}
ALL_DAYS = -1_000_000_000
DAILY = [(1, 0, 1, 2, 2), (2, 0, 3, 1, 1), (1, ALL_DAYS, 1, 2, 2), (2, ALL_DAYS, 3, 1, 1)]
SECOND = {  # what came with schema 2
    "events": [*({**row, "source": "shop"} for row in ROWS["events"]), UNDO],
    "daily": [dict(zip(("namespace", "day", "item", "positives", "events"), row, strict=True)) for row in DAILY],
    "jobs": [*ROWS["jobs"], ROWS["jobs"][0] | {"kind": "scrub", "state": "running", "ended": None}],
}
OF_SCHEMA = {1: ROWS, 2: ROWS | SECOND}


def fill(connection: Connection, schema: int) -> None:
    migrate(connection, schema)
    tables = MetaData()
    tables.reflect(connection)
    for name, rows in OF_SCHEMA[schema].items():
        for row in rows:
            connection.execute(tables.tables[name].insert().values(row))


def make_sqlite(schema: int) -> None:
    file = HERE / f"schema_{schema}.db"
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as plain:
        plain.execute("PRAGMA page_size=1024")
        plain.execute("PRAGMA journal_mode=WAL")
    with engine.once(engine.parsed(str(file))) as one, engine.writing(one).begin() as connection:
        fill(connection, schema)


def make_postgres(schema: int) -> None:
    server = postgres.Server(*postgres.QUICK)
    try:
        url = server.fresh()
        with engine.once(engine.parsed(url)) as one, engine.writing(one).begin() as connection:
            fill(connection, schema)
        name = engine.parsed(url).database
        words = ["-U", "palate", "-h", str(server.folder), "--inserts", "--no-owner", "--no-comments", name]
        dumped = subprocess.run([postgres.binaries() / "pg_dump", *words], capture_output=True, text=True, check=True)
    finally:
        server.remove()
    kept = [line for line in dumped.stdout.splitlines() if line and not line.startswith(("--", "\\"))]
    (HERE / f"schema_{schema}.sql").write_text("\n".join(kept) + "\n")


if __name__ == "__main__":
    os.umask(0o022)
    make_sqlite(int(sys.argv[1]))
    make_postgres(int(sys.argv[1]))
