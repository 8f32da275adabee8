"""The figure of the simulated newcomers: docs/images/onboarding.png."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from palate.plots.house import BLUE, GREEN, GREY, GRID, INK, ORANGE, RED

if TYPE_CHECKING:
    from onboarding import Course

COLOURS = (BLUE, ORANGE, GREEN, RED, GREY)


def drawn(after: Sequence[int], courses: Mapping[str, Course]) -> Figure:
    """Return the figure: the error after questions, and how many of them were answered."""
    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    errors, answers = figure.subplots(1, 2, width_ratios=(1.5, 1))
    for axes in (errors, answers):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=GREY, labelsize=9)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("questions", color=GREY, fontsize=9)
    for (name, course), colour in zip(courses.items(), COLOURS, strict=True):
        _line(errors, after, np.sqrt(course.errors.mean(axis=0)), name, colour)
        _line(answers, after, course.answered.mean(axis=0), name, colour)
    _title(errors, "Error on their other ratings (RMSE)")
    _title(answers, "Questions answered")
    errors.legend(loc="upper right", fontsize=8, frameon=False)
    return figure


def _line(axes: Any, after: Sequence[int], values: Any, name: str, colour: str) -> None:
    axes.plot(after, values, color=colour, marker=".", label=name, linewidth=2.2 if name == "ours" else 1.3)


def _title(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
