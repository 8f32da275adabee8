"""Stores of old schemas, from the kept samples."""

from __future__ import annotations

import shutil
from pathlib import Path

from store import postgres

SAMPLES = Path(__file__).parent / "samples"


def old_sqlite(folder: Path, name: str = "old", schema: int = 1) -> str:
    """Return the URL of a store of an old schema in SQLite."""
    shutil.copy(SAMPLES / f"schema_{schema}.db", folder / f"{name}.db")
    return f"sqlite:///{folder / f'{name}.db'}"


def old_postgres(folder: Path, schema: int = 1) -> str:
    """Return the URL of a store of an old schema in a PostgreSQL server."""
    url = postgres.fresh(folder)
    postgres.asked(folder, (SAMPLES / f"schema_{schema}.sql").read_text(), url.split("@/")[1].split("?")[0])
    return url
