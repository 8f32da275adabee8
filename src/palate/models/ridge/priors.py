"""Priors by features as models store them, and the parts of a score that they and the biases make."""

from __future__ import annotations

from typing import Any

import numpy as np

from palate.data.features import Features
from palate.models.contract.explanation import Part
from palate.models.ridge.rows import Array, Prior, Side

LEARNED_ARRAYS: dict[str, tuple[str, ...]] = {
    "user_features_": ("n_users_with_features", "n_user_features"),
    "user_weights_": ("n_user_features", "n_factors"),
    "user_weights_biases_": ("n_user_features",),
    "item_weights_": ("n_item_features", "n_factors"),
    "item_weights_biases_": ("n_item_features",),
}
LEARNED_SCALARS = ("user_encoding_", "item_encoding_")


def learned_priors(
    priors: tuple[Prior | None, Prior | None],
    features: tuple[Features | None, Features | None],
    n_factors: int,
    dtype: Any,
) -> dict[str, Any]:
    """Return the learned attributes of the priors of users and items; empty ones where there are no features."""
    empty = Prior(np.zeros((0, 0), dtype), np.zeros((0, n_factors), dtype), np.zeros(0, dtype))
    of_users, of_items = (one or empty for one in priors)
    encodings = [[dict(spec) for spec in one.encoding] if one is not None else [] for one in features]
    return {
        "user_features_": of_users.features,
        "user_weights_": of_users.weights,
        "user_weights_biases_": of_users.weights_biases,
        "item_weights_": of_items.weights,
        "item_weights_biases_": of_items.weights_biases,
        "user_encoding_": encodings[0],
        "item_encoding_": encodings[1],
    }


def user_prior(model: Any, features: Array | None) -> Prior | None:
    """Return the prior of users with these features by a fitted model's weights."""
    if features is None:
        return None
    dtype = model.user_weights_.dtype
    return Prior(np.ascontiguousarray(features, dtype), model.user_weights_, model.user_weights_biases_)


def item_prior(model: Any, features: Array | None) -> Prior | None:
    """Return the prior of items with these features by a fitted model's weights."""
    if features is None:
        return None
    dtype = model.item_weights_.dtype
    return Prior(np.ascontiguousarray(features, dtype), model.item_weights_, model.item_weights_biases_)


def rating_parts(model: Any, item: int) -> list[Part]:
    """Return the parts of a predicted rating that are the same for everybody."""
    parts = [Part("mean", "mean rating", model.mean_)] if model.mean_ else []
    bias = float(model.item_biases_[item])
    return [*parts, Part("item bias", "how the item is rated by all", bias)] if bias else parts


def prior_parts(prior: Prior | None, names: list[str], side: Side, item: int) -> list[Part]:
    """Return the parts of the score of a row without cells: its prior mean, by feature."""
    if prior is None:
        return []
    by_feature = prior.weights.astype(np.float64) @ side.Q[item].astype(np.float64)
    if side.biases:
        by_feature = by_feature + prior.weights_biases
    return [
        Part("feature", name, float(x * w))
        for name, x, w in zip(names, prior.features[0], by_feature, strict=True)
        if x
    ]
