"""One Spark session for all tests of a process."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from engines import CONF, Engine, Here, python_path
from needs_spark import require_java

from palate.spark.preparing import prepare
from palate.spark.session import opened


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


@pytest.fixture(scope="session")
def ratings_table():
    """Ratings of 60 users and 40 items by odd ids, with times; one user and one item have many."""
    rng = np.random.default_rng(0)
    users = np.concatenate([rng.integers(0, 60, 500), np.full(40, 7), np.arange(60)])
    items = np.concatenate([rng.integers(0, 40, 500), np.arange(40), np.full(60, 3)])
    frame = pl.DataFrame({"user_id": users * 10**10 - 5, "item_id": pl.Series(items).cast(pl.String) + "é"})
    frame = frame.unique(maintain_order=True)
    n = len(frame)
    times = pl.Series(10**9 + rng.permutation(n))
    return frame.with_columns(rating=pl.Series(rng.integers(1, 11, n) / 2), timestamp=times)


@pytest.fixture(scope="session")
def prepared_ratings(spark, ratings_table, tmp_path_factory):
    """Ratings with times in four blocks, with a long user and a long item; from a Parquet file."""
    place = tmp_path_factory.mktemp("prepared")
    ratings_table.write_parquet(place / "ratings.parquet")
    return prepare(spark, str(place / "ratings.parquet"), str(place / "ratings"), rating_range=(0.5, 5), n_blocks=4)


@pytest.fixture(scope="session")
def prepared_clicks(spark, ratings_table, tmp_path_factory):
    """The same pairs as clicks, without times, in two blocks."""
    clicks = spark.createDataFrame(ratings_table.select("user_id", "item_id").to_arrow())
    return prepare(spark, clicks, str(tmp_path_factory.mktemp("prepared") / "clicks"), n_blocks=2)
