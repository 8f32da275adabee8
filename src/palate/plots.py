"""Figures, each a function that returns a Matplotlib figure, in one house style that colour-blind people can read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from palate.errors import DataError, missing_extra
from palate.reproduction import LOSS, TEST_RMSE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from palate.data.dataset import Dataset
    from palate.data.interactions import Interactions
    from palate.models.base import Recommender

# Okabe & Ito's palette: told apart with any kind of colour vision, and by lightness in print
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B7280"


def _figure(title: str, x: str, y: str, size: tuple[float, float] = (6.4, 3.8)) -> tuple[Figure, Axes]:
    """Return an empty figure in the house style; made without pyplot, so nothing stays open and no screen is needed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_extra("plots", "drawing figures") from None
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(x, color=GREY)
    axes.set_ylabel(y, color=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=GREY, labelsize=9)
    axes.grid(axis="y", color="#E5E7EB", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def training(model: Recommender) -> Figure:
    """Return the training curves of a fitted model: loss, training and validation RMSE, the best epoch marked."""
    return training_curves(model.history_, getattr(model, "best_epoch_", None))


def training_curves(history: Sequence[dict[str, float]], best_epoch: int | None) -> Figure:
    """Return the curves of a history; see `training`."""
    if not history:
        raise DataError("there is no training history to draw: this model was not trained by epochs")
    figure, axes = _figure("Training", "epoch", "RMSE")
    epochs = [r["epoch"] for r in history]
    lines = (("train_rmse", "training part", BLUE, "-"), ("validation_rmse", "validation part", ORANGE, "--"))
    for name, label, colour, style in lines:
        if name in history[0]:
            axes.plot(epochs, [r[name] for r in history], style, color=colour, label=label, linewidth=2)
    axes.plot(epochs, np.sqrt([r["loss"] for r in history]), ":", color=GREY, label="met on the way (root of the loss)")
    if best_epoch and "validation_rmse" in history[0]:
        best = history[best_epoch - 1]["validation_rmse"]
        axes.axvline(best_epoch, color=GREY, linewidth=0.8)
        axes.plot([best_epoch], [best], "o", color=ORANGE)
        side, shift = ("right", -6) if 2 * best_epoch > len(history) else ("left", 6)
        text = f"best: epoch {best_epoch}, {best:.4f}"
        axes.annotate(text, (best_epoch, best), xytext=(shift, 8), textcoords="offset points", ha=side, fontsize=9)
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False, fontsize=9)
    return figure


def reproduction(histories: Sequence[Sequence[dict[str, float]]]) -> Figure:
    """Return the original system's published curves and ours, one faint line a seed."""
    figure, axes = _figure("The original system, published and reproduced", "epoch", "")
    for k, history in enumerate(histories):
        epochs = [r["epoch"] for r in history]
        loss, test = ([r[name] for r in history] for name in ("loss", "validation_rmse_unclipped"))
        label = "ours, one line a seed" if len(histories) > 1 else "ours"
        axes.plot(
            epochs, loss, color=BLUE, alpha=0.6, linewidth=1.2, label=f"training loss, {label}" if not k else None
        )
        axes.plot(epochs, test, color=ORANGE, alpha=0.6, linewidth=1.2, label=f"test RMSE, {label}" if not k else None)
    published = range(1, len(LOSS) + 1)
    axes.plot(published, LOSS, "o", color=BLUE, markersize=4, label="training loss, published")
    axes.plot(published, TEST_RMSE, "s", color=ORANGE, markersize=4, label="test RMSE, published")
    axes.set_ylim(0.3, 1.4)
    axes.annotate(f"epoch 1: loss {LOSS[0]:.2f}", (2.1, 1.38), fontsize=8, color=GREY, va="top")
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def rating_distribution(data: Interactions) -> Figure:
    """Return how often each value was given (at most 40 bars)."""
    figure, axes = _figure("Ratings by value", "value", "ratings")
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
    figure, axes = _figure(title, f"{x} (log scale)", y)
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
    figure, axes = _figure("Popularity", "rank of the item (log scale)", "ratings (log scale)")
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
        raise DataError("ratings over time need times, and these interactions have none")
    figure, axes = _figure("Ratings over time", "week", "ratings")
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
    figure, axes = _figure("Items by genre", "items", "", (6.4, 4.8))
    counts = items["genres"].explode().drop_nulls().value_counts().sort("count")
    _horizontal(axes, counts["genres"].to_list(), counts["count"].to_list())
    return figure


def ages(users: pl.DataFrame) -> Figure:
    """Return the histogram of users' ages, or how many have each age group where ages are words."""
    figure, axes = _figure("Users by age", "age in years", "users")
    known = users["age"].drop_nulls()
    if known.dtype == pl.String:
        groups = known.value_counts().sort("age")
        axes.bar(groups["age"].to_list(), groups["count"].to_list(), color=BLUE)
        return figure
    top = 5 * (int(known.max() or 0) // 5 + 1)  # type: ignore[arg-type]
    axes.hist(known.to_numpy(), bins=range(0, top + 1, 5), color=BLUE, edgecolor="white", linewidth=0.5)
    return figure


def occupations(users: pl.DataFrame) -> Figure:
    """Return how many users have each occupation."""
    figure, axes = _figure("Users by occupation", "users", "", (6.4, 4.8))
    counts = users["occupation"].drop_nulls().value_counts().sort("count")
    _horizontal(axes, counts["occupation"].to_list(), counts["count"].to_list())
    return figure


def _horizontal(axes: Axes, labels: list[str], values: list[int]) -> None:
    axes.barh(labels, values, color=BLUE)
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
        raise DataError(f"cannot draw into {folder}: {error.strerror or error}") from None
    paths = []
    for name, draw_one in figures.items():
        paths.append(folder / f"{name}.png")
        draw_one().savefig(paths[-1])
    return paths
