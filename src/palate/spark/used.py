"""Settings as they are used, of parameters that are given."""

from __future__ import annotations

import numpy as np

from palate.errors import ParameterError
from palate.models import ALS, ImplicitALS
from palate.models.ridge.click_sweeps import ClickSettings
from palate.models.ridge.sweeps import ALSSettings
from palate.models.ridge.weighing import Weighing
from palate.spark.clicks import check_values
from palate.spark.kinds import Clicks, Ratings
from palate.spark.prepared import Prepared

USUAL_START = 0.1  # of the initial factors, for ratings with a standard deviation of 1


def ratings_of(prepared: Prepared, model: ALS) -> Ratings:
    """Return the settings of a model of ratings.

    Raises:
        ParameterError: one is None.
    """
    reg, reg_biases = _given(model, "reg"), _given(model, "reg_biases")
    *_, weight, weighted, squares = prepared.facts["sums"]
    mean = weighted / weight
    spread = float(np.sqrt(max(0.0, squares / weight - mean**2))) or 1.0
    rounded = float(np.dtype(model.dtype).type(mean if model.biases else 0.0))
    regs = reg * model.shrinkage, reg_biases, reg_biases
    on = ALSSettings(rounded, *regs, model.reg_exponent, model.reg_features, model.biases)
    return Ratings(on, prepared.rating_limits, float(model.init_scale or USUAL_START * spread**0.5))


def clicks_of(prepared: Prepared, model: ImplicitALS) -> Clicks:
    """Return the settings of a model of clicks.

    Raises:
        ParameterError: one is None.
        DataError: values are no clicks by the rule given.
    """
    check_values((prepared.facts["lowest"], prepared.facts["highest"]), model.positive)
    o, reg, k = _given(model, "unobserved_weight"), _given(model, "reg"), _given(model, "n_factors")
    weighing = Weighing(float(model.alpha or 1.0), o, reg, model.reg_exponent)
    warm = prepared.n_users, prepared.n_items
    scale, reg_features = model.init_scale / k**0.5, reg * model.reg_features
    settings = ClickSettings(weighing, model.cg_steps)
    return Clicks(settings, model.positive, 0.0, warm, reg_features, scale, 0.0, str(model.dtype))


def _given(model: ALS | ImplicitALS, name: str) -> float:
    value = getattr(model, name)
    if value is None:
        raise ParameterError.of(name, "is None: give a number")
    return float(value)
