"""Training on Spark itself: the plan, and the same bits on every engine."""

from __future__ import annotations

import numpy as np
import pytest
from engines import CONNECT, LOCAL_CLUSTER, once
from test_training import one_machine_clicks
from training_jobs import MODELS, K, four_sweeps, one_sweep, random_start, sampled, sweep_each, two_sweeps

from palate import Interactions
from palate.models.ridge.sweeps import RatingSweeps, Solution
from palate.parallel import Workers
from palate.spark.given import Start
from palate.spark.messages import Wire
from palate.spark.preparing import prepare
from palate.spark.session import settings
from palate.spark.sweeps import SETTINGS, BlockSums, SideFactors
from palate.spark.trained import Trained
from palate.spark.training import SparkTraining


@pytest.fixture(scope="module")
def swept(spark, prepared_ratings, tmp_path_factory):
    """What one sweep gives on two cores, and its folder."""
    path = str(tmp_path_factory.mktemp("swept") / "model")
    return one_sweep(spark, prepared_ratings.path, path), path


@pytest.fixture(scope="module")
def one_machine(spark, swept, ratings_table):
    """What one sweep gives on one machine: factors and biases of users, then of items."""
    data = Interactions.from_table(ratings_table)
    start = random_start(data.n_users, data.n_items)
    with Workers(1) as workers:
        now = Solution(start.users, start.items, start.user_biases, start.item_biases)
        now = RatingSweeps.of(data, (None, None), Trained.open(spark, swept[1]).kind.settings, workers).next(now)
    return now.P, now.b, now.Q, now.c


def test_a_sweep_is_one_machine_s(swept, one_machine):
    (users, items, _), _ = swept
    for own, other in zip((*users, *items), one_machine, strict=True):
        assert np.linalg.norm(own - other) < 1e-5 * np.linalg.norm(other)  # long rows are summed in pieces


def test_a_sweep_over_clicks_is_one_machine_s(spark, prepared_ratings, ratings_table, tmp_path):
    (P, _), (Q, _), history = one_sweep(spark, prepared_ratings.path, str(tmp_path / "model"), "ials")
    data = Interactions.from_table(ratings_table)
    start, settings = (
        random_start(data.n_users, data.n_items),
        Trained.open(spark, str(tmp_path / "model")).kind.settings,
    )
    *factors, objective = one_machine_clicks(data, MODELS["ials"], start, 1, settings)
    for own, other in zip((P, Q), factors, strict=True):
        assert np.linalg.norm(own - other) < 1e-5 * np.linalg.norm(other)
    assert history[0]["objective"] == pytest.approx(objective, rel=1e-5)


@pytest.fixture(scope="module")
def folders(spark, ratings_table, prepared_ratings, tmp_path_factory):
    """The same ratings in 1, 4 and 16 blocks; with 4 blocks some rows are dealt over them, else none."""
    place, found = tmp_path_factory.mktemp("blocks"), {4: prepared_ratings.path}
    for n in (1, 16):
        rows = spark.createDataFrame(ratings_table.to_arrow())
        path = str(place / f"{n}")
        found[n] = prepare(spark, rows, path, rating_range=(0.5, 5), n_blocks=n, long_share=n).path
    return found


@pytest.fixture(scope="module")
def swept_by_blocks(spark, folders, tmp_path_factory):
    """What one sweep gives on two cores for each number of blocks."""
    return sweep_each(spark, folders, str(tmp_path_factory.mktemp("swept")))


@pytest.mark.long
@pytest.mark.parametrize("n", [1, 4, 16])
def test_any_number_of_blocks_gives_one_machine_s_numbers(n, swept_by_blocks, one_machine):
    users, items, _ = swept_by_blocks[n]
    for own, other in zip((*users, *items), one_machine, strict=True):
        if n == 4:
            assert np.linalg.norm(own - other) < 1e-5 * np.linalg.norm(other)
        else:
            np.testing.assert_array_equal(own, other)
    own, other = predictions(*users, *items), predictions(*one_machine)
    assert np.linalg.norm(own - other) < 1e-5 * np.linalg.norm(other)


def predictions(P, b, Q, c):
    return P @ Q.T + b[:, None] + c


@pytest.mark.long
@pytest.mark.parametrize("name", ["local[1]", LOCAL_CLUSTER, CONNECT])
def test_every_engine_gives_the_same_bits(engine, name, swept_by_blocks, folders, tmp_path):
    found = engine(name).run(sweep_each, folders, str(tmp_path))
    for n, (own_users, own_items, own_history) in swept_by_blocks.items():
        users, items, history = found[n]
        for own, other in zip((*own_users, *own_items), (*users, *items), strict=True):
            np.testing.assert_array_equal(own, other)
        assert history[0]["objective"] == own_history[0]["objective"]


def test_a_half_sweep_exchanges_once(spark, swept):
    trained = Trained.open(spark, swept[1])
    job = SparkTraining.of(trained, False, 1)
    half = trained.kind.half(1, job.common(1, 2, None), None, last=False)
    with settings(spark, SETTINGS), job.laid_out(persist=True) as layouts:
        plan = layouts.half(1, SideFactors(trained.records("user"), BlockSums((), (), ())), None, half)
        lines = plan._jdf.queryExecution().executedPlan().toString().splitlines()
    depths = [len(line) - len(line.lstrip(" :+-*()0123456789")) for line in lines]
    kept = next(n for n, line in enumerate(lines) if "InMemoryRelation" in line)
    inside = next(n for n in range(kept + 1, len(lines) + 1) if n == len(lines) or depths[n] <= depths[kept])
    outside = [line for line in lines[:kept] + lines[inside:] if "Exchange" in line]
    assert len(outside) == 1
    assert "FlatMapCoGroupsInArrow" in lines[0]
    assert sum("Exchange" in line for line in lines[kept:inside]) == 1  # made once, and kept


def test_a_fitted_model_is_found_by_its_ids(spark, prepared_ratings, ratings_table, tmp_path):
    fitted = MODELS["als"].fit(Interactions.from_table(ratings_table))
    given = Start.of(fitted, prepared_ratings, MODELS["als"], Wire(prepared_ratings.keys, K, "float32"))
    rows = sorted(given.rows("item").collect(), key=lambda row: row["position"])
    np.testing.assert_array_equal([np.frombuffer(row["factors"], "f4") for row in rows], fitted.item_factors_)
    assert [row["key"] for row in rows] == [prepared_ratings.keys[row["position"] % 4] for row in rows]


@pytest.mark.long
def test_an_executor_that_dies_costs_time_alone(engine, prepared_ratings, tmp_path):
    own = engine("local[2]").run(two_sweeps, prepared_ratings.path, str(tmp_path / "own"))
    marker = tmp_path / "died"
    found = engine(LOCAL_CLUSTER).run(two_sweeps, prepared_ratings.path, str(tmp_path / "model"), str(marker))
    assert marker.exists()
    for one, other in zip(own, found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_a_whole_training_through_connect_has_the_same_bits(engine, prepared_ratings, tmp_path):
    own = engine("local[2]").run(four_sweeps, prepared_ratings.path, str(tmp_path / "own"))
    found = engine(CONNECT).run(four_sweeps, prepared_ratings.path, str(tmp_path / "model"))
    assert own[2:] == found[2:]  # objectives and sweeps
    for one, other in zip((*own[0], *own[1]), (*found[0], *found[1]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_a_sampler_through_connect_draws_the_same_bits(engine, prepared_ratings, tmp_path):
    own = engine("local[2]").run(sampled, prepared_ratings.path, str(tmp_path / "own"))
    found = engine(CONNECT).run(sampled, prepared_ratings.path, str(tmp_path / "model"))
    for one, other in zip(own, found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_a_killed_driver_is_resumed_to_the_same_bits(spark, prepared_ratings, tmp_path):
    users, items, objectives, _ = four_sweeps(spark, prepared_ratings.path, str(tmp_path / "own"))
    marker, path = tmp_path / "died", str(tmp_path / "model")
    with pytest.raises(RuntimeError, match=r"local\[1\] ended"):
        once("local[1]", four_sweeps, prepared_ratings.path, path, str(marker))
    assert marker.exists()
    again_users, again_items, again, done = once("local[1]", four_sweeps, prepared_ratings.path, path)
    assert done == [3, 4]
    assert again == objectives
    for own, other in zip((*users, *items), (*again_users, *again_items), strict=True):
        np.testing.assert_array_equal(own, other)
