"""Leak checks: what a model is tested on, it must not have been trained on, nor trained on what came later."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Newcomers:
    """Who and what stands in test rows and in no training row.

    Attributes:
        users, items: how many.
        rows: the test rows that have such a user or item.
        n_test: all test rows.
    """

    users: int
    items: int
    rows: int
    n_test: int

    @property
    def says(self) -> str:
        """One sentence, or nothing where there are none."""
        if not self.rows:
            return ""
        return (
            f"{self.users:,} users and {self.items:,} items of the test part have no training row; they stand in "
            f"{self.rows:,} of its {self.n_test:,} rows"
        )


def newcomers(train: Interactions, test: Interactions) -> Newcomers:
    """Count the users and items of a test part that have no training row; both of the same ids."""
    new_user = np.bincount(train.user_index, minlength=train.n_users)[test.user_index] == 0
    new_item = np.bincount(train.item_index, minlength=train.n_items)[test.item_index] == 0
    users, items = np.unique(test.user_index[new_user]), np.unique(test.item_index[new_item])
    return Newcomers(len(users), len(items), int((new_user | new_item).sum()), len(test))
