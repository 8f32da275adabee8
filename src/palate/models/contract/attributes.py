"""What is known of users and items, for the models that are made for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from palate.data.features import Features
from palate.data.interactions import Interactions
from palate.models.contract.learner import Learner


def within(features: Mapping[str, Any], data: Interactions) -> dict[str, Any]:
    """Return features for ``fit`` of the ids of the data alone, so that lists are of items that can be judged."""
    ids = {"user_features": data.users, "item_features": data.items}
    return {name: one.only(ids[name]) if isinstance(one, Features) else one for name, one in features.items()}


def attributes_for(
    model: Learner, users: pl.DataFrame | None, items: pl.DataFrame | None, *, wanted: bool | None = None
) -> dict[str, Any]:
    """Return ``user_features`` and ``item_features`` for ``fit``, of the tables that have something to make them of.

    Args:
        model: what they are for.
        users, items: tables of a data set, or None.
        wanted: whether they shall enter; None leaves it to the model: ``uses_attributes``.
    """
    if not (model.uses_attributes if wanted is None else wanted):
        return {}
    made = {
        "user_features": None if users is None else Features.of_known(users, "user"),
        "item_features": None if items is None else Features.of_known(items, "item"),
    }
    return {name: one for name, one in made.items() if one is not None}
