"""Paired differences of two models on the same users, with bootstrap intervals."""

from __future__ import annotations

import numpy as np

from palate.evaluation.significance import FoldSums, bootstrap
from palate.metrics.units import Units

RESAMPLES = 2000


def difference(a: Units, b: Units) -> str:
    """Return in words how much the metric of ``a`` is above that of ``b``, with a 95 % interval over users."""
    if not np.array_equal(a.user_index, b.user_index):
        raise ValueError("both models must be measured on the same users")
    columns = [FoldSums(units.num[:, None], units.den[:, None], units.form) for units in (a, b)]
    drawn = bootstrap(columns, RESAMPLES, 0)
    low, high = np.percentile(drawn[:, 0] - drawn[:, 1], [2.5, 97.5])
    return f"{a.value - b.value:+.4f} ({low:+.4f} to {high:+.4f})"
