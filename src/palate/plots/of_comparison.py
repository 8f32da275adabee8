"""Figures of a comparison: a metric with intervals, by group, and accuracy against what lies beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from palate.errors import DataError
from palate.evaluation.findings import ranked
from palate.metrics import label_of, named
from palate.plots.house import BLUE, GREY, GRID, INK, MOST_TOGETHER, PAPER, Curve, curves, name, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEAR = 0.07  # of the height: labels closer than this are moved apart


def comparison(table: pl.DataFrame, metric: str) -> Figure:
    """Return a dot a model with its interval, the best on top, filled and named so.

    Args:
        table: model, metric, mean, low, high, as `Comparison.table` gives it.
        metric: one of its metrics.

    Raises:
        DataError: the table has no values of the metric.
    """
    rows = ranked(table, metric)
    has_best = bool(named(metric).metric.sense) and len(rows) > 1
    figure, axes = new_figure(label_of(metric), _with_sense(metric), "", (6.4, 1.3 + 0.42 * len(rows)))
    for place, row in enumerate(rows.iter_rows(named=True)):
        is_best = has_best and place == 0
        colour = BLUE if is_best or not has_best else GREY
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2)
        axes.plot([row["mean"]], [place], "o", color=colour, markerfacecolor=colour if is_best else PAPER, markersize=7)
        axes.annotate(
            f"{row['mean']:.4f}{'  best' if is_best else ''}", (1.02, place), xycoords=("axes fraction", "data"),
            va="center", fontsize=9, color=INK, fontweight="bold" if is_best else "normal", annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [name(label) for label in rows["model"]], color=INK)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.08)
    _upright(axes)
    return figure


def groups(groups_table: pl.DataFrame, metric: str, grouping: str) -> Figure:
    """Return a metric's mean in each group of users, with intervals, one series a model.

    Args:
        groups_table: model, metric, grouping, group, place, mean, low, high.
        metric, grouping: which of its rows.

    Raises:
        DataError: there are no such rows.
    """
    rows = groups_table.filter((pl.col("metric") == metric) & (pl.col("grouping") == grouping)).drop_nulls("mean")
    if rows.is_empty():
        raise DataError(
            f"there are no values of {metric} by {grouping} to draw", code="nothing_to_draw", subject=metric
        )
    order = rows.sort("place")["group"].unique(maintain_order=True).to_list()
    drawn = []
    for place, label in enumerate(groups_table["model"].unique(maintain_order=True)):
        own = rows.filter(pl.col("model") == label).sort("place")
        if len(own):
            x = [float(order.index(group)) for group in own["group"]]
            ends = (own[side].fill_null(float("nan")).to_list() for side in ("low", "high"))
            drawn.append(Curve(label, place, x, own["mean"].to_list(), *ends))
    has_order = any(group[:1].isdigit() for group in order)  # of "18 to 25" and the like
    x_words = {"activity": "training ratings of the user (quartiles)"}.get(grouping, grouping)
    words = (f"{label_of(metric)} by {grouping}", x_words, _with_sense(metric))
    return curves(*words, drawn, categories=order, joined=has_order)


def paired(table: pl.DataFrame, accuracy: str, beyond: str) -> pl.DataFrame:
    """Return model, x (accuracy), y (beyond) and front (no other model is better in both), best accuracy first.

    Raises:
        DataError: no model has both.
    """
    x, y = (ranked(table, metric).select("model", "mean") for metric in (accuracy, beyond))
    both = x.rename({"mean": "x"}).join(y.rename({"mean": "y"}), on="model", maintain_order="left")
    if both.is_empty():
        raise DataError(
            f"no model has both {accuracy} and {beyond}, so there is no trade-off to draw",
            code="nothing_to_draw",
            subject=accuracy,
        )
    signs = [-1.0 if named(metric).metric.higher_is_better is False else 1.0 for metric in (accuracy, beyond)]
    points = both.select("x", "y").to_numpy() * signs
    beaten = [bool(((points >= p).all(axis=1) & (points > p).any(axis=1)).any()) for p in points]
    return both.with_columns(pl.Series("front", [not is_beaten for is_beaten in beaten]))


def trade_off(table: pl.DataFrame, accuracy: str = "ndcg@10", beyond: str = "novelty@10") -> Figure:
    """Return a named point a model: accuracy to the right, what lies beyond it upwards; filled where unbeaten in both.

    Args:
        table: model, metric, mean.
        accuracy, beyond: two of its metrics.

    Raises:
        DataError: no model has both metrics.
    """
    rows = paired(table, accuracy, beyond)
    title = f"{label_of(accuracy)} against {label_of(beyond)}"
    is_full = len(rows) > MOST_TOGETHER  # names beside the points would touch: a legend instead
    size = (9.6, 4.4) if is_full else (6.4, 4.2)
    figure, axes = new_figure(title, _with_sense(accuracy), _with_sense(beyond), size)
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    front = rows.filter("front").sort("x")
    axes.plot(front["x"], front["y"], ":", color=GREY, linewidth=1, zorder=1)
    order = table["model"].unique(maintain_order=True).to_list()
    for row in rows.iter_rows(named=True):
        look = style(order.index(row["model"]))
        shape: dict[str, Any] = {"marker": look.marker, "markersize": 9, "linestyle": "none"}
        face = look.colour if row["front"] else PAPER
        axes.plot(
            [row["x"]], [row["y"]], color=look.colour, markerfacecolor=face, label=name(row["model"]), **shape
        )  # fmt: skip
    axes.margins(0.1 if is_full else 0.18)
    if is_full:
        figure.legend(loc="outside right upper", frameon=False, fontsize=9, labelspacing=0.8)
    else:
        _name_points(axes, rows)
    return figure


def _name_points(axes: Axes, rows: pl.DataFrame) -> None:
    """Write each name beside its point, names that would touch moved apart and tied to their points."""
    x_ends, y_ends = axes.get_xlim(), axes.get_ylim()
    x = (rows["x"].to_numpy() - x_ends[0]) / (x_ends[1] - x_ends[0])
    y = (rows["y"].to_numpy() - y_ends[0]) / (y_ends[1] - y_ends[0])
    for right in (False, True):  # on either side of their points, away from the middle
        inside = np.flatnonzero((x > 0.5) == right)
        places = _apart(y[inside])
        for number, place in zip(inside, places, strict=True):
            moved = abs(place - y[number]) > 0.01
            axes.annotate(
                name(rows["model"][int(number)]), (x[number], y[number]),
                xytext=(x[number] + (-0.03 if right else 0.03), place), xycoords="axes fraction", fontsize=9,
                va="center", ha="right" if right else "left", color=INK,
                arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6} if moved else None,
            )  # fmt: skip


def _apart(y: np.ndarray[Any, Any]) -> Sequence[float]:
    """Return heights as near to the given ones as a sweep upwards finds, no two closer than NEAR."""
    out = np.array(y, dtype=np.float64)
    order = np.argsort(out, kind="stable")
    for below, above in pairwise(order):
        out[above] = max(out[above], out[below] + NEAR)
    over = out.max(initial=0.0) - 0.97
    return [float(place) for place in out - max(0.0, over)]


def _upright(axes: Axes) -> None:
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)


def _with_sense(metric: str) -> str:
    label, sense = label_of(metric), named(metric).metric.sense
    return f"{label} ({sense})" if sense else label
