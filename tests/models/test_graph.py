"""GraphFilter: against whole matrices; what is kept of them, singular vectors, people without clicks, explanations."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from synthetic import interactions, low_rank

from palate.errors import ParameterError
from palate.models import GraphFilter
from palate.models.items.graph_filters import singular_vectors
from palate.sparse import Rows

POWERS = {"linear": 0.5, "sharpening": 0.5, "chebyshev": 0.4}


@pytest.fixture(scope="module")
def data():
    return low_rank(25, 12, 120)


def matrix(data, values=None):
    X = np.zeros((data.n_users, data.n_items))
    X[data.user_index, data.item_index] = 1 if values is None else values
    return X


def dense(model):
    rows = Rows(model.weights_indptr_, model.weights_indices_, model.weights_values_)
    return rows.to_scipy(len(model.items_)).toarray()


@pytest.mark.parametrize("kind", POWERS)
@pytest.mark.parametrize(("k", "weight", "power"), [(0, 0.3, None), (4, 0.3, None), (4, 0.7, 0.2), (12, 0.2, 0.6)])
def test_weights_are_those_of_whole_matrices(data, kind, k, weight, power):
    m = GraphFilter(k, filter=kind, ideal_weight=weight, degree_power=power, positive="any").fit(data)
    expected = naive.graph_filter(matrix(data), kind, k, weight, POWERS[kind] if power is None else power)
    np.testing.assert_allclose(dense(m), expected, atol=2e-5)
    np.testing.assert_allclose(m.score_rows(np.arange(25)), matrix(data) @ expected, atol=1e-4)
    assert m.n_components_ == k


def test_values_count_as_so_many_clicks(data):
    values = np.random.default_rng(0).integers(1, 5, len(data)).astype(float)
    m = GraphFilter(5, positive="values").fit(interactions(data.user_index, data.item_index, values))
    np.testing.assert_allclose(
        dense(m), naive.graph_filter(matrix(data, values), "sharpening", 5, m.ideal_weight, 0.5), atol=2e-5
    )


def test_of_each_row_the_largest_weights_are_kept(data):
    whole = dense(GraphFilter(4, n_neighbors=None, positive="any").fit(data))
    kept = dense(GraphFilter(4, n_neighbors=3, positive="any").fit(data))
    for row, of_all in zip(kept, whole, strict=True):
        largest = np.sort(np.argsort(-np.abs(of_all))[:3])
        np.testing.assert_array_equal(np.flatnonzero(row), largest)
        np.testing.assert_allclose(row[largest], of_all[largest], rtol=1e-4)


def test_singular_vectors_span_the_space_of_the_largest():
    N = np.random.default_rng(0).normal(size=(90, 60)) * (np.random.default_rng(1).random((90, 60)) < 0.2)
    rows = Rows.from_cells(*np.nonzero(N), 90, 60, N[np.nonzero(N)].astype(np.float32))
    V = singular_vectors(rows, 60, 6)
    np.testing.assert_allclose(V.T @ V, np.eye(6), atol=1e-5)
    assert np.square(N @ V).sum() > 0.995 * np.square(np.linalg.svd(N)[1][:6]).sum()
    assert singular_vectors(rows, 60, 1000).shape == (60, 60)
    few = Rows.from_cells(np.arange(40) % 8, np.arange(40) % 5, 8, 5)  # rank 1
    assert singular_vectors(few, 5, 5).shape == (5, 1)


def test_without_a_number_components_follow_from_the_root(data):
    assert GraphFilter(positive="any").fit(data).n_components_ == round(3 * np.sqrt(12))


def test_somebody_new_gets_what_a_known_one_of_the_same_clicks_gets(data):
    m = GraphFilter(4, positive="any").fit(data)
    known, new = m.recommend(data.users.values, 4), m.recommend_for(data, 4)
    assert known["item_id"].equals(new["item_id"])
    np.testing.assert_allclose(known["score"], new["score"], rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"filter": "ideal"}, "filter must be 'linear' or 'sharpening' or 'chebyshev'"),
        ({"n_components": -1}, "n_components must be a whole number of at least 0"),
        ({"degree_power": 1.5}, "degree_power must be a number"),
        ({"ideal_weight": -0.1}, "ideal_weight must be a number of at least 0"),
    ],
)
def test_wrong_parameters_are_refused(data, wrong, told):
    with pytest.raises(ParameterError, match=told):
        GraphFilter(**wrong, positive="any").fit(data)
