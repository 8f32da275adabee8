"""A small model of small data, and what its tests ask of it."""

from __future__ import annotations

import numpy as np

from palate.models import MatrixFactorization

ARRAYS = tuple(MatrixFactorization.learned_.kind.ARRAYS)
SMALL = {
    "n_factors": 4,
    "n_epochs": 12,
    "learning_rate": 0.02,
    "reg": 0.065,
    "reg_biases": 0.02,
    "init_scale": 0.1,
    "n_blocks": 1,
    "random_state": 0,
    "n_threads": 1,
}


GIVEN = {"learning_rate": 0.008, "reg": 0.065, "reg_biases": 0.02, "init_scale": 0.02}  # for ratings of a few units


def model(**changes) -> MatrixFactorization:
    return MatrixFactorization(**{**SMALL, **changes})


def curve(history):
    """Return a history without the seconds, which differ from run to run."""
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def assert_same_bits(one, other):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.mean_ == other.mean_


def all_predictions(m):
    u, i = (a.ravel() for a in np.mgrid[: len(m.users_), : len(m.items_)])
    return m.predict_index(u, i, clip=False)


def stop_after(epoch, stage="training"):
    """Return a progress callback that presses Ctrl-C after an epoch."""

    def progress(step):
        if step.stage == stage and step.step == epoch:
            raise KeyboardInterrupt

    return progress
