"""What a model meets after training: rows by position of its items, and factors folded in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.data.features import Encoding, Features
from palate.data.ids import Id, Ids
from palate.data.interactions import Interactions, check_interactions
from palate.errors import DataError, ParameterError, shown
from palate.models.contract.abilities import TakesFeatures
from palate.models.contract.answers import id_list, say_unknown
from palate.models.contract.parameters import check_choice
from palate.models.contract.training_part import check_features
from palate.notebook import card
from palate.sparse import Rows

if TYPE_CHECKING:
    from palate.models.contract.learner import Learner


@dataclass(frozen=True, eq=False, repr=False)
class Newcomers:
    """Users folded into a model: `Recommender.fold_in`.

    Attributes:
        users: their ids.
        factors: (n_users, n_factors).
        biases: (n_users,).
        rows: what they gave, by position of the model's items: left out of their lists.
    """

    users: Ids
    factors: NDArray[Any]
    biases: NDArray[Any]
    rows: Rows

    def __repr__(self) -> str:
        n_rows, n_factors = len(self.rows.indices), self.factors.shape[1]
        return f"Newcomers({len(self.users):,} users with {n_rows:,} rows, {n_factors} factors)"

    def _repr_html_(self) -> str:
        counts = {"users": len(self.users), "rows": len(self.rows.indices), "factors": self.factors.shape[1]}
        return card("Newcomers, folded in", [(name, f"{n:,}") for name, n in counts.items()])


@dataclass(frozen=True, eq=False)
class NewItems:
    """Items folded into a model: `Recommender.fold_in_items`.

    Attributes:
        items: their ids.
        factors: (n_items, n_factors).
        biases: (n_items,).
        rows: who gave them what, by position of the model's users.
    """

    items: Ids
    factors: NDArray[Any]
    biases: NDArray[Any]
    rows: Rows


def features_on(features: Features | None, ids: Ids, model: Learner, side: str = "user") -> NDArray[Any] | None:
    """Return the rows of features of these users, or items; refuse such as the model's training did not have.

    Raises:
        ParameterError: they are no features, or other ones than those of training.
        DataError: an id has none.
    """
    if features is None:
        return None
    check_features("features", features)
    encoding = model._encoding(side) if isinstance(model, TakesFeatures) else None
    check_encoding(features, encoding, side)
    return features.on(ids)


def check_encoding(
    features: Features, encoding: Encoding | None, side: str, of: str = "model.{side}_encoding_"
) -> None:
    """Refuse features that were not made as those of training.

    Args:
        features: of users or items, as ``side`` says.
        encoding: of training; none where it had no features.
        of: where the encoding is found.

    Raises:
        ParameterError: training had none, or others.
    """
    if not encoding:
        raise ParameterError(
            f"the model was fitted without {side}_features, and cannot use those of newcomers",
            code="no_history",
            subject=f"{side}_features",
        )
    if [dict(column) for column in features.encoding] != [dict(column) for column in encoding]:
        raise ParameterError(
            "these features were encoded in another way than those of training: make them with "
            f"Features.from_table(table, '{side}', encoding={of.format(side=side)})",
            subject="features",
        )


def transpose(interactions: Interactions) -> Interactions:
    """Return the same rows with users and items in each other's place.

    Raises:
        DataError: interactions is none.
    """
    check_interactions("interactions", interactions)
    users, items = interactions.items, interactions.users
    index = interactions.item_index, interactions.user_index
    return replace(interactions, user_index=index[0], item_index=index[1], users=users, items=items)


def row_of(given: Mapping[Id, float] | Iterable[Id], model: Learner, on_unknown: str) -> Rows:
    """Return what one nameless person gave, {item: value} or items, as compressed rows of a single row.

    Items without values are clicks, whatever the model's rule (``positive``).

    Raises:
        ParameterError: items without values, of a model of ratings.
        DataError: an item stands twice, or a value is no finite number.
        UnknownIdError: an unknown item, with ``on_unknown="raise"``, or an id of another type.
    """
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        check_interactions("interactions", given)
    ids, items, rule = id_list(given), model.items_, getattr(model, "positive", None)
    if not isinstance(given, Mapping) and model.score_kind == "rating":
        raise ParameterError.of(
            type(model).__name__, "learns from ratings: give them as {item: rating}", code="not_offered"
        )
    click = float(rule) if isinstance(rule, int | float) else 1.0
    values = [given[item] for item in given] if isinstance(given, Mapping) else [click] * len(ids)
    good = {int, float} >= set(map(type, values)) or all(
        isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values
    )
    array = np.array(values, np.float32) if good else np.array([np.nan], np.float32)
    if not np.isfinite(array).all():
        raise DataError(
            f"the values of a basket must be finite numbers, got {shown(values)}", value=values, subject="items"
        )
    if len(set(ids)) < len(ids):
        raise DataError(f"an item stands twice in the basket {shown(ids)}", code="duplicates", subject="items")
    index = items.index(ids, on_unknown="raise" if on_unknown == "raise" else "mark")
    known = index >= 0
    say_unknown("the basket", int((~known).sum()), "item")
    order = np.argsort(index[known])
    return Rows.of_sizes([len(order)], index[known][order], array[known][order])


def rows_of(interactions: Interactions, items: Ids, on_unknown: str = "drop") -> Rows:
    """Return rows of any users by position in ``items``, sorted by it.

    Raises:
        DataError: interactions is none.
        ParameterError: on_unknown is neither "drop" nor "raise".
        UnknownIdError: an item that training did not know, with ``on_unknown="raise"``.
    """
    check_interactions("interactions", interactions)
    check_choice("on_unknown", on_unknown, ("drop", "raise"))
    if interactions.items is items or interactions.items == items:
        return interactions.by_user()
    used, place = np.unique(interactions.item_index, return_inverse=True)
    whole = len(used) == len(interactions.items)
    wanted = interactions.items.values if whole else interactions.items.at(used)
    index = items.index(wanted, on_unknown="raise" if on_unknown == "raise" else "mark")[place]
    known = np.flatnonzero(index >= 0)
    say_unknown("the basket", len(index) - len(known), "row", f" of {items.what}s")
    if len(known) < len(index):
        interactions, index = interactions.take(known), index[known]
    shape, values, weights = (interactions.n_users, len(items)), interactions.values, interactions.weights
    return Rows.from_cells(interactions.user_index, index, *shape, values, weights)
