"""What the ratings of somebody folded in may be.

In kept draw s the row of a newcomer is normal given all else (`palate.kernels.gibbs`, eq. 1), and so is a rating of
item i, with z_i = [q_i, 1]:

    r_i | s  ~  N( mu + c_i + z_i' m_s,  z_i' inv(A_s) z_i + 1 / (alpha g h_i) )                                   (1)

m_s, and the noise scale g, are those of the fold (`palate.models.bayes.draw`), A_s = L + sum_j alpha g h_j z_j z_j'
over the newcomer's own items. The mixture of eq. 1 over the draws is what the rating may be: its mean is the score that
lists show. The more ratings there are, the more A_s grows, and the narrower it is.

Of somebody without ratings and features nothing is known, not even what the features of eq. 2 of
`palate.models.bayes.model` would be: they may be anybody. Their row is that of a user of training taken at random, with
the mean m_s and the covariance C_s over the users' rows in the draw:

    r_i | s  ~  N( mu + c_i + z_i' m_s,  z_i' C_s z_i + mean_u(1 / g_u) / (alpha h_i) )                            (2)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from palate.models.bayes.draw import Draw
from palate.models.bayes.kept import KeptDraws
from palate.models.contract.learned import Array
from palate.parallel import Workers
from palate.sparse import Rows

MOST_USERS = 2_000  # of training, evenly spaced, that stand for all of them in eq. 2


@dataclass(frozen=True, eq=False)
class FoldedRatings:
    """Ratings of people, of whom rows and features are known, in the kept draws; of the items that matter alone.

    Attributes:
        draws: as they are kept.
        columns: (m,) positions of the items that are rated or asked about.
        rows: cells of the people, numbered among these.
        dense, X: their features, and their incidence of these items.
        nu: as `BayesianMF.scale_df`.
        has_features: whether the people's attributes are known.
    """

    draws: KeptDraws
    columns: Array
    rows: Rows
    dense: Array
    X: Any
    nu: float | None
    has_features: bool

    @classmethod
    def of(cls, draws: KeptDraws, rows: Rows, features: Array | None, asked: Array, nu: float | None) -> FoldedRatings:
        """Take people by all their cells, and the positions of the items that are asked about."""
        dense, X = draws.features_of(rows, features)
        columns = np.unique(np.concatenate([rows.indices, asked]))
        own = replace(rows, indices=np.searchsorted(columns, rows.indices).astype(np.int32))
        return cls(draws, columns, own, dense, X[:, columns], nu, features is not None)

    def parts(self, u: Array, i: Array, workers: Workers) -> tuple[Array, Array]:
        """Return the means and standard deviations of pairs of a person and an item, (n, n_kept) each; eq. 1 and 2."""
        at = np.searchsorted(self.columns, i)
        means, variances = np.empty((2, len(u), self.draws.n_kept))
        pairs_of = [np.flatnonzero(u == person) for person in range(self.rows.n_rows)]
        for s in range(self.draws.n_kept):
            draw = self.draws.of_items(s, self.columns)
            for person, row in enumerate(self._in_draw(s, draw, workers)):
                pairs = pairs_of[person]
                means[pairs, s], variances[pairs, s] = row.ratings(draw, at[pairs])
        return means, np.sqrt(variances)

    def _in_draw(self, s: int, draw: Draw, workers: Workers) -> Iterator[NormalRow]:
        """Yield the row of each person in a draw."""
        unknown = (self.rows.sizes == 0) & (not self.has_features)
        anybody = anybody_in(self.draws, s) if unknown.any() else None
        x, g, _, _ = draw.fold(self.rows, draw.prior_means(self.dense, self.X), self.nu, workers)
        for person in range(self.rows.n_rows):
            if anybody is not None and unknown[person]:
                yield anybody
            else:
                spread = np.linalg.inv(precision_of(draw, float(g[person]), self.rows.row(person)[0]))
                yield NormalRow(x[person].astype(np.float64), spread, 1 / float(g[person]))


@dataclass(frozen=True, eq=False)
class NormalRow:
    """The row of a person in a draw.

    Attributes:
        mean, spread: (D,), (D, D), of [factors, bias].
        noise: by which that of the draw is multiplied, 1 / g.
    """

    mean: Array
    spread: Array
    noise: float

    def ratings(self, draw: Draw, items: Array) -> tuple[Array, Array]:
        """Return the mean and variance of the ratings of items of a draw, (m,) each."""
        Z = _with_ones(draw.items[items])
        score = float(draw.mean) + draw.items[items, -1] + Z @ self.mean
        noise = self.noise / (float(draw.noise) * draw.item_scales[items].astype(np.float64))
        return score, ((Z @ self.spread) * Z).sum(axis=1) + noise


def anybody_in(draws: KeptDraws, s: int) -> NormalRow:
    """Return the row of a user of training taken at random, in a draw; eq. 2."""
    some = np.linspace(0, len(draws.user_draws) - 1, min(len(draws.user_draws), MOST_USERS)).astype(np.int64)
    X = draws.user_draws[some, s].astype(np.float64)
    apart = X - X.mean(axis=0)
    noise = float((1 / draws.user_scales[some, s].astype(np.float64)).mean())
    return NormalRow(X.mean(axis=0), apart.T @ apart / len(X), noise)


def precision_of(draw: Draw, g: float, own: Array) -> Array:
    """Return A_s of somebody with the noise scale g who rated these items, (D, D)."""
    Z = _with_ones(draw.items[own])
    w = float(draw.noise) * g * draw.item_scales[own].astype(np.float64)
    precision: Array = draw.precision.astype(np.float64) + (Z.T * w) @ Z
    return precision


def _with_ones(rows: Array) -> Array:
    """Return z_i = [q_i, 1] of rows [q_i, c_i]."""
    Z = rows.astype(np.float64)
    Z[:, -1] = 1
    return Z
