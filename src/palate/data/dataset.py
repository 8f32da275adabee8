"""A data set: interactions with what is known of items and users."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from palate.data.interactions import Interactions
from palate.markup import paragraph
from palate.notebook import card, plainly, preview


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Interactions with tables of their items and users.

    Attributes:
        name: for headings, such as "ml-100k".
        interactions: the ratings, checked.
        items: one row an item: item_id, title, and as far as known year (Int32), release_date (Date), genres
            (list of text), imdb_url.
        users: one row a user: user_id, and as far as known age, gender, occupation, zip_code.
        notes: sentences on where the data came from and which rows were dropped.
    """

    name: str
    interactions: Interactions
    items: pl.DataFrame
    users: pl.DataFrame
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Dataset({plainly(self.name)}: {self.interactions!r})"

    def _repr_html_(self) -> str:
        tables = [part for name in ("items", "users") for part in (paragraph(name), preview(getattr(self, name)))]
        return card(f"Dataset {self.name}", self.interactions._facts(), *tables, sentences=self.notes)
