"""The card of a data set: the numbers a person wants to see first. Nothing is drawn here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.checking import FIRST_SECOND, LAST_SECOND
from palate.data.dataset import Dataset
from palate.data.interactions import Interactions
from palate.data.items import item_table
from palate.errors import DataError
from palate.notebook import card as card_of
from palate.notebook import plainly, preview

BINS = 10  # bars of the histogram where there are many values
TOP = 10
NAMES = ("fewest", "quarter", "median", "three quarters", "most")


@dataclass(frozen=True, repr=False)
class Card:
    """Counts and distributions of a data set.

    Attributes:
        name: the data set's.
        users, items, ratings: counts of those with at least one rating, and of ratings.
        sparsity: share of user-item pairs without a rating.
        mean: mean value.
        histogram: (value or range, count), lowest first.
        per_user, per_item: ratings of one user, of one item: fewest, quartiles, most.
        first, last: ISO days of the first and last rating, or None without times.
        top: (title, count, mean value) of the most rated items.
        notes: what was left out, where it came from.
    """

    name: str
    users: int
    items: int
    ratings: int
    sparsity: float
    mean: float
    histogram: list[tuple[str, int]]
    per_user: dict[str, float]
    per_item: dict[str, float]
    first: str | None
    last: str | None
    top: list[tuple[str, int, float]]
    notes: tuple[str, ...]

    def facts(self) -> list[tuple[str, str]]:
        """Return the single numbers as (name, text)."""
        facts = [
            ("users", f"{self.users:,}"),
            ("items", f"{self.items:,}"),
            ("ratings", f"{self.ratings:,}"),
            ("sparsity", f"{self.sparsity:.2%}"),
            ("mean value", f"{self.mean:.3f}"),
        ]
        return [*facts, ("time span", f"{self.first} to {self.last}")] if self.first else facts

    def __repr__(self) -> str:
        return f"Card({plainly(self.name)}: {self.ratings:,} ratings of {self.users:,} users and {self.items:,} items)"

    def _repr_html_(self) -> str:
        top = pl.DataFrame(self.top, schema=["most rated", "ratings", "mean value"], orient="row")
        return card_of(f"Data card of {self.name}", self.facts(), preview(top, len(self.top)), sentences=self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON values."""
        return asdict(self)


def card(data: Dataset | Interactions) -> Card:
    """Return the card of a data set, or of interactions alone.

    Raises:
        DataError: there is no row.
    """
    if isinstance(data, Interactions):
        notes = tuple(f"dropped {count:,} rows: {reason}" for reason, count in data.dropped.items())
        data = Dataset("interactions", data, item_table(data.items), pl.DataFrame(), notes)
    rows = data.interactions
    if not len(rows):
        raise DataError.of(data.name, "is empty: there is no rating to make a card of", code="empty")
    by_user, by_item = (np.bincount(i) for i in (rows.user_index, rows.item_index))
    n_users, n_items = int(np.count_nonzero(by_user)), int(np.count_nonzero(by_item))
    days = None if rows.times is None else [_day(int(t)) for t in (rows.times.min(), rows.times.max())]
    return Card(
        name=data.name,
        users=n_users,
        items=n_items,
        ratings=len(rows),
        sparsity=1 - len(rows) / (n_users * n_items),
        mean=float(rows.values.mean(dtype=np.float64)),
        histogram=_histogram(rows.values),
        per_user=_spread(by_user),
        per_item=_spread(by_item),
        first=days[0] if days else None,
        last=days[1] if days else None,
        top=_top(data, by_item),
        notes=data.notes,
    )


def _day(seconds: int) -> str:
    if not FIRST_SECOND <= seconds <= LAST_SECOND:  # of interactions built without the check at the door
        return f"{seconds} s from 1970"
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _histogram(values: NDArray[np.float32]) -> list[tuple[str, int]]:
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= BINS:
        return list(zip(_labels(distinct, 6), counts.tolist(), strict=True))
    # 64 bits: in 32 the edges of close values fall together
    counts, edges = np.histogram(distinct.astype(np.float64), bins=BINS, weights=counts)
    labels = _labels(edges, 3)
    return [(f"{a} to {b}", int(c)) for a, b, c in zip(labels[:-1], labels[1:], counts, strict=True)]


def _labels(numbers: NDArray[np.floating[Any]], n_digits: int) -> list[str]:
    """Return numbers as texts of at least these significant digits, of more where texts would be alike."""
    for digits in range(n_digits, 18):  # 17 tell any two 64-bit numbers apart
        labels = [f"{number:.{digits}g}" for number in numbers]
        if len(set(labels)) == len(labels):
            break
    return labels


def _spread(counts: NDArray[np.intp]) -> dict[str, float]:
    quantiles = np.quantile(counts[counts > 0], [0, 0.25, 0.5, 0.75, 1])
    return dict(zip(NAMES, map(float, quantiles), strict=True))


def _top(data: Dataset, by_item: NDArray[np.intp]) -> list[tuple[str, int, float]]:
    rows = data.interactions
    ids = rows.items.values.to_list()
    best = sorted(np.flatnonzero(by_item).tolist(), key=lambda i: (-by_item[i], ids[i]))[:TOP]
    sums = np.bincount(rows.item_index, rows.values)
    titles = item_table(rows.items, data.items)["title"]
    return [(titles[i], int(by_item[i]), float(sums[i] / by_item[i])) for i in best]
