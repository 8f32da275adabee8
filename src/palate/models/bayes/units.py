"""The unit that a Bayesian factorization samples in: a power of two, so that the spread of the ratings is about 1.

Priors and single precision are made for such a spread. Ratings r of the unit s are learned as r / s, and everything
learned is brought back before anybody sees it: rows of users and all biases times s, precisions by s^2; factors of
items have no unit, for p_u . q_i is to be in that of the ratings. Products with a power of two are exact, so ratings
that are doubled give answers that are doubled, bit for bit. Ordinary ratings (a spread from 0.75 to 1.5) are learned as
they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from palate.data.interactions import Interactions
from palate.models.contract.learner import Training

LOWEST_SPREAD = 0.75  # of what is sampled; the highest is twice as much
MOST_DOUBLINGS = 50  # 1e15, the largest value that is learned from: squares of it are still within single precision

RECORD_POWERS = {
    "loss": 2,
    "train_rmse_unclipped": 1,
    "noise_precision": -2,
    "validation_rmse": 1,
    "validation_rmse_draw": 1,
}  # of the unit, by figure of a sweep; norms stay those of the rows as they are sampled


def unit_of(values: Any) -> float:
    """Return the power of two by which ratings are divided before they are learned from."""
    return unit_of_spread(float(np.std(values, dtype=np.float64)))


def unit_of_spread(spread: float) -> float:
    """Return the power of two by which ratings of this standard deviation are divided."""
    if not spread:
        return 1.0
    doublings = math.frexp(spread / LOWEST_SPREAD)[1] - 1
    return 2.0 ** max(-MOST_DOUBLINGS, min(MOST_DOUBLINGS, doublings))


def in_unit(training: Training, unit: float) -> Training:
    """Return a training part whose ratings are divided by the unit; the model to start from stays as it is."""
    if unit == 1:
        return training
    validation = None if training.validation is None else _divided(training.validation, unit)
    return replace(training, data=_divided(training.data, unit), validation=validation)


def _divided(data: Interactions, unit: float) -> Interactions:
    low_high = None if data.rating_range is None else (data.rating_range[0] / unit, data.rating_range[1] / unit)
    return replace(data, values=data.values / np.float32(unit), rating_range=low_high)


def record_out_of_unit(record: Mapping[str, float], unit: float) -> dict[str, float]:
    """Return a sweep's figures in the ratings' own unit; those of further chains have their number behind."""
    return {name: value * unit ** RECORD_POWERS.get(name.rstrip("_0123456789"), 0) for name, value in record.items()}
