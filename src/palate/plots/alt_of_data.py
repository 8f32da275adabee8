"""Figures of data in words; see `palate.plots.alt`."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from palate.data.interactions import Interactions
from palate.plots.words import Words

MOST_NAMED = 20


def rating_distribution(data: Interactions) -> Words:
    """Return what `palate.plots.rating_distribution` shows."""
    values, counts = np.unique(data.values, return_counts=True)
    first = int(counts.argmax())
    finding = f"The most frequent value is {values[first]:g}: {counts[first] / len(data):.0%} of {len(data):,} ratings."
    if len(values) > MOST_NAMED:
        return Words(finding, f"Bar chart of {len(values):,} values from {values[0]:g} to {values[-1]:g}.")
    bars = ", ".join(f"{value:g} {count:,} times" for value, count in zip(values, counts, strict=True))
    return Words(finding, f"Bar chart: {bars}.")


def ratings_per_user(data: Interactions) -> Words:
    """Return what `palate.plots.ratings_per_user` shows."""
    return _counts("user", np.bincount(data.user_index))


def ratings_per_item(data: Interactions) -> Words:
    """Return what `palate.plots.ratings_per_item` shows."""
    return _counts("item", np.bincount(data.item_index))


def _counts(who: str, counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Words:
    fewest, quarter, median, three, most = np.quantile(counts[counts > 0], (0, 0.25, 0.5, 0.75, 1))
    finding = f"Half of the {who}s have {median:g} ratings or more."
    return Words(finding, f"Histogram: fewest {fewest:g}, quartiles {quarter:g}, {median:g}, {three:g}, most {most:g}.")


def popularity(data: Interactions) -> Words:
    """Return what `palate.plots.popularity` shows."""
    counts = np.sort(np.bincount(data.item_index))[::-1]
    counts = counts[counts > 0]
    share = counts[: max(1, len(counts) // 10)].sum() / counts.sum()
    numbers = f"Line on logarithmic scales: {len(counts):,} items, from {counts[0]:,} ratings to {counts[-1]:,}."
    return Words(f"The top tenth of the items has {share:.0%} of all ratings.", numbers)


def ratings_over_time(data: Interactions) -> Words:
    """Return what `palate.plots.ratings_over_time` shows."""
    times = data.times if data.times is not None else np.zeros(1, np.int64)  # the figure refuses data without times
    first, last = (datetime.fromtimestamp(int(t), UTC).date() for t in (times.min(), times.max()))
    return Words(f"{len(data):,} ratings from {first} to {last}.", "Line chart of ratings by week.")


def genres(items: pl.DataFrame) -> Words:
    """Return what `palate.plots.genres` shows."""
    return _most("genre", "items", items["genres"].explode())


def occupations(users: pl.DataFrame) -> Words:
    """Return what `palate.plots.occupations` shows."""
    return _most("occupation", "users", users["occupation"])


def ages(users: pl.DataFrame) -> Words:
    """Return what `palate.plots.ages` shows."""
    known = users["age"].drop_nulls()
    if known.dtype == pl.String or known.is_empty():
        return _most("age group", "users", known)
    low, median, high = (float(known.quantile(q) or 0) for q in (0, 0.5, 1))
    return Words(f"Half of the users are {median:g} or older.", f"Histogram of ages from {low:g} to {high:g}.")


def _most(what: str, whom: str, values: pl.Series) -> Words:
    counts = values.drop_nulls().rename("value").value_counts().sort("count", "value", descending=[True, False])
    rows = list(counts.iter_rows())
    if not rows:
        return Words(f"No {what} is known.", "")
    bars = ", ".join(f"{value} {n:,}" for value, n in rows[:MOST_NAMED])
    return Words(f"The most frequent {what} is {rows[0][0]}, of {rows[0][1]:,} {whom}.", f"Bar chart: {bars}.")
