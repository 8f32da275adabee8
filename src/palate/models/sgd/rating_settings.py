"""Rates, penalties and initial values of `MatrixFactorization`, as they are used, and those that follow from the data.

The numbers here are for ratings with a standard deviation of 1. Values times s give the same course with factors times
sqrt(s) where

    learning_rate / s        reg s        init_scale sqrt(s)                                                         (1)

for a step is learning_rate error factor, in s and sqrt(s), and a penalty of sqrt(s) squared is beside an error of s^2.
Biases are in the ratings' unit: their rate and their penalties, in ratings, do not know s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from palate.data.interactions import Interactions
from palate.models.ridge.biases import BiasFit, fit_biases, mean_of

LEARNING_RATE, REG, REG_BIASES, INIT_SCALE = 0.012, 0.065, 0.02, 0.02  # for a standard deviation of 1
LARGEST_STEP = 0.5  # of a rating, in its own size, that training is sure to survive


@dataclass(frozen=True)
class RatingSettings:
    """What steps are made with, in the ratings' own unit.

    Attributes:
        learning_rate, reg, init_scale: of factors.
        rate_biases: as learning_rate, of biases.
        reg_standard: reg for a standard deviation of 1, where it follows from the data; features' biases know no unit.
        reg_biases: penalty of biases, met at every rating.
        fit: biases that are not learned by steps, with the penalties reg_users and reg_items met once a row; or None.
    """

    learning_rate: float
    reg: float
    init_scale: float
    rate_biases: float
    reg_biases: float
    reg_standard: float
    fit: BiasFit | None

    @property
    def once_a_row(self) -> tuple[float, float]:
        """The penalties of users' and items' biases that are met once a row."""
        return (0.0, 0.0) if self.fit is None else (self.fit.reg_users, self.fit.reg_items)


def rating_settings(
    data: Interactions,
    *,
    learning_rate: float | None,
    reg: float | None,
    shrinkage: float,
    init_scale: float | None,
    reg_biases: float | None,
    biases: bool,
    features: bool,
) -> RatingSettings:
    """Return the settings of a model with these parameters, those that are None by eq. 1.

    Where reg_biases is None the biases are those of `Baseline`; with features they are sums of embeddings, which are
    learned by steps.
    """
    centre = mean_of(data) if biases else 0.0
    left = data.values.astype(np.float64) - centre
    spread = float(np.sqrt(np.mean(np.square(left)))) or 1.0
    rate = rate_biases = learning_rate
    if learning_rate is None:
        calm = LARGEST_STEP / 2 * spread / max(float(np.abs(left).max()), spread)
        rate_biases = min(LEARNING_RATE, calm)
        rate = rate_biases / spread
    fit = fit_biases(data) if biases and reg_biases is None and not features else None
    per_rating = REG_BIASES if reg_biases is None else reg_biases
    return RatingSettings(
        float(rate or 0),
        (REG * spread if reg is None else reg) * shrinkage,
        INIT_SCALE * spread**0.5 if init_scale is None else init_scale,
        float(rate_biases or 0),
        0.0 if fit is not None else per_rating,
        (REG if reg is None else reg) * shrinkage,
        fit,
    )
