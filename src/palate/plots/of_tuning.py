"""Figures of a search for parameters: which of them mattered, and how the best value was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from palate.errors import DataError
from palate.plots.house import BLUE, GREY, GRID, INK, ORANGE, name, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def importances(shares: Mapping[str, float]) -> Figure:
    """Return a bar a parameter, the most important on top.

    Args:
        shares: {parameter: share of the differences between trials that it explains, 0 to 1}.

    Raises:
        DataError: there is none.
    """
    if not shares:
        raise DataError(
            "there are no parameter importances to draw: a search needs at least two finished trials",
            code="nothing_to_draw",
            subject="history",
        )
    ordered = sorted(shares.items(), key=lambda pair: pair[1])
    figure, axes = new_figure(
        "Which parameters mattered", "share of the differences explained", "", (6.4, 1.3 + 0.36 * len(ordered))
    )
    axes.barh([name(key) for key, _ in ordered], [share for _, share in ordered], color=BLUE)
    for place, (_, share) in enumerate(ordered):
        axes.annotate(f" {share:.0%}", (share, place), va="center", fontsize=9, color=INK)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    axes.margins(x=0.12)
    return figure


def tuning_history(values: Sequence[float | None], best: Sequence[float | None]) -> Figure:
    """Return the value of each trial and the best so far.

    Args:
        values: (n,) of the trials in order; None for one without a result.
        best: (n,) the best until then.

    Raises:
        DataError: no trial has a result, or the two differ in length.
    """
    if len(values) != len(best) or not any(value is not None for value in values):
        raise DataError.of(
            "a tuning history", f"needs results, as many as best ones; got {len(values)} and {len(best)}"
        )
    figure, axes = new_figure("Search", "trial", "value")
    trials = np.arange(1, len(values) + 1)
    results, until = (np.array([np.nan if v is None else v for v in part], np.float64) for part in (values, best))
    axes.plot(trials, results, "o", color=GREY, markersize=5, alpha=0.8, label="trial")
    axes.step(trials, until, where="post", color=BLUE, linewidth=2, label="best so far")
    last = float(until[np.isfinite(until)][-1])
    at = int(trials[np.flatnonzero(results == last)[0]]) if (results == last).any() else len(values)
    axes.plot([at], [last], "D", color=ORANGE, label=f"best: trial {at}, {last:.4f}")
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False, fontsize=9)
    return figure
