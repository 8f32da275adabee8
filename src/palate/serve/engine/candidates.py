"""Lists of a large catalogue: candidates by the version's graph of items, and exact scores that decide.

Where a list may choose from few items, or leaves many out, all of those that are left are scored exactly instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.models.contract.scoring import FactorScorer, Scorer
from palate.sparse import Rows
from palate.store.versions.candidates import Candidates
from palate.topk import excluded_rows

SPARE = 100  # candidates beyond the length of a list
LEAST = 1_000  # candidates: with fewer, the graph is left before the best are found
COST = 100  # items that are scored exactly in the time that one candidate takes
FEW = 200_000  # items left that are scored one by one


def near(scorer: Scorer, candidates: Candidates | None) -> Scorer:
    """Return what ranks by candidates, where a version has a graph of its items; else the scorer itself."""
    if candidates is None or not isinstance(scorer, FactorScorer):
        return scorer
    return NearScorer(scorer.P, scorer.b, scorer.among, candidates)


@dataclass(frozen=True, eq=False)
class NearScorer(FactorScorer):
    """Scores as a `FactorScorer`, and takes the best from candidates.

    Attributes:
        candidates: proposes them.
    """

    candidates: Candidates

    def best(
        self,
        users: NDArray[np.int32],
        n: int,
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
        places: NDArray[np.int32] | None = None,
        n_threads: int | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return items and scores of the best n for each user."""
        closed = excluded_rows(users, excluded)
        items, scores = np.full((len(users), n), -1, np.int32), np.full((len(users), n), np.nan)
        order = np.arange(len(self.among.c), dtype=np.int32) if places is None else places
        left = None if allowed is None else np.flatnonzero(allowed)
        exact = []
        for row, user in enumerate(users.tolist()):
            found = self._left(user, n, closed.row(row)[0], allowed, left)
            if found is None:
                exact.append(row)
                continue
            own = self.pairs(np.full(len(found), user), found)
            best = np.lexsort((order[found], -own))[:n]
            items[row, : len(best)], scores[row, : len(best)] = found[best], own[best]
        if exact:
            filters: dict[str, Any] = {"excluded": excluded, "allowed": allowed, "places": places}
            items[exact], scores[exact] = super().best(users[exact], n, **filters, n_threads=n_threads)
        return items, scores

    def _left(
        self,
        user: int,
        n: int,
        closed: NDArray[np.int32],
        allowed: NDArray[np.bool_] | None,
        left: NDArray[np.intp] | None,
    ) -> NDArray[np.intp] | None:
        """Return the items among which a user's best n are; None where all are to be scored.

        Args:
            user: position.
            n: how many.
            closed: items left out, ascending.
            allowed: (n_items,) which to choose from, or None for all.
            left: their positions.
        """
        if left is not None and len(left) <= FEW:
            return np.setdiff1d(left, closed, assume_unique=True)
        share = 1.0 if left is None else len(left) / len(self.among.c)
        count = int(max(n + SPARE, LEAST) / share) + len(closed)
        while count * COST <= len(self.among.c) and self.P[user].any():
            (found,) = self.candidates.of(self.P[user : user + 1], count)
            found = found[~np.isin(found, closed)]
            found = found if allowed is None else found[allowed[found]]
            if len(found) >= n:
                return found
            count *= 4  # a filter that goes against the user's taste
        return None
