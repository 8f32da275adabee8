"""Ask every executor, before work starts, whether it can run Palate: this version, on this Python, with a kernel cache.

A Connect client has no list of executors: as many partitions as there are slots are spread over them, and each tells
where it ran. What is asked there must not need Palate, for it may be missing: it is sent by value, all else by name.
"""

from __future__ import annotations

import json
import logging
import platform
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from palate.errors import Remedy, SparkError
from palate.spark.session import first_line

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)
PACKAGES = ("numpy", "scipy", "numba", "polars", "pyarrow")  # beside Palate itself
SPREAD = 0.2  # seconds a task waits, so that the next ones go to other executors
TOLD = 5  # hosts in one error
REMEDY = (
    ". Get this Palate there: by an image that holds it, by an environment packed with venv-pack or conda-pack "
    "(spark.archives), or, where only Palate is missing, by spark.addArtifacts: "
    "docs/spark.md, 'How executors get Palate'"
)
WorkerReport = dict[str, Any]


@dataclass(frozen=True)
class Executors:
    """What executors told: a report a process, and notes on what differs but does not hinder."""

    reports: tuple[WorkerReport, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def hosts(self) -> list[str]:
        """The machines that executors ran on."""
        return sorted({report["host"] for report in self.reports})

    def __str__(self) -> str:
        one = self.reports[0]
        versions = ", ".join(f"{name} {number}" for name, number in one["packages"].items())
        return (
            f"{len(self.reports)} Python processes on {', '.join(self.hosts)}: palate {one['palate']}, {versions}, "
            f"Python {one['python']} on {one['cpu']}"
        )


_checked: WeakKeyDictionary[Any, Executors] = WeakKeyDictionary()


def check(spark: SparkSession, *, again: bool = False) -> Executors:
    """Ask the executors of a session what they have; once a session, or again.

    Raises:
        SparkError: an executor has no Palate, another one than here, another Python, a package too few, or no folder
            for compiled kernels; names the hosts, what was found and what is expected, and what to do.
    """
    if again or spark not in _checked:
        _checked[spark] = judged(_asked(spark), here())
        for note in _checked[spark].notes:
            log.warning(note)
    return _checked[spark]


def here() -> WorkerReport:
    """Return what this process has, as `probe` tells it of an executor."""
    return {
        "palate": version("palate"),
        "code": code_mark(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def code_mark() -> str:
    """Return a mark of Palate's code: two copies of one version number may differ, as checkouts do."""
    total = sha256()
    for name, text in sorted(_sources(files("palate"), "")):
        total.update(f"{name}\0".encode())
        total.update(text.replace(b"\r\n", b"\n"))
    return total.hexdigest()[:12]


def _sources(folder: Any, within: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _sources(entry, f"{within}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield f"{within}{entry.name}", entry.read_bytes()


def probe(batches: Iterator[Any], packages: Sequence[str] = PACKAGES, wait: float = 0.0) -> Iterator[Any]:
    """Yield one report of this executor; it is sent by value, and imports all that it needs itself."""
    import importlib
    import importlib.metadata
    import json
    import os
    import platform
    import socket
    import sys
    import time

    import pyarrow as pa

    def version(name: str) -> str | None:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return None

    for _ in batches:  # none is needed
        pass
    report: dict[str, Any] = {"host": socket.gethostname(), "pid": os.getpid(), "python": platform.python_version()}
    report |= {"program": sys.executable, "cpu": f"{platform.system()} {platform.machine()}"}
    report |= {"palate": None, "code": None, "cache": None, "fault": None}
    report["packages"] = {name: version(name) for name in packages}
    try:
        executors = importlib.import_module("palate.spark.executors")
        report["palate"] = version("palate") or "of unknown version"
        report["code"] = executors.code_mark()
        report["cache"] = str(importlib.import_module("palate.spark.cache").kernel_place())
        report["cpu"] += f" {importlib.import_module('llvmlite.binding').get_host_cpu_name()}"
    except (ImportError, OSError, AttributeError) as error:
        report["fault"] = f"{type(error).__name__}: {error}"
    time.sleep(wait)
    yield pa.record_batch({"report": pa.array([json.dumps(report)], pa.string())})


def by_value(function: Any) -> Any:
    """Return a function that is sent as its code, and not by its name."""
    made = types.FunctionType(function.__code__, {"__builtins__": __builtins__, "__name__": "__main__"})
    made.__defaults__ = function.__defaults__
    return made


def _asked(spark: SparkSession) -> list[WorkerReport]:
    """Return the reports of all processes that ran a task, in the order of their hosts."""
    from pyspark.errors import PySparkException

    sent = by_value(probe)
    local = str(spark.conf.get("spark.master", None) or "").startswith("local[")
    sent.__defaults__ = (PACKAGES, 0.0 if local else SPREAD)
    try:
        rows = spark.range(1 << 10).mapInArrow(sent, "report string").collect()
    except PySparkException as error:
        raise SparkError.of(
            "the executors",
            f"cannot run Python functions: {_cause(error)}",
            Remedy(
                ". The Python of executors is that of the variable PYSPARK_PYTHON where Spark starts, or of "
                "spark.pyspark.python; it needs the same minor version as here, pyarrow and pandas"
            ),
            Remedy(REMEDY),
            code="executors",
        ) from error
    told = {(report["host"], report["pid"]): report for report in (json.loads(row["report"]) for row in rows)}
    return [told[key] for key in sorted(told)]


def _cause(error: BaseException) -> str:
    """Return the line of a failure that says why: Python's own error, or else the first one."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line.partition(":")[0].endswith(("Error", "Exception")) and ":" in line]
    return next((line for line in reversed(telling) if "Caused by" not in line), None) or first_line(error)


def judged(reports: Sequence[WorkerReport], expected: WorkerReport) -> Executors:
    """Return what executors told, with notes.

    Raises:
        SparkError: at least one cannot work.
    """
    faults = [(report["host"], fault) for report in reports if (fault := _fault(report, expected))]
    if not faults:
        return Executors(tuple(reports), tuple(_notes(reports, expected)))
    counted = Counter(faults)
    said = "; ".join(f"executor on {host}: {fault}" for host, fault in list(counted)[:TOLD])
    more = f"; and {len(counted) - TOLD} more" if len(counted) > TOLD else ""
    raise SparkError(
        f"{said}{more}",
        Remedy(REMEDY),
        code="executors",
        subject=faults[0][0],
        value=[{"host": host, "fault": fault} for host, fault in counted],
    )


def _fault(report: WorkerReport, expected: WorkerReport) -> str | None:
    """Return why an executor cannot do what this process asks."""
    at = f"{report['program']}, Python {report['python']}"
    if _minor(report["python"]) != _minor(expected["python"]):
        return f"has Python {report['python']} ({report['program']}), expected {_minor(expected['python'])} as here"
    if report["palate"] is None:
        return f"has no Palate, expected {expected['palate']} ({at}: {report['fault']})"
    if report["code"] != expected["code"]:  # the mark, for two copies of one version may differ, as checkouts do
        found = f"{report['palate']} ({report['code']}; {at})"
        return f"has Palate {found}, expected {expected['palate']} ({expected['code']})"
    missing = [name for name, number in report["packages"].items() if number is None and expected["packages"][name]]
    if missing:
        return f"lacks {', '.join(missing)} ({at})"
    if report["cache"] is None:
        return (
            f"has no folder for compiled kernels ({report['fault']}): set spark.executorEnv.NUMBA_CACHE_DIR to one "
            "that can be written to"
        )
    return None


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _notes(reports: Sequence[WorkerReport], expected: WorkerReport) -> Iterator[str]:
    """Yield what differs and does not hinder, but may change the last bits of results."""
    for name, number in expected["packages"].items():
        others = sorted({report["packages"][name] for report in reports} - {number})
        if others:
            yield f"{name} is {', '.join(others)} on executors and {number} here"
    processors = sorted({report["cpu"] for report in reports})
    if len(processors) > 1:
        several = ", ".join(processors)
        yield f"executors have several processors ({several}): what is computed again may differ in its last bits"
