"""The best n items of many users: never a full score matrix, never a full sort, the same answer in any batch.

Peak memory beyond the factors: per thread one tile of GRAIN.listed x TILE float32 scores (1 MiB) and as many heaps, and
once the result, 12 bytes x users x n; for long lists, 8 MiB of whole rows of scores instead of a tile. Factors of
float64 are copied to float32 once (`ItemSide`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import Factors, given, select
from palate.parallel import GRAIN, Workers, chunks, once, single_blas_thread
from palate.sparse import Rows, union

TILE = 512
SQUARED = 1 << 14  # items whose squares are summed at once
LONG = 100  # candidates, from which on partitions of whole rows are quicker than heaps
SPARE = 10  # candidates kept beyond n, so that rounding in the preselection cannot matter


def score_pairs(factors: Factors, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64]:
    """Return the score of each pair, by the fixed-order dot that also ranks; (n,) float64."""
    out = np.empty(len(user_index))
    users, items = np.ascontiguousarray(user_index, np.int32), np.ascontiguousarray(item_index, np.int32)
    users, items = given(users, items)
    select.score_pairs(Factors(*given(*factors)), users, items, out)
    return out


def score_all(factors: Factors, user_index: NDArray[Any]) -> NDArray[np.float64]:
    """Return the scores of all items for these users, (m, n_items) float64, in the bits of `score_pairs`."""
    S = np.empty((len(user_index), len(factors.Q)))
    (users,) = given(np.ascontiguousarray(user_index, np.int32))
    select.score_all(Factors(*given(*factors)), users, S)
    return S


@dataclass(frozen=True, eq=False)
class ItemSide:
    """The items of score = mean + b_u + c_i + p_u . q_i, and what all lists need of them, made once, at first use.

    Attributes:
        Q: (n_items, k) factors.
        c: (n_items,) biases.
        mean: of all scores.
    """

    Q: NDArray[Any]
    c: NDArray[Any]
    mean: float

    @once
    def Q32(self) -> NDArray[np.float32]:  # noqa: N802 - the letter of eq. 1
        """Return the factors for the preselection: those of float32 as they are, uncopied."""
        return np.ascontiguousarray(self.Q, np.float32)

    @once
    def c32(self) -> NDArray[np.float32]:
        """Return the biases for the preselection."""
        return np.ascontiguousarray(self.c, np.float32)

    @once
    def longest(self) -> float:
        """Return the largest norm of an item's factors and bias; summed by parts, so that no copy is whole."""
        parts = [self.Q32[s] for s in chunks(len(self.c), SQUARED)]
        largest = max(float(np.einsum("ik,ik->i", Q, Q, dtype=np.float64).max()) for Q in parts)
        return float(np.sqrt(largest + np.square(self.c32, dtype=np.float64).max()))

    @once
    def biased(self) -> bool:
        """Return whether any item has a bias."""
        return bool(self.c.any())

    def only(self, items: NDArray[np.int32]) -> ItemSide:
        """Return these items alone, copied."""
        return ItemSide(self.Q[items], self.c[items], self.mean)


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
    P, Q, b, c, mean = factors
    filters: dict[str, Any] = {"excluded": excluded, "allowed": allowed, "places": places, "n_threads": n_threads}
    return topk_among(P, b, ItemSide(Q, c, mean), users, n, **filters)


def topk_among(
    P: NDArray[Any],
    b: NDArray[Any],
    among: ItemSide,
    users: NDArray[np.int32],
    n: int,
    *,
    excluded: Sequence[Rows] = (),
    allowed: NDArray[np.bool_] | None = None,
    places: NDArray[np.int32] | None = None,
    n_threads: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return what `topk` returns, for items that are asked for more than once.

    Args:
        P, b: factors and biases of all users.
        among: the items.
        users, n, excluded, allowed, places, n_threads: as `topk`.
    """
    items = np.full((len(users), n), -1, np.int32)
    scores = np.full((len(users), n), np.nan)
    kept = None if allowed is None else np.flatnonzero(allowed).astype(np.int32)
    if not len(users) or not len(among.c) or (kept is not None and not len(kept)):
        return items, scores
    if len(users) == 1:  # no copy of the items that are allowed, no threads
        closed = excluded if allowed is None else [_closed(allowed, excluded, users)]
        own = users if allowed is None else np.zeros(1, np.int32)
        _Job((P, b), among, _places(places, len(among.c)), n, closed).row(users, own, scores, items)
    else:
        if kept is not None:
            among, places = among.only(kept), None if places is None else places[kept]
        left_out = excluded if allowed is None else [rows.select(allowed) for rows in excluded]
        job = _Job((P, b), among, _places(places, len(among.c)), n, left_out)
        with single_blas_thread(), Workers(n_threads) as workers:
            workers.run([partial(job.rows, users[s], scores[s], items[s]) for s in chunks(len(users), GRAIN.listed)])
        if kept is not None:
            items = np.where(items >= 0, kept[items], np.int32(-1))
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
        workers.run([partial(block, s) for s in chunks(len(users), max(1, GRAIN.scored_bytes // max(1, 4 * n_items)))])
    scores[items < 0] = np.nan
    return items, scores


def excluded_rows(users: NDArray[np.int32], excluded: Sequence[Rows]) -> Rows:
    """Return the excluded items of these users, each once."""
    return union([rows.take(users) for rows in excluded], len(users))


class _Job:
    """What all blocks of rows share: both sides' factors, the order of ties, exclusions."""

    def __init__(
        self,
        users: tuple[NDArray[Any], NDArray[Any]],
        among: ItemSide,
        places: NDArray[np.int32],
        n: int,
        excluded: Sequence[Rows],
    ) -> None:
        self.among, self.places, self.excluded = among, places, excluded
        self.factors = Factors(*given(users[0], among.Q, users[1], among.c, among.mean))
        self.n_candidates = min(n + SPARE, len(among.c))
        self.biases = bool(among.c32.any())

    def row(
        self,
        users: NDArray[np.int32],
        excluded_as: NDArray[np.int32],
        scores: NDArray[np.float64],
        items: NDArray[np.int32],
    ) -> None:
        """Fill the best of one user: all items in one pass over their factors."""
        P32 = self._of(users)
        excluded = excluded_rows(excluded_as, self.excluded)
        S = np.empty((1, len(self.among.c)), np.float32)
        p, Q, c = given(P32[0], self.among.Q32, self.among.c32)
        select.score_row(p, Q, c, S[0])
        S[0, excluded.indices] = -np.inf
        self._decide(users, P32, self._candidates(S), excluded, select.Top(scores, items))

    def rows(self, users: NDArray[np.int32], scores: NDArray[np.float64], items: NDArray[np.int32]) -> None:
        """Fill the best of some users: of whole rows for long lists, else tile by tile of the items."""
        if self.n_candidates >= LONG:
            for few in chunks(len(users), max(1, GRAIN.scored_bytes // (4 * len(self.among.c)))):
                self._whole_rows(users[few], scores[few], items[few])
            return
        P32 = self._of(users)
        excluded = excluded_rows(users, self.excluded)
        Q32, c32 = self.among.Q32, self.among.c32
        H, J = self._heaps(len(users))
        at = excluded.indptr[:-1].copy()
        S = np.empty((len(users), min(TILE, len(Q32))), np.float32)
        for tile in chunks(len(Q32), TILE):
            part = S[:, : tile.stop - tile.start]
            if part.shape[1] == S.shape[1]:
                np.matmul(P32, Q32[tile].T, out=part)
            else:
                part = P32 @ Q32[tile].T
            if self.biases:
                part += c32[tile]
            select.exclude(part, tile.start, at, excluded.indptr, excluded.indices)
            select.push_tile(part, tile.start, H, J)
        self._decide(users, P32, select.Heaps(H, J), excluded, select.Top(scores, items))

    def _whole_rows(self, users: NDArray[np.int32], scores: NDArray[np.float64], items: NDArray[np.int32]) -> None:
        """Fill the best of a few users, all of whose scores are held at once."""
        P32 = self._of(users)
        excluded = excluded_rows(users, self.excluded)
        S = P32 @ self.among.Q32.T
        S += self.among.c32
        S[excluded.row_of_cells(), excluded.indices] = -np.inf
        self._decide(users, P32, self._candidates(S), excluded, select.Top(scores, items))

    def _of(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the users' factors for the preselection."""
        P32: NDArray[np.float32] = self.factors.P[users].astype(np.float32, copy=False)
        return P32

    def _heaps(self, n_users: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        H = np.full((n_users, self.n_candidates), -np.inf, np.float32)
        return H, np.full(H.shape, -1, np.int32)

    def _candidates(self, S: NDArray[np.float32]) -> select.Heaps:
        """Return the candidates of whole rows of scores; -inf marks an excluded item."""
        if self.n_candidates < LONG:
            H, J = self._heaps(len(S))
            select.push_tile(S, 0, H, J)
            return select.Heaps(H, J)
        first = S.shape[1] - self.n_candidates
        at = np.argpartition(S, first, axis=1)[:, first:] if first else np.tile(np.arange(S.shape[1]), (len(S), 1))
        scores = np.take_along_axis(S, at, 1)
        order = np.argsort(-scores, axis=1)
        H, J = np.take_along_axis(scores, order, 1), np.take_along_axis(at, order, 1).astype(np.int32)
        J[np.isneginf(H)] = -1
        return select.Heaps(H, J)

    def _decide(
        self,
        users: NDArray[np.int32],
        P32: NDArray[np.float32],
        heaps: select.Heaps,
        excluded: Rows,
        best: select.Top,
    ) -> None:
        # rounding of inputs to float32 and of the sum: k + 5 roundings at most on each term; and of eq. 1 in float64
        mean = self.among.mean
        lengths, single = np.sqrt(np.square(P32, dtype=np.float64).sum(axis=1) + self.biases), np.finfo(np.float32)
        margins = (P32.shape[1] + 5) * single.eps * lengths * self.among.longest
        margins += (P32.shape[1] + 5) * single.tiny * (1 + self.among.longest)  # below it roundings are not relative
        margins += 8 * np.finfo(np.float64).eps * (abs(mean) + np.abs(self.factors.b[users]))
        select.decide_rows(self.factors, self.places, users, heaps, margins, excluded.cells, best)


def _places(places: NDArray[np.int32] | None, n_items: int) -> NDArray[np.int32]:
    order: NDArray[np.int32]
    (order,) = given(np.arange(n_items, dtype=np.int32) if places is None else places)
    return order


def _closed(allowed: NDArray[np.bool_], excluded: Sequence[Rows], users: NDArray[np.int32]) -> Rows:
    """Return all that one user may not get, as a single row."""
    closed = ~allowed
    closed[excluded_rows(users, excluded).indices] = True
    items = np.flatnonzero(closed)
    return Rows.of_sizes([len(items)], items)
