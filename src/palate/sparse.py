"""Compressed rows and their algebra: what users had, what lists leave out, what is relevant, weights of items.

Every operation takes values and weights along, and keeps the cells of a row in ascending order of their columns.
Sorting is by counting (`palate.kernels.order`), in O(cells + rows + columns), and stable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.kernels import Cells, given

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Compressed rows: the cells of row u are ``indptr[u]:indptr[u + 1]``, sorted by column.

    Attributes:
        indptr: (n_rows + 1,) int64.
        indices: (n,) int32, column positions.
        values: (n,) float32.
        weights: (n,) float32, how much each cell counts, or None where all count alike.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None

    @classmethod
    def from_cells(
        cls,
        rows: Array,
        columns: Array,
        n_rows: int,
        n_columns: int,
        values: Array | None = None,
        weights: Array | None = None,
    ) -> Rows:
        """Return the rows of cells in any order; cells of one row and column stay in theirs.

        Args:
            rows, columns: (n,) positions of the cells.
            n_rows, n_columns: shape of the matrix.
            values: (n,), or None for 1.
            weights: (n,), or None.
        """
        by_column, _ = _order(columns, n_columns)
        by_row, indptr = _order(rows[by_column], n_rows)
        values = np.ones(len(columns), np.float32) if values is None else values
        return cls(indptr, columns.astype(np.int32, copy=False), values, weights)._at(indptr, by_column[by_row])

    @classmethod
    def of_sizes(cls, sizes: ArrayLike, columns: Array, values: Array | None = None) -> Rows:
        """Return rows of these numbers of cells, which follow each other, sorted within each row; values as above."""
        values = np.ones(len(columns), np.float32) if values is None else values
        return cls(_ends(sizes), columns.astype(np.int32, copy=False), values)

    @classmethod
    def empty(cls, n_rows: int) -> Rows:
        """Return rows without cells."""
        return cls.of_sizes(np.zeros(n_rows, np.int64), np.empty(0, np.int32))

    @classmethod
    def identity(cls, n: int) -> Rows:
        """Return the matrix (n, n) with 1 on its diagonal."""
        return cls.of_sizes(np.ones(n, np.int64), np.arange(n, dtype=np.int32))

    @property
    def n_rows(self) -> int:
        """How many rows there are, with cells or without."""
        return len(self.indptr) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many cells each row has, (n_rows,)."""
        return np.diff(self.indptr)

    @property
    def cells(self) -> Cells:
        """The arrays as kernels take them, read-only."""
        return self.cells_with(self.values)

    def cells_with(self, values: Array) -> Cells:
        """Return the arrays as kernels take them, with other values for the cells."""
        return Cells(*given(self.indptr, self.indices, values))

    def row_of_cells(self) -> NDArray[np.int32]:
        """Return the row of each cell, (n,)."""
        return np.repeat(np.arange(self.n_rows, dtype=np.int32), self.sizes)

    def row(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return columns and values of one row."""
        cells = slice(int(self.indptr[index]), int(self.indptr[index + 1]))
        return self.indices[cells], self.values[cells]

    def take(self, rows: Array) -> Rows:
        """Return these rows, in this order; a row may be taken again."""
        rows = np.asarray(rows)
        starts = self.indptr[rows]
        sizes = self.indptr[rows + 1] - starts
        indptr = _ends(sizes)
        return self._at(indptr, np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], sizes))

    def filter(self, kept: NDArray[np.bool_]) -> Rows:
        """Return the cells that a mask (n,) keeps."""
        return self._at(_ends(kept)[self.indptr], kept)

    def select(self, columns: NDArray[np.bool_]) -> Rows:
        """Return the cells of the columns that a mask (n_columns,) keeps, numbered among those."""
        kept = self.filter(columns[self.indices])
        return replace(kept, indices=(np.cumsum(columns, dtype=np.int32) - np.int32(1))[kept.indices])

    def transpose(self, n_columns: int) -> Rows:
        """Return the rows of the transpose, one for each of n_columns."""
        order, indptr = _order(self.indices, n_columns)
        return replace(self, indices=self.row_of_cells())._at(indptr, order)

    def renumber(self, places: Array) -> Rows:
        """Return the matrix whose column ``places[j]`` is column j of this one; (n_columns,), each place once."""
        return self._transpose_moved(places).transpose(self.n_rows)

    def permute(self, places: Array) -> Rows:
        """Return the square matrix whose row and column ``places[j]`` are row and column j of this one."""
        return self._transpose_moved(places)._transpose_moved(places)

    def distinct(self) -> Rows:
        """Return rows that have each cell once, of value 1."""
        return union([self, Rows.empty(self.n_rows)], self.n_rows)

    def to_scipy(self, n_columns: int, values: Array | None = None) -> Any:
        """Return SciPy's csr_array (n_rows, n_columns), of these values instead of its own where some are given."""
        from scipy.sparse import csr_array

        values = self.values if values is None else values
        return csr_array((values, self.indices, self.indptr), (self.n_rows, n_columns))

    def _transpose_moved(self, places: Array) -> Rows:
        """Return the transpose, column j as row ``places[j]``; nothing is held but these cells and those."""
        from palate.kernels.order import transposed  # as below

        indptr, rows, values = transposed(*given(self.indptr, self.indices, self.values, places))
        if self.weights is None:
            return Rows(indptr, rows, values)
        return Rows(indptr, rows, values, transposed(*given(self.indptr, self.indices, self.weights, places))[2])

    def _at(self, indptr: NDArray[np.int64], cells: Array) -> Rows:
        """Return rows of some of the cells, in the order given."""
        weights = None if self.weights is None else self.weights[cells]
        return Rows(indptr, self.indices[cells], self.values[cells], weights)

    def __repr__(self) -> str:
        return f"Rows({self.n_rows:,} rows, {len(self.indices):,} cells)"


def stacked(several: Sequence[Rows]) -> Rows:
    """Return matrices of the same columns one below the other; a cell without weight weighs 1 among weighted ones."""
    weights = None
    if any(rows.weights is not None for rows in several):
        weights = np.concatenate(
            [np.ones(len(r.values), np.float32) if r.weights is None else r.weights for r in several]
        )
    values = np.concatenate([rows.values for rows in several])
    sizes, indices = np.concatenate([r.sizes for r in several]), np.concatenate([r.indices for r in several])
    return replace(Rows.of_sizes(sizes, indices, values), weights=weights)


def union(several: Sequence[Rows], n_rows: int) -> Rows:
    """Return rows that have a cell where one of several matrices has, each once; of one alone the rows as they are."""
    if len(several) == 1:
        return several[0]
    keys = [rows.row_of_cells().astype(np.int64) << 32 | rows.indices for rows in several]
    cells = np.unique(np.concatenate([np.empty(0, np.int64), *keys]))
    return Rows.of_sizes(np.bincount(cells >> 32, minlength=n_rows), (cells & (2**32 - 1)).astype(np.int32))


def _ends(sizes: ArrayLike) -> NDArray[np.int64]:
    """Return 0 and the running sums of sizes."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _order(keys: Array, n_keys: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    from palate.kernels.order import stable_order  # Numba is slow to import, and reading does without it

    return stable_order(*given(keys.astype(np.int32, copy=False), n_keys))
