"""Sparse matrices in and out, as ratings and as features."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from palate import ALS, Interactions
from palate.data.features import Features, is_encoding
from palate.data.ids import Ids
from palate.errors import DataError

DENSE = np.array([[5, 0, 3], [0, 0, 0], [0, 1, 0]], float)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "coo_matrix", "lil_matrix", "dok_matrix", "csr_array"])
def test_stored_cells_are_rows_and_empty_rows_are_people(form):
    data = Interactions.from_scipy(getattr(sparse, form)(DENSE), users=["z", "b", "a"], items=[30, 20, 10])
    assert sorted(data.to_table().rows()) == [("a", 20, 1), ("z", 10, 3), ("z", 30, 5)]
    assert data.users.values.to_list() == ["z", "b", "a"]
    assert (data.n_users, data.n_items) == (3, 3)
    assert data.to_scipy().toarray().tolist() == DENSE.tolist()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 5)), unique_by=lambda c: c[:2]))
def test_a_matrix_comes_back_as_it_was(cells):
    row, column, value = np.array(cells, int).reshape(-1, 3).T
    if not len(cells):
        return
    matrix = sparse.csr_matrix((value.astype(float), (row, column)), (5, 6))
    back = Interactions.from_scipy(matrix).to_scipy()
    assert back.nnz == len(cells)  # stored zeros too
    assert (back != matrix).nnz == 0


def test_models_learn_from_it():
    data = Interactions.from_scipy(sparse.csr_matrix(DENSE), rating_range=(1, 5))
    assert np.isfinite(ALS(2, n_epochs=2, random_state=0).fit(data).predict([0, 1], [1, 2])).all()


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        (DENSE, {}, r"a sparse matrix of two dimensions is needed, got ndarray: scipy.sparse.csr_matrix makes one"),
        (sparse.csr_matrix(DENSE), {"users": [1]}, "the matrix has 3 rows, and 1 user ids were given"),
        (sparse.csr_matrix(DENSE), {"items": [1, 2, 2]}, "item ids repeat"),
        (sparse.coo_matrix(([1.0, 2], ([0, 0], [1, 1]))), {}, "1 cells of the matrix are stored again"),
        (sparse.csr_matrix([[np.nan, 1]]), {}, r"value is missing: 1 of 2 \(stored cell 0\)"),
        (sparse.csr_matrix(DENSE), {"rating_range": (1, 3)}, "value is outside 1 to 3, such as 5"),
        (sparse.csr_matrix((2, 2)), {}, "the matrix is empty"),
    ],
)
def test_matrices_that_are_refused(matrix, options, message):
    with pytest.raises(DataError, match=message):
        Interactions.from_scipy(matrix, **options)


def test_faulty_cells_can_be_left_out():
    data = Interactions.from_scipy(sparse.csr_matrix([[np.nan, 1]]), on_missing="drop")
    assert data.to_table().rows() == [(0, 1, 1)]
    assert dict(data.dropped) == {"value is missing": 1}


def test_features_of_a_matrix_are_taken_as_they_are():
    found = Features.from_scipy(sparse.csr_matrix([[1, 0], [0, 2.5]]), [7, 9], "item", names=["sweet", "old"])
    assert found.names == ("all", "sweet", "old")
    assert found.on(Ids([9, 7], "item")).tolist() == [[1, 0, 2.5], [1, 1, 0]]
    assert all(is_encoding(dict(spec)) for spec in found.encoding)
    new = Features.from_table({"item_id": [1], "sweet": [3.0], "old": [1]}, "item", encoding=found.encoding)
    assert new.matrix.tolist() == [[1, 3, 1]]
    assert Features.from_scipy(sparse.csr_matrix([[1, 0]]), ["a"], "user").names == ("all", "feature 0", "feature 1")


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        (DENSE, {}, "a sparse matrix of two dimensions is needed"),
        (sparse.csr_matrix(DENSE), {"names": ["a"]}, "the matrix has 3 columns: each needs one name of its own, got 1"),
        (sparse.csr_matrix(DENSE), {"names": ["a", "b", "a"]}, "each needs one name of its own"),
        (sparse.csr_matrix([[np.inf], [1], [1]]), {}, "holds a number that is not finite"),
        (sparse.csr_matrix((3, 2**31)), {}, "features are kept dense, and 3 x 2,147,483,648 are too many"),
    ],
)
def test_matrices_of_features_that_are_refused(matrix, options, message):
    with pytest.raises(DataError, match=message):
        Features.from_scipy(matrix, [1, 2, 3], "item", **options)


def test_features_of_dicts_are_those_of_the_table():
    people = {1: {"age": 30, "town": "A"}, 2: {"town": "A"}, 3: {"age": 50, "town": "B"}}
    table = {"user_id": [1, 2, 3], "age": [30, None, 50], "town": ["A", "A", "B"]}
    one, other = Features.from_dict(people, "user"), Features.from_table(table, "user")
    assert one.names == other.names
    assert one.matrix.tolist() == other.matrix.tolist()
    tags = Features.from_dict({"a": ["x", "y"], "b": {"tags": ["x"]}, "c": []}, "item")
    assert tags.names == ("all", "tags=x", "tags=y")
    assert tags.matrix.tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("given", [{}, [1], {1: "x"}, {1: 5}, {1: [2]}])
def test_dicts_that_are_refused(given):
    with pytest.raises(DataError, match="from_dict takes "):
        Features.from_dict(given, "user")
