"""Discovery: lists go from what everybody knows towards what few do.

With the standardised scores z(s) and the standardised logarithms of how many had each item z(log(1 + c)), both over
the candidates of one list, an item's worth is

    z(s) - discovery * z(log(1 + c)),                                                                        (1)

so at 1 a candidate's being little known counts as much as its score. The scores that are shown stay the model's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def lesser_known(scores: NDArray[np.float64], counts: NDArray[Any], discovery: float) -> NDArray[np.intp]:
    """Return the places of candidates in the order of eq. 1; equal ones stay as they stand.

    Args:
        scores: (m,) of the model; those without one (NaN) stay behind all others.
        counts: (m,) how many had each.
        discovery: from 0 to 1.
    """
    order = np.arange(len(scores))
    scored = np.flatnonzero(np.isfinite(scores))
    worth = _standard(scores[scored]) - discovery * _standard(np.log1p(counts[scored]))
    best = scored[np.argsort(-worth, kind="stable")]
    return np.concatenate([best, np.setdiff1d(order, scored)])


def _standard(values: NDArray[Any]) -> NDArray[np.float64]:
    if not len(values):
        return np.zeros(0)
    spread = float(values.std())
    return np.asarray((values - values.mean()) / spread if spread > 0 else np.zeros(len(values)))
