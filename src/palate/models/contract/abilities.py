"""What a model may be able to do, and which others can where one cannot."""

from __future__ import annotations

from typing import Any

from palate.errors import ParameterError

ABILITIES = {
    "predict": "predicts no ratings, it orders items",
    "predict_distribution": "has no predictive distribution",
    "fold_in": "cannot fold users in",
    "fold_in_items": "cannot fold items in",
    "recommend_for": "knows nothing of users by their rows alone",
    "similar_items": "has no likeness of items",
    "similar_users": "has no likeness of users",
    "explain": "cannot explain its scores",
    "weights": "takes no sample weights",
    "features": "takes no features",
    "warm_start": "starts from no fitted model",
}


def check_supports(model: Any, ability: str, remedy: str = "") -> None:
    """Refuse what a model has not declared in ``supports``.

    Raises:
        ParameterError: says which models can; with ``remedy``, what to do with this one.
    """
    if ability in model.supports:
        return
    from palate.models import MODELS

    able = ", ".join(key for key, cls in MODELS.items() if ability in cls.supports)
    other = f"; {remedy}" if remedy else ""
    raise ParameterError.of(type(model).__name__, f"{ABILITIES[ability]}{other}; {able} can", code="not_offered")
