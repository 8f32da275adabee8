"""What tests of training let the engines do."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from palate import ALS, BayesianMF, ImplicitALS
from palate.spark import sweeps
from palate.spark.halves import solve
from palate.spark.prepared import Prepared
from palate.spark.trained import Trained
from palate.spark.training import GivenFactors, train

K = 4
MODELS = {
    "als": ALS(K, reg=0.5, reg_biases=2.0, n_epochs=1, random_state=0),
    "ials": ImplicitALS(K, reg=0.01, unobserved_weight=0.1, positive=2.0, alpha=1.0, n_epochs=1, random_state=0),
}


def random_start(n_users, n_items):
    rng = np.random.default_rng(1)
    sizes = (n_users, K), (n_items, K), (n_users,), (n_items,)
    return GivenFactors(*(rng.standard_normal(size).astype(np.float32) for size in sizes))


def factors_of(trained, side):
    """Return factors and biases, in order of positions."""
    rows = sorted(trained.factors(side).collect(), key=lambda row: row["position"])
    assert [row["position"] for row in rows] == list(range(trained.prepared.n(side)))
    X = np.array([np.frombuffer(row["factors"], trained.dtype) for row in rows])
    return X, np.array([row["bias"] for row in rows], trained.dtype)


def one_sweep(spark, data, path, key="als"):
    """Return the factors and figures after one sweep from `random_start`."""
    prepared = Prepared.open(spark, data)
    train(prepared, MODELS[key], path, start=random_start(prepared.n_users, prepared.n_items))
    trained = Trained.open(spark, path)
    return factors_of(trained, "user"), factors_of(trained, "item"), trained.history


def sweep_each(spark, folders, path):
    """Return what `one_sweep` gives of each folder, by its key."""
    return {key: one_sweep(spark, data, f"{path}/model-{key}") for key, data in folders.items()}


def parent_of(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def dying_solve(layout, messages, *, half, marker):
    """Do a half sweep of a block; the first time in sweep 2, end the executor instead, as a lost machine does."""
    if half.common.sweep == 2 and not Path(marker).exists():
        Path(marker).touch()
        executor = parent_of(os.getppid())  # of the daemon that has forked this process
        os.kill(executor, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return solve(layout, messages, half=half)


def killing_solve(layout, messages, *, half, marker):
    """Do a half sweep of a block; when the users of sweep 3 are half done, end the driver: Python and Java, at once."""
    if half.common.sweep == 3 and half.common.state is not None and layout["block"][0].as_py() == 2:
        Path(marker).touch()
        java = parent_of(os.getppid())
        for process in (parent_of(java), java, os.getpid()):
            os.kill(process, signal.SIGKILL)
    return solve(layout, messages, half=half)


@contextmanager
def instead(function, marker):
    """Let executors call a function instead of `solve`, where a marker is given."""
    if marker is not None:
        sweeps.solve = partial(function, marker=marker)
    try:
        yield
    finally:
        sweeps.solve = solve


def sampled(spark, data, path):
    """Return the draws of a short chain: of users, of items and of the noise."""
    model = BayesianMF(K, n_sweeps=3, n_burn_in=1, n_chains=1, incidence=False, random_state=0)
    draws = train(Prepared.open(spark, data), model, path).posterior.draws
    return draws.user_draws, draws.item_draws, draws.noise_draws


def two_sweeps(spark, data, path, marker=None):
    """Return the factors after two sweeps, in the second of which an executor dies where a marker is given."""
    prepared = Prepared.open(spark, data)
    model = ALS(K, reg=0.5, reg_biases=2.0, n_epochs=2, random_state=0)
    with instead(dying_solve, marker):
        trained = train(prepared, model, path)
    return *factors_of(trained, "user"), *factors_of(trained, "item")


def four_sweeps(spark, data, path, marker=None):
    """Return factors, objectives and the sweeps done here; the driver dies in the third where a marker is given.

    What lies at the path already is resumed.
    """
    prepared, done = Prepared.open(spark, data), []
    model = ALS(K, reg=0.5, reg_biases=2.0, n_epochs=4, random_state=0)
    with instead(killing_solve, marker):
        goes_on = Path(path).exists()
        trained = train(prepared, model, path, resume=goes_on, progress=lambda step: done.append(step.step))
    objectives = [record["objective"] for record in trained.history]
    return factors_of(trained, "user"), factors_of(trained, "item"), objectives, done
