"""How a fitted model scores: by factors, or by weights from item to item; one interface for lists and for pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import Factors
from palate.models.contract.weights import ItemToItemWeights
from palate.parallel import chunks
from palate.sparse import Rows, stacked
from palate.topk import ItemSide, score_all, score_pairs, topk, topk_among, topk_of_rows


class Scorer(ABC):
    """Scores of all pairs of some users and a model's items, never held all at once."""

    @abstractmethod
    def pairs(self, users: NDArray[Any], items: NDArray[Any]) -> NDArray[np.float64]:
        """Return the score of each pair of positions, (n,)."""

    @abstractmethod
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
        """Return items and scores of the best n for each user; as `palate.topk.topk`."""

    @abstractmethod
    def best_users(
        self,
        items: NDArray[np.int32],
        n: int,
        *,
        excluded: Sequence[Rows],
        places: NDArray[np.int32],
        n_threads: int | None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return users and scores of the best n users of each item; excluded has a row of users for each."""

    @abstractmethod
    def nearest(
        self, index: NDArray[np.int32], n: int, places: NDArray[np.int32], n_threads: int | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the n items most like each item asked for, itself left out, and how like they are."""

    @abstractmethod
    def alike(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return how like every item is to each of these, (m, n_items); what `nearest` goes by."""

    @abstractmethod
    def of_all(self, users: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores of all items for these users, (m, n_items), in the bits of `pairs` and `best`."""

    @abstractmethod
    def take(self, users: NDArray[np.int32]) -> Scorer:
        """Return what scores these users alone, numbered as they are given, in the same bits."""

    @abstractmethod
    def joined(self, others: Sequence[Scorer]) -> Scorer:
        """Return what scores the users of this scorer and, behind them, of others of the same kind and items."""

    @abstractmethod
    def likeness(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return how like these items are to each other, (m, m), symmetric, at most 1; by what `nearest` goes by."""

    @abstractmethod
    def knows_nothing(self, users: NDArray[Any], allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return of which users it is plain, without scoring, that the scores of all allowed items are equal, (m,)."""


@dataclass(frozen=True, eq=False)
class FactorScorer(Scorer):
    """score = mean + b_u + c_i + p_u . q_i.

    Attributes:
        P: (n_users, k).
        b: (n_users,).
        among: the items, which scorers of other users share.
    """

    P: NDArray[Any]
    b: NDArray[Any]
    among: ItemSide

    @classmethod
    def of(cls, factors: Factors) -> FactorScorer:
        """Return the scorer of P, Q, b, c and the mean."""
        P, Q, b, c, mean = factors
        return cls(P, b, ItemSide(Q, c, mean))

    def pairs(self, users: NDArray[Any], items: NDArray[Any]) -> NDArray[np.float64]:
        """Return the score of each pair of positions, (n,)."""
        return score_pairs(Factors(self.P, self.among.Q, self.b, self.among.c, self.among.mean), users, items)

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
        filters: dict[str, Any] = {"excluded": excluded, "allowed": allowed, "places": places, "n_threads": n_threads}
        return topk_among(self.P, self.b, self.among, users, n, **filters)

    def best_users(
        self,
        items: NDArray[np.int32],
        n: int,
        *,
        excluded: Sequence[Rows],
        places: NDArray[np.int32],
        n_threads: int | None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return users and scores of the best n users of each item."""
        own = self.among.only(items)
        every = np.arange(len(items), dtype=np.int32)
        filters: dict[str, Any] = {"excluded": excluded, "places": places}
        users, _ = topk(Factors(own.Q, self.P, own.c, self.b, own.mean), every, n, **filters, n_threads=n_threads)
        scores = np.full(users.shape, np.nan)
        row, rank = np.nonzero(users >= 0)
        scores[row, rank] = self.pairs(users[row, rank], items[row])  # summed as in a user's list, bit for bit
        order = np.lexsort((places[users], -scores), axis=1)  # NaN last
        return np.take_along_axis(users, order, 1), np.take_along_axis(scores, order, 1)

    def nearest(
        self, index: NDArray[np.int32], n: int, places: NDArray[np.int32], n_threads: int | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the n items of highest cosine."""
        return nearest(self.among.Q, self.among.Q[index], index, n, places, n_threads)

    def alike(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the cosine of every item to each of these, (m, n_items)."""
        unit = _unit(self.among.Q)
        side = ItemSide(unit, np.zeros(len(unit)), 0.0)
        return FactorScorer(unit[items], np.zeros(len(items)), side).of_all(np.arange(len(items), dtype=np.int32))

    def of_all(self, users: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores of all items for these users, (m, n_items)."""
        return score_all(Factors(self.P, self.among.Q, self.b, self.among.c, self.among.mean), users)

    def take(self, users: NDArray[np.int32]) -> FactorScorer:
        """Return what scores these users alone."""
        return FactorScorer(self.P[users], self.b[users], self.among)

    def joined(self, others: Sequence[Scorer]) -> FactorScorer:
        """Return what scores the users of several scorers of the same items."""
        every = [self, *(other for other in others if isinstance(other, FactorScorer) and other.among is self.among)]
        if len(every) <= len(others):
            raise TypeError("scorers of other items")
        P, b = (np.concatenate(parts) for parts in ([s.P for s in every], [s.b for s in every]))
        return FactorScorer(P, b, self.among)

    def likeness(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the cosines of these items' factors."""
        unit = _unit(self.among.Q[items])
        cosines: NDArray[np.float64] = unit @ unit.T
        return np.minimum(cosines, 1.0)

    def knows_nothing(self, users: NDArray[Any], allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return which users have no factors, where the allowed items' biases are all equal."""
        biases = self.among.c if allowed is None else self.among.c[allowed]
        nothing: NDArray[np.bool_] = ~self.P[users].any(axis=1)
        return nothing & bool(len(biases) and (biases == biases[0]).all())


@dataclass(frozen=True, eq=False)
class WeightScorer(Scorer):
    """score = sum over the user's own items j of x_uj B_ji: a row of values times item-to-item weights.

    Attributes:
        rows: what each user has had, with the value of each.
        B: the weights.
        clicks: makes clicks of rows; asked about the users of a call alone, so that a log is never read whole.
    """

    rows: Rows
    B: ItemToItemWeights
    clicks: Callable[[Rows], Rows] = lambda rows: rows

    def pairs(self, users: NDArray[Any], items: NDArray[Any]) -> NDArray[np.float64]:
        """Return the score of each pair of positions, (n,)."""
        out = np.zeros(len(users))
        order = np.argsort(users, kind="stable")
        for start in range(0, len(order), ROWS):  # a row is computed whole: the same bits as in a list
            part = order[start : start + ROWS]
            wanted, place = np.unique(np.asarray(users)[part], return_inverse=True)
            S = np.empty((len(wanted), self.B.n_items), np.float32)
            self._fill(wanted.astype(np.int32), S)
            out[part] = S[place, np.asarray(items)[part]]
        return out

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
        return topk_of_rows(
            self._fill, self.B.n_items, users, n, excluded=excluded, allowed=allowed, places=places, n_threads=n_threads
        )

    def best_users(
        self,
        items: NDArray[np.int32],
        n: int,
        *,
        excluded: Sequence[Rows],
        places: NDArray[np.int32],
        n_threads: int | None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return users and scores of the best n users of each item."""
        clicks = self.clicks(self.rows)
        n_users, user = clicks.n_rows, clicks.row_of_cells()

        def fill(wanted: NDArray[np.int32], S: NDArray[np.float32]) -> None:
            for row, item in enumerate(items[wanted].tolist()):
                sums = np.bincount(user, clicks.values * self.B.column(item)[clicks.indices], n_users)
                S[row] = sums + np.where(clicks.sizes > 0, self.B.begin(item), 0)

        every = np.arange(len(items), dtype=np.int32)
        return topk_of_rows(fill, n_users, every, n, excluded=excluded, places=places, n_threads=n_threads)

    def nearest(
        self, index: NDArray[np.int32], n: int, places: NDArray[np.int32], n_threads: int | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the n items whose score rises most where a user has had this one."""
        of_one, every = self._of_single(index), np.arange(len(index), dtype=np.int32)
        itself = of_one.rows
        return of_one.best(every, min(n, self.B.n_items), excluded=[itself], places=places, n_threads=n_threads)

    def alike(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the weight from each of these items to every item, (m, n_items)."""
        return self._of_single(items).of_all(np.arange(len(items), dtype=np.int32))

    def _of_single(self, items: NDArray[np.int32]) -> WeightScorer:
        """Return what scores users who have had one of these items each."""
        return WeightScorer(Rows.of_sizes(np.ones(len(items)), items), self.B.alone())

    def take(self, users: NDArray[np.int32]) -> WeightScorer:
        """Return what scores these users alone."""
        return WeightScorer(self.rows.take(users), self.B, self.clicks)

    def joined(self, others: Sequence[Scorer]) -> WeightScorer:
        """Return what scores the users of several scorers of the same weights."""
        every = [self, *(other for other in others if isinstance(other, WeightScorer))]
        if len(every) <= len(others):
            raise TypeError("scorers of other weights")
        return WeightScorer(stacked([scorer.clicks(scorer.rows) for scorer in every]), self.B)

    def likeness(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the mean weight between each two of these items, as a share of the largest one."""
        of_one, weights = self._of_single(items), np.empty((len(items), len(items)))
        for start in range(0, len(items), ROWS):  # rows of all items are long: a few at a time
            some = np.arange(start, min(start + ROWS, len(items)), dtype=np.int32)
            weights[some] = of_one.of_all(some)[:, items]
        both = (weights + weights.T) / 2
        np.fill_diagonal(both, 0)
        both /= max(np.abs(both).max(initial=0), np.finfo(np.float64).tiny)
        np.fill_diagonal(both, 1)
        return both

    def of_all(self, users: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores of all items for these users, (m, n_items)."""
        S = np.empty((len(users), self.B.n_items), np.float32)
        self._fill(np.asarray(users, np.int32), S)
        return S.astype(np.float64)

    def knows_nothing(self, users: NDArray[Any], allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return which users have had nothing."""
        nothing: NDArray[np.bool_] = self.clicks(self.rows.take(users)).sizes == 0
        return nothing

    def _fill(self, users: NDArray[np.int32], S: NDArray[np.float32]) -> None:
        self.B.fill(self.clicks(self.rows.take(users)).cells, S)


ROWS = 64
UNIT_ROWS = 1 << 16  # rows of factors brought to length 1 at once


def nearest(
    factors: NDArray[Any],
    wanted: NDArray[Any],
    itself: NDArray[np.int32],
    n: int,
    places: NDArray[np.int32],
    n_threads: int | None,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the n rows of highest cosine for each row asked for, itself left out.

    Args:
        factors: (rows, k).
        wanted: (m, k) rows asked for.
        itself: (m,) where each of them stands among the factors, or -1.
        n: how many.
        places: (rows,) int32; of rows equally near the one of lower place comes first.
        n_threads: threads, None for all cores.
    """
    near, every = _unit(wanted), np.arange(len(wanted), dtype=np.int32)
    found = [_nearest_in(part, factors, near, itself, n, places, n_threads) for part in chunks(len(factors), UNIT_ROWS)]
    if len(found) == 1:
        return found[0]
    items, scores = (np.concatenate([part[at] for part in found], axis=1) for at in (0, 1))
    best = np.lexsort((places[items], -scores), axis=1)[:, : min(n, len(factors))]  # NaN last
    rows = every[:, None]
    return items[rows, best], scores[rows, best]


def _nearest_in(
    part: slice,
    factors: NDArray[Any],
    near: NDArray[np.float64],
    itself: NDArray[np.int32],
    n: int,
    places: NDArray[np.int32],
    n_threads: int | None,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the n nearest of some rows: all of a large catalogue in float64 would be twice its own memory."""
    unit, every = _unit(factors[part]), np.arange(len(near), dtype=np.int32)
    here = (itself >= part.start) & (itself < part.stop)
    left_out = Rows.of_sizes(here, itself[here] - np.int32(part.start))
    cosines = Factors(near, unit, np.zeros(len(near)), np.zeros(len(unit)), 0.0)
    items, scores = topk(
        cosines, every, min(n, len(unit)), excluded=[left_out], places=places[part], n_threads=n_threads
    )
    return np.where(items >= 0, items + np.int32(part.start), np.int32(-1)), scores


def _unit(factors: NDArray[Any]) -> NDArray[np.float64]:
    """Return rows divided by their lengths; a row of zeros as it is."""
    lengths = np.sqrt(np.square(factors, dtype=np.float64).sum(axis=1))
    unit: NDArray[np.float64] = factors / np.where(lengths > 0, lengths, 1)[:, None]
    return unit
