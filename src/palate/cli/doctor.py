"""``palate doctor``: what is installed, what is missing, and whether a tiny model trains and serves here."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.request import urlopen

import typer

from palate.cli import common
from palate.cli.doctor_lines import BAD, GOOD, HINT, DoctorLine
from palate.cli.doctor_spark import spark_lines
from palate.cli.spark_options import ConfOption, MasterOption, RemoteOption
from palate.errors import PalateError, missing_extra

PACKAGES = ("palate", "numpy", "scipy", "numba", "polars", "typer", "rich")
EXTRAS = {
    "plots": "matplotlib", "ui": "gradio", "tune": "optuna", "store": "sqlalchemy", "serve": "fastapi",
    "ann": "usearch", "spark": "pyspark"
}  # fmt: skip
WAL_MENDED = (3, 51, 3)  # version of SQLite whose write-ahead log stands two writers at the same instant


def doctor(
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="Also look at this store: reachable, schema, what is pending.")
    ] = None,
    spark: Annotated[
        bool, typer.Option("--spark", help="Also try Spark: Java, a session, its executors, and a tiny job.")
    ] = False,
    master: MasterOption = None,
    remote: RemoteOption = None,
    conf: ConfOption = None,
    as_json: common.Json = False,
) -> None:
    """Say what is installed, what is missing and how to get it, and whether Palate works here."""
    if (master or remote or conf) and not spark:
        raise common.usage_error("--master, --remote and --conf are of --spark: add it")
    lines: list[DoctorLine] = [*_installed(), *_extras(), *_machine(), _sqlite()]
    for what, check in (("data", _data), ("training", _trains), ("page", _serves)):
        lines.append(_safely(what, check))
    if store is not None:
        lines.append(_safely("store", partial(_store, store)))
    if spark:
        lines += spark_lines(master, remote, conf)
    healthy = all(state != BAD for state, _, _ in lines)
    if as_json:
        checks = [{"state": s, "what": w, "finding": f} for s, w, f in lines]
        common.emit({"healthy": healthy, "checks": checks})
    else:
        _show(lines, healthy)
    if not healthy:
        raise typer.Exit(1)


def _show(lines: list[DoctorLine], healthy: bool) -> None:
    from rich.text import Text

    from palate.cli.draw import table

    colours = {GOOD: "green", BAD: "red", HINT: "yellow"}
    made = table("palate doctor", (("", "left"), ("", "left"), ("", "left")))
    made.show_header = False
    for state, what, finding in lines:
        made.add_row(Text(state, style=colours[state]), what, finding)
    stdout = common.console()
    stdout.print(made)
    stdout.print("Palate works here." if healthy else "Palate does not work here yet: mend the faults above.")


def _installed() -> list[DoctorLine]:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [(GOOD, "python", f"{platform.python_version()} on {platform.platform()}"), (GOOD, "packages", versions)]


def _extras() -> list[DoctorLine]:
    lines = []
    for extra, package in EXTRAS.items():
        try:
            lines.append((GOOD, f"extra {extra}", f"{package} {version(package)}"))
        except PackageNotFoundError:
            lines.append((HINT, f"extra {extra}", f"not installed: pip install 'palate[{extra}]'"))
    return lines


def _machine() -> list[DoctorLine]:
    import numpy  # noqa: F401, so that its BLAS is loaded and can be seen
    from threadpoolctl import threadpool_info

    from palate.parallel import default_threads, kernel_cache

    blas = [f"{p['internal_api']} {p['version']}, {p['num_threads']} threads" for p in threadpool_info()]
    cache = kernel_cache()
    writable = os.access(cache if cache.exists() else cache.parent, os.W_OK)
    kernels = f"{cache} ({len(list(cache.glob('*.nbc')))} compiled)" if cache.exists() else f"{cache} (empty)"
    hint = "" if writable else "; cannot be written: set NUMBA_CACHE_DIR to a folder that can"
    return [
        (GOOD, "threads", f"{default_threads()} cores for this process"),
        (GOOD if blas else HINT, "BLAS", "; ".join(blas) or "none found"),
        (GOOD if writable else HINT, "kernel cache", kernels + hint),
    ]


def _sqlite() -> DoctorLine:
    """Say which SQLite Python has, and what we do about its fault."""
    name = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info >= WAL_MENDED:
        return GOOD, "SQLite", name
    mended = ".".join(map(str, WAL_MENDED))
    return (
        HINT,
        "SQLite",
        f"{name}: before {mended} two writers can corrupt a write-ahead log; Palate lets one at a time write and "
        "checkpoint, over all its processes: write into a store with no other program",
    )


def _safely(what: str, check: Callable[[], DoctorLine]) -> DoctorLine:
    try:
        return check()
    except (PalateError, OSError, RuntimeError, ValueError) as error:
        return BAD, what, f"{type(error).__name__}: {error}"


def _data() -> DoctorLine:
    from palate.data.sources.movielens import found_at

    place = found_at("100k")
    if place is None:
        return HINT, "data", "MovieLens 100K is not here yet: palate data fetch"
    return GOOD, "data", f"MovieLens 100K at {place}"


def _tiny() -> Any:
    from palate import Interactions, MatrixFactorization

    rows = [(u, i, 5.0 if (u + i) % 2 else 1.0) for u in range(8) for i in range(8) if u != i]
    table = dict(zip(("user", "item", "rating"), map(list, zip(*rows, strict=True)), strict=True))
    return MatrixFactorization(4, n_epochs=20, random_state=0).fit(Interactions.from_table(table))


def _trains() -> DoctorLine:
    from palate import load, save

    started = time.perf_counter()
    model = _tiny()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        save(model, path)
        same = load(path).recommend(0, 3).equals(model.recommend(0, 3))
    seconds = time.perf_counter() - started
    if not same:
        return BAD, "training", "a saved model answers otherwise than the model itself"
    return GOOD, "training", f"a tiny model trains, saves and recommends in {seconds:.1f} s"


def _serves() -> DoctorLine:
    if find_spec("gradio") is None:
        return HINT, "page", "needs the extra 'ui': pip install 'palate[ui]'"
    from palate.ui import launch

    started = time.perf_counter()
    with launch(_tiny(), port=0, block=False) as server, urlopen(server.url, timeout=20) as answer:
        status = answer.status
    seconds = time.perf_counter() - started
    return GOOD if status == 200 else BAD, "page", f"the page of a tiny model answered with {status} in {seconds:.1f} s"


def _store(url: str) -> DoctorLine:
    """Open a store that is there, and say what is in it and what waits."""
    try:
        from palate.store.store import open_store
    except ModuleNotFoundError as error:
        raise missing_extra("store", "a store") from error
    from sqlalchemy import func, select

    from palate.store.schema import NEWEST, events, jobs, namespaces

    with open_store(url, create=False) as store, store.read() as connection:
        waiting = jobs.c.state.in_(("waiting", "running"))
        n = {
            "namespaces": connection.scalar(select(func.count()).select_from(namespaces)),
            "events": connection.scalar(select(func.count()).select_from(events)),
            "jobs waiting or running": connection.scalar(select(func.count()).select_from(jobs).where(waiting)),
        }
        counted = ", ".join(f"{number:,} {name}" for name, number in n.items())
        return GOOD, "store", f"{store.url}: schema {NEWEST}, the newest; {counted}"
