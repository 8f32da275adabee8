"""The house style: one palette, one empty figure, and curves of several models that stay apart in grey print, too."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.atomic import replacing
from palate.errors import DataError, missing_extra
from palate.terminal import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette: told apart with any kind of colour vision, and by lightness in print
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
INK, GREY, GRID, PAPER = "#1F2430", "#6B7280", "#E5E7EB", "#FFFFFF"  # words; axes; lines behind; ground

COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, INK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
MOST_TOGETHER = 5  # curves in one panel; more get a panel each
ACROSS = 4  # panels in a row
MOST_BEHIND = 16  # curves that are also drawn behind each other in grey
DIAGONAL = "perfect"
LEGEND_WIDTH = 72  # characters in a row of a legend
NAME_WIDTH, NAME_LINES = 26, 3  # of a model's name in a figure


@dataclass(frozen=True)
class Style:
    """How one of several models is drawn, in colour, shape and stroke."""

    colour: str
    marker: str
    line: Any


def style(place: int) -> Style:
    """Return the style of the model at a place in the order; 8 differ in all three, 64 in two together."""
    turn = place + place // len(COLOURS)
    return Style(COLOURS[place % len(COLOURS)], MARKERS[turn % len(MARKERS)], LINES[turn % len(LINES)])


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the path's ending names, whole or not at all.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        with replacing(path) as file:
            figure.savefig(file, format=path.suffix.removeprefix("."))
    except OSError as error:
        raise DataError.of_disk("cannot write the figure", path, error) from None


def new_figure(title: str, x: str, y: str, size: tuple[float, float] = (6.4, 3.8)) -> tuple[Figure, Axes]:
    """Return an empty figure in the house style; made without pyplot, so nothing stays open and no screen is needed.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    figure = _blank(size)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(x, color=GREY)
    axes.set_ylabel(y, color=GREY)
    _dress(axes)
    return figure, axes


def new_panels(title: str, x: str, number: int, across: int = 2) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of panels that share their x axis, and the panels row by row; see `new_figure`."""
    down = -(-number // across)
    figure = _blank((4.2 * across, 0.8 + 2.5 * down))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.supxlabel(x, color=GREY, fontsize=10)
    grid: Any = figure.subplots(down, across, sharex=True, squeeze=False)
    for axes in grid.flat[number:]:
        axes.set_axis_off()
    for axes in grid.flat[:number]:
        _dress(axes)
    return figure, list(grid.flat[:number])


def name(label: str) -> str:
    """Return a name for Matplotlib: dollars are no formula, a first underscore hides nothing, long names are folded."""
    lines = textwrap.wrap(plain(label), NAME_WIDTH, break_on_hyphens=False) or [" "]
    if len(lines) > NAME_LINES:
        lines = [*lines[: NAME_LINES - 1], f"{lines[NAME_LINES - 1][: NAME_WIDTH - 1]}…"]
    shown = "\n".join(lines).replace("$", r"\$")
    return f"\N{THIN SPACE}{shown}" if shown.startswith("_") else shown


@dataclass(frozen=True)
class Curve:
    """One model's points: its name, its place in the order of models, and (n,) arrays; low and high may hold NaN."""

    label: str
    place: int
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def curves(
    title: str,
    x: str,
    y: str,
    drawn: Sequence[Curve],
    *,
    categories: Sequence[str] = (),
    joined: bool = True,
    diagonal: bool = False,
) -> Figure:
    """Return curves with intervals: together while they are few, else each before the others in a panel of its own.

    Args:
        title, x, y: words.
        drawn: the curves.
        categories: names of the places 0, 1, … on the x axis, where it is none of numbers.
        joined: draw lines between the points; not where the places have no order.
        diagonal: draw the line y = x.
    """
    if len(drawn) <= MOST_TOGETHER:
        figure, axes = new_figure(title, x, y)
        _scales(axes, categories, drawn, diagonal=diagonal)
        for number, curve in enumerate(drawn):
            shift = 0.12 * (number - (len(drawn) - 1) / 2) if categories else 0.0
            _curve(axes, curve, shift, joined=joined)
        if len(drawn) > 1 or diagonal:
            longest = max([len(curve.label) for curve in drawn] + [len(DIAGONAL) * diagonal])
            ncols = max(1, min(4, LEGEND_WIDTH // (min(longest, NAME_WIDTH) + 6)))
            figure.legend(loc="outside lower center", ncols=ncols, frameon=False, fontsize=9)
        return figure
    n_rows = -(-len(drawn) // ACROSS)
    figure = _blank((9.6, 0.8 + 2.1 * n_rows))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.supxlabel(x, color=GREY, fontsize=10)
    figure.supylabel(y, color=GREY, fontsize=10)
    grid: Any = figure.subplots(n_rows, ACROSS, sharex=True, sharey=True, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(drawn):
            axes.set_axis_off()
            continue
        _dress(axes)
        _scales(axes, categories, drawn, diagonal=diagonal)
        for other in drawn if len(drawn) <= MOST_BEHIND else ():
            axes.plot(other.x, other.y, "-" if joined else ".", color=GREY, alpha=0.3, linewidth=0.8)
        _curve(axes, drawn[number], 0.0, joined=joined)
        axes.set_title(name(drawn[number].label), loc="left", fontsize=9)
    return figure


def _curve(axes: Axes, curve: Curve, shift: float, *, joined: bool) -> None:
    look = style(curve.place)
    x, y = np.asarray(curve.x, np.float64) + shift, np.asarray(curve.y, np.float64)
    drawn: dict[str, Any] = {"linestyle": look.line if joined else "none", "marker": look.marker, "color": look.colour}
    axes.plot(x, y, linewidth=1.6, markersize=5, label=name(curve.label), **drawn)
    axes.vlines(x, np.asarray(curve.low, np.float64), np.asarray(curve.high, np.float64), color=look.colour, alpha=0.7)


def _scales(axes: Axes, categories: Sequence[str], drawn: Sequence[Curve], *, diagonal: bool) -> None:
    if categories:
        shown = [name(category) for category in categories]
        steep = sum(map(len, shown)) > 45  # they would touch
        axes.set_xticks(range(len(shown)), shown, rotation=30 if steep else 0, ha="right" if steep else "center")
        axes.set_xlim(-0.5, len(shown) - 0.5)
    if diagonal:
        ends = [f(v for curve in drawn for v in (*curve.x, *curve.y)) for f in (min, max)]
        axes.plot(ends, ends, ":", color=GREY, linewidth=1, label=DIAGONAL)


def _blank(size: tuple[float, float]) -> Figure:
    try:
        from palate.plots.figure import DescribedFigure
    except ImportError:
        raise missing_extra("plots", "drawing figures") from None
    return DescribedFigure(figsize=size, dpi=120, layout="constrained")


def _dress(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=GREY, labelsize=9)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
