"""How long a million events take into a store and out of it, in each format, SQLite and PostgreSQL.

    python benchmarks/store_import.py                                # SQLite in a temporary folder
    python benchmarks/store_import.py --store postgresql+psycopg://… # a namespace for each row

The events are made: Zipf's law for users and items, times that rise. The table is printed as Markdown.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from palate.store import open_store
from palate.store.bulk.exporting import export
from palate.store.bulk.importing import import_into


def made(n_events: int, *, ids: bool) -> pl.DataFrame:
    """Return events of 50,000 users and 20,000 items."""
    rng = np.random.default_rng(19)
    users, items = (rng.zipf(1.2, n_events) % n for n in (50_000, 20_000))
    columns = {"user": users, "item": items, "kind": ["click"] * n_events}
    columns |= {"time": 1_700_000_000 + np.arange(n_events)}
    if ids:
        columns["event_id"] = [f"order-{k}" for k in range(n_events)]
    return pl.DataFrame(columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", help="URL of an empty store; else a SQLite file of its own for each row")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--formats", default="parquet,csv,jsonl")
    parser.add_argument("--ids", action="store_true", help="the file has event ids; else they are made of its rows")
    asked = parser.parse_args()
    frame = made(asked.events, ids=asked.ids)
    print("Seconds by the clock, and of the processor.\n")
    print("| format | import | again | export | MB of the file | bytes an event in the store |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for number, form in enumerate(asked.formats.split(",")):
            measured(Path(folder), form, frame, asked.store, f"bench-{number}")
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB")


def measured(folder: Path, form: str, frame: pl.DataFrame, url: str | None, name: str) -> None:
    path = folder / f"events.{form}"
    {"parquet": frame.write_parquet, "csv": frame.write_csv, "jsonl": frame.write_ndjson}[form](path)
    file = folder / f"{form}.db"
    with open_store(url or f"sqlite:///{file}", folder=folder / "files") as store:
        space = store.namespace() if url is None else store.create_namespace(name)
        seconds = [timed(import_into, store, space, path) for _ in range(2)]
        seconds.append(timed(export, store, space, folder / f"out-{form}", form))
    size = f"{file.stat().st_size / len(frame):.0f}" if url is None else ""
    print(f"| {form} | {' | '.join(seconds)} | {path.stat().st_size / 1e6:.0f} | {size} |")
    if url is None:
        file.unlink()


def timed(function, *given) -> str:
    start, busy = time.perf_counter(), time.process_time()
    function(*given)
    return f"{time.perf_counter() - start:.1f}, {time.process_time() - busy:.1f}"


if __name__ == "__main__":
    main()
