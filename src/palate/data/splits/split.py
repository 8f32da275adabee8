"""What a split is: row numbers of a training and a test part, and several folds of one order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray

from palate.data.dataset import Data, Dataset, interactions_of
from palate.data.interactions import Interactions
from palate.data.splits.leaks import check_time
from palate.errors import DataError, ParameterError
from palate.notebook import card, plainly

InTime = Literal["", "all", "user"]
FOLD = re.compile(r" (fold|window) \d+$")


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
            raise ParameterError.outside("in_time", f"one of {get_args(InTime)}", self.in_time)
        for part in ("train", "test"):
            rows = np.asarray(getattr(self, part))
            if not rows.size:
                raise DataError.of(
                    f"the split {self.name}", f"leaves no row in the {part} part; choose another size", code="split"
                )
            if rows.ndim != 1 or rows.dtype.kind not in "iu" or rows.min() < 0:
                raise DataError.of(
                    f"the {part} part of {self.name}", "must be a list of row numbers from 0", code="split"
                )
            view = rows.view()
            view.flags.writeable = False
            object.__setattr__(self, part, view)
        in_train = np.zeros(self.n_rows, bool)
        in_train[self.train] = True
        shared = int(in_train[self.test].sum())
        if shared:
            raise DataError.of(
                self.name,
                f": {shared:,} rows stand in both parts; a test row must not be a training row",
                code="overlap",
            )
        for part, marked in (("train", in_train), ("test", np.zeros(self.n_rows, bool))):
            marked[getattr(self, part)] = True
            repeats = len(getattr(self, part)) - int(marked.sum())
            if repeats:
                raise DataError.of(
                    self.name, f": {repeats:,} rows stand again in the {part} part; each may stand once", code="overlap"
                )

    def __repr__(self) -> str:
        return f"Split({plainly(self.name)}: {len(self.train):,} training rows, {len(self.test):,} test rows)"

    def _repr_html_(self) -> str:
        facts = [("training rows", f"{len(self.train):,}"), ("test rows", f"{len(self.test):,}")]
        return card(f"Split {self.name}", facts)

    @property
    def n_rows(self) -> int:
        """Rows that the data must have at least."""
        return int(max(self.train.max(), self.test.max())) + 1

    @property
    def family(self) -> str:
        """Its name without the number of the fold or window."""
        return FOLD.sub("", self.name)

    @property
    def digest(self) -> str:
        """A hash of its rows: the same only for the same parts."""
        return hashlib.sha256(self.train.tobytes() + b"|" + self.test.tobytes()).hexdigest()

    def apply(self, interactions: Data) -> tuple[Data, Data]:
        """Return the training and the test part, data sets of a data set.

        Raises:
            DataError: the data has fewer rows, or the split claims to be in time and training sees the future.
        """
        if self.n_rows > len(interactions):
            raise DataError.of(
                f"the split {self.name}",
                f"has row {self.n_rows - 1:,}, and these interactions end at "
                f"{len(interactions) - 1:,}: it was made of other data",
                code="other_data",
            )
        train, test = interactions.take(self.train), interactions.take(self.test)
        if self.in_time:
            within_users = self.in_time == "user"
            check_time(interactions_of(train), interactions_of(test), self.name, within_users=within_users)
        return train, test

    def describe(self, interactions: Dataset | Interactions) -> SplitFacts:
        """Return sizes of the parts, and what the split leaves without training rows."""
        data = interactions_of(interactions, "interactions")
        return facts_of(self.name, data.take(self.train), data.take(self.test))


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
        return by_mask(f"{self.name} fold {k + 1}", test)


def by_mask(name: str, test: NDArray[np.bool_], in_time: InTime = "") -> Split:
    """Return the split whose test part are the marked rows, (n_rows,), both parts in row order."""
    return Split(name, np.flatnonzero(~test), np.flatnonzero(test), in_time)
