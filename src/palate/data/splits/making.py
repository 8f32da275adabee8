"""Splits into training and test rows, by the same strings everywhere.

    random:0.2:42       a random part of the rows, the rows that scikit-learn's train_test_split gives
    stratified:0.25:42  a random part of each user's rows
    last:1              the last rows of each user, by time
    time:0.2            the latest part of all rows, one cut for everybody
    rolling:4:0.1       four windows in time, each tested on its tenth of the rows, learned from all rows before
    kfold:5:42          five folds, each the test part once
    official:u1         MovieLens 100K's own splits u1 to u5: consecutive blocks of 20,000 rows
    cold-items:0.2:42   all rows of a random part of the items
    cold-users:0.2:42   all rows of a random part of the users
    my-split.parquet    a file of `save_splits`

Users and items that lose all their training rows stay known by id and are measured like all others: what a model says
of them is the model's affair. `Split.describe` counts them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions, check_interactions
from palate.data.splits.leaks import check_time
from palate.errors import Blank, DataError, ParameterError, Remedy, Set
from palate.notebook import card, plainly

InTime = Literal["", "all", "user"]
FILE_ENDING = ".parquet"
OFFICIAL_ROWS, OFFICIAL_BLOCK = 100_000, 20_000
OFFICIAL_SIZES = (943, 1682)  # users and items
OFFICIAL_ENDS = [("196", "242"), ("12", "203")]  # user and item of the first row and of the last


@dataclass(frozen=True)
class SplitFacts:
    """Sizes of a split's parts, and the test rows of users and items without any training row.

    Attributes:
        name: the split's string, with its fold.
        n_train, n_test: rows.
        users_without_training, items_without_training: how many of the test part have no training row.
        test_rows_of_those: how many test rows are of one of them.
    """

    name: str
    n_train: int
    n_test: int
    users_without_training: int
    items_without_training: int
    test_rows_of_those: int

    @property
    def says(self) -> str:
        """The same in a sentence."""
        text = f"{self.n_train:,} training rows, {self.n_test:,} test rows"
        counts = ((self.users_without_training, "user"), (self.items_without_training, "item"))
        without = " and ".join(f"{n:,} {word}{'s' if n > 1 else ''}" for n, word in counts if n)
        if not without:
            return f"{text}, all of users and items with training rows"
        have = "has" if sum(n for n, _ in counts) == 1 else "have"
        rows = f"{self.test_rows_of_those:,} test row{'s' if self.test_rows_of_those > 1 else ''}"
        return f"{text}; {without} of the test part {have} no training row ({rows}): they are measured like all others"


@dataclass(frozen=True, repr=False)
class Split:
    """Rows of the training and of the test part, frozen.

    Attributes:
        name: the string that makes it, with the fold or window where there are several.
        train, test: row numbers, each once, without overlap.
        in_time: "all" where no training row is later than any test row, "user" where that holds within each user; kept
            when it is applied. "" claims nothing.
        source: the file that it came from and its place there, from 1; None for one that its name makes.
    """

    name: str
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    in_time: InTime = ""
    source: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        """Hold the rows as read-only views.

        Raises:
            DataError: a part is empty, a number is no row, stands twice, or stands in both parts.
        """
        if self.in_time not in get_args(InTime):
            raise ParameterError(f"in_time must be one of {get_args(InTime)}, got {self.in_time!r}")
        for part in ("train", "test"):
            rows = np.asarray(getattr(self, part))
            if not rows.size:
                raise DataError(f"the split {self.name} leaves no row in the {part} part; choose another size")
            if rows.ndim != 1 or rows.dtype.kind not in "iu" or rows.min() < 0:
                raise DataError(f"the {part} part of {self.name} must be a list of row numbers from 0")
            view = rows.view()
            view.flags.writeable = False
            object.__setattr__(self, part, view)
        in_train = np.zeros(self.n_rows, bool)
        in_train[self.train] = True
        shared = int(in_train[self.test].sum())
        if shared:
            raise DataError(f"{self.name}: {shared:,} rows stand in both parts; a test row must not be a training row")
        for part, marked in (("train", in_train), ("test", np.zeros(self.n_rows, bool))):
            marked[getattr(self, part)] = True
            repeats = len(getattr(self, part)) - int(marked.sum())
            if repeats:
                raise DataError(f"{self.name}: {repeats:,} rows stand again in the {part} part; each may stand once")

    def __repr__(self) -> str:
        return f"Split({plainly(self.name)}: {len(self.train):,} training rows, {len(self.test):,} test rows)"

    def _repr_html_(self) -> str:
        facts = [("training rows", f"{len(self.train):,}"), ("test rows", f"{len(self.test):,}")]
        return card(f"Split {self.name}", facts)

    @property
    def n_rows(self) -> int:
        """Rows that the data must have at least."""
        return int(max(self.train.max(), self.test.max())) + 1

    def apply(self, interactions: Interactions) -> tuple[Interactions, Interactions]:
        """Return the training and the test part.

        Raises:
            DataError: the data has fewer rows, or the split claims to be in time and training sees the future.
        """
        if self.n_rows > len(interactions):
            raise DataError(
                f"the split {self.name} has row {self.n_rows - 1:,}, and these interactions end at "
                f"{len(interactions) - 1:,}: it was made of other data"
            )
        train, test = interactions.take(self.train), interactions.take(self.test)
        if self.in_time:
            check_time(train, test, self.name, within_users=self.in_time == "user")
        return train, test

    def describe(self, interactions: Interactions) -> SplitFacts:
        """Return sizes of the parts, and what the split leaves without training rows."""
        return facts_of(self.name, interactions.take(self.train), interactions.take(self.test))


def facts_of(name: str, train: Interactions, test: Interactions) -> SplitFacts:
    """Return sizes of two parts of the same ids, and what of the test part has no training row."""
    new_users, new_items = np.ones(train.n_users, bool), np.ones(train.n_items, bool)
    new_users[train.user_index], new_items[train.item_index] = False, False
    rows = new_users[test.user_index] | new_items[test.item_index]
    return SplitFacts(
        name=name,
        n_train=len(train),
        n_test=len(test),
        users_without_training=len(np.unique(test.user_index[new_users[test.user_index]])),
        items_without_training=len(np.unique(test.item_index[new_items[test.item_index]])),
        test_rows_of_those=int(rows.sum()),
    )


@dataclass(frozen=True, repr=False)
class Folds(Sequence[Split]):
    """The folds of one random order, each made when it is asked for: their rows together are n_folds times the data.

    Attributes:
        name: the string that makes them.
        order: (n,) row numbers.
        n_folds: how many.
    """

    name: str
    order: NDArray[np.intp]
    n_folds: int

    def __len__(self) -> int:
        return self.n_folds

    def __repr__(self) -> str:
        return f"Folds({plainly(self.name)}: {self.n_folds:,} folds of {len(self.order):,} rows)"

    def _repr_html_(self) -> str:
        return card(f"Folds {self.name}", [("folds", f"{self.n_folds:,}"), ("rows", f"{len(self.order):,}")])

    @overload
    def __getitem__(self, which: int) -> Split: ...
    @overload
    def __getitem__(self, which: slice) -> list[Split]: ...
    def __getitem__(self, which: int | slice) -> Split | list[Split]:
        numbers = range(self.n_folds)[which]
        return self._fold(numbers) if isinstance(numbers, int) else [self._fold(k) for k in numbers]

    def _fold(self, k: int) -> Split:
        size, larger = divmod(len(self.order), self.n_folds)  # the first folds have one row more, as scikit-learn's
        start = k * size + min(k, larger)
        test = np.zeros(len(self.order), bool)
        test[self.order[start : start + size + (k < larger)]] = True
        return _by_mask(f"{self.name} fold {k + 1}", test)


def split(
    interactions: Interactions, test: float | str = 0.2, random_state: int = 42
) -> tuple[Interactions, Interactions]:
    """Return a training and a test part: random rows, exactly those of scikit-learn's ``train_test_split``, or a split.

    Args:
        interactions: the rows to split.
        test: part of the rows to test on, between 0 and 1; or a split as `make_splits` takes it, such as "time:0.2".
        random_state: seed of the random part; a split in words has its own.

    Raises:
        ParameterError: test is not between 0 and 1 and no split of two parts, or random_state is no seed.
        DataError: a part would be empty, interactions is none, or it cannot be split like this.
    """
    check_interactions("interactions", interactions)
    if isinstance(test, str):
        several = make_splits(interactions, test)
        if len(several) > 1:
            raise ParameterError(
                f"'{test}' is {len(several)} splits, and this gives one: take make_splits(interactions, '{test}')"
            )
        return several[0].apply(interactions)
    if isinstance(test, bool) or not isinstance(test, Real) or not 0 < test < 1:
        raise ParameterError(f"test must lie between 0 and 1, or be a split such as 'time:0.2'; got {test!r}")
    name = f"random:{test}:{random_state}"
    _check_seed(random_state, name)
    return _random(interactions, name, float(test), random_state)[0].apply(interactions)


def make_splits(interactions: Interactions, text: str) -> Sequence[Split]:
    """Return the splits that a string names: one, or as many as there are folds, each made when it is asked for.

    Raises:
        ParameterError: the string is none of those above.
        DataError: the data cannot be split like this (no times, too few rows, not MovieLens 100K), or the file of
            splits is not to be read or was made of other data.
    """
    check_interactions("interactions", interactions)
    if not isinstance(text, str):
        raise ParameterError(f"a split is a text such as {EXAMPLES[0]}, got {text!r}")
    text = text.strip()
    if text.endswith(FILE_ENDING):
        from palate.data.splits.file import load_splits

        return load_splits(text, interactions)
    kind, *words = text.split(":")
    if kind not in KINDS:
        raise ParameterError(f"unknown split '{text}'; known are {', '.join(EXAMPLES)}")
    example = next(e for e in EXAMPLES if e.startswith(kind))
    types: list[Callable[[str], float | int | str]] = [_type_of(w) for w in example.split(":")[1:]]
    if kind not in ("official", "last", "time", "rolling") and len(words) == len(types) - 1:
        words.append("42")
    if len(words) != len(types):
        raise ParameterError(f"the split '{text}' should look like {example}")
    try:
        values = [t(w) for t, w in zip(types, words, strict=True)]
    except ValueError:
        raise ParameterError(f"the split '{text}' should look like {example}") from None
    for value in values:
        if isinstance(value, float):
            _check_part(value, text)
    if isinstance(values[0], int) and values[0] < (2 if kind == "kfold" else 1):
        raise ParameterError(f"the split '{text}' asks for too few; it should look like {example}")
    if len(values) == 2 and kind != "rolling":
        _check_seed(values[1], text)
    return KINDS[kind](interactions, text, *values)


def _type_of(word: str) -> Callable[[str], float | int | str]:
    return float if "." in word else int if word.isdigit() else str


def _check_part(part: float, text: str) -> None:
    if not isinstance(part, Real) or not 0 < part < 1:
        raise ParameterError(f"the test part of the split '{text}' must lie between 0 and 1")


def _check_seed(seed: object, text: str) -> None:
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ParameterError(f"the seed of the split '{text}' must be a whole number from 0 to {2**32 - 1}")


def _random(data: Interactions, name: str, part: float, seed: int) -> list[Split]:
    n_test = math.ceil(part * len(data))
    order = np.random.RandomState(seed).permutation(len(data))
    return [Split(name, order[n_test:], order[:n_test])]


def _stratified(data: Interactions, name: str, part: float, seed: int) -> list[Split]:
    order = np.random.default_rng(seed).permutation(len(data))
    place, size = _place_in_user(data, order)
    return [_by_mask(name, place < np.round(part * size))]


def _last(data: Interactions, name: str, n: int) -> list[Split]:
    order = np.argsort(_times(data, name), kind="stable")[::-1]  # at equal times the later row is the later one
    place, _ = _place_in_user(data, order)
    return [_by_mask(name, place < n, in_time="user")]


def _time(data: Interactions, name: str, part: float) -> list[Split]:
    times = _times(data, name)
    cut = np.sort(times)[len(times) - math.ceil(part * len(times))]
    return [_by_mask(name, times >= cut, in_time="all")]


def _rolling(data: Interactions, name: str, n: int, part: float) -> list[Split]:
    times = _times(data, name)
    size = math.ceil(part * len(times))
    if n * size >= len(times):
        raise DataError(
            f"the split {name} has {n} windows of {size:,} rows, and the data has {len(times):,}: nothing is left to "
            "learn from before the first; take fewer or smaller windows"
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
        raise DataError(f"the split {name} asks for more folds than there are rows ({len(data):,})")
    return Folds(name, np.random.RandomState(seed).permutation(len(data)), n)


def _official(data: Interactions, name: str, which: str) -> list[Split]:
    if which not in ("u1", "u2", "u3", "u4", "u5"):
        raise ParameterError(f"the split '{name}' should be official:u1 to official:u5")
    if len(data) != OFFICIAL_ROWS:
        raise DataError(
            f"the official splits are made for the {OFFICIAL_ROWS:,} rows of MovieLens 100K in their order, these are "
            f'{len(data):,} (load_movielens keeps them all with on_missing="keep")'
        )
    ends = [0, -1]
    users, items = data.users.at(data.user_index[ends]), data.items.at(data.item_index[ends])
    pairs = list(zip(map(str, users), map(str, items), strict=True))
    if pairs != OFFICIAL_ENDS or (data.n_users, data.n_items) != OFFICIAL_SIZES:
        raise DataError(
            "the official splits are made for MovieLens 100K, whose 943 users and 1,682 items begin with user 196 and "
            f"item 242 and end with 12 and 203; these {data.n_users:,} users and {data.n_items:,} items begin with "
            f"{pairs[0][0]} and {pairs[0][1]} and end with {pairs[1][0]} and {pairs[1][1]}"
        )
    row = np.arange(len(data))
    return [_by_mask(name, row // OFFICIAL_BLOCK == int(which[1]) - 1)]


def _cold_items(data: Interactions, name: str, part: float, seed: int) -> list[Split]:
    return [_by_mask(name, _drawn(data.item_index, data.n_items, part, seed))]


def _cold_users(data: Interactions, name: str, part: float, seed: int) -> list[Split]:
    return [_by_mask(name, _drawn(data.user_index, data.n_users, part, seed))]


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


def _by_mask(name: str, test: NDArray[np.bool_], in_time: InTime = "") -> Split:
    return Split(name, np.flatnonzero(~test), np.flatnonzero(test), in_time)


KINDS: dict[str, Callable[..., Sequence[Split]]] = {
    "random": _random,
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
