"""One user with 30 % of the rows, and one item in every history: no task has much more to do than another."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from pyspark.sql import functions as F

from palate import ALS, ImplicitALS, Interactions
from palate.spark.preparing import prepare
from palate.spark.stages import LONG_SHARE
from palate.spark.training import train

SHARE = 0.3
K = 8
RATINGS = {"reg": 0.5, "reg_biases": 2.0, "n_epochs": 2, "random_state": 0}
CLICKS = {"reg": 0.01, "unobserved_weight": 0.1, "positive": 4.0, "alpha": 1.0, "n_epochs": 2, "random_state": 0}
MODELS = {"als": ALS(K, **RATINGS), "ials": ImplicitALS(K, **CLICKS)}


def skewed(n, n_users, seed=0):
    """Return n ratings: user 0 has `SHARE` of them, a rating of every item, and item 0 has one of every user."""
    rng = np.random.default_rng(seed)
    n_items = int(SHARE * n)
    wide = np.stack([np.zeros(n_items, int), np.arange(n_items)], 1)
    tall = np.stack([np.arange(1, n_users), np.zeros(n_users - 1, int)], 1)
    drawn = rng.integers(1, n_users, 2 * n), (n_items * rng.random(2 * n) ** 3).astype(int)  # some are popular
    others = np.unique(np.stack(drawn, 1), axis=0)
    others = rng.permutation(others[others[:, 1] > 0])[: n - len(wide) - len(tall)]
    cells = rng.permutation(np.concatenate([wide, tall, others]))
    assert len(cells) == n
    return pl.DataFrame({"user": cells[:, 0], "item": cells[:, 1], "rating": rng.integers(1, 6, n).astype(float)})


def cells_of_tasks(prepared, side):
    """Return how many cells each block of a side has."""
    cells = prepared.layout(side).where(F.col("kind").isin("cells", "long"))
    return cells.groupBy("block").agg((F.sum(F.length("values")) / 4).alias("n")).toArrow()["n"].to_numpy()


def check(spark, table, place, n_blocks, models):
    """Prepare and train; each task has its share, and the objective is one machine's from the same start."""
    prepared = prepare(spark, spark.createDataFrame(table.to_arrow()), str(place / "prepared"), n_blocks=n_blocks)
    n, most = len(table), (1 + LONG_SHARE) * len(table) / n_blocks
    assert prepared.long("user")[0] == int(SHARE * n)
    assert prepared.long("item")[0] == table["user"].n_unique()
    for side in ("user", "item"):
        cells = cells_of_tasks(prepared, side)
        assert cells.sum() == n
        assert cells.max() <= most
    data = Interactions.from_table(table)
    for name in models:
        model, kind = MODELS[name], type(MODELS[name])
        start = kind(**{**model.get_params(), "n_epochs": 1}).fit(data)
        here = kind(**model.get_params()).fit(data, start=start)
        there = train(prepared, model, str(place / name), start=start)
        one, both = (history[-1]["objective"] for history in (here.history_, there.history))
        assert both == pytest.approx(one, rel=1e-4)


@pytest.mark.long
def test_skewed_rows_are_dealt_over_the_tasks(spark, tmp_path):
    check(spark, skewed(800, 80), tmp_path, 4, ["als"])


@pytest.mark.long
def test_skewed_rows_of_many_ratings_are_dealt_over_the_tasks(spark, tmp_path):
    check(spark, skewed(300_000, 20_000), tmp_path, 8, MODELS)
