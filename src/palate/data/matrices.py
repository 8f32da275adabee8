"""Sparse matrices of SciPy as interactions and as features, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.data.checking import Policy, Where, dropped_or_raise, kept_rows, typed
from palate.data.ids import Id, Ids
from palate.data.reading.raw import brief
from palate.errors import DataError

SOURCE = "the matrix"  # in messages
MOST_CELLS = 1 << 30  # of features: 4 GB
IdsGiven = Ids | pl.Series | Iterable[Id] | None


class MatrixCells(NamedTuple):
    """The stored cells of a matrix, checked.

    Attributes:
        row, column: (n,) int32 positions in ``users`` and ``items``.
        values: (n,) float32.
        users, items: the ids of rows and columns.
        dropped: how many cells were left out, by reason.
    """

    row: NDArray[np.int32]
    column: NDArray[np.int32]
    values: NDArray[np.float32]
    users: Ids
    items: Ids
    dropped: Mapping[str, int]


def cells_of(matrix: Any, users: IdsGiven, items: IdsGiven, policy: Policy) -> MatrixCells:
    """Return the stored cells of a sparse matrix; see `Interactions.from_scipy`."""
    _check_sparse(matrix)
    ids = [_ids(given, n, what) for given, n, what in zip((users, items), matrix.shape, ("user", "item"), strict=True)]
    stored = _cells(matrix)
    columns = {"value": pl.Series("value", stored.data)}
    faults = typed(columns, policy)
    dropped = dropped_or_raise(stored.nnz, faults, policy, Where(SOURCE, "stored cell"))
    keep = np.flatnonzero(kept_rows(stored.nnz, faults))
    row, column = (index[keep].astype(np.int32) for index in (stored.row, stored.col))
    values = columns["value"].to_numpy(writable=True)[keep]
    _refuse_repeats(row, column, matrix.shape[1])
    return MatrixCells(row, column, values, ids[0], ids[1], dropped)


def columns_of(
    matrix: Any, given: IdsGiven, side: Literal["user", "item"], names: Sequence[str] | None
) -> tuple[Ids, NDArray[np.float32], tuple[str, ...]]:
    """Return the ids of a matrix of features, its dense numbers and its columns' names; see `Features.from_scipy`."""
    _check_sparse(matrix)
    n_ids, n_features = matrix.shape
    if n_ids * n_features > MOST_CELLS:
        raise DataError.of(
            "features",
            f"are kept dense, and {n_ids:,} x {n_features:,} are too many: choose the columns that tell most",
            code="too_large",
        )
    ids = _ids(given, n_ids, side)
    columns = [f"feature {k}" for k in range(n_features)] if names is None else list(map(str, names))
    if len(columns) != n_features or len(set(columns)) < n_features:
        raise DataError.of(
            "the matrix",
            f"has {n_features:,} columns: each needs one name of its own, got {len(columns):,}",
            code="columns",
        )
    dense = matrix.toarray().astype(np.float32)
    if not np.isfinite(dense).all():
        raise DataError.of("the matrix of features", "holds a number that is not finite", code="columns")
    return ids, dense, tuple(columns)


def _check_sparse(matrix: Any) -> None:
    if not sparse.issparse(matrix) or matrix.ndim != 2:
        kind = type(matrix).__name__
        raise DataError.of(
            "a sparse matrix of two dimensions", f"is needed, got {kind}: scipy.sparse.csr_matrix makes one"
        )


def _cells(matrix: Any) -> Any:
    """Return a matrix with a place for each stored cell.

    Raises:
        DataError: the places that it holds are not those of a matrix of its shape.
    """
    try:
        return matrix.tocoo()
    except (ValueError, IndexError) as error:
        raise DataError.of("the sparse matrix", f"is damaged: {brief(error)}; build it again", code="damaged") from None


def _ids(given: IdsGiven, n: int, what: str) -> Ids:
    made = Ids(pl.Series(np.arange(n)) if given is None else given.values if isinstance(given, Ids) else given, what)
    if len(made) != n:
        place = "rows" if what == "user" else "columns"
        raise DataError.of(
            "the matrix", f"has {n:,} {place}, and {len(made):,} {what} ids were given: one for each is needed"
        )
    return made


def _refuse_repeats(row: NDArray[np.int32], column: NDArray[np.int32], n_columns: int) -> None:
    key = row.astype(np.int64) * n_columns + column
    twice = len(key) - len(np.unique(key))
    if twice:
        raise DataError(
            f"{twice:,} cells of the matrix are stored again: matrix.sum_duplicates() adds them up",
            subject="matrix",
            code="duplicates",
        )
