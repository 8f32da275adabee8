"""The splits that a word names: one function a kind, of the data, the split's name and its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.data.splits.split import Folds, Split, by_mask
from palate.errors import Blank, DataError, ParameterError, Remedy, Set

OFFICIAL_ROWS, OFFICIAL_BLOCK = 100_000, 20_000
OFFICIAL_SIZES = (943, 1682)  # users and items
OFFICIAL_ENDS = [("196", "242"), ("12", "203")]  # user and item of the first row and of the last


def at_random(data: Interactions, name: str, part: float, seed: int) -> list[Split]:
    """Return the rows that scikit-learn's train_test_split gives."""
    n_test = math.ceil(part * len(data))
    order = np.random.RandomState(seed).permutation(len(data))
    return [Split(name, order[n_test:], order[:n_test])]


def _stratified(data: Interactions, name: str, part: float, seed: int) -> list[Split]:
    order = np.random.default_rng(seed).permutation(len(data))
    place, size = _place_in_user(data, order)
    return [by_mask(name, place < np.round(part * size))]


def _last(data: Interactions, name: str, n: int) -> list[Split]:
    order = np.argsort(_times(data, name), kind="stable")[::-1]  # at equal times the later row is the later one
    place, _ = _place_in_user(data, order)
    return [by_mask(name, place < n, in_time="user")]


def _time(data: Interactions, name: str, part: float) -> list[Split]:
    times = _times(data, name)
    cut = np.sort(times)[len(times) - math.ceil(part * len(times))]
    return [by_mask(name, times >= cut, in_time="all")]


def _rolling(data: Interactions, name: str, n: int, part: float) -> list[Split]:
    times = _times(data, name)
    size = math.ceil(part * len(times))
    if n * size >= len(times):
        raise DataError.of(
            f"the split {name}",
            f"has {n} windows of {size:,} rows, and the data has {len(times):,}: nothing is left to "
            "learn from before the first; take fewer or smaller windows",
            code="split",
        )
    cuts = np.sort(times)[len(times) - size * np.arange(n, 0, -1)]
    ends = [*cuts[1:], None]  # rows of one moment are never parted
    return [
        Split(
            f"{name} window {k}",
            np.flatnonzero(times < start),
            np.flatnonzero((times >= start) & (times < end) if end is not None else times >= start),
            in_time="all",
        )
        for k, (start, end) in enumerate(zip(cuts, ends, strict=True), 1)
    ]


def _kfold(data: Interactions, name: str, n: int, seed: int) -> Folds:
    if n > len(data):
        raise DataError.of(
            f"the split {name}", f"asks for more folds than there are rows ({len(data):,})", code="split"
        )
    return Folds(name, np.random.RandomState(seed).permutation(len(data)), n)


def _official(data: Interactions, name: str, which: str) -> list[Split]:
    if which not in ("u1", "u2", "u3", "u4", "u5"):
        raise ParameterError.of(f"the split '{name}'", "should be official:u1 to official:u5", code="split")
    if len(data) != OFFICIAL_ROWS:
        raise DataError(
            f"the official splits are made for the {OFFICIAL_ROWS:,} rows of MovieLens 100K in their order, these are "
            f'{len(data):,} (load_movielens keeps them all with on_missing="keep")',
            subject=name,
            code="other_data",
        )
    ends = [0, -1]
    users, items = data.users.at(data.user_index[ends]), data.items.at(data.item_index[ends])
    pairs = list(zip(map(str, users), map(str, items), strict=True))
    if pairs != OFFICIAL_ENDS or (data.n_users, data.n_items) != OFFICIAL_SIZES:
        raise DataError(
            "the official splits are made for MovieLens 100K, whose 943 users and 1,682 items begin with user 196 and "
            f"item 242 and end with 12 and 203; these {data.n_users:,} users and {data.n_items:,} items begin with "
            f"{pairs[0][0]} and {pairs[0][1]} and end with {pairs[1][0]} and {pairs[1][1]}",
            subject=name,
            code="other_data",
        )
    row = np.arange(len(data))
    return [by_mask(name, row // OFFICIAL_BLOCK == int(which[1]) - 1)]


def _cold_items(data: Interactions, name: str, part: float, seed: int) -> list[Split]:
    return [by_mask(name, _drawn(data.item_index, data.n_items, part, seed))]


def _cold_users(data: Interactions, name: str, part: float, seed: int) -> list[Split]:
    return [by_mask(name, _drawn(data.user_index, data.n_users, part, seed))]


def _drawn(index: NDArray[np.int32], n: int, part: float, seed: int) -> NDArray[np.bool_]:
    drawn = np.zeros(n, bool)
    drawn[np.random.default_rng(seed).permutation(n)[: math.ceil(part * n)]] = True
    return drawn[index]


def _place_in_user(data: Interactions, order: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return each row's place among its user's rows in the given order, and how many the user has."""
    by_user = order[np.argsort(data.user_index[order], kind="stable")]
    counts = np.bincount(data.user_index, minlength=data.n_users)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = np.empty(len(data), np.intp)
    place[by_user] = np.arange(len(data)) - np.repeat(starts, counts)
    return place, counts[data.user_index]


def _times(data: Interactions, name: str) -> NDArray[np.int64]:
    if data.times is None:
        raise DataError(
            f"the split {name} needs times, and these interactions have none",
            Remedy(": name their column with ", Set("columns", {"time": Blank("…")}), ", or use random:0.2:42"),
            code="times",
            subject=name,
        )
    return data.times


KINDS: dict[str, Callable[..., Sequence[Split]]] = {
    "random": at_random,
    "stratified": _stratified,
    "last": _last,
    "time": _time,
    "rolling": _rolling,
    "kfold": _kfold,
    "official": _official,
    "cold-items": _cold_items,
    "cold-users": _cold_users,
}
EXAMPLES = (
    *("random:0.2:42", "stratified:0.25:42", "last:1", "time:0.2", "rolling:4:0.1", "kfold:5:42", "official:u1"),
    *("cold-items:0.2:42", "cold-users:0.2:42"),
)
