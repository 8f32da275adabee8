"""The rule that a missing Java skips a test, and fails it where Spark is required."""

from __future__ import annotations

import os

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
