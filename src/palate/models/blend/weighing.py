"""The weights of a blend, chosen by clicks held out.

A share of the clicks is held out, the parts are fitted on the rest, and of a grid on the simplex those weights are
taken whose lists, of what people had not had, find most of the clicks held out: by the mean NDCG of PLACES items of at
most JUDGED people. Of equal ones the most even are taken. The steps are coarse, for the optimum is flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.kernels import select
from palate.metrics.ranking import judge, ndcg
from palate.models.blend.scorer import BlendScorer
from palate.models.items.clicks import Positive, clicks_of
from palate.models.items.watched import Watched
from palate.parallel import GRAIN, Workers, chunks
from palate.topk import excluded_rows

JUDGED = 4000  # people
PLACES = 20  # of a list
STEPS = {2: 20, 3: 10}  # of the grid, by the number of parts


def parted(data: Interactions, share: float, positive: Positive, seed: int) -> tuple[Interactions, Interactions] | None:
    """Return the rows to fit parts on and the clicks held out, or None where there are too few.

    Raises:
        DataError: as `clicks_of`.
    """
    rows = clicks_of(data.by_user(), positive, "the training part")
    rule = positive if isinstance(positive, int | float) and not isinstance(positive, bool) else -np.inf
    clicks = np.flatnonzero(data.values >= rule)
    n = int(share * len(rows.indices))
    if not 0 < n < len(clicks):
        return None
    held = np.zeros(len(data), bool)
    held[np.random.default_rng([seed, 8]).permutation(clicks)[:n]] = True
    return data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))


def grid(n_parts: int) -> NDArray[np.float64]:
    """Return all weights of the grid, (n, n_parts), the most even first."""
    steps = STEPS[n_parts]
    whole = [(*few, steps - sum(few)) for few in product(range(steps + 1), repeat=n_parts - 1) if sum(few) <= steps]
    weights = np.array(sorted(whole, key=lambda w: sum(x * x for x in w)), np.float64)
    return weights / steps


def figures(
    scorer: BlendScorer, weights: NDArray[np.float64], watched: Watched, places: NDArray[np.int32], workers: Workers
) -> NDArray[np.float64]:
    """Return the mean NDCG of the lists of each of some weights, (n,).

    Args:
        scorer: of the parts, fitted without the clicks held out.
        weights: (n, n_parts).
        watched: the clicks held out.
        places: of the items, for ties.
        workers: threads.
    """
    n_users, n_items = len(watched.users), watched.n_items
    lists = np.full((len(weights), n_users, PLACES), -1, np.int32)

    def block(some: slice) -> None:
        users = watched.users[some]
        Z, left_out = scorer.standardised(users), excluded_rows(users, [watched.seen])
        for w, best in zip(weights.astype(np.float32), lists, strict=True):
            S = sum_of(Z, w)
            select.exclude(S, 0, left_out.indptr[:-1].copy(), left_out.indptr, left_out.indices)
            select.best_of_rows(S, places, np.full((len(users), PLACES), np.nan), best[some])

    workers.run([partial(block, some) for some in chunks(n_users, max(1, GRAIN.scored_bytes // (4 * n_items)))])
    return np.array([ndcg(judge(best, watched.relevant, n_items), PLACES).mean() for best in lists])


def sum_of(Z: NDArray[np.float32], w: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the weighted sum of standardised scores; part by part, so that a row has the same bits in any block."""
    S: NDArray[np.float32] = w[0] * Z[0]
    for share, z in zip(w[1:], Z[1:], strict=True):
        S += share * z
    return S


def records(keys: Sequence[str], weights: NDArray[np.float64], values: NDArray[np.float64]) -> list[dict[str, float]]:
    """Return what was tried, as JSON holds it."""
    return [
        {**dict(zip(keys, w.tolist(), strict=True)), f"ndcg@{PLACES}": float(value)}
        for w, value in zip(weights, values, strict=True)
    ]
