"""A data set: interactions with what is known of items and users."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import polars as pl
from numpy.typing import NDArray

from palate.data.interactions import Interactions, check_interactions
from palate.data.items import attribute_table, item_table
from palate.data.lists import ListColumns, check_lists
from palate.data.tables import as_frame
from palate.markup import paragraph
from palate.notebook import card, plainly, preview


@dataclass(frozen=True)
class LearnedLog:
    """Which log of a store a data set was read from, and how far; a model that learned from it keeps this.

    Attributes:
        store: which store, 32 hexadecimal digits.
        namespace: its name.
        trained_to: key of the newest event that was read; None where a part of the log is left out.
        newest_event: time of the newest row, microseconds since 1970, or None without any.
        read: when it was read, microseconds since 1970: whoever was forgotten later is still in the model.
    """

    store: str
    namespace: str
    trained_to: int | None
    newest_event: int | None
    read: int


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Interactions with tables of their items and users; `palate.load_dataset`, MovieLens and splits give it.

    Whatever takes `Interactions` to learn from or to measure on takes a data set as well. Its items give titles and
    genres, and the attributes of both tables enter models that use them.

    Attributes:
        name: for headings, such as "ml-100k".
        interactions: the ratings, checked.
        items: one row an item: item_id, title, and as far as known year (Int32), release_date (Date), genres
            (list of text), imdb_url.
        users: one row a user: user_id, and as far as known age, gender, occupation, zip_code.
        lists: which texts of the tables are lists, as in `palate.data.lists.with_lists`: True where that was found.
        notes: sentences on where the data came from and which rows were dropped.
        log: which log of a store it was read from, or None.
    """

    name: str
    interactions: Interactions
    items: pl.DataFrame
    users: pl.DataFrame
    notes: tuple[str, ...] = ()
    lists: ListColumns = True
    log: LearnedLog | None = None

    @classmethod
    def from_tables(
        cls,
        interactions: Interactions,
        *,
        items: Any = None,
        users: Any = None,
        name: str = "the given interactions",
        lists: ListColumns = True,
    ) -> Dataset:
        """Return a data set of interactions, with the rows that these tables have for their items and users.

        Args:
            interactions: the ratings.
            items: any table with item_id, title and further columns; ids it lacks get nulls.
            users: any table with user_id and further columns.
            name: for headings.
            lists: True finds columns of lists, such as "Action|Comedy"; False makes none; {column: sign} says by hand
                what stands between their words, {column: None} which are none.

        Raises:
            ParameterError: lists is none of these.
            DataError: interactions is none, or a table has no column of ids, an id twice, ids of another type or none
                of the interactions.
        """
        check_interactions("interactions", interactions)
        ids = interactions.users
        known = pl.DataFrame({"user_id": ids.values}) if users is None else attribute_table(ids, users, "user")
        check_lists(lists, known, *([] if items is None else [as_frame(items)]))
        return cls(name, interactions, item_table(interactions.items, items, lists=lists), known, lists=lists)

    def __len__(self) -> int:
        return len(self.interactions)

    def take(self, rows: NDArray[Any]) -> Dataset:
        """Return these rows, in this order, with the tables and the ids of the whole."""
        part = self.interactions.take(rows)
        return replace(self, interactions=part, log=None if self.log is None else _of_part(self.log, part))

    def __repr__(self) -> str:
        return f"Dataset({plainly(self.name)}: {self.interactions!r})"

    def _repr_html_(self) -> str:
        tables = [part for name in ("items", "users") for part in (paragraph(name), preview(getattr(self, name)))]
        return card(f"Dataset {self.name}", self.interactions._facts(), *tables, sentences=self.notes)


def _of_part(log: LearnedLog, part: Interactions) -> LearnedLog:
    """Return what is known of a part of a log: which of its events were left out cannot be told by a key."""
    newest = None if part.times is None or not len(part) else int(part.times.max()) * 1_000_000
    return replace(log, trained_to=None, newest_event=newest)


Data = TypeVar("Data", Dataset, Interactions)  # what comes in comes out: a data set, or interactions alone


def items_of(data: Dataset | Interactions | None, items: Any) -> tuple[Any, ListColumns]:
    """Return an item table, and whether lists are to be found in it: those of a data set stand there already."""
    return (data.items, False) if items is None and isinstance(data, Dataset) else (items, True)


def interactions_of(data: Dataset | Interactions, name: str = "data") -> Interactions:
    """Return the rows of a data set, or interactions as they are.

    Args:
        data: either of the two.
        name: of the argument, for the error.

    Raises:
        DataError: data is neither of the two.
    """
    if isinstance(data, Dataset):
        return data.interactions
    check_interactions(name, data)
    return data
