"""What `EASE` derives of the clicks: the penalty, and the part left out; and what it used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from palate.sparse import Array, Rows

Solver = Literal["items", "users", "neighbors"]

PENALTY = 18.0  # standard deviations of a count
FEW = 10.0  # clicks of a person
DROPOUT = 0.3


@dataclass(frozen=True, eq=False, kw_only=True)
class EaseSettings:
    """What was used of what the data decide.

    Attributes:
        reg, dropout: the penalty, and the part left out.
        fit_intercept: whether there is an item that everybody has had.
        log_values: whether the logarithm of values was taken.
        least_value, log_scale: as of `Unit`.
        solver: how it was solved.
    """

    reg: float
    dropout: float
    fit_intercept: bool
    log_values: bool
    least_value: float
    log_scale: float
    solver: Solver


def derived_penalty(clicks: Rows, squares: Array) -> float:
    """Return the penalty for these clicks: PENALTY sqrt(c) (1 + FEW / n), c and n their means by item and by user.

    Co-occurrences are counts, and chance moves a count c by its root, which B is not to learn; and of somebody with few
    clicks little is known, so that what is popular has to count for more. For values it is in units of their square.
    """
    n_clicks = len(clicks.indices)
    of_item, of_user = n_clicks / np.count_nonzero(squares), n_clicks / np.count_nonzero(clicks.sizes)
    return float(PENALTY * np.sqrt(of_item) * (1 + FEW / of_user) * squares.sum() / n_clicks)
