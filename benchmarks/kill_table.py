"""What is missing or doubled after `kill -9` in mid-write: of writers, of the service, of PostgreSQL.

The campaigns are those of the tests (tests/store/killed.py, tests/serve/test_killed_service.py); --kills says how many
of each.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common import ROOT, machine, markdown, publish

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "serve")]
os.environ.setdefault("PYTHONPATH", str(ROOT / "src"))

from serve.test_killed_service import kill_service  # noqa: E402
from store.killed import Outcome, kill_server, kill_writers  # noqa: E402
from store.postgres import SAFE, Server  # noqa: E402

HEADER = ["killed", "database", "kills", "acknowledged events", "missing", "doubled"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the table in docs/")
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args()
    rows = []
    for what, database, campaign in campaigns(options.kills):
        done = campaign()
        counts = (done.kills, done.acknowledged, done.missing, done.doubled)
        rows.append([what, database, *(f"{count:,}" for count in counts)])
        print(rows[-1], flush=True)
    publish("kills", f"{markdown(HEADER, rows)}\n\n{machine()}", write=options.write)


def campaigns(kills: int) -> Iterator[tuple[str, str, Callable[[], Outcome]]]:
    """Yield what is killed, where, and the campaign."""
    for database in ("SQLite", "PostgreSQL"):
        with place(database) as (url, folder, _):
            yield "a writer of four threads", database, lambda u=url, f=folder: kill_writers(u, str(f / "files"), kills)
        with place(database) as (url, folder, _):
            files = folder / "files" if database == "PostgreSQL" else None
            yield (
                "a worker of the service, each fifth time all of it",
                database,
                lambda u=url, f=folder, m=files: kill_service(f, u, kills, m),
            )
    with place("PostgreSQL") as (url, folder, server):
        yield (
            "PostgreSQL, all its processes",
            "PostgreSQL",
            lambda: kill_server(server, url, str(folder / "files"), kills),
        )


@contextmanager
def place(database: str) -> Iterator[tuple[str, Path, Server | None]]:
    """Yield the URL of an empty store, a folder, and the server."""
    with tempfile.TemporaryDirectory(prefix="palate-kills-") as name:
        folder = Path(name)
        if database == "SQLite":
            yield f"sqlite:///{folder}/shop.db", folder, None
            return
        server = Server(*SAFE)
        try:
            yield server.fresh(), folder, server
        finally:
            server.remove()


if __name__ == "__main__":
    main()
