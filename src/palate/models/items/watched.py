"""Clicks held back, by which models of clicks choose what data do not tell otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.kernels import Factors
from palate.metrics.ranking import judge, ndcg
from palate.models.items.clicks import Positive, clicks_of
from palate.parallel import Workers
from palate.sparse import Array, Rows
from palate.topk import topk

JUDGED = 2000  # users at most whose lists are judged
PLACES = 10  # of a list


@dataclass(frozen=True)
class Watched:
    """Clicks held back, by which an epoch or a penalty is chosen: the mean NDCG of some users' lists.

    Attributes:
        users: (m,) positions.
        relevant: their clicks.
        seen: rows over all users of what lists leave out.
        n_items: size of the catalogue.
    """

    users: NDArray[np.int32]
    relevant: Rows
    seen: Rows
    n_items: int

    @classmethod
    def of(cls, seen: Rows, watched: Interactions, positive: Positive, seed: int, most: int = JUDGED) -> Watched:
        """Return the clicks of at most so many users, drawn by the seed; ``seen`` is what lists leave out."""
        clicks = clicks_of(watched.by_user(), positive, "the validation part")
        users = np.flatnonzero(clicks.sizes)
        if len(users) > most:
            users = np.sort(np.random.default_rng([seed, 6]).permutation(users)[:most])
        relevant = clicks.take(users).distinct()
        return cls(users.astype(np.int32), relevant, seen, watched.n_items)

    def ndcg(self, factors: tuple[Array, Array, Array], workers: Workers) -> float:
        """Return the mean NDCG of the users' lists of PLACES items, what they had left out; 0 where nobody is."""
        P, Q, c = factors
        if not len(self.users):
            return 0.0
        whole = Factors(P, Q, np.zeros(len(P), P.dtype), c, 0.0)
        lists, _ = topk(whole, self.users, PLACES, excluded=[self.seen], n_threads=workers.n_threads)
        return float(ndcg(judge(lists, self.relevant, self.n_items), PLACES).mean())
