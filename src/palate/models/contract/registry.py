"""The models that there are, by their key: `palate.models` fills it, and what is below the models can name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palate.models.contract.base import Recommender

MODELS: dict[str, type[Recommender]] = {}
