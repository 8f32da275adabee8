"""Each user's share of a metric: what intervals and paired tests resample.

A metric over users or ratings is a function of two sums over users, num and den:

    "mean"       sum num / sum den          NDCG (num its value, den 1), MAE (num absolute errors, den ratings)
    "root"       sqrt(sum num / sum den)    RMSE
    "explained"  1 - sum num / sum den      R2

so that leaving a user out, or taking one twice, is a sum again. Metrics of the catalogue as a whole (coverage, Gini)
are no such sums and have no units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SumForm = Literal["mean", "root", "explained"]


@dataclass(frozen=True, eq=False)
class Units:
    """Sums of a metric by user.

    Attributes:
        user_index: (m,) int32, users with something to measure, rising.
        num, den: (m,) float64.
        form: how the sums make the metric.
    """

    user_index: NDArray[np.int32]
    num: NDArray[np.float64]
    den: NDArray[np.float64]
    form: SumForm

    @property
    def value(self) -> float:
        """The metric."""
        return float(from_sums(self.form, self.num.sum(), self.den.sum()))

    @property
    def own(self) -> NDArray[np.float64]:
        """(m,) each user's own value of the metric; NaN where the user alone has none."""
        return from_sums(self.form, self.num, self.den)


def from_sums(form: SumForm, num: Any, den: Any) -> NDArray[np.float64]:
    """Return the metric of sums over users; NaN where den is 0."""
    num, den = np.asarray(num, np.float64), np.asarray(den, np.float64)
    share: NDArray[np.float64] = np.divide(num, den, out=np.full(np.broadcast(num, den).shape, np.nan), where=den != 0)
    if form == "root":
        share = np.sqrt(np.maximum(share, 0))
    return 1 - share if form == "explained" else share


def units_of_users(user_index: NDArray[Any], values: NDArray[np.float64]) -> Units:
    """Return the units of one value a user; a user whose value is NaN has none.

    Args:
        user_index: (m,) users, rising.
        values: (m,).
    """
    known = ~np.isnan(values)
    return Units(user_index[known].astype(np.int32), values[known], np.ones(known.sum()), "mean")


def units_of_ratings(user_index: NDArray[Any], num: NDArray[Any], den: NDArray[Any], form: SumForm) -> Units:
    """Return the units of terms of one rating each, added up by user.

    Args:
        user_index: (n,) the user of each rating.
        num, den: (n,) terms.
        form: how their sums make the metric.
    """
    users = np.unique(user_index)
    place = np.searchsorted(users, user_index)
    sums = [np.bincount(place, terms, len(users)).astype(np.float64) for terms in (num, den)]
    return Units(users, sums[0], sums[1], form)
