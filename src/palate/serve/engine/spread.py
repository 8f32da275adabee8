"""What a catalogue spans: its genres, the most frequent first, and its years."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

MOST = 40  # genres that are told
NONE = ("", "unknown", "(no genres listed)")


@dataclass(frozen=True, slots=True)
class Spread:
    """What a catalogue spans.

    Attributes:
        genres: the most frequent first.
        years: the first and the last; None where items have none.
    """

    genres: tuple[str, ...] = ()
    years: tuple[int, int] | None = None


def spread_of(tables: Iterable[pl.DataFrame]) -> Spread:
    """Return what tables of items span; an item that stands in several counts in each."""
    genres: Counter[str] = Counter()
    years: list[int] = []
    for table in tables:
        column = next((name for name in ("genres", "genre") if name in table.columns), None)
        if column is not None:
            genres.update(_genres(table[column]))
        if "year" in table.columns:
            numbers = table["year"].cast(pl.Int64, strict=False).drop_nulls()
            years += [int(year) for year in (numbers.min(), numbers.max()) if isinstance(year, int)]
    named = [genre for genre, _ in genres.most_common() if genre.casefold() not in NONE]
    return Spread(tuple(named[:MOST]), (min(years), max(years)) if years else None)


def _genres(column: pl.Series) -> dict[str, int]:
    lists = column if isinstance(column.dtype, pl.List) else column.cast(pl.String, strict=False).str.split("|")
    counted = lists.explode().cast(pl.String, strict=False).drop_nulls().str.strip_chars().value_counts()
    return dict(counted.iter_rows())
