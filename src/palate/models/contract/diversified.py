"""Lists whose items are unlike each other: maximal marginal relevance by the model's own likeness of items.

The best candidates are ordered anew by `palate.kernels.diversity`, eq. 1; the others follow as they stood. Relevance is
the score, scaled so that the worst candidate has 0 and the best 1; of a popular list, the place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import given
from palate.kernels.diversity import reorder

CANDIDATES = 200  # of the best, ordered anew


def diversified(scores: NDArray[np.float64], likeness: NDArray[np.float64], diversity: float) -> NDArray[np.int64]:
    """Return the places of candidates in their new order.

    Args:
        scores: (m,) the best first; NaN where the place alone tells.
        likeness: (m, m).
        diversity: from 0 to 1.
    """
    order = np.empty(len(scores), np.int64)
    r, L = given(np.ascontiguousarray(_relevance(scores)), np.ascontiguousarray(likeness, np.float64))
    reorder(r, L, float(diversity), order)
    return order


def _relevance(scores: NDArray[np.float64]) -> NDArray[Any]:
    if not np.isfinite(scores).all():
        return np.linspace(1.0, 0.0, len(scores))
    span = scores.max() - scores.min()
    return (scores - scores.min()) / span if span > 0 else np.ones(len(scores))
