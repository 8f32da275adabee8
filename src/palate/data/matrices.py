"""Interactions and features from sparse matrices of SciPy, and interactions back: one row for each stored cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy import sparse

from palate.data.checking import Policy, Where, dropped_or_raise, kept_rows, typed
from palate.data.features import Features
from palate.data.ids import Id, Ids
from palate.data.interactions import Interactions
from palate.data.reading.raw import brief
from palate.data.remarks import remark
from palate.errors import DataError

MOST_CELLS = 1 << 30  # of features: 4 GB
IdsGiven = Ids | pl.Series | Iterable[Id] | None


def from_scipy(matrix: Any, users: IdsGiven, items: IdsGiven, policy: Policy) -> Interactions:
    """Return one row for each stored cell; see `Interactions.from_scipy`."""
    _check_sparse(matrix)
    ids = [_ids(given, n, what) for given, n, what in zip((users, items), matrix.shape, ("user", "item"), strict=True)]
    cells = _cells(matrix)
    where = Where("the matrix", "stored cell")
    columns = {"value": pl.Series("value", cells.data)}
    faults = typed(columns, policy)
    dropped = dropped_or_raise(cells.nnz, faults, policy, where)
    keep = np.flatnonzero(kept_rows(cells.nnz, faults))
    row, column = (index[keep].astype(np.int32) for index in (cells.row, cells.col))
    values = columns["value"].to_numpy(writable=True)[keep]
    built = Interactions(row, column, values, None, ids[0], ids[1], policy.rating_range, dropped)
    _refuse_repeats(built)
    remark(built, where.name)
    return built


def to_scipy(rows: Interactions) -> Any:
    """Return the values as a SciPy matrix; see `Interactions.to_scipy`."""
    return sparse.csr_matrix(rows.by_user().to_scipy(rows.n_items))


def features_of(matrix: Any, given: IdsGiven, side: Literal["user", "item"], names: Sequence[str] | None) -> Features:
    """Return a matrix of features with a column of ones before it; see `Features.from_scipy`."""
    _check_sparse(matrix)
    n_ids, n_features = matrix.shape
    if n_ids * n_features > MOST_CELLS:
        raise DataError(
            f"features are kept dense, and {n_ids:,} x {n_features:,} are too many: choose the columns that tell most"
        )
    ids = _ids(given, n_ids, side)
    columns = [f"feature {k}" for k in range(n_features)] if names is None else list(map(str, names))
    if len(columns) != n_features or len(set(columns)) < n_features:
        raise DataError(f"the matrix has {n_features:,} columns: each needs one name of its own, got {len(columns):,}")
    dense = matrix.toarray().astype(np.float32)
    if not np.isfinite(dense).all():
        raise DataError("the matrix of features holds a number that is not finite")
    spec = {"missing": False, "kind": "number", "mean": 0.0, "scale": 1.0}
    ones = np.ones((n_ids, 1), np.float32)
    return Features(
        ids,
        np.concatenate([ones, dense], axis=1),
        ("all", *columns),
        tuple({"column": name, **spec} for name in columns),
    )


def _check_sparse(matrix: Any) -> None:
    if not sparse.issparse(matrix) or matrix.ndim != 2:
        kind = type(matrix).__name__
        raise DataError(f"a sparse matrix of two dimensions is needed, got {kind}: scipy.sparse.csr_matrix makes one")


def _cells(matrix: Any) -> Any:
    """Return a matrix with a place for each stored cell.

    Raises:
        DataError: the places that it holds are not those of a matrix of its shape.
    """
    try:
        return matrix.tocoo()
    except (ValueError, IndexError) as error:
        raise DataError(f"the sparse matrix is damaged: {brief(error)}; build it again") from None


def _ids(given: IdsGiven, n: int, what: str) -> Ids:
    made = Ids(pl.Series(np.arange(n)) if given is None else given.values if isinstance(given, Ids) else given, what)
    if len(made) != n:
        place = "rows" if what == "user" else "columns"
        raise DataError(
            f"the matrix has {n:,} {place}, and {len(made):,} {what} ids were given: one for each is needed"
        )
    return made


def _refuse_repeats(rows: Interactions) -> None:
    key = rows.user_index.astype(np.int64) * rows.n_items + rows.item_index
    twice = len(key) - len(np.unique(key))
    if twice:
        raise DataError(f"{twice:,} cells of the matrix are stored again: matrix.sum_duplicates() adds them up")
