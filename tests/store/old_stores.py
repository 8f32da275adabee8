"""Stores of schema 1, from the kept samples."""

from __future__ import annotations

import shutil
from pathlib import Path

from store import postgres

SAMPLES = Path(__file__).parent / "samples"


def old_sqlite(folder: Path, name: str = "old") -> str:
    """Return the URL of a store of schema 1 in SQLite."""
    shutil.copy(SAMPLES / "schema_1.db", folder / f"{name}.db")
    return f"sqlite:///{folder / f'{name}.db'}"


def old_postgres(folder: Path) -> str:
    """Return the URL of a store of schema 1 in a PostgreSQL server."""
    url = postgres.fresh(folder)
    postgres.asked(folder, (SAMPLES / "schema_1.sql").read_text(), url.split("@/")[1].split("?")[0])
    return url
