"""The best n items of many users: never a full score matrix, never a full sort, the same answer in any batch.

Peak memory beyond the factors: per thread one tile of ROWS x TILE float32 scores (1 MiB) and ROWS heaps, and once the
result, 12 bytes x users x n, plus a float32 copy of the factors with a column for the biases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import given, select
from palate.parallel import Workers, chunks, single_blas_thread
from palate.sparse import Rows, union

ROWS = 512
TILE = 512
ROW_BYTES = 1 << 23  # of whole rows of scores a thread holds at once
SPARE = 10  # candidates kept beyond n, so that rounding in the preselection cannot matter

Factors = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], float]  # P, Q, b, c, mean


def score_pairs(factors: Factors, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64]:
    """Return the score of each pair, by the fixed-order dot that also ranks; (n,) float64."""
    out = np.empty(len(user_index))
    users, items = np.ascontiguousarray(user_index, np.int32), np.ascontiguousarray(item_index, np.int32)
    P, Q, b, c, mean, users, items = given(*factors, users, items)
    select.score_pairs(P, Q, b, c, mean, users, items, out)
    return out


def topk(
    factors: Factors,
    users: NDArray[np.int32],
    n: int,
    *,
    excluded: Sequence[Rows] = (),
    allowed: NDArray[np.bool_] | None = None,
    places: NDArray[np.int32] | None = None,
    n_threads: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return items and scores of the best n for each user, best first, ties by the items' places.

    Args:
        factors: (P, Q, b, c, mean), score = mean + b_u + c_i + p_u . q_i.
        users: (m,) positions in P.
        n: how many; at least 1.
        excluded: rows over all users of items to leave out.
        allowed: (n_items,) items to choose from, or None for all.
        places: (n_items,) int32, no two alike: of items of equal score the one of lower place comes first; None takes
            their index.
        n_threads: threads; the answer is the same for any number.

    Returns:
        (m, n) int32 items and float64 scores; where fewer than n are allowed the rest is item -1, score NaN.
    """
    P, Q, b, c, mean = given(*factors)
    kept = None if allowed is None else np.flatnonzero(allowed).astype(np.int32)
    if kept is not None:
        Q, c = given(Q[kept], c[kept])
    order = _places(places if kept is None or places is None else places[kept], len(Q))
    items = np.full((len(users), n), -1, np.int32)
    scores = np.full((len(users), n), np.nan)
    if len(c) and len(users):
        left_out = excluded if allowed is None else [rows.select(allowed) for rows in excluded]
        job = _Job((P, Q, b, c), mean, order, n, left_out)
        with single_blas_thread(), Workers(n_threads) as workers:
            workers.run([partial(job.rows, users[s], scores[s], items[s]) for s in chunks(len(users), ROWS)])
    if kept is not None:
        items = np.where(items >= 0, kept[items], np.int32(-1)) if len(kept) else items
    scores[items < 0] = np.nan
    return items, scores


def topk_of_rows(
    fill: Callable[[NDArray[np.int32], NDArray[np.float32]], None],
    n_items: int,
    users: NDArray[np.int32],
    n: int,
    *,
    excluded: Sequence[Rows] = (),
    allowed: NDArray[np.bool_] | None = None,
    places: NDArray[np.int32] | None = None,
    n_threads: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return what `topk` returns, for scores that are computed a whole row at a time and are exact as they come.

    Args:
        fill: writes the scores of these users, (m, n_items) float32.
        n_items: how many items there are.
        users, n, excluded, allowed, places, n_threads: as `topk`.
    """
    order = _places(places, n_items)
    items = np.full((len(users), n), -1, np.int32)
    scores = np.full((len(users), n), np.nan)
    closed = np.empty(0, np.int32) if allowed is None else np.flatnonzero(~allowed).astype(np.int32)

    def block(rows: slice) -> None:
        S = np.empty((rows.stop - rows.start, n_items), np.float32)
        fill(users[rows], S)
        S[:, closed] = -np.inf
        left_out = excluded_rows(users[rows], excluded)
        select.exclude(S, 0, left_out.indptr[:-1].copy(), left_out.indptr, left_out.indices)
        select.best_of_rows(S, order, scores[rows], items[rows])

    with Workers(n_threads) as workers:
        workers.run([partial(block, s) for s in chunks(len(users), max(1, ROW_BYTES // max(1, 4 * n_items)))])
    scores[items < 0] = np.nan
    return items, scores


def excluded_rows(users: NDArray[np.int32], excluded: Sequence[Rows]) -> Rows:
    """Return the excluded items of these users, each once."""
    return union([rows.take(users) for rows in excluded], len(users))


class _Job:
    """What all blocks of rows share: item factors with a bias column for GEMM, exact factors, exclusions."""

    def __init__(
        self,
        factors: tuple[NDArray[Any], ...],
        mean: float,
        places: NDArray[np.int32],
        n: int,
        excluded: Sequence[Rows],
    ) -> None:
        self.factors, self.mean, self.places, self.excluded = factors, mean, places, excluded
        _, Q, _, c = factors
        self.n_candidates = min(n + SPARE, len(c))
        self.biases = bool(np.any(c))  # without them there is no column for them, and no copy
        self.Q32 = np.column_stack([Q, c]) if self.biases else Q
        self.Q32 = np.ascontiguousarray(self.Q32, np.float32)
        self.norms = float(np.sqrt(np.square(self.Q32, dtype=np.float64).sum(axis=1).max()))

    def rows(self, users: NDArray[np.int32], scores: NDArray[np.float64], items: NDArray[np.int32]) -> None:
        P32 = self.factors[0][users]
        P32 = (np.column_stack([P32, np.ones(len(users))]) if self.biases else P32).astype(np.float32, copy=False)
        H = np.full((len(users), self.n_candidates), -np.inf, np.float32)
        J = np.full((len(users), self.n_candidates), -1, np.int32)
        excluded = excluded_rows(users, self.excluded)
        ptr, items_out = excluded.indptr, excluded.indices
        at = ptr[:-1].copy()
        S = np.empty((len(users), min(TILE, len(self.Q32))), np.float32)
        for tile in chunks(len(self.Q32), TILE):
            part = S[:, : tile.stop - tile.start]
            if part.shape[1] == S.shape[1]:
                np.matmul(P32, self.Q32[tile].T, out=part)
            else:
                part = P32 @ self.Q32[tile].T
            select.exclude(part, tile.start, at, ptr, items_out)
            select.push_tile(part, tile.start, H, J)
        # rounding of inputs to float32 and of the sum: k + 4 roundings at most on each term; and of eq. 1 in float64
        lengths = np.sqrt(np.square(P32, dtype=np.float64).sum(axis=1))
        margins = (P32.shape[1] + 4) * np.finfo(np.float32).eps * lengths * self.norms
        margins += 8 * np.finfo(np.float64).eps * (abs(self.mean) + np.abs(self.factors[2][users]))
        found = scores, items
        select.decide_rows(self.factors, self.mean, self.places, users, (H, J), margins, ptr, items_out, found)


def _places(places: NDArray[np.int32] | None, n_items: int) -> NDArray[np.int32]:
    order: NDArray[np.int32]
    (order,) = given(np.arange(n_items, dtype=np.int32) if places is None else places)
    return order
