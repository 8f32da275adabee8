"""Twins: items of the same title and year under different ids, as some catalogues have a film twice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.store.attributes import TITLES

DATED = r"\(\d{4}\)$"  # a title that has its year


def twins_of(parts: Iterable[tuple[NDArray[np.int64], pl.DataFrame]]) -> NDArray[np.int32]:
    """Return the items that have a twin, and of each the first of its twins, (2, m): positions, ascending.

    Args:
        parts: positions, and columns of the items there; of an item that stands in several the last one counts.
    """
    named = [_named(places, table) for places, table in parts]
    if not named:
        return np.empty((2, 0), np.int32)
    rows = pl.concat(named).unique("place", keep="last")
    rows = rows.filter(pl.col("year").is_not_null() | pl.col("title").str.contains(DATED))
    first, n = (by.over("title", "year") for by in (pl.col("place").min(), pl.len()))
    found = rows.select("place", first.alias("first"), n.alias("n")).filter(pl.col("n") > 1).sort("place")
    return found.select("place", "first").to_numpy().T.astype(np.int32)


def with_twins(places: NDArray[np.int32], twins: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return items and their twins, ascending.

    Args:
        places: positions.
        twins: (2, m), as `twins_of` returns them.
    """
    every, first = twins
    return np.union1d(places, every[np.isin(first, first[np.isin(every, places)])]).astype(np.int32)


def _named(places: NDArray[np.int64], table: pl.DataFrame) -> pl.DataFrame:
    """Return positions, titles and years of a part."""
    columns = [pl.col(name).cast(pl.String, strict=False) for name in TITLES if name in table.columns]
    title = pl.coalesce(columns).str.to_lowercase().str.strip_chars() if columns else pl.lit(None, pl.String)
    year = pl.col("year").cast(pl.Int64, strict=False) if "year" in table.columns else pl.lit(None, pl.Int64)
    placed = table.with_columns(pl.Series("place", places, pl.Int64))
    return placed.select("place", title.alias("title"), year.alias("year")).filter(pl.col("title").is_not_null())
