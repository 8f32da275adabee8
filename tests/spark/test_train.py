"""Training on Spark: the same numbers as one machine."""

from __future__ import annotations

import numpy as np
import pytest
from layouts import lay_out

from palate import ALS, Interactions
from palate.models.ridge.sweeps import RatingSweeps, Solution
from palate.parallel import Workers
from palate.spark.blocks import block_keys
from palate.spark.train import Given, train

K = 4
BASE = ALS(K, reg=0.5, reg_biases=2.0, n_epochs=1, random_state=0)


def some_ratings(n=600, shape=(60, 40), seed=0) -> Interactions:
    rng = np.random.default_rng(seed)
    cells = np.unique(rng.integers(0, shape, (n, 2)), axis=0)
    table = {"user": cells[:, 0], "item": cells[:, 1], "rating": rng.integers(1, 6, len(cells)).astype(float)}
    return Interactions.from_table(table)


def a_start(data: Interactions, seed=1) -> Given:
    rng = np.random.default_rng(seed)
    P, Q = (rng.standard_normal((n, K)).astype(np.float32) for n in (data.n_users, data.n_items))
    b, c = (rng.standard_normal(n).astype(np.float32) for n in (data.n_users, data.n_items))
    return Given(P, Q, b, c)


def one_machine(data, kind, start, features=(None, None), n_sweeps=1) -> Solution:
    now = Solution(start.users, start.items, start.user_biases, start.item_biases)
    with Workers(1) as workers:
        sweeps = RatingSweeps.of(data, features, kind.settings, workers)
        for _ in range(n_sweeps):
            now = sweeps.next(now)
    return now


def factors_of(trained, side) -> tuple[np.ndarray, np.ndarray]:
    rows = sorted(trained.factors(side).collect())
    assert [row.position for row in rows] == list(range(len(rows)))
    X = np.array([np.frombuffer(row.factors, trained.dtype) for row in rows])
    return X, np.array([row.bias for row in rows], trained.dtype)


@pytest.mark.parametrize("n_blocks", [1, 4, 16])
def test_a_sweep_is_one_machine_s(spark, tmp_path, n_blocks):
    data = some_ratings()
    start = a_start(data)
    prepared = lay_out(spark, data, tmp_path / "data", block_keys(spark, n_blocks), share=np.inf)
    trained = train(prepared, BASE, str(tmp_path / "model"), start=start)
    one = one_machine(data, trained.kind, start)
    for side, X, b in (("user", one.P, one.b), ("item", one.Q, one.c)):
        own = factors_of(trained, side)
        np.testing.assert_array_equal(own[0], X)
        np.testing.assert_array_equal(own[1], b)
    print(trained.history)
