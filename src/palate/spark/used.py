"""Settings as they are used, of parameters that are given."""

from __future__ import annotations

import numpy as np

from palate.errors import ParameterError
from palate.models import ALS, ImplicitALS
from palate.models.ridge.click_sweeps import ClickSettings
from palate.models.ridge.sweeps import ALSSettings
from palate.models.ridge.weighing import Weighing
from palate.spark.kinds import Clicks, Ratings
from palate.spark.prepared import Prepared


def ratings_of(prepared: Prepared, model: ALS) -> Ratings:
    """Return."""
    facts = prepared.facts
    mean = facts["value_sum"] / facts["weight_sum"] if model.biases else 0.0
    on = ALSSettings(
        float(np.dtype(model.dtype).type(mean)),
        float(model.reg or 0) * model.shrinkage,
        float(model.reg_biases or 0),
        float(model.reg_biases or 0),
        model.reg_exponent,
        model.reg_features,
        model.biases,
    )
    spread = (facts["square_sum"] / facts["weight_sum"] - (facts["value_sum"] / facts["weight_sum"]) ** 2) ** 0.5
    return Ratings(on, prepared.rating_limits, float(model.init_scale or 0.1 * (spread or 1.0) ** 0.5))


def clicks_of(prepared: Prepared, model: ImplicitALS) -> Clicks:
    """Return."""
    if model.reg is None or model.unobserved_weight is None or model.n_factors is None:
        raise ParameterError("reg", subject="reg")
    weighing = Weighing(float(model.alpha or 1.0), float(model.unobserved_weight), float(model.reg), model.reg_exponent)
    warm = prepared.n_users, prepared.n_items
    return Clicks(
        ClickSettings(weighing, model.cg_steps),
        model.positive,
        0.0,
        warm,
        model.reg * model.reg_features,
        model.init_scale / model.n_factors**0.5,
        0.0,
        str(model.dtype),
    )
