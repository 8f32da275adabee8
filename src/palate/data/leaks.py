"""Leak checks: what a model is tested on, it must not have been trained on, nor trained on what came later."""

from __future__ import annotations

from datetime import UTC, datetime

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
    shared = np.flatnonzero(overlap(train, test))
    if len(shared):
        user = test.users.values[int(test.user_index[shared[0]])]
        item = test.items.values[int(test.item_index[shared[0]])]
        raise DataError(
            f"{name}: {len(shared):,} of {len(test):,} test rows are also in the training part, such as user {user} "
            f"and item {item}: figures on them would say nothing; take them out with "
            "test = without_overlap(train, test) of palate.data.leaks"
        )


def without_overlap(train: Interactions, test: Interactions) -> Interactions:
    """Return the test part less the user-item pairs that the training part has."""
    return test.take(np.flatnonzero(~overlap(train, test)))


def overlap(train: Interactions, test: Interactions) -> NDArray[np.bool_]:
    """Return which test rows have a user-item pair that the training part has, (n_test,); both of the same ids."""
    known, asked = np.sort(_keys(train)), _keys(test)
    if not len(known):
        return np.zeros(len(asked), bool)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, asked), len(known) - 1)] == asked
    return found


def check_time(train: Interactions, test: Interactions, name: str, *, within_users: bool = False) -> None:
    """Refuse a split by time whose training part holds rows later than the first test row.

    Args:
        train, test: of the same ids.
        name: what to call the split.
        within_users: compare each user's rows alone.

    Raises:
        DataError: there are no times; or tells how many rows are later, and the two dates.
    """
    if train.times is None or test.times is None:
        raise DataError(f"{name} is a split by time, and these interactions have no times")
    if within_users:
        first = np.full(test.n_users, np.iinfo(np.int64).max)
        np.minimum.at(first, test.user_index, test.times)
        limit = first[train.user_index]
    else:
        limit = np.full(len(train), test.times.min())
    late = np.flatnonzero(train.times > limit)
    if len(late):
        worst = late[np.argmax(train.times[late])]
        whose = " of the same user" if within_users else ""
        raise DataError(
            f"{name} is a split by time, and {len(late):,} of {len(train):,} training rows are later than the first "
            f"test row{whose}, such as {_date(train.times[worst])} after {_date(limit[worst])}: training would see the "
            "future; make the split again from these interactions"
        )


def _keys(part: Interactions) -> NDArray[np.int64]:
    return part.user_index.astype(np.int64) * part.n_items + part.item_index


def _date(seconds: np.int64) -> str:
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M:%S}"  # years are 1 to 9999, checked when built
