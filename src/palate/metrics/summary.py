"""What is said of a metric's values over users: the mean, the worst tenth beside it, and who is no part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError


@dataclass(frozen=True)
class Summary:
    """A metric over users.

    Attributes:
        mean: over ``n_users`` users; NaN without any.
        worst_tenth: the mean of the worst tenth of them, rounded up to whole users.
        n_users: users in the mean.
        n_without_list: of these, users who got no list at all; each counts as zero.
        n_left_out: users with nothing to measure (such as no relevant items), who are no part of the mean.
        n_popular: of the users in the mean, those who were given the popular list, as nothing is known of them.
        mean_of_others: over the users in the mean who were given a list of their own; None where all were, or nobody.
    """

    mean: float
    worst_tenth: float
    n_users: int
    n_without_list: int
    n_left_out: int
    n_popular: int = 0
    mean_of_others: float | None = None


def summarise(
    values: NDArray[np.float64],
    lists: NDArray[Any] | None = None,
    *,
    popular: NDArray[np.bool_] | None = None,
    higher_is_better: bool = True,
) -> Summary:
    """Return the summary of a metric's values per user.

    Args:
        values: (m,) one a user; NaN for a user with nothing to measure.
        lists: (m, k) the lists given, -1 where none; None for metrics without lists.
        popular: (m,) who was given the popular list; None for metrics without lists.
        higher_is_better: which end is the worst.

    Raises:
        ParameterError: values and lists are not of the same users.
    """
    if lists is not None and len(lists) != len(values):
        raise ParameterError(f"values are of {len(values)} users, lists of {len(lists)}", subject="lists")
    known = ~np.isnan(values)
    empty = np.zeros(len(values), bool) if lists is None else ~(lists >= 0).any(axis=1)
    counts = (int(known.sum()), int((known & empty).sum()), int((~known).sum()))
    if not counts[0]:
        return Summary(float("nan"), float("nan"), *counts)
    given = known & popular if popular is not None else np.zeros(len(values), bool)
    others = known & ~given
    mean_of_others = float(values[others].mean()) if given.any() and others.any() else None
    worst_first = np.sort(values[known])[:: 1 if higher_is_better else -1]
    worst_tenth = float(worst_first[: -(-counts[0] // 10)].mean())
    return Summary(float(values[known].mean()), worst_tenth, *counts, int(given.sum()), mean_of_others)
