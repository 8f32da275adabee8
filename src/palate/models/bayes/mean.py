"""The mean score over all sweeps after the warm-up, as one pair of factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from scipy import linalg

from palate.kernels import Factors
from palate.models.bayes.asked import Asked
from palate.models.bayes.chain import Chain
from palate.models.contract.learned import Array, Learned, NotNegative, Shape

MOST_CELLS = 20_000_000  # users times items; beyond it the matrix of mean scores is not held
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

    The matrix of means is cut to its leading singular vectors: so every sweep counts, and lists need no long product.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("count", "total", "biases", "mu")

    def __init__(self, chain: Chain) -> None:
        n_users, n_items = len(chain.users.X), len(chain.items.X)
        self.chain, self.count = chain, 0
        self.total = np.zeros((n_users, n_items), np.float32) if n_users * n_items <= MOST_CELLS else None
        self.biases = np.zeros(n_users), np.zeros(n_items)
        self.mu = 0.0

    def add(self) -> None:
        """Add the chain's state."""
        P, Q = self.chain.users.means, self.chain.items.X
        self.count += 1
        if self.total is not None:
            self.total += P[:, :-1] @ Q[:, :-1].T
        for total, rows in zip(self.biases, (P, Q), strict=True):
            total += rows[:, -1]
        self.mu += self.chain.mu

    def join(self, other: MeanScore) -> None:
        """Add what another chain has summed."""
        self.count += other.count
        if self.total is not None and other.total is not None:
            self.total += other.total
        for total, more in zip(self.biases, other.biases, strict=True):
            total += more
        self.mu += other.mu

    def learned(self, long: tuple[Array, Array], asked: Asked | None) -> MeanFactors:
        """Return the mean score; the sum is spent.

        Args:
            asked: what the pairs' own cells add, or None.
            long: factors of the kept draws side by side, taken where the matrix of means was not held.
        """
        factors, error = long, 0.0
        if self.total is not None:
            self.total /= self.count
            if asked is not None:
                self.total += asked.mean()
            U, S, Vt = linalg.svd(self.total, full_matrices=False, overwrite_a=True, check_finite=False)
            root = np.sqrt(S[:RANK])
            factors = np.ascontiguousarray(U[:, :RANK] * root), np.ascontiguousarray(Vt[:RANK].T * root)
            error = float(np.sqrt(np.square(S[RANK:], dtype=np.float64).sum() / self.total.size))
        b, c = ((total / self.count).astype(np.float32) for total in self.biases)
        return MeanFactors(*factors, b, c, float(self.mu / self.count), error)
