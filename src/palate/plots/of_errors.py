"""Figures of predicted ratings: are they right on average, and for whom are they wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from palate.errors import DataError, ParameterError
from palate.plots.house import BLUE, GREY, Curve, curves, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Details = Mapping[str, Mapping[str, Any]]  # by model, as `Comparison.details`
By = Literal["popularity", "activity"]

BINS = 20  # of a probability integral transform

COUNTED = {"popularity": "training ratings of the item", "activity": "training ratings of the user"}


def known(details: Details, key: str) -> dict[str, list[dict[str, Any]]]:
    """Return {model: rows} of the models that have details of a kind.

    Raises:
        DataError: none has.
    """
    by_model = {label: list(of[key]) for label, of in details.items() if of.get(key)}
    if not by_model:
        raise DataError(
            f"there is no {key.replace('_', ' ')} to draw: no model here predicts ratings",
            code="nothing_to_draw",
            subject=key,
        )
    return by_model


def calibration(details: Details) -> Figure:
    """Return mean rating against mean prediction in bins of predictions, with intervals and the diagonal.

    Args:
        details: {model: {"calibration": [{predicted, actual, low, high}, …] or None}}.

    Raises:
        DataError: no model has a calibration.
    """
    by_model = known(details, "calibration")
    drawn = [
        Curve(label, place, *([row[c] for row in by_model[label]] for c in ("predicted", "actual", "low", "high")))
        for place, label in enumerate(details)
        if label in by_model
    ]
    return curves("Calibration", "mean prediction", "mean rating given", drawn, diagonal=True)


def error_by(details: Details, by: By) -> Figure:
    """Return RMSE by how many training ratings the item ("popularity") or the user ("activity") has.

    Args:
        details: {model: {"error_by_popularity": [{group, rmse, low, high}, …] or None, …}}.
        by: which.

    Raises:
        DataError: by is neither, or no model has such errors.
    """
    if by not in COUNTED:
        raise DataError(
            f"errors are drawn by {' or '.join(COUNTED)}, not by {by!r}", code="nothing_to_draw", subject="by"
        )
    by_model = known(details, f"error_by_{by}")
    order = list(dict.fromkeys(row["group"] for rows in by_model.values() for row in rows))
    drawn = [
        Curve(
            label,
            place,
            [float(order.index(row["group"])) for row in by_model[label]],
            *([row[c] for row in by_model[label]] for c in ("rmse", "low", "high")),
        )
        for place, label in enumerate(details)
        if label in by_model
    ]
    return curves(f"Error by {by}", COUNTED[by], "RMSE (lower is better)", drawn, categories=order)


def shares_of_pit(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return the share of the values in each of BINS bins of 0 … 1, and the ends of 95 % of the shares of pure chance.

    Raises:
        ParameterError: no values, or one outside 0 … 1.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values) or not ((values >= 0) & (values <= 1)).all():
        raise ParameterError(
            "a probability integral transform needs a row of at least one number from 0 to 1", subject="pit"
        )
    counts = np.histogram(values, BINS, (0.0, 1.0))[0]
    low, high = binom.ppf([0.025, 0.975], len(values), 1 / BINS) / len(values)
    return counts / len(values), (float(low), float(high))


def pit(values: NDArray[np.float64], title: str = "Probability integral transform") -> Figure:
    """Return the histogram of probability integral transforms (`palate.metrics.distribution.pit_stars`).

    Level where distributions are right; the band holds 95 % of the bins that chance alone would make.

    Raises:
        ParameterError: as `shares_of_pit`.
    """
    shares, (low, high) = shares_of_pit(values)
    figure, axes = new_figure(title, "share of the distribution at or below the rating", "share of ratings")
    edges = np.arange(BINS + 1) / BINS
    axes.axhspan(low, high, color=GREY, alpha=0.25, linewidth=0, label="chance alone, 95 %")
    axes.stairs(shares, edges, color=BLUE, linewidth=1.6, label=f"{len(values):,} ratings")
    axes.axhline(1 / BINS, linestyle=":", color=GREY, linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(1.6 / BINS, 1.1 * shares.max()))
    axes.legend(loc="lower right", frameon=False, fontsize=9, ncols=2)
    return figure
