"""Figures of a sampler: the traces of its chain, and whether it has settled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from palate.errors import DataError
from palate.models.bayes.chains import WATCHED, chain_summary, traces, unsettled
from palate.plots.house import BLUE, GRID, INK, ORANGE, new_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from palate.models.bayes.model import BayesianMF

CHAINS: tuple[Any, ...] = ("-", ":", "--", "-.")  # the strokes of several chains


def sampling(model: BayesianMF) -> Figure:
    """Return the traces of a sampled model by sweep, the warm-up shaded, split R-hat and effective sample size above.

    A panel each for noise precision, the norms of users' and items' rows, and, of a model fitted with a validation
    part, its RMSE: of each draw, and of the mean of the draws so far.

    Raises:
        DataError: the model was not sampled.
    """
    table, warm_up = summary_of(model), int(model.n_burn_in)
    restless = unsettled(model.history_, warm_up)
    figure, panels = new_panels("Sampling", "sweep", len(table))
    sweeps = np.arange(1, len(model.history_) + 1)
    for axes, row in zip(panels, table.iter_rows(named=True), strict=True):
        verdict = ": not settled" if row["quantity"] in restless else ""
        axes.set_title(f"{WATCHED[row['quantity']]}\n{judged(row)}{verdict}", loc="left", fontsize=9, color=INK)
        if warm_up:
            axes.axvspan(0.5, warm_up + 0.5, color=GRID, linewidth=0, label="warm-up")
        for number, values in enumerate(traces(model.history_, row["quantity"])):
            look = CHAINS[number % len(CHAINS)]
            axes.plot(sweeps, values, look, color=BLUE, linewidth=0.9, label="_" if number else "each draw")
        axes.set_xlim(0.5, len(sweeps) + 0.5)
        axes.locator_params(axis="x", integer=True)
        axes.ticklabel_format(axis="y", useOffset=False)
        if row["quantity"] == "validation_rmse_draw":
            _mean_so_far(axes, model, warm_up)
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    return figure


def _mean_so_far(axes: Axes, model: BayesianMF, warm_up: int) -> None:
    (values,) = traces(model.history_[warm_up:], "validation_rmse")
    sweeps = np.arange(warm_up + 1, warm_up + len(values) + 1)
    axes.plot(sweeps, values, "--", color=ORANGE, linewidth=2, label="mean of the draws so far")
    axes.annotate(
        f"{values[-1]:.4f}", (sweeps[-1], values[-1]), (-2, 6), textcoords="offset points", ha="right", fontsize=9
    )


def summary_of(model: BayesianMF) -> pl.DataFrame:
    """Return the `chain_summary` of a sampled model.

    Raises:
        DataError: the model was not sampled.
    """
    if not any("noise_precision" in record for record in model.history_):
        raise DataError(
            "there is no chain to draw: this model was not sampled", code="nothing_to_draw", subject="chain"
        )
    return chain_summary(model.history_, int(model.n_burn_in))


def judged(row: Mapping[str, Any]) -> str:
    """Return R-hat and effective sample size of a row of a `chain_summary`, in words."""
    if row["rhat"] is None or row["ess"] is None:
        return "fixed" if row["sd"] == 0 else "too few sweeps to judge"
    return f"R-hat {row['rhat']:.2f}, effective sample size {row['ess']:{'.1f' if row['ess'] < 10 else '.0f'}}"
