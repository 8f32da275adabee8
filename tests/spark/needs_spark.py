"""A missing Java skips a test, and fails it where Spark is required; and where a session looks for files."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from palate.errors import PalateError
from palate.spark.java import find_java


def require_java():
    """Skip where Spark cannot start, and fail where PALATE_REQUIRE_SPARK is set, as `make test` does."""
    pytest.importorskip("pyspark") if not os.environ.get("PALATE_REQUIRE_SPARK") else __import__("pyspark")
    try:
        find_java()
    except PalateError as error:
        if os.environ.get("PALATE_REQUIRE_SPARK"):
            raise
        pytest.skip(str(error))


@contextmanager
def standing_in(session, folder):
    """Let relative paths of a session that was started elsewhere begin at a folder, as where a command starts Spark."""
    jvm = session.sparkContext._jvm
    local = jvm.org.apache.hadoop.fs.FileSystem.get(session.sparkContext._jsc.hadoopConfiguration())
    before = local.getWorkingDirectory()
    local.setWorkingDirectory(jvm.org.apache.hadoop.fs.Path(f"file:{folder}"))
    yield
    local.setWorkingDirectory(before)
