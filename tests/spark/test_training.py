"""Training on Spark: the same numbers as one machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from layouts import lay_out
from pyspark.errors import PySparkException
from small_spark import Frame, Session, observed

import palate.spark.resuming
import palate.spark.sweeps
import palate.spark.training
from palate import ALS, ImplicitALS, Interactions
from palate.errors import DataError, ParameterError
from palate.models.items.clicks import training_clicks
from palate.models.ridge.click_sweeps import half_sweep, rows_penalty
from palate.models.ridge.sums import gram
from palate.models.ridge.sweeps import RatingSweeps, Solution
from palate.parallel import Workers
from palate.spark.training import GivenFactors, train

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


def a_start(data: Interactions, seed=1) -> GivenFactors:
    rng = np.random.default_rng(seed)
    P, Q = (rng.standard_normal((n, K)).astype(np.float32) for n in (data.n_users, data.n_items))
    b, c = (rng.standard_normal(n).astype(np.float32) for n in (data.n_users, data.n_items))
    return GivenFactors(P, Q, b, c)


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
    monkeypatch.setattr(palate.spark.resuming, "exists", lambda _, path: Path(path).exists())
    monkeypatch.setattr(palate.spark.sweeps, "observed", observed)
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


class StoppedError(Exception):
    """What stops a training in a test."""


def stop_after(n):
    def progress(step):
        if step.step == n:
            raise StoppedError

    return progress


LONGER = {
    "als": ALS(K, reg=0.5, reg_biases=2.0, n_epochs=4, random_state=0),
    "ials": ImplicitALS(K, reg=0.01, unobserved_weight=0.1, positive=2.0, alpha=1.0, n_epochs=4, random_state=0),
}


@pytest.mark.parametrize("key", LONGER)
@pytest.mark.parametrize("share", [np.inf, 0.2])
def test_a_training_that_stopped_goes_on_to_the_same_bits(spark, tmp_path, key, share):
    prepared = lay_out(spark, some_ratings(), tmp_path / "data", keys_of(3), share=share)
    straight = train(prepared, LONGER[key], str(tmp_path / "straight"))
    path = str(tmp_path / "model")
    with pytest.raises(StoppedError):
        train(prepared, LONGER[key], path, progress=stop_after(2))
    resumed = train(prepared, None, path, resume=True)
    for side in ("user", "item"):
        for own, other in zip(factors_of(resumed, side), factors_of(straight, side), strict=True):
            np.testing.assert_array_equal(own, other)
    assert [r["objective"] for r in resumed.history] == [r["objective"] for r in straight.history]


def test_a_sweep_that_was_half_written_is_passed_over(spark, tmp_path):
    prepared = lay_out(spark, some_ratings(), tmp_path / "data", keys_of(3))
    straight = train(prepared, LONGER["als"], str(tmp_path / "straight"))
    path = tmp_path / "model"
    with pytest.raises(StoppedError):
        train(prepared, LONGER["als"], str(path), progress=stop_after(2))
    place = path / "sweeps" / "a-items" / "part-0.parquet"  # of sweep 2
    pq.write_table(pq.read_table(place).slice(2), place)
    resumed = train(prepared, None, str(path), resume=True)
    np.testing.assert_array_equal(factors_of(resumed, "user")[0], factors_of(straight, "user")[0])
    for name in ("a-items", "b-items"):
        place = path / "sweeps" / name / "part-0.parquet"
        pq.write_table(pq.read_table(place).slice(2), place)
    with pytest.raises(DataError, match="not whole"):
        train(prepared, None, str(path), resume=True)


def test_what_cannot_be_resumed_is_told(spark, tmp_path):
    prepared = lay_out(spark, some_ratings(), tmp_path / "data", keys_of(2))
    with pytest.raises(DataError, match=r"no training in .* to resume"):
        train(prepared, None, str(tmp_path / "model"), resume=True)
    train(prepared, BASE, str(tmp_path / "model"))
    with pytest.raises(ParameterError, match="cannot go on as"):
        train(prepared, ALS(K, reg=0.7, reg_biases=2.0), str(tmp_path / "model"), resume=True)
    other = lay_out(spark, some_ratings(), tmp_path / "other", keys_of(2))
    with pytest.raises(DataError, match="was trained on"):
        train(other, None, str(tmp_path / "model"), resume=True)


@pytest.mark.parametrize("share", [np.inf, 0.2])
def test_features_draw_rows_as_on_one_machine(spark, tmp_path, share):
    data, start = some_ratings(), a_start(some_ratings())
    rng = np.random.default_rng(3)
    features = tuple(rng.standard_normal((n, 3)).astype(np.float32) for n in (data.n_users, data.n_items))
    prepared = lay_out(spark, data, tmp_path / "data", keys_of(4), share=share, features=features)
    trained = train(prepared, ALS(K, reg=0.5, reg_biases=2.0, n_epochs=2), str(tmp_path / "model"), start=start)
    one = one_machine(data, trained.kind, start, features, n_sweeps=2)
    assert far(factors_of(trained, "user")[0], one.P) < 1e-5
    assert far(factors_of(trained, "item")[0], one.Q) < 1e-5
    for prior, (W, w) in zip(one.priors, trained.priors, strict=True):
        assert far(W, prior.weights) < 1e-5
        assert far(w, prior.weights_biases) < 1e-5


def test_sample_weights_count_as_on_one_machine(spark, tmp_path):
    data, start = some_ratings(), a_start(some_ratings())
    weights = np.random.default_rng(4).uniform(0.5, 2, len(data)).astype(np.float32)
    data = replace(data, weights=weights)
    prepared = lay_out(spark, data, tmp_path / "data", keys_of(4), share=0.2)
    trained = train(prepared, BASE, str(tmp_path / "model"), start=start)
    one = one_machine(data, trained.kind, start)
    assert far(factors_of(trained, "user")[0], one.P) < 1e-5
    assert far(factors_of(trained, "item")[0], one.Q) < 1e-5


def test_half_the_bytes_cost_a_little_precision(spark, tmp_path):
    prepared = lay_out(spark, some_ratings(), tmp_path / "data", keys_of(4))
    whole = train(prepared, LONGER["als"], str(tmp_path / "whole"))
    half = train(prepared, LONGER["als"], str(tmp_path / "half"), wire="bfloat16")
    assert half.history[-1]["objective"] != whole.history[-1]["objective"]
    assert half.history[-1]["objective"] == pytest.approx(whole.history[-1]["objective"], rel=0.01)


def test_random_starts_are_the_same_for_any_blocks(spark, tmp_path):
    data, found = some_ratings(), []
    for n in (1, 3):
        prepared = lay_out(spark, data, tmp_path / f"data{n}", keys_of(n), share=np.inf)
        found.append(factors_of(train(prepared, BASE, str(tmp_path / f"model{n}")), "user")[0])
    np.testing.assert_array_equal(*found)


def test_where_spark_keeps_nothing_training_goes_on(spark, tmp_path, monkeypatch, caplog):
    def refused(frame):
        raise PySparkException("[NOT_SUPPORTED_WITH_SERVERLESS] PERSIST TABLE is not supported")

    prepared = lay_out(spark, some_ratings(), tmp_path / "data", keys_of(2))
    kept = train(prepared, BASE, str(tmp_path / "kept"))
    assert "travel" not in caplog.text
    monkeypatch.setattr(Frame, "persist", refused)
    trained = train(prepared, BASE, str(tmp_path / "model"))
    assert "does not keep the layout: [NOT_SUPPORTED_WITH_SERVERLESS]" in caplog.text
    assert f"{len(some_ratings()) * 8:,} bytes of ratings travel in each half sweep" in caplog.text
    caplog.clear()
    train(prepared, BASE, str(tmp_path / "model"), overwrite=True, persist=False)
    assert "bytes of ratings travel" in caplog.text
    np.testing.assert_array_equal(factors_of(trained, "user")[0], factors_of(kept, "user")[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wire": "float16"}, "wire"),
        ({"wire": "bfloat16", "model": ALS(K, dtype="float64")}, "3 digits of what dtype='float64' computes"),
        ({"threads_per_task": 0}, "n_threads"),
        ({"start": 3}, "a fitted ALS"),
        ({"start": GivenFactors(np.zeros((3, K), np.float32))}, r"shape \(3, 4\)"),
        ({"start": GivenFactors(user_biases=np.zeros(2, np.float32))}, r"shape \(2,\)"),
        ({"model": None}, r"an ALS\(…\), ImplicitALS\(…\) or BayesianMF\(…\)"),
    ],
)
def test_bad_input_is_told(spark, tmp_path, changes, message):
    prepared = lay_out(spark, some_ratings(), tmp_path / "data", keys_of(2))
    given = {"model": BASE, **changes}
    with pytest.raises(ParameterError, match=message):
        train(prepared, path=str(tmp_path / "model"), **given)


def test_rows_that_cannot_be_solved_are_told(spark, tmp_path):
    table = {"user": [0, 0, 1, 1, 2], "item": [0, 1, 0, 1, 1], "rating": [1.0, 2.0, 3.0, 1.0, 2.0]}
    prepared = lay_out(spark, Interactions.from_table(table), tmp_path / "data", keys_of(2), share=np.inf)
    with pytest.raises(ParameterError, match="too small for these ratings"):
        train(prepared, ALS(8, reg=1e-30, reg_biases=0.0, biases=False, random_state=0), str(tmp_path / "model"))
