"""The interval of a metric over users, as comparisons have it."""

from __future__ import annotations

from palate.evaluation.significance import FoldSums, bootstrap, central
from palate.metrics.units import Units

LEVEL, RESAMPLES, SEED = 0.95, 500, 0


def interval_of(units: Units) -> tuple[float, float]:
    """Return the ends of the 95 % bootstrap interval of a metric over users; the same users are drawn for all."""
    sums = FoldSums(units.num[:, None], units.den[:, None], units.form)
    return central(bootstrap([sums], RESAMPLES, SEED)[:, 0], LEVEL)
