"""What every model asks of its training part, and what it keeps of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from palate.data.features import Features
from palate.data.interactions import Interactions, check_interactions
from palate.errors import DataError, ParameterError

log = logging.getLogger(__name__)

LARGEST_VALUE = 1e15  # a model file holds no larger mean; a million products of two such stay finite in float32


def check_learnable(interactions: Interactions, validation: Interactions | None) -> None:
    """Refuse a training or validation part that nothing can be learned from, or that no file could hold.

    Raises:
        DataError: one of them is no `Interactions` or has no row, their ids differ, or a value is beyond 1e15.
    """
    check_interactions("interactions", interactions)
    if validation is not None:
        check_interactions("validation", validation)
    if not len(interactions) or (validation is not None and not len(validation)):
        raise DataError(
            f"the {'validation' if len(interactions) else 'training'} part has no rating",
            code="empty",
            subject="validation" if len(interactions) else "training",
        )
    if validation is not None and not _same_ids(validation, interactions):
        raise DataError.of(
            "validation",
            "has other ids than the training part; take both from one set of interactions",
            code="other_data",
        )
    low, high = interactions.values.min(), interactions.values.max()
    if max(-low, high) > LARGEST_VALUE:
        worst = high if high > -low else low
        raise DataError.of("the training part", f"has the value {worst:g}; beyond {LARGEST_VALUE:g} rescale the values")


def with_known(
    data: Interactions, validation: Interactions | None, users: Features | None, items: Features | None
) -> tuple[Interactions, Interactions | None]:
    """Return both parts with the ids of the features known, too: people and items of whom there is no row.

    Raises:
        DataError: ids of features are of another type than those of the rows.
    """
    ids = [None if features is None else features.ids for features in (users, items)]
    whole = data.with_ids(*ids)
    if validation is None or whole is data:
        return whole, validation
    return whole, replace(validation, users=whole.users, items=whole.items)


def _same_ids(left: Interactions, right: Interactions) -> bool:
    return left.users == right.users and left.items == right.items


def rating_limits(data: Interactions) -> tuple[float, float]:
    """Return the stated rating range, or where none is stated the lowest and highest value."""
    if data.rating_range is not None:
        return float(data.rating_range[0]), float(data.rating_range[1])
    return float(data.values.min()), float(data.values.max())


def warn_of_equal_values(data: Interactions) -> None:
    """Log a warning where all values are the same, as in a log of clicks."""
    if (data.values == data.values[0]).all():
        log.warning(
            "all %s values are %g: there is nothing to learn from their size; clicks need a model that ranks",
            f"{len(data):,}",
            data.values[0],
        )


def check_features(name: str, value: Any) -> None:
    """Refuse what is no `Features`, such as a table that was not encoded yet.

    Raises:
        ParameterError: names the argument, and how to make it.
    """
    if not isinstance(value, Features):
        kind = type(value).__name__
        raise ParameterError.of(name, f"must be Features, got {kind}: make it with Features.from_table(table, side)")
