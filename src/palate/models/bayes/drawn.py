"""Scores in kept draws: what Thompson sampling shows lists by.

A user of training has a row in each draw. Of a newcomer each kept draw is completed by a draw of the row given all else
of it, x = mean + inv(U) e (`palate.kernels.gibbs`, eq. 1); e follows from a seed and the number of the draw, so that a
newcomer has n_kept draws, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from palate.kernels import chance, given
from palate.models.bayes.kept import KeptDraws
from palate.models.contract.learned import Array
from palate.parallel import Workers
from palate.sparse import Rows


@dataclass(frozen=True, eq=False)
class Newcomer:
    """Somebody whom training has not seen.

    Attributes:
        rows: one row of cells.
        features: (1, n_features), or None.
        seed: of their draws.
        nu: as `BayesianMF.scale_df`.
    """

    rows: Rows
    features: Array | None
    seed: int
    nu: float | None

    def drawn(self, draws: KeptDraws, chosen: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the rows [p, b] in these draws, (len(chosen), D)."""
        dense, X = draws.features_of(self.rows, self.features)
        own = self.rows.indices
        rows = replace(self.rows, indices=np.arange(len(own), dtype=np.int32))
        X = X[:, own].toarray()
        out = np.empty((len(chosen), draws.prior_means.shape[1]))
        with Workers(1) as workers:
            for at, s in enumerate(chosen):
                draw = draws.of_items(s, own)
                E = np.random.default_rng((self.seed, int(s))).standard_normal((1, out.shape[1]), np.float32)
                out[at] = draw.fold(rows, draw.prior_means(dense, X), self.nu, workers, E)[3][0]
        return out


@dataclass(frozen=True, eq=False)
class DrawnScores:
    """Scores of some items for one user or newcomer.

    Attributes:
        draws: as they are kept.
        user: a position among the users of training, or a newcomer.
        items: (m,) positions.
    """

    draws: KeptDraws
    user: int | Newcomer
    items: Array

    @property
    def n_draws(self) -> int:
        """How many draws there are."""
        return self.draws.n_kept

    def of(self, draw: int) -> NDArray[np.float64]:
        """Return the scores in one draw, (m,)."""
        scores: NDArray[np.float64] = self._scores(np.array([draw]))[0]
        return scores

    def every(self) -> NDArray[np.float64]:
        """Return the scores in all draws, (n_draws, m)."""
        return self._scores(np.arange(self.n_draws))

    def _scores(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores in these draws, each summed in the same order whatever the others are."""
        kept = self.draws
        scores = np.empty((len(chosen), len(self.items)))
        x, Z, means, items, at = given(self._rows(chosen), kept.item_draws, kept.mean_draws, self.items, chosen)
        chance.scores_in_draws(x, Z, means, items, at, scores)
        return scores

    def _rows(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        if isinstance(self.user, Newcomer):
            return self.user.drawn(self.draws, chosen)
        return np.asarray(self.draws.user_draws[self.user, chosen], np.float64)
