"""Spark's errors as ours: one sentence on what failed and what can be done, with Spark's own error as the cause."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from palate.errors import Code, DataError, PalateError

LONGEST = 200  # letters of Spark's sentence that are shown


class Sign(NamedTuple):
    """What tells a failure in Spark's text, and what we say of it."""

    pattern: str
    code: Code
    words: str


SIGNS = (
    Sign(
        r"No space left on device|Disk quota exceeded|File too large",
        "disk",
        "the disk is full; free some space, or choose another path",
    ),
    Sign(
        r"Permission denied|AccessControlException|Mkdirs failed|Read-only file system|Operation not permitted",
        "disk",
        "Spark may not read or write there; give its user the right, or choose another path",
    ),
    Sign(
        r"PATH_NOT_FOUND|Path does not exist|FileNotFoundException|No such file",
        "not_found",
        "there is no such file or folder where Spark runs",
    ),
    Sign(
        r"ParentNotDirectoryException|FileAlreadyExistsException|is not a directory|Not a directory",
        "disk",
        "a part of the path is a file; choose another path",
    ),
    Sign(
        r"spark\.driver\.maxResultSize",
        "failed",
        "more would come to the driver than spark.driver.maxResultSize allows; give it more, with the memory for it "
        "(spark.driver.memory), or have Spark write it to a folder",
    ),
    Sign(
        r"OutOfMemoryError",
        "failed",
        "Java's memory ran out; take more blocks (n_blocks=), or give executors more (spark.executor.memory, and "
        "spark.driver.memory where Spark runs on one machine)",
    ),
    Sign(
        r"MemoryError|exit code 137|Python worker exited unexpectedly|Container killed|Cannot allocate memory",
        "failed",
        "a Python worker ran out of memory; take more blocks (n_blocks=), or give workers more "
        "(spark.executor.memoryOverhead, and spark.executor.pyspark.memory where it is set)",
    ),
    Sign(
        r"CANNOT_READ_FILE_FOOTER|FAILED_READ_FILE|is not a Parquet file|can not read class org.apache.parquet|"
        r"ParquetDecoding",
        "damaged",
        "is no whole Parquet; fetch or write it again",
    ),
    Sign(
        r"No FileSystem for scheme|ClassNotFoundException: Class .*FileSystem",
        "not_found",
        "Spark does not know this kind of address; add the package for it, such as hadoop-aws",
    ),
    Sign(
        r"SparkContext was shut down|stopped SparkContext|Job \d+ cancelled|SESSION_CLOSED|UNAVAILABLE|"
        r"Connection refused",
        "failed",
        "the Spark session has ended; start one and go on",
    ),
)


@contextmanager
def clear_errors(subject: object, doing: str = "", source: object = None) -> Iterator[None]:
    """Make what Spark raises inside the block an error of ours; errors of ours go through.

    Args:
        subject: the path or table that it is about.
        doing: what was done, such as "reading the ratings".
        source: what it is about where something could not be read.

    Raises:
        DataError: says what failed; its cause is Spark's error.
    """
    from pyspark.errors import PySparkException

    failures: tuple[type[Exception], ...] = (PySparkException, *_java_errors())
    try:
        yield
    except PalateError:
        raise
    except failures as error:
        raise clear_error(error, subject, doing, source) from error


def clear_error(error: Exception, subject: object, doing: str = "", source: object = None) -> DataError:
    """Return our error for one of Spark's."""
    text = _whole_text(error)
    raised = re.search(r"\[USER_RAISED_EXCEPTION\] (.*?)(?: SQLSTATE.*)?$", text, re.MULTILINE)
    if raised:
        return DataError(raised[1], code="format", subject=subject)
    own = re.search(r"palate\.errors\.\w+: (.*)", text)
    before = f" ({doing})" if doing else ""
    for sign in SIGNS if own is None else ():
        if re.search(sign.pattern, text):
            if source is not None and sign.code in ("damaged", "not_found"):
                return DataError.of(source, f": {sign.words}", code=sign.code)
            return DataError.of(subject, f"{before.strip()}: {sign.words}".lstrip(), code=sign.code)
    said = own[1] if own else _first_line(text)
    return DataError.of(subject, f"{before.strip()}: Spark failed: {said}".lstrip(), code="failed")


def _java_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the Java side that Spark itself lets through."""
    try:
        from py4j.protocol import Py4JError
    except ImportError:  # a client of Connect alone
        return ()
    return (Py4JError,)


def _whole_text(error: Exception) -> str:
    java = getattr(error, "java_exception", None)
    causes = [str(error)]
    for _ in range(20):
        if java is None:
            break
        causes.append(str(java))
        java = java.getCause()
    return "\n".join(causes)


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"
