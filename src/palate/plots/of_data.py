"""Figures of data: a log of ratings, its tables of items and users, or its card alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from palate.data.card import NAMES, Card
from palate.data.dataset import Dataset, interactions_of
from palate.errors import DataError
from palate.plots.house import BLUE, GREY, GRID, INK, ORANGE, name, new_figure, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from palate.data.interactions import Interactions


def card_values(card: Card) -> Figure:
    """Return how often each value (or range of values) was given, from a data card."""
    figure, axes = new_figure("Ratings by value", "value", "ratings")
    labels, counts = zip(*card.histogram, strict=True)
    axes.bar(labels, counts, color=BLUE)
    for place, count in enumerate(counts):
        axes.annotate(f"{count / sum(counts):.0%}", (place, count), ha="center", va="bottom", fontsize=8, color=GREY)
    axes.yaxis.set_major_formatter(_plainly)
    if max(map(len, labels)) > 6:
        axes.tick_params(axis="x", labelrotation=45)
    return figure


def card_spread(card: Card) -> Figure:
    """Return fewest, quartiles and most ratings of one user and of one item, from a data card."""
    figure, axes = new_figure("Ratings of one user, of one item", "ratings (log scale)", "")
    for place, (spread, colour) in enumerate(((card.per_item, ORANGE), (card.per_user, BLUE))):
        fewest, quarter, median, three, most = (spread[name] for name in NAMES)
        axes.plot([fewest, most], [place, place], color=colour, linewidth=1.5)
        axes.plot([quarter, three], [place, place], color=colour, linewidth=14, alpha=0.45, solid_capstyle="butt")
        axes.plot([median], [place], "o" if place else "s", color=colour, markersize=8)
        for value, shift, side in ((fewest, -16, "left"), (median, 14, "center"), (most, -16, "right")):
            axes.annotate(
                f"{value:,g}", (value, place), xytext=(0, shift), textcoords="offset points", ha=side, va="center",
                fontsize=9, color=INK,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_plainly)
    axes.set_yticks([0, 1], ["one item", "one user"])
    axes.set_ylim(-0.6, 1.6)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    return figure


def _plainly(value: float, _: float) -> str:
    return f"{value:,g}"


def of_rows(draw: Callable[[Interactions], Figure]) -> Callable[[Dataset | Interactions], Figure]:
    """Return a function that draws the rows of a data set as well."""

    @wraps(draw)
    def draw_rows(data: Dataset | Interactions) -> Figure:
        return draw(interactions_of(data))

    return draw_rows


def rating_distribution(data: Interactions) -> Figure:
    """Return how often each value was given (at most 40 bars)."""
    figure, axes = new_figure("Ratings by value", "value", "ratings")
    values, counts = np.unique(data.values, return_counts=True)
    if len(values) > 40:
        counts, edges = np.histogram(data.values, bins=40)
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BLUE)
    else:
        axes.bar([f"{v:g}" for v in values], counts, color=BLUE)
    return figure


def ratings_per_user(data: Interactions) -> Figure:
    """Return the histogram of ratings per user, log-spaced."""
    return _counts("Ratings per user", "ratings of one user", "users", np.bincount(data.user_index))


def ratings_per_item(data: Interactions) -> Figure:
    """Return the histogram of ratings per item, log-spaced."""
    return _counts("Ratings per item", "ratings of one item", "items", np.bincount(data.item_index))


def _counts(title: str, x: str, y: str, counts: Any) -> Figure:
    figure, axes = new_figure(title, f"{x} (log scale)", y)
    counts = counts[counts > 0]
    bins = np.unique(np.round(np.geomspace(1, counts.max() + 1, 30))).tolist()
    axes.hist(counts, bins=bins, color=BLUE, edgecolor="white", linewidth=0.5)
    axes.set_xscale("log")
    median = float(np.median(counts))
    axes.axvline(median, color=ORANGE, linewidth=2, linestyle="--", label=f"median {median:g}")
    axes.legend(frameon=False, fontsize=9)
    return figure


def popularity(data: Interactions) -> Figure:
    """Return ratings against popularity rank, both axes logarithmic."""
    figure, axes = new_figure("Popularity", "rank of the item (log scale)", "ratings (log scale)")
    counts = np.sort(np.bincount(data.item_index))[::-1]
    counts = counts[counts > 0]
    axes.loglog(np.arange(1, len(counts) + 1), counts, color=BLUE, linewidth=2)
    share = counts[: max(1, len(counts) // 10)].sum() / counts.sum()
    axes.annotate(f"the top tenth has {share:.0%} of all ratings", (0.03, 0.06), xycoords="axes fraction", fontsize=9)
    return figure


def ratings_over_time(data: Interactions) -> Figure:
    """Return ratings by week.

    Raises:
        DataError: the interactions have no times.
    """
    if data.times is None:
        raise DataError("ratings over time need times, and these interactions have none", code="times", subject="times")
    figure, axes = new_figure("Ratings over time", "week", "ratings")
    counts = pl.from_epoch(pl.Series("week", data.times), time_unit="s").dt.truncate("1w").value_counts().sort("week")
    # one week more, so that the last has its width; weeks without ratings are drawn as such
    ends = counts["week"][0], counts["week"][-1] + timedelta(weeks=1)
    weeks = pl.datetime_range(*ends, "1w", eager=True).alias("week").to_frame().join(counts, on="week", how="left")
    x, y = weeks["week"].to_numpy(), weeks["count"].fill_null(0).to_numpy()
    axes.fill_between(x, y, color=BLUE, alpha=0.25, step="post")
    axes.step(x, y, where="post", color=BLUE, linewidth=1.5)
    axes.set_ylim(0)
    for label in axes.get_xticklabels():
        label.set(rotation=30, ha="right")
    return figure


def genres(items: pl.DataFrame) -> Figure:
    """Return how many items have each genre."""
    figure, axes = new_figure("Items by genre", "items", "", (6.4, 4.8))
    counts = items["genres"].explode().drop_nulls().value_counts().sort("count")
    _horizontal(axes, counts["genres"].to_list(), counts["count"].to_list())
    return figure


def ages(users: pl.DataFrame) -> Figure:
    """Return the histogram of users' ages, or how many have each age group where ages are words."""
    figure, axes = new_figure("Users by age", "age in years", "users")
    known = users["age"].drop_nulls()
    if known.dtype == pl.String:
        groups = known.value_counts().sort("age")
        axes.bar(range(len(groups)), groups["count"].to_list(), color=BLUE)
        axes.set_xticks(range(len(groups)), list(map(name, groups["age"].to_list())))
        return figure
    top = 5 * (int(known.max() or 0) // 5 + 1)  # type: ignore[arg-type]
    axes.hist(known.to_numpy(), bins=range(0, top + 1, 5), color=BLUE, edgecolor="white", linewidth=0.5)
    return figure


def occupations(users: pl.DataFrame) -> Figure:
    """Return how many users have each occupation."""
    figure, axes = new_figure("Users by occupation", "users", "", (6.4, 4.8))
    counts = users["occupation"].drop_nulls().value_counts().sort("count")
    _horizontal(axes, counts["occupation"].to_list(), counts["count"].to_list())
    return figure


def _horizontal(axes: Axes, labels: list[str], values: list[int]) -> None:
    axes.barh(range(len(labels)), values, color=BLUE)
    axes.set_yticks(range(len(labels)), list(map(name, labels)))
    axes.grid(visible=False)
    for place, value in enumerate(values):
        axes.annotate(f" {value:,}", (value, place), va="center", fontsize=8, color=GREY)


def save_all(dataset: Dataset, folder: Path) -> list[Path]:
    """Write the figures that a data set has the columns for, as PNG; return their paths.

    Args:
        dataset: any data set.
        folder: made where it is not there.

    Raises:
        DataError: the folder cannot be made.
    """
    data = dataset.interactions
    figures: dict[str, Callable[[], Figure]] = {
        "rating_distribution": lambda: rating_distribution(data),
        "ratings_per_user": lambda: ratings_per_user(data),
        "ratings_per_item": lambda: ratings_per_item(data),
        "popularity": lambda: popularity(data),
    }
    if data.times is not None:
        figures["ratings_over_time"] = lambda: ratings_over_time(data)
    for table, column, draw in (
        (dataset.items, "genres", genres),
        (dataset.users, "age", ages),
        (dataset.users, "occupation", occupations),
    ):
        if column in table.columns:
            figures[draw.__name__] = partial(draw, table)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError.of_disk("cannot draw into", folder, error) from None
    paths = []
    for drawn, draw_one in figures.items():
        paths.append(folder / f"{drawn}.png")
        write_figure(draw_one(), paths[-1])
    return paths
