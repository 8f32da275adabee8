"""The newest days of a log, and the rows before them: what a candidate learns from, and what both models are judged on.

The training part is what the log said at the cut, by the rule of the kinds as of then. The test part are the pairs of a
user and an item that are rows today, became so after the cut, and were none at the cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.data.dataset import Dataset
from palate.data.ids import Ids
from palate.data.interactions import Interactions, on_shared_ids
from palate.data.splits.fixed import fixed_split
from palate.data.splits.split import Split
from palate.errors import DataError
from palate.store.kinds import DAY
from palate.store.rule import View
from palate.store.source import dataset
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

SECOND = 1_000_000  # microseconds


@dataclass(frozen=True, eq=False)
class Days:
    """A log in two parts.

    Attributes:
        cut: microseconds; nothing later is in the training part.
        newest: microseconds of the newest row.
        data: both parts.
        split: which rows are which.
    """

    cut: int
    newest: int
    data: Dataset
    split: Split

    @property
    def people(self) -> int:
        """How many people the test part has."""
        return len(np.unique(self.data.interactions.user_index[self.split.test]))

    def as_dict(self) -> dict[str, int]:
        """Return what a verdict says of them."""
        return {"cut": self.cut, "newest": self.newest, "rows": len(self.split.test), "people": self.people}


@dataclass(frozen=True, slots=True)
class TooFew:
    """Why nothing can be judged on the newest days.

    Attributes:
        why: a clause, such as "nothing is older than the newest 7 days".
    """

    why: str


def days_of(store: Store, ns: Namespace, whole: Dataset, view: View, days: float) -> Days | TooFew:
    """Return the newest days of a log and what was before them.

    Args:
        store, ns: where.
        whole: all of the log, as `palate.store.source.dataset` gives it for this view.
        view: of the log.
        days: how many.
    """
    times = whole.interactions.times
    if times is None:
        raise TypeError("rows of a store have times")
    newest = min(int(times.max()) * SECOND, now())  # a client's clock may run ahead
    cut = newest - int(days * DAY)
    if int(times.min()) * SECOND > cut:
        return TooFew(f"nothing in the log is older than the newest {days:g} days")
    try:
        train = dataset(store, ns, view, until=cut)
    except DataError:  # what was there at the cut counted for some days alone, or was withdrawn
        return TooFew(f"nothing counted before the newest {days:g} days")
    test = whole.interactions.take(np.flatnonzero(_new(whole.interactions, train.interactions, cut)))
    if not len(test):
        return TooFew(f"the newest {days:g} days brought nothing new")
    try:
        data, split = fixed_split(train, test, name=f"newest {days:g} days")
    except DataError as error:  # nobody and nothing of the one part is in the other
        return TooFew(f"the newest {days:g} days have nothing to do with those before ({error})")
    return Days(cut, newest, data, split)


def _new(whole: Interactions, train: Interactions, cut: int) -> Any:
    """Return which rows of today are later than the cut, and of pairs that were no rows then."""
    here, then = on_shared_ids([whole, train])
    pairs = [part.user_index.astype(np.int64) * here.n_items + part.item_index for part in (here, then)]
    times = np.zeros(len(whole), np.int64) if whole.times is None else whole.times
    return (times * SECOND > cut) & ~np.isin(pairs[0], pairs[1])


def texts_of(ids: Ids) -> list[str]:
    """Return ids as the store writes them."""
    return [str(value) for value in ids.values]
