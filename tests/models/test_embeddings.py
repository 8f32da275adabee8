"""Rows as sums of their features' embeddings, in the SGD models: eq. 2, cold rows, content alone, newcomers."""

from __future__ import annotations

import naive
import numpy as np
import polars as pl
import pytest
from synthetic import interactions

from palate import Features
from palate.errors import ParameterError
from palate.models import BPR, WARP, MatrixFactorization

MODELS = pytest.mark.parametrize("cls", [MatrixFactorization, BPR, pytest.param(WARP, marks=pytest.mark.long)])
SETTINGS = {"n_factors": 4, "n_epochs": 60, "random_state": 0, "n_threads": 1, "validation_fraction": 0.0}
OWN = {  # steps large enough for a world of few rows
    MatrixFactorization: {"learning_rate": 0.05, "init_scale": 0.1},
    BPR: {"learning_rate": 0.1, "positive": 3.0},
    WARP: {"learning_rate": 0.02, "positive": 3.0, "reg_users": 0.1, "reg_items": 0.1, "reg_negatives": 0.1},
}


@pytest.fixture(scope="module")
def world():
    """Users of two tastes and items of two kinds; the last items of each kind have no row, nor has the last user."""
    rng = np.random.default_rng(0)
    users = {"user_id": list(range(60)), "taste": ["sweet" if u % 2 else "sour" for u in range(60)]}
    items = {"item_id": list(range(40)), "kind": ["sweet" if i % 2 else "sour" for i in range(40)]}
    cells = [(u, i) for u in range(58) for i in range(36) if rng.random() < (0.6 if u % 2 == i % 2 else 0.12)]
    values = [5.0 if u % 2 == i % 2 else 1.0 for u, i in cells]
    table = {"user": [u for u, _ in cells], "item": [i for _, i in cells], "rating": values}
    data = interactions(table["user"], table["item"], values, rating_range=(1.0, 5.0))
    from palate.data.ids import Ids
    from palate.data.interactions import Interactions

    ids = Ids(list(range(60)), "user"), Ids(list(range(40)), "item")
    whole = Interactions(
        ids[0].index(data.users.at(data.user_index)).astype(np.int32),
        ids[1].index(data.items.at(data.item_index)).astype(np.int32),
        data.values, None, *ids, (1.0, 5.0),
    )  # fmt: skip
    return whole, Features.from_table(users, "user"), Features.from_table(items, "item")


def fitted(cls, world, **changes):
    data, of_users, of_items = world
    return cls(**{**SETTINGS, **OWN[cls], **changes}).fit(data, user_features=of_users, item_features=of_items)


@MODELS
@pytest.mark.parametrize("own", [True, False])
def test_embeddings_are_the_minimum_of_the_objective(cls, own, world):
    data, of_users, _ = world
    changes = {"dtype": "float64", "own_factors": own}
    m = fitted(cls, world, **changes)
    F = of_users.on(data.users).astype(float)
    P = m.user_factors_
    if not own:
        np.testing.assert_allclose(P, F @ m.user_weights_, atol=1e-9)
        return
    counts = np.bincount(data.user_index, minlength=60)
    if cls is MatrixFactorization:
        penalties, reg = m.reg_ * counts, m.reg_ * m.reg_features
    else:
        penalties, reg = m.reg_users * m.draws_ * (counts > 0), m.reg_users * m.reg_features
    np.testing.assert_allclose(m.user_weights_, naive.feature_sums(P, F, penalties, reg), atol=1e-8)
    np.testing.assert_allclose(P[58:], F[58:] @ m.user_weights_, atol=1e-9)
    assert not np.allclose(P[:58], F[:58] @ m.user_weights_, atol=1e-3)


@MODELS
@pytest.mark.parametrize("own", [True, False])
def test_cold_items_and_users_are_known_by_their_features(cls, own, world):
    m = fitted(cls, world, own_factors=own)
    scores = m.score_rows(np.arange(60))
    for items in (range(36, 40), range(30, 36)):  # without rows, and with
        for i in items:
            same, other = scores[i % 2 :: 2, i], scores[1 - i % 2 :: 2, i]
            assert same.mean() > other.mean() + 0.1
    cold = scores[58:]
    assert cold[0, 0::2].mean() > cold[0, 1::2].mean() + 0.1
    assert cold[1, 1::2].mean() > cold[1, 0::2].mean() + 0.1


@MODELS
@pytest.mark.parametrize("own", [True, False])
def test_newcomers_may_bring_features_alone(cls, own, world):
    data, _, _ = world
    m = fitted(cls, world, own_factors=own)
    nobody = interactions(["a", "b"], [0, 1], [5.0, 1.0])
    brought = Features.from_table(
        {"user_id": ["a", "b"], "taste": ["sweet", "sour"]}, "user", encoding=m.user_encoding_
    )
    empty = nobody.take(np.array([], int))
    lists = m.recommend_for(empty, 8, features=brought)
    sweet = lists.filter(user_id="a")["item_id"].to_numpy()
    assert (sweet % 2 == 1).all()
    np.testing.assert_allclose(m.fold_in(empty, brought).factors, m.user_factors_[[59, 58]], atol=1e-5)
    plain = m.fold_in(nobody, brought).factors
    if own:
        assert not np.allclose(plain, m.fold_in(empty, brought).factors)
    else:
        np.testing.assert_array_equal(plain, m.fold_in(empty, brought).factors)
    for user in (3, 58):
        told = m.explain(user, 37)
        assert told.parts["contribution"].sum() == pytest.approx(told.score, abs=1e-5)
        assert "feature" in told.parts["kind"].to_list()
    assert len(data.users) == 60


@MODELS
def test_threads_change_nothing_with_features(cls, world):
    one = fitted(cls, world, n_blocks=3)
    for n_threads in (2, 5):
        other = fitted(cls, world, n_blocks=3, n_threads=n_threads)
        for name in cls.learned_.kind.ARRAYS:
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name))


@MODELS
def test_a_weak_penalty_of_features_lets_them_say_more(cls, world):
    strong, weak = fitted(cls, world, reg_features=1e7), fitted(cls, world, reg_features=0.1)
    assert np.abs(strong.user_weights_).max() < 0.1 * np.abs(weak.user_weights_).max()


@pytest.mark.parametrize(
    "model",
    [MatrixFactorization(2, reg=0), *(cls(2, reg_features=0) for cls in (MatrixFactorization, BPR, WARP))],
    ids=str,
)
def test_features_that_repeat_each_other_need_a_penalty(model):
    data = interactions([1, 1, 2, 2, 3, 3], [1, 2, 1, 2, 1, 2], [1] * 6)
    table = pl.DataFrame({"user_id": [1, 2, 3], "a": ["x", "y", "x"], "b": ["v", "w", "v"]})
    with pytest.raises(ParameterError, match=r"the features repeat each other, .* take a larger reg_features"):
        model.fit(data, user_features=Features.from_table(table, "user"))
