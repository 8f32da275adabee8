from __future__ import annotations

import logging
import os
import re
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest
from small_mf import GIVEN, all_predictions, assert_same_bits, curve, model, stop_after
from synthetic import interactions

from palate import MatrixFactorization
from palate.data.splits.making import split
from palate.errors import DivergenceError, NotFittedError
from palate.models.sgd.rating_blocks import BlockedRatings


def advised(error):
    """Return the parameters that a message says to try."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.e+-]+)", str(error).split("; try ")[1])}


def checkerboard(n, low, high):
    """Two tastes and two kinds of items: of rank one, and without biases."""
    users, items = np.nonzero(np.random.default_rng(0).random((n, n)) < 0.5)
    values = np.where((users + items) % 2 == 0, high, low)
    return interactions(users, items, values, rating_range=(low, high))


# -- stopping ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def overfitting(data):
    """A model that gets worse on validation data after a few epochs, and the two parts."""
    train, validation = split(data, 0.25, 1)
    settings = {"n_factors": 12, "n_epochs": 60, "reg": 0.0, "schedule": "constant", "patience": 4}
    return settings, train, validation


def test_the_best_epoch_on_a_given_set_is_restored(overfitting):
    settings, train, validation = overfitting
    m = model(**settings).fit(train, validation=validation)
    watched = [r["validation_rmse_unclipped"] for r in m.history_]
    assert 1 < m.best_epoch_ < 50
    assert len(watched) == m.best_epoch_ + 4
    assert int(np.argmin(watched)) == m.best_epoch_ - 1
    predicted = m.predict_index(validation.user_index, validation.item_index, clip=False)
    assert np.sqrt(np.mean((predicted - validation.values) ** 2)) == pytest.approx(min(watched), rel=1e-5)
    assert m.refit_history_ == []
    assert m.epoch_chosen_on_ == "validation"
    shorter = model(**{**settings, "n_epochs": m.best_epoch_}).fit(train, validation=validation)
    assert_same_bits(m, shorter)


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_without_a_given_set_all_data_are_learned_for_as_many_epochs(overfitting, schedule):
    settings, train, _ = overfitting
    m = model(**{**settings, "schedule": schedule}).fit(train)
    assert 1 < m.best_epoch_ < 60
    assert len(m.refit_history_) == m.best_epoch_
    # the same epochs of the same schedule, over all data and without watching
    same = model(**{**settings, "schedule": schedule, "validation_fraction": 0})
    same.fit(train, progress=stop_after(m.best_epoch_))
    assert_same_bits(m, same)
    assert curve(m.refit_history_) == curve(same.history_)


def test_without_validation_all_epochs_run(data):
    m = model(validation_fraction=0).fit(data)
    assert [r["epoch"] for r in m.history_] == list(range(1, 13))
    assert (m.best_epoch_, m.epoch_chosen_on_, m.refit_history_, m.interrupted_) == (12, "none", [], False)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_names_the_epoch_and_a_rate_to_try(data, dtype):
    m = model(learning_rate=2.0, dtype=dtype)
    with pytest.raises(DivergenceError, match=r"diverged in epoch \d+: .* learning rate 2; try learning_rate=0.008$"):
        m.fit(data)
    with pytest.raises(NotFittedError):
        m.predict(100, 1000)


@pytest.mark.parametrize(
    ("changes", "factor", "advice"),
    [
        (
            {"learning_rate": 0.012},
            1000,
            r"rescale the values .they are about 3.*e\+03 in size. to a few units, ",
        ),
        ({"init_scale": 1e6}, 1, r"try init_scale=0\.02, learning_rate=0\.00"),
        ({"learning_rate": 1000, "init_scale": 0.5}, 1, r"try learning_rate=0\.008$"),
    ],
)
def test_divergence_names_the_likely_cause(data, changes, factor, advice):
    with pytest.raises(DivergenceError, match=advice):
        model(**changes).fit(replace(data, values=data.values * np.float32(factor), rating_range=None))


@pytest.mark.parametrize("changes", [{}, {"learning_rate": 1e6}, {"init_scale": 50}, {"biases": False}, {"reg": 0}])
@pytest.mark.parametrize("kind", ["counts to 660", "one of a million", "in the thousands", "to 1e14"])
def test_the_advice_after_divergence_works(data, changes, kind):
    rng, n = np.random.default_rng(0), len(data)
    counts = np.where(rng.random(n) < 0.75, 1.0, np.minimum(np.exp(rng.normal(5, 1, n)), 660))
    one = np.where(np.arange(n) == 3, 1e6, 1.0)
    kinds = {"counts to 660": counts, "one of a million": one}
    values = kinds.get(kind, data.values * (1e3 if kind == "in the thousands" else 2e13))
    data = replace(data, values=values.astype(np.float32), rating_range=None)
    assert np.isfinite(MatrixFactorization(random_state=0).fit(data).predict_rows(data)).all()
    m = MatrixFactorization(random_state=0, **{**GIVEN, **changes})
    with pytest.raises(DivergenceError) as caught:
        m.fit(data)
    m.set_params(**advised(caught.value)).fit(data)
    assert np.isfinite(m.predict_rows(data)).all()


@pytest.mark.parametrize("board", [(60, 1.0, 5.0), (200, 0.0, 1.0)], ids=["stars", "zeros and ones"])
@pytest.mark.parametrize("n_factors", [4, 10])
@pytest.mark.parametrize("given", [False, True], ids=["held out", "given"])
def test_patience_counts_from_where_the_factors_begin_to_learn(board, n_factors, given):
    train, test = split(checkerboard(*board), 0.2, 0)
    m = MatrixFactorization(n_factors, random_state=0, **GIVEN).fit(train, validation=test if given else None)
    watched = [record["validation_rmse_unclipped"] for record in m.history_]
    assert min(watched[1:5]) > watched[0]  # four epochs that are worse than the first
    assert m.best_epoch_ > 10
    assert np.sqrt(np.mean((m.predict_rows(test) - test.values) ** 2)) < 0.3 * test.values.std()


def test_where_there_is_nothing_to_learn_the_first_epoch_is_kept_and_said(caplog):
    train, _ = split(checkerboard(40, 1.0, 5.0), 0.2, 0)
    noise = np.random.default_rng(1).permutation(train.values)
    with caplog.at_level(logging.WARNING, logger="palate"):
        m = MatrixFactorization(4, random_state=0, **GIVEN).fit(replace(train, values=noise))
    assert m.best_epoch_ == 1
    assert f"the first of {len(m.history_)} epochs was the best on validation data" in caplog.text


def test_a_fit_that_fails_leaves_the_former_model_whole(data):
    m = model().fit(data)
    before = all_predictions(m), m.seed_
    m.set_params(learning_rate=5.0, random_state=9)
    with pytest.raises(DivergenceError):
        m.fit(data)
    np.testing.assert_array_equal(all_predictions(m), before[0])
    assert m.seed_ == before[1]


def test_ctrl_c_keeps_the_best_epoch_so_far_and_says_so(overfitting, caplog):
    settings, train, validation = overfitting
    whole = model(**settings).fit(train, validation=validation)
    with caplog.at_level(logging.WARNING, logger="palate"):
        m = model(**settings).fit(train, validation=validation, progress=stop_after(whole.best_epoch_ + 2))
    assert m.interrupted_
    assert m.best_epoch_ == whole.best_epoch_
    assert len(m.history_) == whole.best_epoch_ + 2
    assert_same_bits(m, whole)
    assert f"training interrupted: keeping the best so far, of epoch {m.best_epoch_}" in caplog.text


def test_ctrl_c_in_the_first_training_keeps_what_it_learned_without_the_held_out_ratings(data, caplog):
    with caplog.at_level(logging.WARNING, logger="palate"):
        m = model().fit(data, progress=stop_after(3))
    assert m.interrupted_
    assert len(m.history_) == 3
    assert m.refit_history_ == []
    assert m.epoch_chosen_on_ == "validation"
    assert "of epoch 3, learned without the 60 rows held out" in caplog.text
    assert len(m.seen_.indices) == len(data)  # what was held out was seen all the same


@pytest.fixture(scope="module")
def first_training(data):
    """The model of the first training, in which some ratings are held out."""
    whole = model().fit(data)
    assert 1 < whole.best_epoch_ < 12
    return model().fit(data, progress=stop_after(len(whole.history_)))


def test_ctrl_c_in_the_second_training_keeps_the_first(data, caplog, first_training):
    with caplog.at_level(logging.WARNING, logger="palate"):
        m = model().fit(data, progress=stop_after(2, "training on all data"))
    assert m.interrupted_
    assert m.refit_history_ == []
    assert "learned without the 60 rows held out" in caplog.text
    assert_same_bits(m, first_training)


@pytest.mark.parametrize("stage", ["epoch", "build"])
def test_ctrl_c_before_the_second_training_has_an_epoch_keeps_the_first(data, monkeypatch, first_training, stage):
    real = getattr(BlockedRatings, stage)

    def interrupted(*args):
        if len(args[0].arrays[0] if stage == "epoch" else args[0]) == len(data):
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(BlockedRatings, stage, interrupted)
    assert_same_bits(model().fit(data), first_training)


def test_ctrl_c_before_the_first_epoch_propagates_and_leaves_the_model_unfitted(data, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(BlockedRatings, "epoch", interrupted)
    m = model()
    with pytest.raises(KeyboardInterrupt):
        m.fit(data)
    assert not [name for name in vars(m) if name.endswith("_")]
    with pytest.raises(NotFittedError, match="not fitted yet: call fit"):
        m.recommend(100)


def test_ctrl_c_inside_an_epoch_keeps_the_last_whole_one(data, monkeypatch):
    expected = model(validation_fraction=0).fit(data, progress=stop_after(3))
    real = BlockedRatings.epoch

    def interrupted(self, factors, means, steps, epoch, workers):
        loss = real(self, factors, means, steps, epoch, workers)
        if epoch == 4:
            raise KeyboardInterrupt
        return loss

    monkeypatch.setattr(BlockedRatings, "epoch", interrupted)
    m = model(validation_fraction=0).fit(data)
    assert_same_bits(m, expected)
    assert len(m.history_) == m.best_epoch_ == 3


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_real_ctrl_c_while_kernels_run_ends_with_the_last_whole_epoch(data, n_threads):
    later = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    settings = {"n_blocks": 4, "n_epochs": 10**6, "validation_fraction": 0, "schedule": "constant"}

    def progress(step):
        if step.step == 1:
            later.start()

    m = model(**settings, n_threads=n_threads).fit(data, progress=progress)
    assert m.interrupted_
    assert m.best_epoch_ >= 1
    same = model(**{**settings, "n_epochs": m.best_epoch_}).fit(data)
    assert_same_bits(m, same)
    assert curve(m.history_)[: m.best_epoch_] == curve(same.history_)


def test_another_error_of_the_callback_stops_the_work(data):
    def fails(_):
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        model().fit(data, progress=fails)


# -- history ----------------------------------------------------------------------------------------------------------


def test_history_has_one_record_an_epoch_and_the_callback_sees_it(data):
    seen = []
    m = model().fit(data, progress=seen.append)
    rmse = ["rmse", "rmse_unclipped"]
    base = {"epoch", "loss", "learning_rate", "seconds", *(f"train_{x}" for x in rmse)}
    assert all(set(r) == base | {f"validation_{x}" for x in rmse} for r in m.history_)
    assert all(set(r) == base for r in m.refit_history_)
    assert all(type(v) in (int, float) for r in m.history_ for v in r.values())
    assert [s.step for s in seen] == [*range(1, len(m.history_) + 1), *range(1, m.best_epoch_ + 1)]
    assert [dict(s.record) for s in seen] == m.history_ + m.refit_history_
    assert {(s.stage, s.total) for s in seen} == {("training", 12), ("training on all data", m.best_epoch_)}


def test_figures_of_the_last_record_are_those_of_the_model(data):
    m = model(validation_fraction=0, dtype="float64", n_factors=12, reg=0.0, n_epochs=40).fit(data)
    raw = m.predict_index(data.user_index, data.item_index, clip=False)
    clipped = m.predict_index(data.user_index, data.item_index)
    assert (raw != clipped).any()
    last = m.history_[-1]
    assert last["train_rmse_unclipped"] == pytest.approx(np.sqrt(np.mean((raw - data.values) ** 2)), rel=1e-6)
    assert last["train_rmse"] == pytest.approx(np.sqrt(np.mean((clipped - data.values) ** 2)), rel=1e-6)
