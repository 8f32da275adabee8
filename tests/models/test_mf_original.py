from __future__ import annotations

import inspect

import numpy as np
import pytest

from palate.data.splits.making import make_splits
from palate.models import MatrixFactorization
from palate.reproduction import STEPS


def test_the_original_spells_out_every_hyperparameter():
    assert MatrixFactorization.original(5).get_params() == {
        "n_factors": 100,
        "n_epochs": 20,
        "learning_rate": 0.01,
        "reg": 0.0,
        "shrinkage": 1.0,
        "reg_biases": 0.0,
        "biases": False,
        "init": "uniform",
        "init_scale": 0.01,
        "schedule": "constant",
        "patience": 3,
        "validation_fraction": 0.1,
        "reg_features": 10.0,
        "own_factors": True,
        "n_blocks": 1,
        "dtype": "float64",
        "store_history": True,
        "random_state": 5,
        "n_threads": None,
    }
    source = inspect.getsource(MatrixFactorization.original)
    beside = {"n_threads", "store_history"}
    assert all(f"{name}=" in source for name in set(MatrixFactorization.parameter_names()) - beside)


def test_the_original_starts_uniform_in_double_precision(data):
    P, Q, b, c = MatrixFactorization.original()._initial(data, 0, 0.01)
    for factors in (P, Q):
        assert factors.dtype == np.float64
        assert 0 <= factors.min() < 0.0005
        assert 0.0095 < factors.max() < 0.01
        assert factors.mean() == pytest.approx(0.005, rel=0.05)
    assert not b.any()
    assert not c.any()


# training loss (mean of the squared errors met on the way) and test RMSE by epoch, as published
LOSS = (5.9049, 1.1265, 0.9830, 0.9492, 0.9320, 0.9187, 0.8963, 0.8647, 0.8286, 0.7842)
TEST_RMSE = (1.1865, 1.0306, 1.0044, 0.9921, 0.9899, 0.9842, 0.9712, 0.9653, 0.9589, 0.9521)


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.long) for s in (1, 2, 3, 4))])
def test_the_original_follows_its_published_curve(movielens, seed):
    train, test = make_splits(movielens.interactions, "random:0.2:42")[0].apply(movielens.interactions)
    assert (len(train), len(test), train.n_users, train.n_items) == (79_992, 19_999, 943, 1681)
    m = MatrixFactorization.original(seed).fit(train, validation=test)
    loss = [r["loss"] for r in m.history_]
    rmse = [r["validation_rmse_unclipped"] for r in m.history_]
    np.testing.assert_allclose(loss[:10], LOSS, rtol=0.02)
    np.testing.assert_allclose(rmse[:10], TEST_RMSE, atol=0.02)
    assert min(rmse) == pytest.approx(0.9388, abs=0.006)
    assert 11 <= m.best_epoch_ <= 15
    assert len(m.history_) == m.best_epoch_ + 3
    assert m.history_[12]["train_rmse_unclipped"] == pytest.approx(0.7170, abs=0.01)  # at the published best epoch


def test_the_steps_from_the_original_change_what_they_name_and_leave_nothing_to_the_data():
    _, honest, biases, penalised, _ = (make(5).get_params() for _, make, _ in STEPS)
    assert {name for name in honest if honest[name] != biases[name]} == {"biases"}
    changed = {name: penalised[name] for name in biases if biases[name] != penalised[name]}
    assert changed.keys() == {"reg", "reg_biases"}
    assert all(value > 0 for value in changed.values())
