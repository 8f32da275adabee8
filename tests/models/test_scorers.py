"""Scorers of some users, of several scorers' users, and the likeness of items."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import small_models
from synthetic import low_rank

from palate import MODELS
from palate.models.contract import scoring
from palate.models.contract.weights import SparseWeights
from palate.sparse import Rows

KEYS = [key for key in MODELS if "recommend_for" in MODELS[key].supports]
LIKENS = [key for key in MODELS if "similar_items" in MODELS[key].supports]


@pytest.fixture(scope="module")
def data():
    return low_rank()


@pytest.mark.parametrize("key", KEYS)
def test_users_taken_have_the_lists_that_they_have_among_all(key, data):
    ranker = small_models.make(key, n_epochs=2).fit(data).ranker
    users = np.array([7, 2, 2, 11], np.int32)
    whole = ranker.lists(users, 5, excluded=[ranker.had])
    few = ranker.take(users)
    own = few.lists(np.arange(4, dtype=np.int32), 5, excluded=[few.had])
    for name in ("items", "scores", "popular"):
        np.testing.assert_array_equal(getattr(own, name), getattr(whole, name))


@pytest.mark.parametrize("key", KEYS)
def test_people_joined_have_the_scores_that_they_have_alone(key, data):
    model = small_models.make(key, n_epochs=2).fit(data)
    alone = [model.ranker_of(model.seen_.take([user])).scorer for user in (4, 9, 1)]
    every = np.arange(3, dtype=np.int32)
    joined = alone[0].joined(alone[1:]).of_all(every)
    np.testing.assert_array_equal(joined, np.concatenate([scorer.of_all(every[:1]) for scorer in alone]))


@pytest.mark.parametrize("key", KEYS)
def test_scorers_of_other_items_are_not_joined(key, data):
    one, other = (small_models.make(of, n_epochs=2).fit(data).ranker.scorer for of in (key, "ials"))
    if type(one) is not type(other) or key != "ials":
        with pytest.raises(TypeError, match="scorers of other"):
            one.joined([other])


@pytest.mark.parametrize("key", LIKENS)
def test_likeness_goes_by_what_similar_items_goes_by(key, data):
    model = small_models.make(key, n_epochs=2).fit(data)
    items = np.arange(data.n_items, dtype=np.int32)
    likeness = model.ranker.scorer.likeness(items)
    np.testing.assert_allclose(likeness, likeness.T)
    assert likeness.max() <= 1
    weights = np.zeros((data.n_items, data.n_items))
    for like, item, score in (
        model.similar_items(data.items.values, data.n_items - 1).select("like", "item_id", "score").rows()
    ):
        weights[tuple(data.items.index([like, item]))] = score
    off = ~np.eye(data.n_items, dtype=bool)
    both = ((weights + weights.T) / 2)[off]
    largest = np.abs(both).max() if np.abs(likeness[off]).max() == 1 else 1
    np.testing.assert_allclose(likeness[off], both / largest, atol=1e-6)


@pytest.mark.parametrize("block", [1, 7, 40])
def test_the_nearest_rows_are_the_same_found_in_parts(block, monkeypatch):
    """A large catalogue is not held whole in float64; ties between parts go by the places, too."""
    rng = np.random.default_rng(1)
    rows = rng.integers(-1, 2, (40, 3)).astype(np.float32)  # many alike, some of zeros
    itself, places = np.array([0, 13, 39, -1], np.int32), rng.permutation(40).astype(np.int32)
    wanted = np.concatenate([rows[[0, 13, 39]], rng.standard_normal((1, 3), np.float32)])
    for n in (1, 5, 39, 60):
        whole = scoring.nearest(rows, wanted, itself, n, places, 1)
        with monkeypatch.context() as patched:
            patched.setattr(scoring, "UNIT_ROWS", block)
            parts = scoring.nearest(rows, wanted, itself, n, places, 1)
        assert np.array_equal(parts[0], whole[0])
        assert np.array_equal(parts[1], whole[1], equal_nan=True)


@pytest.mark.parametrize(
    ("key", "kept", "lists"), [("ease", False, False), ("ease", True, True), ("ials", False, True)]
)
def test_models_say_whether_they_list_the_users_of_training(key, kept, lists, data):
    assert small_models.make(key, n_epochs=1, store_history=kept).fit(data).lists_its_users is lists


def test_likeness_of_a_few_items_keeps_no_row_of_all_items_for_each():
    n, m, rng = 10_000, 600, np.random.default_rng(3)
    B = Rows.of_sizes(np.full(n, 2), rng.integers(0, m, 2 * n), rng.random(2 * n, np.float32))
    scorer = scoring.WeightScorer(Rows.empty(1), SparseWeights(B, np.zeros(n)))
    items = rng.permutation(m).astype(np.int32)
    scorer.likeness(items[:2])  # compiled
    tracemalloc.start()
    likeness = scorer.likeness(items)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    weights = np.zeros((m, m))
    np.add.at(weights, (B.row_of_cells()[: 2 * m], B.indices[: 2 * m]), B.values[: 2 * m])
    both = (weights + weights.T)[items][:, items]
    apart = ~np.eye(m, dtype=bool)
    np.testing.assert_allclose(likeness[apart], (both / both[apart].max())[apart], rtol=1e-5)
    assert most < m * n * 4  # one row each, of float32
