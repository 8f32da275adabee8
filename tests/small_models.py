"""Models of any key that learn small data in a moment."""

from __future__ import annotations

from typing import Any

from palate.models import MODELS, Recommender

SMALL: dict[str, Any] = {
    "random_state": 0,
    "n_factors": 4,
    "n_epochs": 5,
    "positive": 3.0,
    "n_sweeps": 20,
    "n_burn_in": 5,
    "n_components": 3,
}


def make(key: str, **changes: Any) -> Recommender:
    """Return an unfitted model of this key, with what its parameters take of `SMALL` and of the changes."""
    given = {**SMALL, **changes}
    return MODELS[key](**{name: given[name] for name in MODELS[key].parameter_names() if name in given})
