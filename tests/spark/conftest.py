"""One Spark session for all tests of a process."""

from __future__ import annotations

import pytest
from needs_spark import require_java

from palate.spark.session import opened

CONF = {
    "spark.ui.enabled": False,
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": 4,
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": 2,
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """A session on two cores of this machine."""
    require_java()
    place = tmp_path_factory.mktemp("spark")
    conf = {**CONF, "spark.local.dir": str(place / "local"), "spark.sql.warehouse.dir": str(place / "warehouse")}
    with opened("local[2]", conf=conf) as session:
        yield session
