"""How a fitted model scores: by factors, or by weights from item to item; one interface for lists and for pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Rows
from palate.kernels import weights as weights_kernel
from palate.topk import Excluded, Factors, score_pairs, topk, topk_of_rows


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
        excluded: Sequence[Excluded] = (),
        allowed: NDArray[np.bool_] | None = None,
        n_threads: int | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return items and scores of the best n for each user; as `palate.topk.topk`."""

    @abstractmethod
    def nearest(
        self, index: NDArray[np.int32], n: int, n_threads: int | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the n items most like each item asked for, itself left out, and how like they are."""


@dataclass(frozen=True)
class FactorScorer(Scorer):
    """score = mean + b_u + c_i + p_u . q_i."""

    factors: Factors

    def pairs(self, users: NDArray[Any], items: NDArray[Any]) -> NDArray[np.float64]:
        """Return the score of each pair of positions, (n,)."""
        return score_pairs(self.factors, users, items)

    def best(
        self,
        users: NDArray[np.int32],
        n: int,
        *,
        excluded: Sequence[Excluded] = (),
        allowed: NDArray[np.bool_] | None = None,
        n_threads: int | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return items and scores of the best n for each user."""
        return topk(self.factors, users, n, excluded=excluded, allowed=allowed, n_threads=n_threads)

    def nearest(
        self, index: NDArray[np.int32], n: int, n_threads: int | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the n items of highest cosine."""
        return nearest(self.factors[1], index, n, n_threads)


@dataclass(frozen=True)
class WeightScorer(Scorer):
    """score = sum over the user's own items j of x_uj B_ji: a row of values times item-to-item weights.

    Attributes:
        rows: what each user has had, with the value of each.
        B: (n_items, n_items) weights, from the item had to the item scored; or compressed rows of them.
    """

    rows: Rows
    B: NDArray[Any] | Rows
    n_items: int

    def pairs(self, users: NDArray[Any], items: NDArray[Any]) -> NDArray[np.float64]:
        """Return the score of each pair of positions, (n,)."""
        out = np.zeros(len(users))
        order = np.argsort(users, kind="stable")
        for start in range(0, len(order), ROWS):  # a row is computed whole: the same bits as in a list
            part = order[start : start + ROWS]
            wanted, place = np.unique(np.asarray(users)[part], return_inverse=True)
            S = np.empty((len(wanted), self.n_items), np.float32)
            self._fill(wanted.astype(np.int32), S)
            out[part] = S[place, np.asarray(items)[part]]
        return out

    def best(
        self,
        users: NDArray[np.int32],
        n: int,
        *,
        excluded: Sequence[Excluded] = (),
        allowed: NDArray[np.bool_] | None = None,
        n_threads: int | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return items and scores of the best n for each user."""
        fill = partial(self._fill)
        return topk_of_rows(fill, self.n_items, users, n, excluded=excluded, allowed=allowed, n_threads=n_threads)

    def nearest(
        self, index: NDArray[np.int32], n: int, n_threads: int | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the n items whose score rises most where a user has had this one."""
        single = Rows(np.arange(self.n_items + 1), np.arange(self.n_items, dtype=np.int32), np.ones(self.n_items, "f4"))
        itself = single.indptr, single.indices
        return WeightScorer(single, self.B, self.n_items).best(
            index, min(n, self.n_items), excluded=[itself], n_threads=n_threads
        )

    def _fill(self, users: NDArray[np.int32], S: NDArray[np.float32]) -> None:
        rows = self.rows.indptr, self.rows.indices, self.rows.values
        if isinstance(self.B, Rows):
            weights_kernel.scores_sparse(*rows, self.B.indptr, self.B.indices, self.B.values, users, S)
        else:
            weights_kernel.scores(*rows, self.B, users, S)


ROWS = 64


def nearest(
    factors: NDArray[Any], index: NDArray[np.int32], n: int, n_threads: int | None
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the n rows of highest cosine for each row asked for, itself left out.

    Args:
        factors: (rows, k).
        index: (m,) rows asked for.
        n: how many.
        n_threads: threads, None for all cores.
    """
    lengths = np.sqrt(np.square(factors, dtype=np.float64).sum(axis=1))
    unit = factors / np.where(lengths > 0, lengths, 1)[:, None]
    nothing = np.zeros(len(unit))
    itself = np.arange(len(unit) + 1, dtype=np.int64), np.arange(len(unit), dtype=np.int32)
    parts = (unit, unit, nothing, nothing, 0.0)
    return topk(parts, index, min(n, len(unit)), excluded=[itself], n_threads=n_threads)
