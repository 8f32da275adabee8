"""`Source`: what the page needs to know of a model, worked out once; no HTML and no Gradio here."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Id
from palate.errors import ParameterError
from palate.models.contract.base import Recommender
from palate.models.contract.titles import groups_of
from palate.terminal import replaced

TITLE_WITH_YEAR = re.compile(r"(?P<title>.*\S)\s*\((?P<year>[12]\d{3})\)\s*", re.DOTALL)
MOST_STARS = 5  # scales that end higher are shown as numbers
LONGEST_TITLE = 200  # characters; what is longer is cut, with an ellipsis


@dataclass(frozen=True)
class Entry:
    """One row of a list: an item, the rating given or predicted, and the standard deviation where a model tells it.

    ``same_title`` has the other ids of the title; ``is_popular`` says that the row is of the popular list.
    """

    item_id: Id
    title: str
    year: int | None
    genres: tuple[str, ...]
    value: float
    spread: float | None = None
    same_title: tuple[Id, ...] = ()
    is_popular: bool = False


class Source:
    """A fitted model, seen from the page.

    Attributes:
        model: the model itself.
        users, items: its ids.
        seen: its training rows, or None where the model was saved without them.
        is_rated: values are ratings on a scale; False for clicks, where all values are alike.
        shows_scores: the model's scores mean something to people; False where they are good for an order alone.
        genres: all genres, sorted; empty where the item table has none.
    """

    def __init__(self, model: Recommender) -> None:
        self.model = model
        self.users, self.items, self.seen = model.users_, model.items_, model.seen_
        self.low, self.high = map(float, model.rating_range_)
        self.is_rated = self.high > self.low
        self.shows_scores = model.score_kind != "order"
        table = model.item_table_
        self._titles = _titles(table, self.items.kind == "text")
        self._years = table["year"].to_list() if "year" in table.columns else [None] * len(table)
        self._genres = _genres(table)
        self.genres = sorted({genre for genres in self._genres for genre in genres})

    @property
    def has_stars(self) -> bool:
        """Whether the scale is one that stars show: up to five."""
        return self.is_rated and self.low >= 0 and self.high <= MOST_STARS

    @property
    def has_titles(self) -> bool:
        """Whether items have names of their own, not ids alone."""
        return any(title is not None for title in self._titles)

    @property
    def things(self) -> str:
        """The word for items: "titles" where they have some."""
        return "titles" if self.has_titles else "items"

    def entry(self, item_index: int, value: float) -> Entry:
        """Return one row of a list; an item without a title is named by its id."""
        item_id = self.items.values[int(item_index)]
        title, year = self._titles[item_index], _year(self._years[item_index])
        if title is None:
            return Entry(item_id, f"Item {plain(item_id)}", year, self._genres[item_index], value)
        title = plain(title)
        match = TITLE_WITH_YEAR.fullmatch(title)
        if match:  # the year in a title is that of the work; the column's may be that of its release
            title, year = match["title"], int(match["year"])
        title = title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…"
        return Entry(item_id, title, year, self._genres[item_index], value)

    def history(self, user_index: int, n: int) -> list[Entry]:
        """Return the n items that a user rated highest; ties stand in the order of popularity."""
        if self.seen is None:
            return []
        items, values = self.seen.row(user_index)
        best = np.lexsort((self.model.item_order.places[items], -values))[:n]
        return [self.entry(items[row], float(values[row])) for row in best]

    def recommended(self, user_id: Id, n: int, genre: str | None) -> list[Entry]:
        """Return the n best titles for a user, of one genre or of all; predictions are clipped to the scale."""
        where = None if genre is None else pl.col("genres").cast(pl.List(pl.String)).list.contains(genre)
        table = self.model.recommend(
            user_id, n, exclude_seen=self.seen is not None, where=where, clip=self.is_rated,
            one_per_title=self.has_years,
        )  # fmt: skip
        entries = self.entries(table)
        if not self.shows_spread:
            return entries
        rows = self.items.index(table["item_id"])
        user = np.full(len(rows), self.users.index([user_id])[0])
        values, spreads = self.model.predict_index(user, rows), self.model.spread_index(user, rows)
        return [
            replace(entry, value=float(value), spread=float(spread))
            for entry, value, spread in zip(entries, values, spreads, strict=True)
        ]

    def entries(self, table: pl.DataFrame) -> list[Entry]:
        """Return the rows of a table of one list, as `Recommender.recommend` gives it."""
        rows, scores = self.items.index(table["item_id"]), table["score"].fill_null(0.0).to_list()
        others = table["same_title"].to_list() if "same_title" in table.columns else [None] * len(table)
        popular = (table["source"] == "popular").to_list() if "source" in table.columns else [False] * len(table)
        return [
            replace(self.entry(int(row), score), same_title=tuple(other or ()), is_popular=is_popular)
            for row, score, other, is_popular in zip(rows, scores, others, popular, strict=True)
        ]

    @cached_property
    def has_years(self) -> bool:
        """Whether items have titles and years, so that two ids of one title can be told."""
        try:
            groups_of(self.model.item_table_)
        except ParameterError:
            return False
        return True

    @property
    def shows_spread(self) -> bool:
        """Whether the model tells how far a rating may lie from what it predicts."""
        return self.is_rated and "predict_distribution" in self.model.supports

    def left(self, user_index: int, genre: str | None) -> int:
        """Return how many items the user has not rated, of one genre or of all."""
        among = np.ones(len(self.items), bool) if genre is None else self.of_genre[:, self.genres.index(genre)]
        seen = 0 if self.seen is None else int(among[self.seen.row(user_index)[0]].sum())
        return int(among.sum()) - seen

    @cached_property
    def of_genre(self) -> NDArray[np.bool_]:
        """Which items have which genre, (n_items, n_genres)."""
        position = {genre: column for column, genre in enumerate(self.genres)}
        has = np.zeros((len(self.items), len(self.genres)), bool)
        for row, genres in enumerate(self._genres):
            has[row, [position[genre] for genre in genres]] = True
        return has

    @cached_property
    def user_counts(self) -> NDArray[np.int64]:
        """Training rows of each user, (n_users,); zeros where they are not known."""
        return np.zeros(len(self.users), np.int64) if self.seen is None else self.seen.sizes

    @cached_property
    def user_means(self) -> NDArray[np.float64]:
        """Mean rating of each user, (n_users,); NaN without ratings."""
        if self.seen is None:
            return np.full(len(self.users), np.nan)
        row = np.repeat(np.arange(len(self.users)), self.user_counts)
        return _mean_by(row, self.seen.values, self.user_counts)

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """Training rows of each item, (n_items,); zeros where they are not known."""
        cells = np.empty(0, np.int64) if self.seen is None else self.seen.indices
        return np.bincount(cells, minlength=len(self.items))

    @cached_property
    def item_means(self) -> NDArray[np.float64]:
        """Mean rating of each item, (n_items,); NaN without ratings."""
        if self.seen is None:
            return np.full(len(self.items), np.nan)
        return _mean_by(self.seen.indices, self.seen.values, self.item_counts)

    @cached_property
    def genre_counts(self) -> NDArray[np.int64]:
        """How often each genre stands in each user's history, (n_users, n_genres)."""
        if self.seen is None:
            return np.zeros((len(self.users), len(self.genres)), np.int64)
        ones = np.ones(len(self.seen.indices), np.int64)
        return np.asarray(self.seen.to_scipy(len(self.items), ones) @ self.of_genre.astype(np.int64))

    def favourites(self, user_index: int, n: int = 3) -> list[str]:
        """Return the genres that stand most often in a user's history."""
        counts = self.genre_counts[user_index]
        return [self.genres[column] for column in np.argsort(-counts, kind="stable")[:n] if counts[column]]


def plain(value: object) -> str:
    """Return a value as text, with spaces for control, format and bidirectional characters."""
    return replaced(value, " ")


def _mean_by(group: NDArray[Any], values: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of each group's values, NaN where it has none."""
    means = np.full(len(counts), np.nan)
    np.divide(np.bincount(group, weights=values, minlength=len(counts)), counts, out=means, where=counts > 0)
    return means


def _titles(table: pl.DataFrame, ids_are_text: bool) -> list[str | None]:
    """Return each item's own name, or None where the table has only its id; a text id does as a name."""
    if "title" not in table.columns:
        return [str(item_id) if ids_are_text else None for item_id in table["item_id"]]
    pairs = table.select(pl.col("title").cast(pl.String), pl.col("item_id").cast(pl.String)).rows()
    return [title if title and title.strip() and (ids_are_text or title != id_) else None for title, id_ in pairs]


def _genres(table: pl.DataFrame) -> list[tuple[str, ...]]:
    if "genres" not in table.columns or not isinstance(table.schema["genres"], pl.List):
        return [()] * len(table)
    return [tuple(plain(genre) for genre in genres or () if genre is not None) for genres in table["genres"].to_list()]


def _year(year: object) -> int | None:
    return int(year) if isinstance(year, int | float) and year == year else None
