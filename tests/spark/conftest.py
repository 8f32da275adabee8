"""One Spark session for all tests of a process, and the rule that a missing Java fails where Spark is required."""

from __future__ import annotations

import os

import pytest

from palate.errors import PalateError
from palate.spark.java import find_java
from palate.spark.session import opened

CONF = {
    "spark.ui.enabled": False,
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": 4,
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": 2,
}


def require_java():
    """Skip where Spark cannot start, and fail where PALATE_REQUIRE_SPARK is set, as `make test` does."""
    pytest.importorskip("pyspark") if not os.environ.get("PALATE_REQUIRE_SPARK") else __import__("pyspark")
    try:
        find_java()
    except PalateError as error:
        if os.environ.get("PALATE_REQUIRE_SPARK"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """A session on two cores of this machine."""
    require_java()
    place = tmp_path_factory.mktemp("spark")
    conf = {**CONF, "spark.local.dir": str(place / "local"), "spark.sql.warehouse.dir": str(place / "warehouse")}
    with opened("local[2]", conf=conf) as session:
        yield session
