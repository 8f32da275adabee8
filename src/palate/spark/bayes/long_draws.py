"""Rows whose cells lie in many blocks: drawn at the driver, by what each block has summed of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy import linalg

from palate.models.bayes.chain import draw_scales
from palate.models.bayes.chance import ByName
from palate.models.bayes.hyper import upper_root
from palate.spark.bayes.halves import BayesHalf, ChainHalf, ChainSums, totals
from palate.spark.bayes.rows import OF_ERRORS, LongDraws, ScaleStep
from palate.sparse import Array


@dataclass(eq=False)
class DrawnLongRows:
    """The long rows of a side.

    Attributes:
        positions: ascending.
        Z: (n_rows, F) float32, their features.
        counts: (n_rows,) their cells.
        X: (n_rows, C D) as they are.
        scales: (n_rows, C), noise scales.
        means: (n_rows, C D), of X given all else.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("counts", "X", "scales", "means")

    positions: Array
    Z: Array
    counts: Array
    X: Array
    scales: Array
    means: Array = field(init=False)

    def __post_init__(self) -> None:
        self.means = self.X.copy()

    @property
    def now(self) -> LongDraws:
        """The rows as they are."""
        return LongDraws(self.positions, self.X, self.scales)

    def draw(self, half: BayesHalf, pieces: Sequence[Array]) -> tuple[LongDraws, list[ChainSums]]:
        """Draw the rows by what their cells sum up to, (n_rows, numbers of a piece) of each chain.

        Return them as the other side meets them, before their coordinates are multiplied; and their sums.
        """
        n, D = len(self.positions), half.shape.width
        met, moved, means = (np.zeros_like(self.X) for _ in range(3))
        sums = []
        for chain, (own, sums_of) in enumerate(zip(half.chains, pieces, strict=True)):
            self.counts = sums_of[:, 0]
            self.scales[:, chain] = self._scales(half, chain, sums_of)
            parts = self.Z @ own.weights.astype(np.float32)
            E = ByName(half.seed, chain, half.sweep, self.positions).normals(half.side, n, D)
            place = slice(chain * D, (chain + 1) * D)
            weights = own.alpha * self.scales[:, chain].astype(np.float64)
            for at in range(n):
                met[at, place], means[at, place] = drawn(own, parts[at], weights[at] * sums_of[at, 2:], E[at])
            factors = own.factors.astype(np.float32)
            means[:, place] *= factors
            moved[:, place] = met[:, place] * factors
            every = np.ones(n, bool)
            sums.append(ChainSums.of(moved[:, place], parts * factors, self.Z, every, every))
        self.X, self.means = moved, means
        return LongDraws(self.positions, met if half.side == 1 else moved, self.scales.copy()), sums

    def _scales(self, half: BayesHalf, chain: int, sums: Array) -> Array:
        before = half.chains[chain].before
        if half.side == 0 or half.nu is None or before is None:
            return self.scales[:, chain]
        chance = ByName(half.seed, chain, half.sweep - 1, self.positions)
        return draw_scales(half.nu, sums[:, 0], before.alpha * sums[:, 1], half.side, chance)

    def error_totals(self, errors: Sequence[Array]) -> list[Array]:
        """Return `palate.spark.bayes.halves.ERROR_SUMS` of each chain, by sums over the rows' cells (n_rows, 5)."""
        return [totals(sums, self.scales[:, chain], self.counts) for chain, sums in enumerate(errors)]

    def draw_scales(self, half: BayesHalf, errors: Sequence[Array], steps: Sequence[ScaleStep]) -> None:
        """Draw the noise scales of users, once mu and alpha are drawn."""
        if half.nu is None:
            return
        for chain, (sums, step) in enumerate(zip(errors, steps, strict=True)):
            chance = ByName(half.seed, chain, half.sweep, self.positions)
            squares = step.alpha * step.squares(sums[:, :OF_ERRORS])
            self.scales[:, chain] = draw_scales(half.nu, self.counts, squares, half.side, chance)


def drawn(own: ChainHalf, parts: Array, sums: Array, e: Array) -> tuple[Array, Array]:
    """Return a draw of a row and its mean, eq. 1 of `palate.kernels.gibbs`.

    Args:
        own: the half sweep.
        parts: (D,) of its prior mean that features give.
        sums: of w z z' and of w y z.
        e: (D,) standard normal numbers.
    """
    D = len(e)
    A = own.L + sums[: D * D].reshape(D, D)
    right = own.L @ (own.mean + parts) + sums[D * D :]
    U = upper_root(A)
    half = linalg.solve_triangular(U, right, trans="T", check_finite=False)
    both = linalg.solve_triangular(U, np.column_stack([half + e, half]), check_finite=False)
    return both[:, 0], both[:, 1]
