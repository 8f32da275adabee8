"""Each user's share of a metric: what intervals and paired tests resample.

A metric over users or ratings is a function of two sums over users, num and den:

    "mean"       sum num / sum den          NDCG (num its value, den 1), MAE (num absolute errors, den ratings)
    "root"       sqrt(sum num / sum den)    RMSE
    "explained"  1 - sum num / sum den      R2

so that leaving a user out, or taking one twice, is a sum again. Metrics of the catalogue as a whole (coverage, Gini)
are no such sums and have no units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.metrics import At

Form = Literal["mean", "root", "explained"]

FORMS: Mapping[str, Form] = {"rmse": "root", "rmse_unclipped": "root", "r2": "explained"}  # all others: "mean"


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
    form: Form

    @property
    def value(self) -> float:
        """The metric."""
        return float(from_sums(self.form, self.num.sum(), self.den.sum()))

    @property
    def own(self) -> NDArray[np.float64]:
        """(m,) each user's own value of the metric; NaN where the user alone has none."""
        return from_sums(self.form, self.num, self.den)


def from_sums(form: Form, num: Any, den: Any) -> NDArray[np.float64]:
    """Return the metric of sums over users; NaN where den is 0."""
    num, den = np.asarray(num, np.float64), np.asarray(den, np.float64)
    share: NDArray[np.float64] = np.divide(num, den, out=np.full(np.broadcast(num, den).shape, np.nan), where=den != 0)
    if form == "root":
        share = np.sqrt(np.maximum(share, 0))
    return 1 - share if form == "explained" else share


def form_of(name: str) -> Form:
    """Return how sums make the metric of a name."""
    return FORMS.get(name, "mean")


def units_of(
    one: At, found: Any, test: Interactions, ranked: NDArray[np.intp] | None, given: Mapping[str, Any]
) -> Units | None:
    """Return the units of a metric, or None where it is no sum over users.

    Args:
        one: the metric.
        found: what its function gave.
        test: the test part.
        ranked: users of the values of a ranking metric; None for metrics of ratings.
        given: the metric's inputs.
    """
    if one.metric.per == "user":
        users = np.arange(test.n_users) if ranked is None else ranked
        known = ~np.isnan(found)
        return Units(users[known].astype(np.int32), found[known], np.ones(known.sum()), "mean")
    if one.metric.per == "rating":
        return _by_user(test, found, np.ones(len(test)), "mean")
    if one.name not in ("rmse", "rmse_unclipped", "mae", "mae_unclipped", "r2", "interval_coverage"):
        return None
    truth = np.asarray(given["truth"], np.float64)
    if one.name == "interval_coverage":
        inside = (given["low"] <= truth) & (truth <= given["high"])
        return _by_user(test, inside.astype(np.float64), np.ones(len(truth)), "mean")
    predicted = np.clip(given["predicted"], *given["rating_range"]) if "rating_range" in given else given["predicted"]
    errors = truth - predicted
    num = np.abs(errors) if one.name.startswith("mae") else np.square(errors)
    den = np.square(truth - truth.mean()) if one.name == "r2" else np.ones(len(truth))
    return _by_user(test, num, den, form_of(one.name))


def _by_user(test: Interactions, num: NDArray[Any], den: NDArray[Any], form: Form) -> Units:
    users = np.unique(test.user_index)
    place = np.searchsorted(users, test.user_index)
    sums = [np.bincount(place, cells, len(users)).astype(np.float64) for cells in (num, den)]
    return Units(users, sums[0], sums[1], form)
