"""Figures of predicted ratings: are they right on average, and for whom are they wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from palate.errors import DataError
from palate.plots.house import Curve, curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Details = Mapping[str, Mapping[str, Any]]  # by model, as `Comparison.details`
By = Literal["popularity", "activity"]

COUNTED = {"popularity": "training ratings of the item", "activity": "training ratings of the user"}


def known(details: Details, key: str) -> dict[str, list[dict[str, Any]]]:
    """Return {model: rows} of the models that have details of a kind.

    Raises:
        DataError: none has.
    """
    found = {label: list(of[key]) for label, of in details.items() if of.get(key)}
    if not found:
        raise DataError(f"there is no {key.replace('_', ' ')} to draw: no model here predicts ratings")
    return found


def calibration(details: Details) -> Figure:
    """Return mean rating against mean prediction in bins of predictions, with intervals and the diagonal.

    Args:
        details: {model: {"calibration": [{predicted, actual, low, high}, …] or None}}.

    Raises:
        DataError: no model has a calibration.
    """
    found = known(details, "calibration")
    drawn = [
        Curve(label, place, *([row[c] for row in found[label]] for c in ("predicted", "actual", "low", "high")))
        for place, label in enumerate(details)
        if label in found
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
        raise DataError(f"errors are drawn by {' or '.join(COUNTED)}, not by {by!r}")
    found = known(details, f"error_by_{by}")
    order = list(dict.fromkeys(row["group"] for rows in found.values() for row in rows))
    drawn = [
        Curve(
            label,
            place,
            [float(order.index(row["group"])) for row in found[label]],
            *([row[c] for row in found[label]] for c in ("rmse", "low", "high")),
        )
        for place, label in enumerate(details)
        if label in found
    ]
    return curves(f"Error by {by}", COUNTED[by], "RMSE (lower is better)", drawn, categories=order)
