"""What clicks, and cells without one, weigh in `ImplicitALS`, and how strongly rows are held: given, or from the data.

    w_ui = alpha count                                   with alpha given
    w_ui = log2(1 + count / m)                           without: m the median count, which weighs 1, as a click does
    o    = unobserved_share W / (M N)                    W the sum of w; M users and N items have clicks            (2)
    reg  = shrinkage s w / sqrt(mean_u a_u mean_i b_i)   w = W / clicks, s = sqrt(unobserved_share)                 (3)

with a_u = (sum_i w_ui + o N)^reg_exponent and b_i likewise, what a row weighs. Only the product of both sides'
penalties tells in scores (P may grow by what Q shrinks), so (3) has their geometric mean: a row is held as by
shrinkage s clicks. As o is a share of what all clicks weigh, cells without clicks weigh as much beside those with one
on a catalogue of a hundred items as of a million. Logarithms of counts are Hu, Koren & Volinsky's (2008, eq. 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from palate.sparse import Array, Rows

FACTORS = (16, 256)  # fewest and most, where the data decide


@dataclass(frozen=True)
class Weighing:
    """What decides the weights and penalties of eq. 1 of `palate.models.ridge.ials`.

    Attributes:
        alpha: weight of a click, or of a count of one.
        unobserved_weight: o.
        reg, reg_exponent: of the penalties.
    """

    alpha: float
    unobserved_weight: float
    reg: float
    reg_exponent: float

    def of_cells(self, clicks: Rows) -> Array:
        """Return w of each click, (n,)."""
        weights: Array = self.alpha * clicks.values.astype(np.float64)
        return weights

    def penalties(self, clicks: Rows, n_columns: float) -> Array:
        """Return l of each row, (n_rows,); 0 for one without clicks, which is no part of the objective."""
        return self.row_penalties(clicks_weigh(clicks, self.alpha), n_columns)

    def row_penalties(self, own: Array, n_columns: float) -> Array:
        """Return the same by what the clicks of each row weigh together (`clicks_weigh`)."""
        penalties: Array = self.reg * self._rows(own, n_columns) * (own > 0)
        return penalties

    def _rows(self, own: Array, n_columns: float) -> Array:
        return np.asarray((own + self.unobserved_weight * n_columns) ** self.reg_exponent)

    def unit(self, by_user: Rows, by_item: Rows) -> float:
        """Return what ``reg`` is, for each of shrinkage s (eq. 3)."""
        users, items = (clicks_weigh(clicks, self.alpha) for clicks in (by_user, by_item))
        n_users, n_items = int(np.count_nonzero(users)), int(np.count_nonzero(items))
        sides = self.side_sums(users, n_items), self.side_sums(items, n_users)
        return unit_of(*sides, len(by_user.indices))

    def side_sums(self, own: Array, n_columns: float) -> SideSums:
        """Return the sums over rows that eq. 3 takes.

        Args:
            own: what the clicks of each row weigh together (`clicks_weigh`).
            n_columns: with clicks, in all.
        """
        own = own[own > 0]
        return SideSums(len(own), float(own.sum()), float(self._rows(own, n_columns).sum()))


class SideSums(NamedTuple):
    """Sums over the rows of one side, or over a part of them: those of parts are added.

    Attributes:
        n_rows: how many have clicks.
        weight: of all their clicks.
        powers: sum of a_u, or of b_i.
    """

    n_rows: int
    weight: float
    powers: float


def unit_of(users: SideSums, items: SideSums, n_clicks: int) -> float:
    """Return eq. 3 for s = 1: what ``reg`` is, for each of shrinkage s."""
    means = users.powers / users.n_rows * (items.powers / items.n_rows)
    return users.weight / n_clicks / float(np.sqrt(means))


def clicks_weigh(clicks: Rows, alpha: float) -> Array:
    """Return what the clicks of each row weigh together, (n_rows,)."""
    sums = np.concatenate([[0.0], np.cumsum(alpha * clicks.values.astype(np.float64))])
    return np.diff(sums[clicks.indptr])


def share_weight(by_user: Rows, by_item: Rows, alpha: float, share: float) -> float:
    """Return o of eq. 2."""
    weight = float(clicks_weigh(by_user, alpha).sum())
    n_users, n_items = (int(np.count_nonzero(rows.sizes)) for rows in (by_user, by_item))
    return weight_of_share(weight, n_users, n_items, share)


def weight_of_share(weight: float, n_users: int, n_items: int, share: float) -> float:
    """Return o of eq. 2, for clicks of this weight in all, of so many users and items that have some."""
    return share * weight / (n_users * n_items)


def factors_for(n_users: int, n_items: int) -> int:
    """Return how many factors data of a size get: four times the root of the smaller side, in steps of 8.

    A penalty of the right strength empties what is too many, so that more cost time alone; too few cost lists.
    """
    fewest, most = FACTORS
    return int(np.clip(8 * round(np.sqrt(min(n_users, n_items)) / 2), fewest, most))
