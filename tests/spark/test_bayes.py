"""`BayesianMF` on Spark: the chains of one machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from layouts import lay_out
from small_spark import Session, observed

import palate
import palate.spark.bayes.snapshots
import palate.spark.bayes.training
import palate.spark.resuming
import palate.spark.sweeps
import palate.spark.training
from palate import ALS, BayesianMF, Interactions
from palate.data.features import Features
from palate.errors import DataError, DivergenceError, ParameterError
from palate.models.bayes.begin import begun, ground_of
from palate.models.bayes.derived import NoiseEstimate, settings_for
from palate.models.contract.learner import Training
from palate.parallel import Workers
from palate.progress import silent
from palate.spark.bayes.trained import TrainedBayes
from palate.spark.newcomers import fold_in
from palate.spark.recommend import recommend_all
from palate.spark.trained import Trained
from palate.spark.training import train

IDS = {"incidence": False, "n_components": 0, "counts": False}
BASE = BayesianMF(3, n_sweeps=1, n_burn_in=0, n_chains=1, random_state=5, **IDS)


def some_ratings(n=600, shape=(60, 40), seed=0, values=(1.0, 2.0, 3.0, 4.0, 5.0)) -> Interactions:
    rng = np.random.default_rng(seed)
    cells = np.unique(rng.integers(0, shape, (n, 2)), axis=0)
    more = [(0, i) for i in range(shape[1])], [(u, 0) for u in range(shape[0])]
    cells = np.unique(np.concatenate([cells, *more]), axis=0)
    table = {"user": cells[:, 0], "item": cells[:, 1], "rating": rng.choice(values, len(cells))}
    return Interactions.from_table(table)


@pytest.fixture
def small(monkeypatch):
    """A small Spark in this process, which has no folders to look into."""
    for module in (palate.spark.training, palate.spark.bayes.training):
        monkeypatch.setattr(module, "check_free", lambda *_, **__: None)
        monkeypatch.setattr(module, "write_facts", lambda *_: None)
    for module in (palate.spark.bayes.snapshots, palate.spark.resuming):
        monkeypatch.setattr(module, "exists", lambda _, path: Path(path).exists())
    monkeypatch.setattr(palate.spark.sweeps, "observed", observed)
    return Session()


def one_machine(data, model, features=(None, None)):
    """Return the chains of one machine after their sweeps, their rows drawn by name."""
    training, chains = Training(data, None, *features, None, silent), []
    noise = NoiseEstimate.of(data, model.n_factors)
    settings, ground = settings_for(model, noise, model.n_factors), ground_of(model, training)
    with Workers(1) as workers:
        for number in range(model.n_chains):
            chain, _ = begun(model, training, settings, ground, model.random_state, number, by_name=True)
            for sweep in range(1, model.n_sweeps + 1):
                chain.sweep(sweep, workers)
            chains.append(chain)
    return chains


def far(X, Y) -> float:
    return float(np.linalg.norm(np.asarray(X, float) - Y) / np.linalg.norm(Y))


def changed(model=BASE, **parameters) -> BayesianMF:
    return BayesianMF(**{**model.get_params(), **parameters})


def keys_of(n):
    return list(range(7, 7 + n))


def trained_on(spark, data, folder, model, n_blocks=4, share=np.inf, **more):
    prepared = lay_out(spark, data, folder / f"data{n_blocks}{share}", keys_of(n_blocks), share=share, **more)
    return train(prepared, model, str(folder / f"model{n_blocks}{share}"))


@pytest.mark.parametrize("n_blocks", [1, 4])
@pytest.mark.parametrize("nu", [None, 30.0])
def test_sweeps_are_one_machine_s_bit_for_bit(small, tmp_path, n_blocks, nu):
    data, model = some_ratings(), changed(n_sweeps=3, scale_df=nu)
    draws = trained_on(small, data, tmp_path, model, n_blocks).posterior.draws
    (one,) = one_machine(data, model)
    print(far(draws.user_draws[:, -1], one.users.X), far(draws.item_draws[:, -1], one.items.X))
    np.testing.assert_array_equal(draws.user_draws[:, -1], one.users.X)
    np.testing.assert_array_equal(draws.item_draws[:, -1], one.items.X)
    np.testing.assert_array_equal(draws.user_scales[:, -1], one.users.scales)
    np.testing.assert_array_equal(draws.item_scales[:, -1], one.items.scales)
    assert draws.mean_draws[-1] == np.float32(one.mu)
    assert draws.noise_draws[-1] == np.float32(one.alpha)


def same_chains(draws, chains, within=1e-5):
    """Compare the last draw of each chain."""
    for number, one in enumerate(chains):
        at = number - len(chains)
        assert far(draws.user_draws[:, at], one.users.X) < within
        assert far(draws.item_draws[:, at], one.items.X) < within
        assert far(draws.user_scales[:, at], one.users.scales) < within
        assert far(draws.item_scales[:, at], one.items.scales) < within
        assert draws.mean_draws[at] == pytest.approx(one.mu, rel=within)
        assert draws.noise_draws[at] == pytest.approx(one.alpha, rel=within)


@pytest.mark.parametrize("nu", [None, 30.0])
def test_long_rows_are_drawn_of_pieces(small, tmp_path, nu):
    data, model = some_ratings(), changed(n_sweeps=3, n_chains=2, scale_df=nu)
    prepared = lay_out(small, data, tmp_path / "data", keys_of(4), share=0.2)
    assert prepared.long("user")
    assert prepared.long("item")
    trained = train(prepared, model, str(tmp_path / "model"))
    same_chains(trained.posterior.draws, one_machine(data, model))


@pytest.mark.parametrize("share", [np.inf, 0.2])
def test_counts_components_and_features_draw_rows_as_on_one_machine(small, tmp_path, share):
    data = some_ratings()
    model = changed(n_sweeps=2, n_chains=2, counts=True, n_components=5)
    rng = np.random.default_rng(3)
    arrays = [np.column_stack([np.ones(n), rng.standard_normal((n, 2))]) for n in (data.n_users, data.n_items)]
    arrays = [array.astype(np.float32) for array in arrays]
    trained = trained_on(small, data, tmp_path, model, share=share, features=tuple(arrays))
    given = [
        Features(ids, array, ("one", "a", "b"), ()) for ids, array in zip((data.users, data.items), arrays, strict=True)
    ]
    chains = one_machine(data, model, tuple(given))
    draws = trained.posterior.draws
    same_chains(draws, chains)
    weights = np.concatenate([group.B for group in chains[1].users.groups])
    assert far(draws.dense_weights[-1], weights) < 1e-5
    assert far(draws.prior_means[-1], chains[1].users.mean) < 1e-5


def test_ratings_of_another_unit_are_sampled_in_it(small, tmp_path):
    tens = tuple(10.0 * value for value in range(1, 6))
    ones, others = some_ratings(), some_ratings(values=tens)
    draws = []
    for name, data in (("ones", ones), ("tens", others)):
        prepared = lay_out(small, data, tmp_path / f"{name} data", keys_of(2))
        trained = train(prepared, changed(n_sweeps=2), str(tmp_path / name))
        draws.append(trained.posterior)
    assert draws[1].score.mean == pytest.approx(10 * draws[0].score.mean, rel=0.1)


class StoppedError(Exception):
    """What stops a training in a test."""


def stop_after(n):
    def progress(step):
        if step.step == n:
            raise StoppedError

    return progress


LONGER = changed(n_sweeps=5, n_burn_in=1, n_chains=2, n_kept=6, counts=True, n_components=4)


def same_posteriors(one, other) -> None:
    for part in ("score", "draws"):
        for name, value in vars(getattr(one, part)).items():
            np.testing.assert_array_equal(value, getattr(getattr(other, part), name))


@pytest.mark.parametrize(("share", "stop"), [(np.inf, 3), (0.2, 2)])
def test_a_sampling_that_stopped_goes_on_to_the_same_bits(small, tmp_path, monkeypatch, share, stop):
    monkeypatch.setattr(palate.spark.bayes.training, "KEPT_SWEEPS", 2)
    prepared = lay_out(small, some_ratings(), tmp_path / "data", keys_of(3), share=share)
    straight = train(prepared, LONGER, str(tmp_path / "straight"))
    path = str(tmp_path / "model")
    with pytest.raises(StoppedError):
        train(prepared, LONGER, path, progress=stop_after(stop))
    resumed = train(prepared, None, path, resume=True)
    same_posteriors(resumed.posterior, straight.posterior)
    told = [{name: value for name, value in record.items() if name != "seconds"} for record in resumed.history]
    assert told == [{n: v for n, v in record.items() if n != "seconds"} for record in straight.history]


def test_a_state_that_was_half_written_is_passed_over(small, tmp_path, monkeypatch):
    monkeypatch.setattr(palate.spark.bayes.training, "KEPT_SWEEPS", 2)
    prepared = lay_out(small, some_ratings(), tmp_path / "data", keys_of(3))
    straight = train(prepared, LONGER, str(tmp_path / "straight"))
    path = tmp_path / "model"
    with pytest.raises(StoppedError):
        train(prepared, LONGER, str(path), progress=stop_after(4))
    for name in ("a", "b"):
        place = path / "state" / name / "part-0.parquet"
        if pq.read_table(place)["name"].to_pylist().count("values") and name == "a":
            pq.write_table(pq.read_table(place).slice(3), place)
    resumed = train(prepared, None, str(path), resume=True)
    same_posteriors(resumed.posterior, straight.posterior)


def test_nobody_goes_on_from_what_was_written_over(small, tmp_path, monkeypatch):
    monkeypatch.setattr(palate.spark.bayes.training, "KEPT_SWEEPS", 2)
    prepared = lay_out(small, some_ratings(), tmp_path / "data", keys_of(2))
    path = str(tmp_path / "model")
    train(prepared, LONGER, path)
    with pytest.raises(StoppedError):
        train(prepared, LONGER, path, overwrite=True, progress=stop_after(1))
    with pytest.raises(DataError, match=r"no training in .* to resume"):
        train(prepared, LONGER, path, resume=True)
    train(prepared, LONGER, path, overwrite=True)
    als = ALS(3, reg=0.5, reg_biases=2.0, n_epochs=3, random_state=0)
    with pytest.raises(StoppedError):
        train(prepared, als, path, overwrite=True, progress=stop_after(1))
    assert train(prepared, None, path, resume=True).model.key == "als"


def test_what_cannot_be_resumed_is_told(small, tmp_path, monkeypatch):
    monkeypatch.setattr(palate.spark.bayes.training, "KEPT_SWEEPS", 2)
    prepared = lay_out(small, some_ratings(), tmp_path / "data", keys_of(2))
    path = str(tmp_path / "model")
    with pytest.raises(DataError, match=r"no training in .* to resume"):
        train(prepared, LONGER, path, resume=True)
    train(prepared, LONGER, path)
    with pytest.raises(ParameterError, match=r"n_kept=6, and cannot go on with 4"):
        train(prepared, changed(LONGER, n_kept=4), path, resume=True)
    other = lay_out(small, some_ratings(), tmp_path / "other", keys_of(2))
    with pytest.raises(DataError, match="was trained on"):
        train(other, None, path, resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"incidence": True}, "set incidence=False"),
        ({"likelihood": "ordinal"}, "set likelihood='gaussian'"),
        ({"time_effects": "day"}, "set time_effects=None"),
        ({"n_sweeps": 1 << 20}, "n_sweeps"),
        ({"n_chains": 1 << 11}, "n_chains"),
    ],
)
def test_what_cannot_be_sampled_here_is_told(small, tmp_path, changes, message):
    prepared = lay_out(small, some_ratings(), tmp_path / "data", keys_of(2))
    with pytest.raises(ParameterError, match=message):
        train(prepared, changed(**changes), str(tmp_path / "model"))


def test_what_is_not_taken_with_it_is_told(small, tmp_path):
    data = some_ratings()
    prepared = lay_out(small, data, tmp_path / "data", keys_of(2))
    with pytest.raises(ParameterError, match="start is for ALS"):
        train(prepared, BASE, str(tmp_path / "model"), start=BASE)
    with pytest.raises(ParameterError, match="rounded rows"):
        train(prepared, BASE, str(tmp_path / "model"), wire="bfloat16")
    weighted = replace(data, weights=np.ones(len(data), np.float32))
    prepared = lay_out(small, weighted, tmp_path / "weighted", keys_of(2))
    with pytest.raises(ParameterError, match="no sample weights"):
        train(prepared, BASE, str(tmp_path / "model"))


def test_components_that_the_driver_cannot_hold_are_told(small, tmp_path, monkeypatch):
    monkeypatch.setattr(palate.models.contract.memory, "memory_limit", lambda: 1000)
    prepared = lay_out(small, some_ratings(), tmp_path / "data", keys_of(2))
    with pytest.raises(ParameterError, match="set n_components=0"):
        train(prepared, changed(n_components=5), str(tmp_path / "model"))
    with pytest.raises(ParameterError, match="take fewer"):
        train(prepared, BASE, str(tmp_path / "model"))


def test_a_chain_that_leaves_the_numbers_is_told(small, tmp_path):
    prepared = lay_out(small, some_ratings(), tmp_path / "data", keys_of(2))
    with pytest.raises(DivergenceError, match="left the finite numbers"):
        train(prepared, changed(n_sweeps=3, init_scale=1e30), str(tmp_path / "model"))


def test_rows_that_are_lost_are_told(small, tmp_path, monkeypatch):
    prepared = lay_out(small, some_ratings(), tmp_path / "data", keys_of(2))
    real = palate.spark.bayes.training.ordered
    monkeypatch.setattr(palate.spark.bayes.training, "ordered", lambda rows, by: real(rows, by)[1:])
    with pytest.raises(DataError, match="not whole"):
        train(prepared, BASE, str(tmp_path / "model"))


def test_a_lost_state_is_told(small, tmp_path):
    trained = trained_on(small, some_ratings(), tmp_path, BASE)
    for place in Path(trained.path, "state").glob("*/*.parquet"):
        pq.write_table(pq.read_table(place).slice(0, 2), place)
    with pytest.raises(DataError, match="no whole state"):
        _ = trained.posterior


@pytest.mark.long
def test_a_model_is_collected_saved_and_answers(prepared_ratings, ratings_table, tmp_path):
    """Through Spark itself: long rows, text ids, four blocks."""
    spark = prepared_ratings.spark
    model = changed(n_sweeps=2, n_chains=2, counts=True, n_components=4)
    path = str(tmp_path / "trained")
    train(prepared_ratings, model, path)
    trained = Trained.open(spark, path)
    assert isinstance(trained, TrainedBayes)
    fitted = trained.collect()
    file = tmp_path / "model.safetensors"
    trained.save(str(file))
    read = palate.load(file)
    user, item = fitted.users_.values[0], fitted.items_.values[0]
    mean, spread = read.predict([user], [item], return_std=True)
    assert mean[0] == fitted.predict([user], [item])[0]
    assert spread[0] > 0
    assert read.recommend(user, 3).equals(fitted.recommend(user, 3))
    data = Interactions.from_table(ratings_table)
    assert len(data) == prepared_ratings.n_rows
    same_chains(fitted.learned_.draws, one_machine(data, model))
    rows = recommend_all(trained, n=3).where(f"user_id = {user}").orderBy("rank").collect()
    assert [row["item_id"] for row in rows] == fitted.recommend(user, 3)["item_id"].to_list()
    assert [row["score"] for row in rows] == fitted.recommend(user, 3)["score"].to_list()
    with pytest.raises(ParameterError, match="does this on one machine"):
        fold_in(trained, prepared_ratings.rows)
    with pytest.raises(ParameterError, match=r"ends in \.safetensors"):
        trained.save(str(tmp_path / "folder"))
