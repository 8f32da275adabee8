"""User-item pairs that stand more than once: found, and made one row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palate.data.checking import OnDuplicate

if TYPE_CHECKING:
    from palate.data.interactions import Interactions


def repeats_of(user: NDArray[np.int32], item: NDArray[np.int32], n_items: int) -> NDArray[np.intp]:
    """Return the rows whose pair stood before, in row order."""
    key = _pair_keys(user, item, n_items)
    key.sort()
    if not (key[1:] == key[:-1]).any():
        return np.empty(0, np.intp)
    key = _pair_keys(user, item, n_items)
    order = np.argsort(key, kind="stable")
    again = key[order][1:] == key[order][:-1]
    return np.sort(order[1:][again])


def _pair_keys(user: NDArray[np.int32], item: NDArray[np.int32], n_items: int) -> NDArray[np.int64]:
    key = user.astype(np.int64)
    key *= n_items
    key += item
    return key


def merged(rows: Interactions, how: OnDuplicate) -> Interactions:
    """Return one row for each pair, in the order of first appearance; its weight is that of its last row."""
    key = _pair_keys(rows.user_index, rows.item_index, rows.n_items)
    times = rows.times if rows.times is not None else np.zeros(len(key), np.int64)
    order = np.lexsort((times, key))
    start = np.flatnonzero(np.concatenate([[True], key[order][1:] != key[order][:-1]]))
    size = np.diff(np.concatenate([start, [len(key)]]))
    last = order[start + size - 1]
    values = rows.values
    if how == "last":
        made = values[last]
    else:
        total = np.add.reduceat(values[order].astype(np.float64), start)
        with np.errstate(over="ignore"):  # infinite: refused by the caller
            made = (total / size if how == "mean" else total).astype(np.float32)
    first = np.argsort(np.minimum.reduceat(order, start), kind="stable")
    dropped = {**rows.dropped, f"repeated pairs merged ({how})": len(key) - len(start)}
    return replace(rows.take(last[first]), values=made[first], dropped=dropped)
