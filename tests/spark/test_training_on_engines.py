"""Training on Spark itself: the plan, and the same bits on every engine."""

from __future__ import annotations

import numpy as np
import pytest
from engines import CONNECT, LOCAL_CLUSTER
from training_jobs import one_sweep, random_start

from palate import Interactions
from palate.models.ridge.sweeps import RatingSweeps, Solution
from palate.parallel import Workers
from palate.spark.trained import Trained


@pytest.fixture(scope="module")
def swept(spark, prepared_ratings, tmp_path_factory):
    """What one sweep gives on two cores, and its folder."""
    path = str(tmp_path_factory.mktemp("swept") / "model")
    return one_sweep(spark, prepared_ratings.path, path), path


def test_a_sweep_is_one_machine_s(spark, swept, ratings_table):
    (users, items, _), path = swept
    data = Interactions.from_table(ratings_table)
    start = random_start(data.n_users, data.n_items)
    settings = Trained.open(spark, path).kind.settings
    with Workers(1) as workers:
        now = Solution(start.users, start.items, start.user_biases, start.item_biases)
        now = RatingSweeps.of(data, (None, None), settings, workers).next(now)
    for own, other in (*zip(users, (now.P, now.b), strict=True), *zip(items, (now.Q, now.c), strict=True)):
        assert np.linalg.norm(own - other) < 1e-5 * np.linalg.norm(other)  # long rows are summed in pieces


@pytest.mark.long
@pytest.mark.parametrize("name", ["local[1]", LOCAL_CLUSTER, CONNECT])
def test_every_engine_gives_the_same_bits(engine, name, swept, prepared_ratings, tmp_path):
    users, items, history = engine(name).run(one_sweep, prepared_ratings.path, str(tmp_path / "model"))
    (own_users, own_items, own_history), _ = swept
    for own, other in zip((*own_users, *own_items), (*users, *items), strict=True):
        np.testing.assert_array_equal(own, other)
    assert history[0]["objective"] == own_history[0]["objective"]
