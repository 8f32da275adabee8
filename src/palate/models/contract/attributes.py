"""What is known of users and items, and the one rule by which it enters a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from palate.data.dataset import Dataset
from palate.data.features import Features
from palate.data.interactions import Interactions
from palate.errors import ParameterError, Remedy
from palate.models.contract.abilities import check_supports

if TYPE_CHECKING:
    from palate.models.contract.learner import Learner

FeaturesGiven = dict[str, Features | None]
GIVE_ONE = (
    ": give a Dataset (palate.load_dataset reads one, Dataset.from_tables makes one of interactions and tables), or "
    "user_features and item_features"
)


def features_for(
    model: Learner,
    data: Dataset | Interactions,
    user_features: Features | None = None,
    item_features: Features | None = None,
    *,
    attributes: bool | None = None,
) -> FeaturesGiven:
    """Return ``user_features`` and ``item_features`` as they enter a model: the one rule for all that fits models.

    Features that are given enter as they are. Without any, the attributes in the tables of a data set enter where
    ``attributes`` says so, and where it says nothing, in a model made for them (``uses_attributes``).

    Args:
        model: what they are for.
        data: what it learns from.
        user_features, item_features: given by the caller.
        attributes: whether those of the data set shall enter; None leaves it to the model.

    Raises:
        ParameterError: attributes is none of the three, or True for a model that takes no features, beside features, or
            where the data has none.
    """
    if attributes not in (None, True, False):
        raise ParameterError.outside("attributes", "True, False or None", attributes)
    given: FeaturesGiven = {"user_features": user_features, "item_features": item_features}
    if user_features is not None or item_features is not None:
        if attributes:
            raise ParameterError.of("attributes", "are asked for beside features that are given: choose one")
        return given
    if attributes:
        check_supports(model, "features")
        if not isinstance(data, Dataset):
            raise ParameterError.of("attributes", "are asked for, and interactions have none", Remedy(GIVE_ONE))
    if not isinstance(data, Dataset) or not (model.uses_attributes if attributes is None else attributes):
        return given
    known = features_of(data)
    if attributes and not any(known.values()):
        words = f"are asked for, and the tables of {data.name} have nothing but ids and texts"
        raise ParameterError.of("attributes", words, code="not_offered")
    return known


def features_of(data: Dataset) -> FeaturesGiven:
    """Return the attributes of a data set as features, None for a table that has nothing to make them of."""
    return {
        "user_features": Features.of_known(data.users, "user", data.lists),
        "item_features": Features.of_known(data.items, "item", data.lists),
    }


def within(features: Mapping[str, Any], data: Interactions) -> dict[str, Any]:
    """Return features for ``fit`` of the ids of the data alone, so that lists are of items that can be judged."""
    ids = {"user_features": data.users, "item_features": data.items}
    return {name: given.only(ids[name]) if isinstance(given, Features) else given for name, given in features.items()}
