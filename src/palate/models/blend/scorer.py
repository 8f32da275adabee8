"""How a blend scores: `palate.kernels.blend` over the scorers of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import blend as kernel
from palate.kernels import given
from palate.models.contract.scoring import ROWS, Scorer
from palate.parallel import chunks
from palate.sparse import Rows
from palate.topk import topk_of_rows


@dataclass(frozen=True, eq=False)
class BlendScorer(Scorer):
    """score = the weighted mean of the parts' scores, standardised over all items of the person.

    Attributes:
        parts: scorers of the same users and items.
        weights: of them, above 0.
        order: (n_items,) int32, the items in the order in which they are summed.
    """

    parts: tuple[Scorer, ...]
    weights: tuple[float, ...]
    order: NDArray[np.int32]

    @classmethod
    def of(cls, parts: Sequence[Scorer], weights: Sequence[float], order: NDArray[np.int32]) -> BlendScorer:
        """Return the scorer of the parts whose weight is above 0: others change nothing."""
        used = [(part, float(w)) for part, w in zip(parts, weights, strict=True) if w > 0]
        return cls(tuple(part for part, _ in used), tuple(w for _, w in used), order)

    def pairs(self, users: NDArray[Any], items: NDArray[Any]) -> NDArray[np.float64]:
        """Return the score of each pair of positions, (n,)."""
        users, items, out = np.asarray(users), np.asarray(items), np.zeros(len(users))
        order = np.argsort(users, kind="stable")
        for some in chunks(len(order), ROWS):  # a row is computed whole: its moments need all of it
            part = order[some]
            wanted, place = np.unique(users[part], return_inverse=True)
            out[part] = self.of_all(wanted)[place, items[part]]
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
        """Return items and scores of the best n for each user; of a single part, that part's own list."""
        filters: dict[str, Any] = {"excluded": excluded, "allowed": allowed, "places": places, "n_threads": n_threads}
        if len(self.parts) > 1:
            return topk_of_rows(self._fill, len(self.order), users, n, **filters)
        items, _ = self.parts[0].best(users, n, **filters)
        scores = np.full(items.shape, np.nan)
        row, rank = np.nonzero(items >= 0)
        scores[row, rank] = self.pairs(np.asarray(users)[row], items[row, rank])
        return items, scores

    def best_users(
        self,
        items: NDArray[np.int32],
        n: int,
        *,
        excluded: Sequence[Rows],
        places: NDArray[np.int32],
        n_threads: int | None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return users and scores of the best n users of each item; the rows of all users are computed for it."""
        n_users = len(places)
        scores = np.empty((len(items), n_users), np.float32)
        for some in chunks(n_users, ROWS):
            scores[:, some] = self.of_all(np.arange(some.start, some.stop, dtype=np.int32))[:, items].T

        def fill(wanted: NDArray[np.int32], S: NDArray[np.float32]) -> None:
            S[:] = scores[wanted]

        every = np.arange(len(items), dtype=np.int32)
        return topk_of_rows(fill, n_users, every, n, excluded=excluded, places=places, n_threads=n_threads)

    def nearest(
        self, index: NDArray[np.int32], n: int, places: NDArray[np.int32], n_threads: int | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the n items most like each item, by the weighted mean of the parts' likenesses (`alike`)."""

        def fill(wanted: NDArray[np.int32], S: NDArray[np.float32]) -> None:
            S[:] = self.alike(index[wanted])

        itself, every = Rows.of_sizes(np.ones(len(index)), index), np.arange(len(index), dtype=np.int32)
        n_items = len(self.order)
        return topk_of_rows(
            fill, n_items, every, min(n, n_items), excluded=[itself], places=places, n_threads=n_threads
        )

    def alike(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return how like every item is to each of these, (m, n_items), each part's as a share of its largest one."""
        every = np.arange(len(items))
        total = np.zeros((len(items), len(self.order)))
        for part, w in zip(self.parts, self._shares, strict=True):
            like = part.alike(items)
            like[every, items] = 0
            total += w * like / np.maximum(np.abs(like).max(axis=1, initial=0), np.finfo(np.float64).tiny)[:, None]
        total[every, items] = 1
        return total

    def of_all(self, users: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores of all items for these users, (m, n_items)."""
        S = np.empty((len(users), len(self.order)), np.float32)
        self._fill(np.asarray(users, np.int32), S)
        return S.astype(np.float64)

    def take(self, users: NDArray[np.int32]) -> BlendScorer:
        """Return what scores these users alone."""
        return replace(self, parts=tuple(part.take(users) for part in self.parts))

    def joined(self, others: Sequence[Scorer]) -> BlendScorer:
        """Return what scores the users of several scorers of the same blend."""
        same = [other for other in others if isinstance(other, BlendScorer) and other.weights == self.weights]
        if len(same) < len(others):
            raise TypeError("scorers of other blends")
        return replace(self, parts=tuple(p.joined([o.parts[at] for o in same]) for at, p in enumerate(self.parts)))

    def likeness(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return how like these items are to each other, the mean of both directions of `alike`."""
        likeness = np.empty((len(items), len(items)))
        for some in chunks(len(items), ROWS):
            likeness[some] = self.alike(items[some])[:, items]
        return np.minimum((likeness + likeness.T) / 2, 1.0)

    def knows_nothing(self, users: NDArray[Any], allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return of which users no part knows anything."""
        nothing: NDArray[np.bool_] = np.all([part.knows_nothing(users, allowed) for part in self.parts], axis=0)
        return nothing

    def standardised(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return eq. 1 for these users, (n_parts, m, n_items); 0 where a part says nothing of a person."""
        Z = np.zeros((len(self.parts), len(users), len(self.order)), np.float32)
        for z, part in zip(Z, self.parts, strict=True):
            replace(self, parts=(part,), weights=(1.0,))._fill(users, z)
        return Z

    def moments(self, part: Scorer, users: NDArray[np.int32]) -> tuple[Any, Any, Any]:
        """Return a part's scores of all items for these users, (m, n_items), their means and deviations, (m,)."""
        X = part.of_all(users)
        mean, deviation = np.empty(len(users)), np.empty(len(users))
        kernel.moments(X, *given(self.order), mean, deviation)
        return X, mean, deviation

    @property
    def _shares(self) -> list[float]:
        whole = sum(self.weights)
        return [w / whole for w in self.weights]

    def _fill(self, users: NDArray[np.int32], S: NDArray[np.float32]) -> None:
        T, W = np.zeros(S.shape), np.zeros(len(users))
        for part, w in zip(self.parts, self.weights, strict=True):
            X, mean, deviation = self.moments(part, users)
            kernel.add(X, mean, deviation, w, T, W)
        kernel.divide(T, W, S)
