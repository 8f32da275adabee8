"""The mean score over all sweeps after the warm-up, as one pair of factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from palate.kernels import Factors
from palate.models.bayes.chain import Chain
from palate.models.bayes.product_sum import ProductSum
from palate.models.contract.learned import Array, Learned, NotNegative, Shape

RANK = 128  # singular vectors kept: what they leave out is ``mean_score_error_``


@dataclass(frozen=True, eq=False)
class MeanFactors(Learned):
    """The mean score: mean + b_u + c_i + the product of r factors.

    Attributes:
        user_factors, item_factors: (n_users, r), (n_items, r).
        user_biases, item_biases: (n_users,), (n_items,), means over sweeps.
        mean: of mu.
        mean_score_error: root mean square of what r singular vectors leave out.
    """

    user_factors: Annotated[Array, Shape("n_users", "n_long")]
    item_factors: Annotated[Array, Shape("n_items", "n_long")]
    user_biases: Annotated[Array, Shape("n_users")]
    item_biases: Annotated[Array, Shape("n_items")]
    mean: float
    mean_score_error: NotNegative

    def factors(self) -> Factors:
        """Return what scores are made of."""
        return Factors(self.user_factors, self.item_factors, self.user_biases, self.item_biases, self.mean)


class MeanScore:
    """The sum of p_u . q_i and of the biases over sweeps: a user's rows are means given the rest of the sweep.

    What a pair's own cell adds (`palate.models.bayes.asked`) is in it, too; the sum is cut to its leading singular
    vectors: so every sweep counts, and lists need no long product.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("count", "total", "biases", "mu")

    def __init__(self, chain: Chain) -> None:
        n_users, n_items = len(chain.users.X), len(chain.items.X)
        self.chain, self.count = chain, 0
        self.total = ProductSum(n_users, n_items, chain.users.X.shape[1] - 1)
        self.biases = np.zeros(n_users), np.zeros(n_items)
        self.mu = 0.0

    def add(self) -> None:
        """Add the chain's state."""
        P, Q = self.chain.users.means, self.chain.items.X
        self.count += 1
        self.total.add(P[:, :-1], Q[:, :-1])
        for total, rows in zip(self.biases, (P, Q), strict=True):
            total += rows[:, -1]
        self.mu += self.chain.mu

    def join(self, other: MeanScore) -> None:
        """Add what another chain has summed."""
        self.count += other.count
        self.total.join(other.total)
        for total, more in zip(self.biases, other.biases, strict=True):
            total += more
        self.mu += other.mu

    def learned(self) -> MeanFactors:
        """Return the mean score."""
        left, right, error = self.total.factors(RANK, self.count)
        b, c = ((total / self.count).astype(np.float32) for total in self.biases)
        return MeanFactors(left, right, b, c, float(self.mu / self.count), error)
