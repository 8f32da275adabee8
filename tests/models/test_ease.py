"""EASE: the closed form against regressions one by one; dropout, sparse weights, memory, files."""

import naive
import numpy as np
import pytest
from altered import alter
from synthetic import interactions, low_rank

from palate import files
from palate.errors import DivergenceError, ModelFileError, ParameterError
from palate.models import EASE
from palate.models.items import square


@pytest.fixture(scope="module")
def data():
    return low_rank(25, 12, 120)


def matrix(data):
    X = np.zeros((data.n_users, data.n_items))
    X[data.user_index, data.item_index] = 1
    return X


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_weights_are_those_of_one_regression_an_item(data, dropout):
    m = EASE(2.0, dropout=dropout, positive="any", dtype="float64").fit(data)
    expected = naive.ease(matrix(data), 2.0, dropout)
    np.testing.assert_allclose(m.weights_, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(m.score_rows(np.arange(25)), matrix(data) @ expected, rtol=1e-5, atol=1e-6)
    single = EASE(2.0, dropout=dropout, positive="any").fit(data)
    np.testing.assert_allclose(single.weights_, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_a_large_matrix_is_inverted_by_blocks(data, monkeypatch, size):
    whole = EASE(3.0, positive="any", dtype="float64").fit(data)
    monkeypatch.setattr(square, "MOST_AT_ONCE", 5)
    monkeypatch.setattr(square, "BLOCK", size)
    model = EASE(3.0, positive="any", dtype="float64").fit(data)
    np.testing.assert_allclose(model.weights_, whole.weights_, rtol=0, atol=1e-12)


def test_blocks_find_a_matrix_without_inverse():
    assert not square.invert_by_blocks(np.diag([1.0, 2.0, -1.0, 3.0]), 2)


def test_no_direction_lowers_the_objective(data):
    m = EASE(1.5, positive="any", dtype="float64").fit(data)
    X, rng = matrix(data), np.random.default_rng(0)

    def objective(B):
        return np.square(X - X @ B).sum() + 1.5 * np.square(B).sum()

    lowest = objective(m.weights_)
    for _ in range(100):
        step = rng.standard_normal(m.weights_.shape) * 1e-3
        np.fill_diagonal(step, 0)
        assert objective(m.weights_ + step) > lowest


def test_counts_and_weights_of_rows_are_sizes(data):
    m = EASE(2.0, positive="values", dtype="float64").fit(data)
    X = np.zeros((data.n_users, data.n_items))
    X[data.user_index, data.item_index] = data.values
    np.testing.assert_allclose(m.weights_, naive.ease(X, 2.0), rtol=1e-6, atol=1e-8)


def test_a_large_penalty_leaves_nothing(data):
    assert np.abs(EASE(1e9, positive="any").fit(data).weights_).max() < 1e-6


def test_sparse_weights_are_the_largest_of_each_column_and_score_alike(data, tmp_path):
    dense = EASE(2.0, positive="any").fit(data)
    sparse = EASE(2.0, positive="any", n_neighbors=4).fit(data)
    B = np.zeros((12, 12), np.float32)
    for j in range(12):
        column, weights = sparse.weights_indices_, sparse.weights_values_
        part = slice(sparse.weights_indptr_[j], sparse.weights_indptr_[j + 1])
        B[j, column[part]] = weights[part]
    for i in range(12):
        top = np.argsort(-np.abs(dense.weights_[:, i]))[:4]
        assert set(np.flatnonzero(B[:, i])) == set(top)
        np.testing.assert_array_equal(B[top, i], dense.weights_[top, i])
    np.testing.assert_allclose(sparse.score_rows(np.arange(25)), matrix(data) @ B, atol=1e-5)
    found = sparse.explain(100, 1003)
    assert found.parts["contribution"].sum() == pytest.approx(found.score, abs=1e-6)
    files.save(sparse, tmp_path / "m")
    assert files.load(tmp_path / "m").recommend(100, 5).equals(sparse.recommend(100, 5))
    whole = EASE(2.0, positive="any", n_neighbors=11).fit(data)
    np.testing.assert_array_equal(whole.weights_, dense.weights_)


def test_likeness_is_the_weight_from_the_item_had(data):
    m = EASE(2.0, positive="any").fit(data)
    row = m.weights_[3].astype(float)
    row[3] = -np.inf
    found = m.similar_items(1003, 5)
    assert found["item_id"].to_list() == (np.argsort(-row)[:5] + 1000).tolist()
    np.testing.assert_allclose(found["score"], np.sort(row)[::-1][:5], atol=1e-7)


def test_memory_is_the_square_of_the_items(data, monkeypatch):
    wide = interactions(range(50_000), range(50_000))
    assert EASE(1.0).memory_estimate(wide) == pytest.approx(4 * 50_000**2, rel=0.01)
    monkeypatch.setattr("palate.models.contract.memory.memory_limit", lambda: 8 * 10**9)
    with pytest.raises(ParameterError, match=r"EASE with 50,000 rows .* needs 10\.0 GB .*solver='neighbors'.*"):
        EASE(1.0).fit(wide)


def test_a_penalty_too_small_is_refused():
    twins = interactions([1, 1, 2, 2], [1, 2, 1, 2])
    with pytest.raises(DivergenceError, match="cannot be solved in float32: reg=1e-20 is too small"):
        EASE(1e-20).fit(twins)


def test_weights_of_a_file_that_do_not_fit_are_refused(data):
    dense, sparse = EASE(2.0, positive="any").fit(data), EASE(2.0, positive="any", n_neighbors=2).fit(data)
    for m, name, value, message in (
        (dense, "weights_", np.zeros((3, 12), np.float32), "a row for each of the 12 items"),
        (dense, "weights_indptr_", np.zeros(13, np.int64), "and no others beside"),
        (sparse, "weights_indptr_", np.zeros(13, np.int64), "does not rise from 0 to the 24 weights"),
        (sparse, "weights_indices_", np.full(24, 12, np.int32), "leaves the range of the 12 items"),
        (sparse, "weights_values_", np.zeros(23, np.float32), "weights_values_ has 23 numbers for 24 weights"),
    ):
        kept = getattr(m, name)
        alter(m, **{name: value})
        with pytest.raises(ModelFileError, match=message):
            m.check_learned()
        alter(m, **{name: kept})
        m.check_learned()


@pytest.mark.parametrize(
    ("name", "value"),
    [("reg", 0), ("dropout", 1.0), ("dropout", -0.1), ("n_neighbors", 0), ("positive", "no"), ("dtype", "int8")],
)
def test_parameters_outside_their_range_are_refused(data, name, value):
    with pytest.raises(ParameterError, match=name):
        EASE(**{name: value}).fit(data)
