"""Weights from item to item, however they are held: what a scorer asks of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import Cells, dual, given
from palate.kernels import weights as kernel
from palate.sparse import Rows


class ItemToItemWeights(ABC):
    """score = a_i + sum over the user's own items j of x_uj B_ji, a being what everybody gets who has had an item."""

    n_items: int
    a: NDArray[Any]  # (n_items,), or empty

    @abstractmethod
    def fill(self, clicks: Cells, S: NDArray[np.float32]) -> None:
        """Write the scores of all items for each row of clicks, (n_rows, n_items)."""

    @abstractmethod
    def column(self, item: int) -> NDArray[np.float32]:
        """Return the weights from every item had to one item scored, (n_items,)."""

    def alone(self) -> ItemToItemWeights:
        """Return the weights without what everybody gets."""
        return replace(self, a=self.a[:0])  # type: ignore[type-var]

    def begin(self, item: int) -> float:
        """Return what everybody gets for an item."""
        return float(self.a[item]) if len(self.a) else 0.0


@dataclass(frozen=True, eq=False)
class WholeWeights(ItemToItemWeights):
    """A matrix.

    Attributes:
        B: (n_items, n_items), from the item had to the item scored.
    """

    B: NDArray[Any]
    a: NDArray[Any]

    @property
    def n_items(self) -> int:  # type: ignore[override]
        """How many items there are."""
        return len(self.B)

    def fill(self, clicks: Cells, S: NDArray[np.float32]) -> None:
        """Write the scores of all items for each row of clicks."""
        B, a = given(self.B, self.a)
        kernel.scores(clicks, B, a, _every(clicks), S)

    def column(self, item: int) -> NDArray[np.float32]:
        """Return the weights from every item had to one item scored."""
        return np.asarray(self.B[:, item], np.float32)


@dataclass(frozen=True, eq=False)
class SparseWeights(ItemToItemWeights):
    """Compressed rows of a matrix."""

    B: Rows
    a: NDArray[Any]

    @property
    def n_items(self) -> int:  # type: ignore[override]
        """How many items there are."""
        return self.B.n_rows

    def fill(self, clicks: Cells, S: NDArray[np.float32]) -> None:
        """Write the scores of all items for each row of clicks."""
        (a,) = given(self.a)
        kernel.scores_sparse(clicks, self.B.cells, a, _every(clicks), S)

    def column(self, item: int) -> NDArray[np.float32]:
        """Return the weights from every item had to one item scored."""
        column, at = np.zeros(self.n_items, np.float32), np.flatnonzero(self.B.indices == item)
        column[np.searchsorted(self.B.indptr, at, "right") - 1] = self.B.values[at]
        return column


@dataclass(frozen=True, eq=False)
class WeightsByUsers(ItemToItemWeights):
    """Weights that are made of training rows when they are asked for: `palate.kernels.dual`, eq. 2.

    Attributes:
        X, by_item: the training clicks by user, and by item.
        W: (n_users, n_users).
        h, g: (n_items,).
    """

    X: Rows
    by_item: Rows
    W: NDArray[Any]
    h: NDArray[Any]
    g: NDArray[Any]
    a: NDArray[Any]

    @property
    def n_items(self) -> int:  # type: ignore[override]
        """How many items there are."""
        return len(self.h)

    def fill(self, clicks: Cells, S: NDArray[np.float32]) -> None:
        """Write the scores of all items for each row of clicks."""
        made = dual.Dual(self.by_item.cells, *given(self.W, self.h, self.g, self.a))
        dual.scores(clicks, made, _every(clicks), S)

    def column(self, item: int) -> NDArray[np.float32]:
        """Return the weights from every item had to one item scored."""
        users, values = self.by_item.row(item)
        z = values.astype(np.float64) @ self.W[users]
        sums = np.bincount(self.X.indices, self.X.values * z[self.X.row_of_cells()], self.n_items)
        column = self.h * sums * self.g[item]
        column[item] = 0
        return np.asarray(column, np.float32)


def _every(clicks: Cells) -> NDArray[np.int32]:
    return np.arange(len(clicks.indptr) - 1, dtype=np.int32)
