"""What ``palate doctor --spark`` looks at, each with its seconds: Java, a session, its executors, a tiny job."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from palate.cli.doctor_lines import BAD, GOOD, HINT, DoctorLine
from palate.cli.spark_options import checked_conf
from palate.errors import PalateError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

T = TypeVar("T")
TINY = "local[2]"  # where nothing else is named
PARTS = {"java": "Java", "executors": "executors"}  # what an error of a code is about


def spark_lines(master: str | None, remote: str | None, conf: list[str] | None) -> list[DoctorLine]:
    """Return what is found, up to the first fault: what would come after it needs it."""
    values = checked_conf(conf)
    lines: list[DoctorLine] = []
    try:
        for line in _looks(master if master or remote else TINY, remote, values):
            lines.append(line)  # one by one: those before a fault stay
    except (PalateError, OSError, RuntimeError, ValueError) as error:
        lines.append((BAD, PARTS.get(getattr(error, "code", ""), "Spark"), str(error)))
    return lines


def _looks(master: str | None, remote: str | None, conf: dict[str, str]) -> Iterator[DoctorLine]:
    """Yield a line for each part that works."""
    from palate.spark.executors import check
    from palate.spark.java import find_java
    from palate.spark.session import opened

    if remote is None or remote.startswith("local"):
        java, seconds = _timed(find_java)
        yield GOOD, "Java", f"{java}, found in {seconds}"
    started = time.perf_counter()
    with opened(master, remote, conf) as spark:
        yield GOOD, "Spark", f"{_described(spark, master or remote)}, opened in {time.perf_counter() - started:.1f} s"
        found, seconds = _timed(partial(check, spark, again=True))
        yield GOOD, "executors", f"{found}; asked in {seconds}"
        yield from ((HINT, "executors", note) for note in found.notes)
        from palate.spark.tiny import tiny_job

        rows, seconds = _timed(partial(tiny_job, spark))
        yield GOOD, "Spark job", f"a kernel gave {rows} rows the same bits there as here, in {seconds}"


def _timed(work: Callable[[], T]) -> tuple[T, str]:
    """Return what a call gives, and the seconds that it took."""
    started = time.perf_counter()
    result = work()
    return result, f"{time.perf_counter() - started:.1f} s"


def _described(spark: SparkSession, where: str | None) -> str:
    from palate.spark.session import page_of

    page = page_of(spark)
    return (
        f"Spark {spark.version} on {where}, Python {platform.python_version()}{f', its page: {page}' if page else ''}"
    )
