"""A metric by group of users, with intervals: unfairness must be seen, and chance not be taken for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.errors import ParameterError
from palate.parallel import chunks

CELLS = 1 << 20  # draws held at once


def by_group(
    values: NDArray[np.float64],
    groups: pl.Series | Sequence[Any] | NDArray[Any],
    *,
    level: float = 0.95,
    n_resamples: int = 1000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Return a metric's mean in each group of users, with a bootstrap interval.

    The interval is the percentile bootstrap of Efron 1979: the central ``level`` of the means of resamples of the
    group's users. It is of the mean over users like these; with few users (below about 20) it is too narrow. Every
    group has the same seed, so that its interval does not depend on which other groups there are.

    Args:
        values: (m,) one a user; NaN for users with nothing to measure, who are left out.
        groups: (m,) the group of each user; null is a group of its own, last.
        level: of the interval, above 0 and below 1.
        n_resamples: at least 1.
        random_state: the seed.

    Returns:
        One row a group, sorted: group, mean, n (users in the mean), low, high. Mean and interval are null where n is 0,
        the interval also where n is 1.

    Raises:
        ParameterError: lengths differ, or level or n_resamples is out of range.
    """
    series = pl.Series("group", groups)
    if len(series) != len(values):
        raise ParameterError(f"each of {len(values)} values needs a group, got {len(series)}", subject="groups")
    if not 0 < level < 1 or n_resamples < 1:
        raise ParameterError.of(
            "level", f"must lie between 0 and 1 and n_resamples be at least 1, got {level}, {n_resamples}"
        )
    labels = series.unique().sort(nulls_last=True)
    rows = []
    for label in labels:
        inside = (series.is_null() if label is None else (series == label).fill_null(value=False)).to_numpy()
        kept = values[inside & ~np.isnan(values)]
        low, high = bootstrap_interval(kept, level, n_resamples, random_state) if len(kept) > 1 else (None, None)
        rows.append((float(kept.mean()) if len(kept) else None, len(kept), low, high))
    types = {"mean": pl.Float64, "n": pl.Int64, "low": pl.Float64, "high": pl.Float64}
    return pl.DataFrame([labels]).hstack(pl.DataFrame(rows, schema=types, orient="row"))


def bootstrap_interval(
    values: NDArray[np.float64], level: float, n_resamples: int, random_state: int
) -> tuple[float, float]:
    """Return the (1 ± level) / 2 quantiles of the means of resamples of n values (n >= 2)."""
    rng = np.random.default_rng(random_state)
    means = np.empty(n_resamples)
    for block in chunks(n_resamples, max(1, CELLS // len(values))):
        means[block] = values[rng.integers(len(values), size=(block.stop - block.start, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def quantile_groups(numbers: NDArray[Any] | pl.Series, n_groups: int = 4) -> pl.Series:
    """Return groups of about equal size by a number: each user's training rows (activity), age.

    Equal numbers are never parted, so there may be fewer groups, and of unequal size.

    Args:
        numbers: (m,) one a user; NaN or null gives the group null.
        n_groups: how many at most.

    Returns:
        (m,) labels such as "18 to 25", of a type that sorts from low to high.

    Raises:
        ParameterError: n_groups is below 1, or no number is known.
    """
    x = pl.Series(numbers).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = ~np.isnan(x)
    if n_groups < 1 or not known.any():
        raise ParameterError(
            f"quantile groups need n_groups of at least 1 and a number, got {n_groups}, {known.sum()}",
            subject="n_groups",
        )
    edges = np.quantile(x[known], np.arange(1, n_groups) / n_groups, method="inverted_cdf")
    _, place = np.unique(np.searchsorted(np.unique(edges), x[known]), return_inverse=True)
    spans = [x[known][place == group] for group in range(place.max() + 1)]
    labels = [_span(span.min(), span.max()) for span in spans]
    out = np.full(len(x), None, object)
    out[known] = np.array(labels, object)[place]
    return pl.Series("group", out.tolist(), dtype=pl.Enum(labels))


def user_column(table: pl.DataFrame, column: str, users: Ids) -> pl.Series:
    """Return a column of a user table in the order of ``users``; null for a user that the table does not have.

    Raises:
        ParameterError: the table has no such column, no user_id, ids of the other type, or a user twice.
    """
    for name in ("user_id", column):
        if name not in table.columns:
            raise ParameterError.of("the user table", f"has no column '{name}'; it has {', '.join(table.columns)}")
    if table["user_id"].dtype.is_integer() != (users.kind == "integer"):
        raise ParameterError.of(
            "user_id in the user table", f"is {table['user_id'].dtype}, the data's ids are {users.kind}"
        )
    if table["user_id"].is_duplicated().any():
        raise ParameterError("a user_id stands twice in the user table; each may stand once", subject="user table")
    wanted = pl.DataFrame({"user_id": users.values})
    known = table.select(pl.col("user_id").cast(users.values.dtype), pl.col(column).alias("group"))
    return wanted.join(known, on="user_id", how="left", maintain_order="left")["group"]


def _span(low: float, high: float) -> str:
    first, last = (np.format_float_positional(end, trim="-") for end in (low, high))
    return first if first == last else f"{first} to {last}"
