"""Items that stand twice in a catalogue, under two ids: lists that show each title once."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.models.contract.lists import Lists
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
        raise ParameterError(
            f"one_per_title needs the title and the year of items, and the item table has no {lacking}; it has "
            f"{', '.join(table.columns)}: give them to fit(items=…) as columns 'title' and 'year'"
        )
    own = pl.col("position")
    first = pl.when(pl.col("year").is_null()).then(own).otherwise(own.first().over(GROUP))
    rows = table.select(*GROUP).with_columns(position=pl.int_range(pl.len()))
    return rows.select(first.alias("group"))["group"].to_numpy()


def wide_enough(n: int, groups: NDArray[np.int64]) -> int:
    """Return how many items hold n different titles for sure."""
    sizes = np.bincount(groups)
    return min(len(groups), n + int((sizes[sizes > 0] - 1).sum()), n * int(sizes.max(initial=1)))


def same_titles(had: Rows, groups: NDArray[np.int64]) -> Rows:
    """Return all items of the titles of which users have had one of several, as rows over the users."""
    sizes, by_group = np.bincount(groups), np.argsort(groups, kind="stable")
    several = np.flatnonzero(sizes[groups[had.indices]] > 1)
    group = groups[had.indices[several]]
    counts = sizes[group]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    cells = by_group[np.repeat(np.cumsum(sizes)[group] - counts, counts) + within]
    users = np.repeat(had.row_of_cells()[several], counts)
    return Rows.from_cells(users, cells, had.n_rows, len(groups)).distinct()


def one_of_each(lists: Lists, groups: NDArray[np.int64], n: int) -> Lists:
    """Return the first n items of each list of which none before has the same title."""
    items, scores = np.full((len(lists.items), n), -1, np.int32), np.full((len(lists.items), n), np.nan)
    for row, found in enumerate(lists.items):
        found = found[found >= 0]
        _, first = np.unique(groups[found], return_index=True)
        first = np.sort(first)[:n]
        items[row, : len(first)], scores[row, : len(first)] = found[first], lists.scores[row, first]
    return Lists(items, scores, lists.popular)


def with_same_title(shown: pl.DataFrame, table: pl.DataFrame, groups: NDArray[np.int64]) -> pl.DataFrame:
    """Return a table of lists with ``same_title``: the other ids of the title, a list, or null where there is none."""
    ids: Any = table.select("item_id").with_columns(group=pl.Series(groups))
    others = ids.join(ids.rename({"item_id": "other"}), on="group").filter(pl.col("item_id") != pl.col("other"))
    named = others.group_by("item_id").agg(pl.col("other").sort().alias("same_title"))
    joined: pl.DataFrame = shown.join(named, on="item_id", how="left", maintain_order="left")
    return joined
