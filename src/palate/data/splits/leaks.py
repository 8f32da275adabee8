"""Leak checks: what a model is tested on, it must not have been trained on, nor trained on what came later."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.errors import Call, DataError, ParameterError, Remedy, Set
from palate.sparse import Rows

log = logging.getLogger(__name__)


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
        raise DataError(
            f"{name}: {len(shared):,} of {len(test):,} test rows are also in the training part, such as "
            f"{_pair(test, shared[0])}: figures on them would say nothing",
            Remedy("; take them out with ", Set("on_overlap", "drop")),
            Remedy(", or with ", Call("test = without_overlap(train, test) of palate.data.splits.leaks")),
            code="overlap",
            subject=name,
            rows=shared[:5].tolist(),
        )


def check_fitted_on(seen: Rows | None, test: Interactions) -> None:
    """Refuse a test part that holds pairs which a model was fitted on.

    Args:
        seen: the model's training rows, of the same ids as the test part; None where they were not kept.
        test: what it shall be measured on.

    Raises:
        DataError: tells how many, one of them, and the way out.
    """
    if seen is None:
        return
    keys = seen.row_of_cells().astype(np.int64) * test.n_items + seen.indices
    shared = np.flatnonzero(_in_sorted(keys, _keys(test)))
    if len(shared):
        raise DataError(
            f"the model was fitted on {len(shared):,} of the {len(test):,} test rows, such as "
            f"{_pair(test, shared[0])}: figures on them would say nothing; fit it on the training part alone, or "
            "let evaluate do both",
            code="overlap",
            subject="test",
        )


def dropping_overlap(train: Interactions, test: Interactions, name: str, on_overlap: str) -> Interactions:
    """Return the test part, checked, and less the pairs of the training part where these shall be dropped.

    Args:
        train, test: of the same ids.
        name: what to call the split.
        on_overlap: "raise", or "drop" and tell how many.

    Raises:
        ParameterError: on_overlap is neither of the two.
        DataError: test rows are also in the training part, all of them where they shall be dropped.
    """
    if on_overlap not in ("raise", "drop"):
        raise ParameterError.outside("on_overlap", "'raise' or 'drop'", on_overlap)
    if on_overlap == "raise":
        check_parts(train, test, name)
        return test
    rest = without_overlap(train, test)
    if not len(rest):
        raise DataError.of(
            name, f": all of the {len(test):,} test rows are also in the training part: nothing is left", code="empty"
        )
    if len(rest) < len(test):
        log.warning("%s: %s test rows are also in the training part and left out", name, f"{len(test) - len(rest):,}")
    return rest


def without_overlap(train: Interactions, test: Interactions) -> Interactions:
    """Return the test part less the user-item pairs that the training part has."""
    return test.take(np.flatnonzero(~overlap(train, test)))


def overlap(train: Interactions, test: Interactions) -> NDArray[np.bool_]:
    """Return which test rows have a user-item pair that the training part has, (n_test,); both of the same ids."""
    return _in_sorted(np.sort(_keys(train)), _keys(test))


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
        raise DataError.of(name, "is a split by time, and these interactions have no times", code="times")
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
        raise DataError.of(
            name,
            f"is a split by time, and {len(late):,} of {len(train):,} training rows are later than the first "
            f"test row{whose}, such as {_date(train.times[worst])} after {_date(limit[worst])}: training would see the "
            "future; make the split again from these interactions",
            code="overlap",
        )


def _keys(part: Interactions) -> NDArray[np.int64]:
    return part.user_index.astype(np.int64) * part.n_items + part.item_index


def _in_sorted(known: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of these keys are among sorted ones."""
    if not len(known):
        return np.zeros(len(asked), bool)
    is_known: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, asked), len(known) - 1)] == asked
    return is_known


def _pair(part: Interactions, row: np.intp) -> str:
    user, item = part.users.values[int(part.user_index[row])], part.items.values[int(part.item_index[row])]
    return f"user {user} and item {item}"


def _date(seconds: np.int64) -> str:
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M:%S}"  # years are 1 to 9999, checked when built
