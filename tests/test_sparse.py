"""Compressed rows against SciPy's: values and weights take the same way, whatever is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from palate.sparse import Rows, union


@st.composite
def matrices(draw, *, square=False, shape=None):
    """Return rows with weights or without, and their shape; rows, columns and cells may be none."""
    if shape is None:
        n_rows = draw(st.integers(0, 6))
        shape = n_rows, n_rows if square else draw(st.integers(1, 7))
    n_rows, n_columns = shape
    pairs = [(u, i) for u in range(n_rows) for i in range(n_columns)]
    cells = draw(st.permutations(draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []))
    row, column = np.array(cells, np.int32).reshape(-1, 2).T
    values = np.arange(1, len(cells) + 1, dtype=np.float32)
    weights = values * 100 if draw(st.booleans()) else None
    rows = Rows.from_cells(row, column, *shape, values, weights)
    assert_same(rows, sparse.coo_array((values, (row, column)), shape).tocsr(), weights is not None)
    return rows, shape


def csr_of(matrix):
    rows, (_, n_columns) = matrix
    return rows.to_scipy(n_columns)


def assert_same(rows, expected, weighted):
    """Compare with a SciPy matrix, cell by cell; where there are weights, each is 100 times its value."""
    expected = expected.tocsr()
    expected.sort_indices()
    assert (rows.indptr.dtype, rows.indices.dtype, rows.values.dtype) == (np.int64, np.int32, np.float32)
    np.testing.assert_array_equal(rows.indptr, expected.indptr)
    np.testing.assert_array_equal(rows.indices, expected.indices)
    np.testing.assert_array_equal(rows.values, expected.data)
    assert (rows.weights is not None) == weighted
    if weighted:
        np.testing.assert_array_equal(rows.weights, 100 * rows.values)


def weighted(matrix):
    return matrix[0].weights is not None


@given(matrices())
def test_transpose(matrix):
    rows, (n_rows, n_columns) = matrix
    transposed = rows.transpose(n_columns)
    assert_same(transposed, csr_of(matrix).T, weighted(matrix))
    assert_same(transposed.transpose(n_rows), csr_of(matrix), weighted(matrix))


def test_weights_follow_their_cells_when_transposed():
    rows = Rows.from_cells(np.array([0, 1]), np.array([1, 0]), 2, 2, np.array([5, 3], "f4"), np.array([50, 30], "f4"))
    assert rows.transpose(2).weights.tolist() == [30, 50]


@given(matrices(), st.data())
def test_take(matrix, data):
    rows, (n_rows, _) = matrix
    some = data.draw(st.lists(st.integers(0, n_rows - 1), max_size=8)) if n_rows else []
    assert_same(rows.take(np.array(some, np.int64)), csr_of(matrix)[some], weighted(matrix))


@given(matrices(), st.data())
def test_filter(matrix, data):
    rows, shape = matrix
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows.indices), max_size=len(rows.indices))), bool)
    cells = rows.row_of_cells()[kept], rows.indices[kept]
    assert_same(rows.filter(kept), sparse.coo_array((rows.values[kept], cells), shape), weighted(matrix))


@given(matrices(), st.data())
def test_select(matrix, data):
    rows, (_, n_columns) = matrix
    columns = np.array(data.draw(st.lists(st.booleans(), min_size=n_columns, max_size=n_columns)), bool)
    assert_same(rows.select(columns), csr_of(matrix)[:, np.flatnonzero(columns)], weighted(matrix))


@given(matrices(), st.data())
def test_renumber(matrix, data):
    rows, (_, n_columns) = matrix
    places = np.array(data.draw(st.permutations(range(n_columns))), np.int32)
    assert_same(rows.renumber(places), csr_of(matrix)[:, np.argsort(places)], weighted(matrix))


@given(matrices(square=True), st.data())
def test_permute(matrix, data):
    rows, (n, _) = matrix
    places = np.array(data.draw(st.permutations(range(n))), np.int32)
    order = np.argsort(places)
    assert_same(rows.permute(places), csr_of(matrix)[order][:, order], weighted(matrix))


@given(matrices())
def test_rows_and_their_sizes(matrix):
    rows, (n_rows, _) = matrix
    dense = csr_of(matrix).toarray()
    assert rows.n_rows == n_rows
    np.testing.assert_array_equal(rows.sizes, (dense > 0).sum(axis=1))
    np.testing.assert_array_equal(rows.row_of_cells(), np.nonzero(dense)[0])
    for u in range(n_rows):
        columns, values = rows.row(u)
        np.testing.assert_array_equal(columns, np.flatnonzero(dense[u]))
        np.testing.assert_array_equal(values, dense[u, columns])


@given(st.data(), st.integers(0, 5), st.integers(1, 6), st.integers(0, 3))
def test_union(data, n_rows, n_columns, n):
    several = [data.draw(matrices(shape=(n_rows, n_columns)))[0] for _ in range(n)]
    there = np.zeros((n_rows, n_columns), bool)
    for rows in several:
        there |= rows.to_scipy(n_columns).toarray() > 0
    found = union(several, n_rows)
    np.testing.assert_array_equal(found.row_of_cells(), np.nonzero(there)[0])
    np.testing.assert_array_equal(found.indices, np.nonzero(there)[1])
    assert (found.indptr.dtype, found.indices.dtype, len(found.indptr)) == (np.int64, np.int32, n_rows + 1)


def test_cells_that_stand_twice_keep_their_order_and_are_distinct_once():
    twice = Rows.from_cells(np.array([1, 0, 1]), np.array([2, 0, 2]), 2, 3, np.array([7, 1, 5], np.float32))
    assert (twice.indices.tolist(), twice.values.tolist()) == ([0, 2, 2], [1, 7, 5])
    once = twice.distinct()
    assert (once.indptr.tolist(), once.indices.tolist(), once.values.tolist()) == ([0, 1, 2], [0, 2], [1, 1])


def test_rows_without_cells_and_the_identity():
    assert Rows.empty(3).transpose(2).indptr.tolist() == [0, 0, 0]
    assert Rows.empty(0).take(np.empty(0, np.int64)).n_rows == 0
    np.testing.assert_array_equal(Rows.identity(4).to_scipy(4).toarray(), np.eye(4))
    assert repr(Rows.identity(4)) == "Rows(4 rows, 4 cells)"


def test_rows_are_frozen_and_what_kernels_get_is_read_only():
    rows = Rows.identity(2)
    with pytest.raises(AttributeError):
        rows.indptr = rows.indices
    assert not any(array.flags.writeable for array in rows.cells)
    assert rows.indices.flags.writeable  # the view alone is
