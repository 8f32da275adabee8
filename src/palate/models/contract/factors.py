"""What models of factors of users and items share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from palate.models.contract.base import Recommender
from palate.models.contract.learned import Array, Attribute


class FactorModel(Recommender):
    """Scores are products of factors, with side features in their prior or their sum; chance plays a part."""

    user_factors_ = Attribute[Array]()
    item_factors_ = Attribute[Array]()
    user_features_ = Attribute[Array]()
    user_encoding_ = Attribute[list[Mapping[str, Any]]]()
    item_encoding_ = Attribute[list[Mapping[str, Any]]]()
    seed_ = Attribute[int]()
