"""Items that stand twice in a catalogue, under two ids: lists that show each title once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.models.contract.lists import Lists
from palate.parallel import once
from palate.sparse import Rows

GROUP = ("title", "year")


def groups_of(table: pl.DataFrame) -> NDArray[np.int64]:
    """Return a number for each item, (n_items,), the same for items of the same title and year.

    Raises:
        ParameterError: the item table has no titles, or no years.
    """
    titled = (table["title"] != table["item_id"].cast(pl.String)).any()
    if "year" not in table.columns or not titled:
        lacking = "years" if titled else "titles beside the ids"
        raise ParameterError.of(
            "one_per_title",
            f"needs the title and the year of items, and the item table has no {lacking}; it has "
            f"{', '.join(table.columns)}: give them to fit(items=…) as columns 'title' and 'year'",
            code="columns",
        )
    own = pl.col("position")
    first = pl.when(pl.col("year").is_null()).then(own).otherwise(own.first().over(GROUP))
    rows = table.select(*GROUP).with_columns(position=pl.int_range(pl.len()))
    return rows.select(first.alias("group"))["group"].to_numpy()


def one_of_each(lists: Lists, groups: NDArray[np.int64], n: int) -> Lists:
    """Return the first n items of each list of which none before has the same title."""
    items, scores = np.full((len(lists.items), n), -1, np.int32), np.full((len(lists.items), n), np.nan)
    for row, listed in enumerate(lists.items):
        listed = listed[listed >= 0]
        _, first = np.unique(groups[listed], return_index=True)
        first = np.sort(first)[:n]
        items[row, : len(first)], scores[row, : len(first)] = listed[first], lists.scores[row, first]
    return Lists(items, scores, lists.popular)


@dataclass(frozen=True, eq=False)
class Titles:
    """Which items are one title, and what lists need of it, made once.

    Attributes:
        groups: (n_items,) a number, the same for items of one title.
        ids: (n_items,) of the items.
    """

    groups: NDArray[np.int64]
    ids: pl.Series

    @classmethod
    def of(cls, table: pl.DataFrame) -> Titles:
        """Return the titles of an item table.

        Raises:
            ParameterError: it has no titles, or no years.
        """
        return cls(groups_of(table), table["item_id"])

    @once
    def sizes(self) -> NDArray[np.int64]:
        """How many items each title has, by its number."""
        return np.bincount(self.groups)

    @once
    def by_group(self) -> NDArray[np.int64]:
        """The items, those of one title together."""
        return np.argsort(self.groups, kind="stable")

    def wide_enough(self, n: int) -> int:
        """Return how many items hold n different titles for sure."""
        sizes = self.sizes
        return min(len(self.groups), n + int((sizes[sizes > 0] - 1).sum()), n * int(sizes.max(initial=1)))

    def had(self, seen: Rows, users: NDArray[np.int32]) -> Rows:
        """Return all items of the titles of which these users have had one of several, as rows over all users."""
        asked = np.unique(users)
        had = seen.take(asked)
        several = np.flatnonzero(self.sizes[self.groups[had.indices]] > 1)
        group = self.groups[had.indices[several]]
        counts = self.sizes[group]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        cells = self.by_group[np.repeat(np.cumsum(self.sizes)[group] - counts, counts) + within]
        rows = np.repeat(asked[had.row_of_cells()[several]], counts)
        return Rows.from_cells(rows, cells, seen.n_rows, len(self.groups)).distinct()

    @once
    def same_title(self) -> pl.Series:
        """The other ids of each item's title, a list, or null where there is none."""
        ids: Any = pl.DataFrame({"item_id": self.ids, "group": self.groups})
        others = ids.join(ids.rename({"item_id": "other"}), on="group").filter(pl.col("item_id") != pl.col("other"))
        named = others.group_by("item_id").agg(pl.col("other").sort().alias("same_title"))
        column: pl.Series = ids.join(named, on="item_id", how="left", maintain_order="left")["same_title"]
        return column
