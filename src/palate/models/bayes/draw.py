"""One kept draw of a `BayesianMF`, and the rows of newcomers in it: the row conditional of training, eq. 2.

A newcomer's noise scale g is not known. With no ratings it is 1; else it takes STEPS turns between the row's mean given
g and the mean of g given the row, (nu + n) / (nu + alpha sum_i h_i e_i^2) (eq. 5), and with the ordinal likelihood the
means of the latent ratings in the slices of their stars. No chance plays a part, so a user gets the same answer alone
and in any batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from palate.kernels import gibbs as kernel
from palate.kernels import prior as prior_kernel
from palate.models.bayes.ordinal import expected_latent
from palate.models.contract.learned import Array
from palate.models.ridge.rows import row_ranges
from palate.parallel import GRAIN, Workers
from palate.sparse import Rows

STEPS = 3
STEPS_OF_STARS = 12  # latent ratings move slowly


@dataclass(frozen=True, eq=False)
class Draw:
    """One kept draw of all that newcomers need.

    Attributes:
        items: (n_items, D) float32, [factors, bias].
        item_scales: (n_items,) noise scales h.
        mean, noise: mu and alpha.
        cuts: (n_levels - 1,) cut points of the ordinal likelihood.
        prior_mean, precision: (D,), (D, D), m_U and L_U.
        dense_weights, incidence_weights: (F, D), (n_items or 0, D) of the users' features.
        levels: (n_levels,) of the ordinal likelihood, or none.
    """

    items: Array
    item_scales: Array
    mean: Any
    noise: Any
    cuts: Array
    prior_mean: Array
    precision: Array
    dense_weights: Array
    incidence_weights: Array
    levels: Array

    def prior_means(self, dense: Array, X: Any) -> Array:
        """Return eq. 2's means of rows with these features, each row by itself in a fixed order."""
        M = np.empty((len(dense), self.items.shape[1]), np.float32)
        prior_kernel.means(dense, self.dense_weights, M)
        M += self.prior_mean
        if len(self.incidence_weights):
            M += X @ self.incidence_weights
        return M

    def fold(
        self, rows: Rows, M: Array, nu: float | None, workers: Workers, E: Array | None = None
    ) -> tuple[Array, Array, Array, Array]:
        """Return the rows' means, their noise scales, the ratings less the mean (or latent), and draws of the rows.

        Args:
            rows: cells of newcomers.
            M: (n_rows, D) prior means.
            nu: of eq. 5, or None where all rows have the same noise.
            workers: threads.
            E: (n_rows, D) standard normal numbers of the draws; None: they are the means.
        """
        LM = np.empty_like(M)
        prior_kernel.means(M, self.precision, LM)
        targets = rows.values - self.mean
        items = kernel.padded_apart(self.items)
        columns, prior = kernel.PaddedColumns(items.Q, items.c, self.item_scales), kernel.RowPrior(LM, self.precision)
        h = columns.h[rows.indices]
        alpha = np.float32(self.noise)
        n = len(M)
        E = np.zeros_like(M) if E is None else E
        X, means = np.empty_like(M), np.empty_like(M)
        errors, sums, scales = np.empty_like(targets), np.empty((n, 5)), np.ones(n, np.float32)
        parts = row_ranges(rows, workers, GRAIN.solved)
        counts = rows.sizes
        stars = self._stars(rows)
        if stars is not None:
            targets = np.zeros_like(targets)
        for step in range(1 + (STEPS_OF_STARS if stars is not None else STEPS if nu is not None else 0)):
            if step:
                left = partial(kernel.residuals, rows.cells_with(targets), kernel.padded_apart(means), items)
                workers.run([partial(left, a, b, errors) for a, b in parts])
                if stars is not None:
                    sd = 1 / np.sqrt(np.repeat(scales, counts) * h.astype(np.float64))
                    latent = expected_latent(*stars, targets - errors, sd).astype(np.float32)
                    errors, targets = errors + (latent - targets), latent
                if nu is not None:
                    kernel.sums_of_errors(rows.cells_with(errors), columns.h, 0, n, sums)
                    scales = ((nu + counts) / (nu + alpha * sums[:, 2])).astype(np.float32)
            noise = kernel.Noise(scales, alpha)
            draw = partial(kernel.draw_rows, rows.cells_with(targets), columns, noise, prior, E)
            workers.run([partial(draw, a, b, X, means) for a, b in parts])
        return means, scales, targets, X

    def _stars(self, rows: Rows) -> tuple[Array, Array] | None:
        """Return which slice each rating is, and the cut points; None without the ordinal likelihood."""
        if not len(self.levels):
            return None
        nearest = np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, rows.values)
        return nearest, self.cuts.astype(np.float64)

    def way(self, row: Rows, g: float, targets: Array, item: int) -> tuple[Array, Array, Array]:
        """Return inv(A) z_i, the rows z_j of a user's own items, and w_j y_j of each.

        Args:
            row: one row of cells.
            g: its noise scale.
            targets: its ratings less the mean, or latent.
            item: i.
        """
        items = self.items.astype(np.float64)
        Z = np.column_stack([items[:, :-1], np.ones(len(items))])
        w = float(self.noise) * g * self.item_scales[row.indices].astype(np.float64)
        own = Z[row.indices]
        A = self.precision.astype(np.float64) + (own.T * w) @ own
        pulls = w * (targets - items[row.indices, -1])
        return np.linalg.solve(A, Z[item]), own, pulls
