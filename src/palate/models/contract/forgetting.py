"""A fitted model without some of its users, as forgetting them asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from palate.data.ids import Id, Ids
from palate.errors import ParameterError
from palate.models.contract.state import ModelState
from palate.sparse import Array, Rows

if TYPE_CHECKING:
    from palate.models.contract.learner import Learner

M = TypeVar("M", bound="Learner")
USER_AXES = ("n_users", "n_users_with_features")


def without_users(model: M, ids: Iterable[Id]) -> M:
    """Return a fitted model that does not know these users: no id, no row of its own, no item seen.

    What was learned of items stays as it is, and so does what all others get; `EASE` solved between users is solved
    without them. Ids that the model does not know do no harm.

    Args:
        model: fitted; it is not changed.
        ids: of the users.

    Raises:
        ParameterError: nobody would be left.
        UnknownIdError: an id is of another type than the model's.
    """
    state = model.state()
    index = state.users.index(list(ids), on_unknown="mark")
    kept = np.ones(len(state.users), bool)
    kept[index[index >= 0]] = False
    if not kept.any():
        raise ParameterError(
            "a model of no users would be left: delete the model instead", subject="users", code="empty"
        )
    left = np.flatnonzero(kept)
    values = state.users.at(left)
    users = Ids(values.to_numpy() if state.users.kind == "integer" else values, state.users.what)
    seen = None if state.seen is None else state.seen.take(left)
    return type(model).from_state(_of_users(model, state, left, users, seen))


def _of_users(model: Learner, state: ModelState, left: Array, users: Ids, seen: Rows | None) -> ModelState:
    """Return the state of a model, and of its parts, with these users alone."""
    parts = zip(model.fitted_parts, state.parts, strict=True)
    return replace(
        state,
        users=users,
        seen=seen,
        arrays={**state.arrays, **model._arrays_of_users(left)},
        parts=tuple(_of_users(part, own, left, users, seen) for part, own in parts),
    )
