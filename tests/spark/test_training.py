"""Training on Spark: the same numbers as one machine."""

from __future__ import annotations

import numpy as np
import pytest
from layouts import lay_out
from small_spark import Session

import palate.spark.training
from palate import ALS, ImplicitALS, Interactions
from palate.models.items.clicks import training_clicks
from palate.models.ridge.click_sweeps import half_sweep, rows_penalty
from palate.models.ridge.sums import gram
from palate.models.ridge.sweeps import RatingSweeps, Solution
from palate.parallel import Workers
from palate.spark.training import Given, train

K = 4
BASE = ALS(K, reg=0.5, reg_biases=2.0, n_epochs=1, random_state=0)


def some_ratings(n=600, shape=(60, 40), seed=0) -> Interactions:
    rng = np.random.default_rng(seed)
    cells = np.unique(rng.integers(0, shape, (n, 2)), axis=0)
    cells = np.unique(
        np.concatenate([cells, [(0, i) for i in range(shape[1])], [(u, 0) for u in range(shape[0])]]), axis=0
    )
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


def keys_of(n):
    return list(range(7, 7 + n))


def far(X, Y) -> float:
    return float(np.linalg.norm(X - Y) / np.linalg.norm(Y))


@pytest.fixture
def spark(monkeypatch):
    """A small Spark in this process, which has no folders to look into."""
    monkeypatch.setattr(palate.spark.training, "check_free", lambda *_, **__: None)
    monkeypatch.setattr(palate.spark.training, "write_facts", lambda *_: None)
    return Session()


@pytest.mark.parametrize("n_blocks", [1, 4])
def test_a_sweep_is_one_machine_s(spark, tmp_path, n_blocks):
    data = some_ratings()
    start = a_start(data)
    prepared = lay_out(spark, data, tmp_path / "data", keys_of(n_blocks), share=np.inf)
    trained = train(prepared, BASE, str(tmp_path / "model"), start=start)
    one = one_machine(data, trained.kind, start)
    for side, X, b in (("user", one.P, one.b), ("item", one.Q, one.c)):
        own = factors_of(trained, side)
        np.testing.assert_array_equal(own[0], X)
        np.testing.assert_array_equal(own[1], b)


def test_long_rows_are_solved_in_pieces(spark, tmp_path):
    data = some_ratings()
    start = a_start(data)
    prepared = lay_out(spark, data, tmp_path / "data", keys_of(4), share=0.2)
    assert prepared.long("user")
    assert prepared.long("item")
    trained = train(prepared, BASE, str(tmp_path / "model"), start=start)
    one = one_machine(data, trained.kind, start)
    assert far(factors_of(trained, "user")[0], one.P) < 1e-5
    assert far(factors_of(trained, "item")[0], one.Q) < 1e-5
    whole = lay_out(spark, data, tmp_path / "whole", keys_of(1), share=np.inf)
    other = train(whole, BASE, str(tmp_path / "other"), start=start)
    for name in ("objective", "train_rmse", "loss"):
        assert trained.history[0][name] == pytest.approx(other.history[0][name], rel=1e-6)


def one_machine_clicks(data, model, start, n_sweeps, settings=None):
    """Return P, Q and the objective after sweeps, the last of the users exact."""
    clicks = training_clicks(data, model.positive)
    by_item, weighing = clicks.transpose(data.n_items), settings.weighing
    warm = clicks.sizes > 0, by_item.sizes > 0
    penalties = weighing.penalties(clicks, warm[1].sum()), weighing.penalties(by_item, warm[0].sum())
    P, Q = start.users * warm[0][:, None], start.items * warm[1][:, None]
    with Workers(1) as workers:
        for sweep in range(1, n_sweeps + 1):
            G = gram(P[warm[0]], weighing.unobserved_weight, workers)
            Q, _ = half_sweep(by_item, P, G, penalties[1], None, Q, settings, workers)
            G = gram(Q[warm[1]], weighing.unobserved_weight, workers)
            P, losses = half_sweep(clicks, Q, G, penalties[0], None, P if sweep < n_sweeps else None, settings, workers)
    return P, Q, losses.sum() + rows_penalty(Q, penalties[1], None)


@pytest.mark.parametrize(("n_blocks", "share"), [(1, np.inf), (4, np.inf), (4, 0.2)])
def test_sweeps_over_clicks_are_one_machine_s(spark, tmp_path, n_blocks, share):
    data, start = some_ratings(), a_start(some_ratings())
    model = ImplicitALS(K, reg=0.01, unobserved_weight=0.1, positive=2.0, alpha=1.0, n_epochs=3, random_state=0)
    prepared = lay_out(spark, data, tmp_path / "data", keys_of(n_blocks), share=share)
    trained = train(prepared, model, str(tmp_path / "model"), start=start)
    P, Q, objective = one_machine_clicks(data, model, start, 3, trained.kind.settings)
    assert trained.history[-1]["objective"] == pytest.approx(objective, rel=1e-5)
    for side, X in (("user", P), ("item", Q)):
        print(far(factors_of(trained, side)[0], X))
        assert far(factors_of(trained, side)[0], X) < 1e-5
    assert trained.history[-1]["objective"] < trained.history[0]["objective"]
