"""Sessions of Spark: how they are made and found, and what is said where they cannot be."""

from __future__ import annotations

import sys

from palate.spark.session import open_session, page_of, settings


def test_the_session_that_is_there_is_taken(spark):
    assert open_session("local[2]") is spark
    assert open_session() is spark
    assert page_of(spark) is None  # switched off in tests
    assert spark.sparkContext.pythonExec == sys.executable


def test_settings_last_for_a_block(spark):
    before = spark.conf.get("spark.sql.shuffle.partitions")
    with settings(spark, {"spark.sql.shuffle.partitions": 3, "spark.sql.adaptive.enabled": False}):
        assert spark.conf.get("spark.sql.shuffle.partitions") == "3"
        assert spark.conf.get("spark.sql.adaptive.enabled") == "false"
    assert spark.conf.get("spark.sql.shuffle.partitions") == before
    assert spark.conf.get("spark.sql.adaptive.enabled") == "true"
