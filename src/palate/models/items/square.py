"""Square matrices of items, in place: inverse, renumbering, and the largest entries."""

from __future__ import annotations

import numpy as np

from palate.models.contract.learned import Array
from palate.parallel import blas_threads, chunks
from palate.sparse import Rows

MOST_AT_ONCE = 30_000  # rows; OpenBLAS 0.3.30's factorization of 40,981 rows ended in a segmentation fault
BLOCK = 2048  # rows
COLUMNS = 256  # of which the largest entries are sought at once


def invert(G: Array, n_threads: int) -> bool:
    """Replace the lower triangle of a symmetric matrix by its inverse's, in place; return whether there is one."""
    with blas_threads(n_threads):
        if len(G) > MOST_AT_ONCE:
            return invert_by_blocks(G, BLOCK)
        return _inverted(G)


def _inverted(G: Array) -> bool:
    from scipy.linalg import lapack

    factorize, invert = (lapack.spotrf, lapack.spotri) if G.dtype == np.float32 else (lapack.dpotrf, lapack.dpotri)
    # LAPACK counts by columns: what it calls the upper triangle of G' is the lower one of G
    _, failed = factorize(G.T, lower=0, clean=0, overwrite_a=1)
    if not failed:
        _, failed = invert(G.T, lower=0, overwrite_c=1)
    return not failed


def invert_by_blocks(G: Array, size: int) -> bool:
    """Do as `invert` by Gauss-Jordan steps of blocks of rows k, which leave -inv(G) after the last (Beaton 1964).

    With C the columns of the block and D = inv(G_kk): G_ij -= C_i D C_j', G_ik = C_i D, G_kk = -D. Only the lower
    triangle is kept up, so the operations are those of Cholesky's factorization and inverse, all of them products.
    """
    blocks = chunks(len(G), size)
    for k in blocks:
        D = np.ascontiguousarray(G[k, k])
        if not _inverted(D):
            return False
        D = np.tril(D) + np.tril(D, -1).T
        C = np.concatenate([G[k, : k.start].T, G[k.start :, k]])
        C[k] = np.tril(C[k]) + np.tril(C[k], -1).T
        W = C @ D
        for i in blocks:
            if i != k:
                G[i, : i.stop] -= W[i] @ C[: i.stop].T
        G[k, : k.start], G[k.stop :, k], G[k, k] = W[: k.start].T, W[k.stop :], -D
    np.negative(G, out=G)
    return True


def renumber(B: Array, source: Array) -> None:
    """Give a square matrix the rows and columns ``source`` of itself, in place."""
    for part in chunks(len(B), COLUMNS):
        B[part] = B[part][:, source]
    todo = np.ones(len(B), bool)
    for start in np.flatnonzero(source != np.arange(len(B))):
        at, first = start, B[start].copy() if todo[start] else None
        while todo[at]:  # once around a cycle
            todo[at], following = False, source[at]
            B[at] = B[following] if todo[following] else first
            at = following


def largest_by_column(B: Array, n: int) -> Rows:
    """Return the n entries of largest size in each column."""
    rows, columns, values = [], [], []
    for part in chunks(len(B), COLUMNS):
        sizes = np.abs(B[:, part])
        top = np.argpartition(-sizes, n - 1, axis=0)[:n]
        column = np.broadcast_to(np.arange(part.start, part.stop, dtype=np.int32), top.shape)
        rows.append(top.ravel())
        columns.append(column.ravel())
        values.append(B[top.ravel(), column.ravel()])
    row, column = np.concatenate(rows), np.concatenate(columns)
    return Rows.from_cells(row, column, len(B), len(B), np.concatenate(values))
