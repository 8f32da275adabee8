"""Leak checks: what a model is tested on, it must not have been trained on, nor trained on what came later."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.errors import DataError


def check_parts(train: Interactions, test: Interactions, name: str) -> None:
    """Refuse a test part that shares user-item pairs with the training part.

    Args:
        train, test: of the same ids.
        name: what to call the split.

    Raises:
        DataError: tells how many pairs are shared, one of them, and the way out.
    """
    shared = np.flatnonzero(np.isin(_keys(test), _keys(train)))
    if len(shared):
        user = test.users.values[int(test.user_index[shared[0]])]
        item = test.items.values[int(test.item_index[shared[0]])]
        raise DataError(
            f"{name}: {len(shared):,} of {len(test):,} test rows are also in the training part, such as user {user} and "
            f"item {item}; figures on them would say nothing: take them out with "
            "palate.data.leaks.without_overlap(train, test)"
        )


def without_overlap(train: Interactions, test: Interactions) -> Interactions:
    """Return the test part less the user-item pairs that the training part has."""
    return test.take(np.flatnonzero(~np.isin(_keys(test), _keys(train))))


def _keys(part: Interactions) -> NDArray[np.int64]:
    return part.user_index.astype(np.int64) * part.n_items + part.item_index
