"""One Spark session for all tests of a process, and the rule that a missing Java fails where Spark is required."""

from __future__ import annotations

import os

import pytest
from engines import CONF, Engine, Here, python_path

from palate.errors import PalateError
from palate.spark.java import find_java
from palate.spark.session import opened


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", python_path())
        with opened("local[2]", conf=conf) as session:
            yield session


@pytest.fixture(scope="session")
def engine(spark, tmp_path_factory):
    """Return a function that gives an engine by its name: started when first asked for, and then kept."""
    kept = {"local[2]": Here(spark)}

    def named(name):
        if name not in kept:
            kept[name] = Engine(name, tmp_path_factory.mktemp("engine"))
        return kept[name]

    yield named
    for one in kept.values():
        one.close()
