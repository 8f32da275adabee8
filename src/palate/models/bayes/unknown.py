"""What is not known of a person in the kept draws, and what their answers would take off it.

In one draw the row x of a person has the covariance S = inv(L + sum_j w_j z_j z_j') over the items j they rated
(eq. 2 of `palate.models.bayes.model`; z_j = [q_j, 1], w_j = alpha h_j). With M = sum_j p_j z_j z_j' over what they may
know, the expected squared error of their scores is tr(S M), and a rating of item i takes off, whatever it is,

    w_i z_i' S M S z_i / (1 + w_i z_i' S z_i)                                                                       (1)

A question that is answered with the probability p leaves S - p w_i S z_i z_i' S / (1 + w_i z_i' S z_i) behind, in
expectation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.models.bayes.kept import KeptDraws

DRAWS = 16  # of the kept ones, evenly spaced: a covariance hardly differs from draw to draw
Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ItemsAsked:
    """Some items in some draws.

    Attributes:
        rows: (n_draws, m, D), z.
        weights: (n_draws, m), w.
    """

    rows: Doubles
    weights: Doubles

    @classmethod
    def of(cls, draws: KeptDraws, items: NDArray[np.int32]) -> ItemsAsked:
        """Take these positions of items."""
        chosen = _chosen(draws)
        rows = draws.item_draws[items][:, chosen].astype(np.float64).transpose(1, 0, 2).copy()
        rows[:, :, -1] = 1
        weights = draws.item_scales[items][:, chosen].astype(np.float64) * draws.noise_draws[chosen]
        return cls(rows, weights.T.copy())

    def take(self, places: NDArray[np.intp]) -> ItemsAsked:
        """Return some of them."""
        return ItemsAsked(self.rows[:, places], self.weights[:, places])

    def sum(self, weights: Doubles) -> Doubles:
        """Return sum_j v_j z_j z_j' in each draw, (n_draws, D, D); the weights are (m,), or (n_draws, m)."""
        total: Doubles = (self.rows * weights[..., None]).transpose(0, 2, 1) @ self.rows
        return total


class Unknown:
    """What is not known of a person yet.

    Args:
        draws: of the model.
        own: positions of what they rated.
    """

    def __init__(self, draws: KeptDraws, own: NDArray[np.int32]) -> None:
        precision = draws.prior_precisions[_chosen(draws)].astype(np.float64)
        known = ItemsAsked.of(draws, own)
        self.covariance = np.linalg.inv(precision + known.sum(known.weights))

    def error(self, matters: Doubles) -> float:
        """Return tr(S M), the mean over the draws."""
        return float((self.covariance * matters).sum(axis=(1, 2)).mean())

    def reductions(self, items: ItemsAsked, matters: Doubles) -> Doubles:
        """Return eq. 1 of each item, the mean over the draws, (m,)."""
        ways = items.rows @ self.covariance
        teaches = items.weights * (ways * items.rows).sum(axis=2)
        taken: Doubles = (items.weights * ((ways @ matters) * ways).sum(axis=2) / (1 + teaches)).mean(axis=0)
        return taken

    def ask(self, items: ItemsAsked, at: int, chance: float) -> None:
        """Go on as if one of the items were asked about, and the question answered with this probability."""
        z, w = items.rows[:, at], items.weights[:, at]
        way = (self.covariance @ z[:, :, None])[:, :, 0]
        step = chance * w / (1 + w * (way * z).sum(axis=1))
        self.covariance = self.covariance - step[:, None, None] * way[:, :, None] * way[:, None, :]


def _chosen(draws: KeptDraws) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, draws.n_kept - 1, DRAWS).astype(np.int64))
