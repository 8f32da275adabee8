"""Every model of MODELS keeps to the contract; here stands what is special about some."""

from __future__ import annotations

import pytest

from palate import MODELS
from palate.models.items.item_weights import ItemWeights
from palate.testing import ModelContract

# few users stop bpr and warp soon: their first epochs are as good as any
RANKED = {"counts_cells": True, "chance": 1.2}
LONG = {**ModelContract.long, "reg_users": 0.1, "validation_fraction": 0.3}
SPECIAL = {
    "popularity": {"learns_taste": False},
    "baseline": {"learns_taste": False},
    "bayes": {"chance": 1.2},
    "mf": {"beside": {**ModelContract.beside, "patience": {"reg_biases": 0.02}}},  # biases learned with the factors
    "als": {"weighing": {"reg": 1.0}},
    "ials": {"counts_cells": True, "small": {**ModelContract.small, "alpha": 1.0}},  # counts of 2 are twice the weight
    "bpr": {**RANKED, "long": {**LONG, "learning_rate": 0.1}},
    "warp": {
        **RANKED,
        "long": {**LONG, "learning_rate": 0.01},
        "going_on": {
            **ModelContract.going_on,
            "learning_rate": 0.01,
            "reg_users": 0.1,
            "reg_items": 0.1,
            "reg_negatives": 0.1,
        },
    },
    "knn": {"other": {**ModelContract.other, "idf": True}, "long": {**ModelContract.long, "shrinkage": 3.0}},
    "rp3beta": {"long": {**ModelContract.long, "beta": 0.3}},
    "blend": {
        "needs_history": True,
        "nonsense": "parts: no model 'nonsense'",
        "small": {**ModelContract.small, "parts": "ease(reg=30.0), ials(n_factors=4, n_epochs=5, alpha=9.0)"},
        "other": {**ModelContract.other, "parts": "ease(reg=30.0), knn", "weights": (0.1, 0.9)},
    },
    "ease": {
        "long": {**ModelContract.long, "reg": 50.0},
        "taste": {**ModelContract.taste, "reg": 1.0},
    },
}


class Slow(ModelContract):
    """Of a model whose parameters are another's but for one, and for each of which something is compiled."""

    @pytest.mark.long
    def test_every_parameter_changes_the_result(self, data):
        super().test_every_parameter_changes_the_result(data)


for key, cls in MODELS.items():
    name = f"Test{cls.__name__}"
    own = {"model": cls, "needs_history": issubclass(cls, ItemWeights), "__module__": __name__, **SPECIAL.get(key, {})}
    globals()[name] = type(name, (Slow if key == "warp" else ModelContract,), own)
