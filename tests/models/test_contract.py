"""What every model of MODELS keeps to; what a model cannot do it declares, and the test shows as skipped."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from synthetic import interactions, low_rank

from palate import MODELS, files
from palate.errors import NotFittedError, ParameterError, UnknownIdError

SMALL = {"random_state": 0, "n_factors": 4, "n_epochs": 5, "n_threads": 1}  # where a model has them


def make(key, **changes):
    cls = MODELS[key]
    return cls(**{n: v for n, v in {**SMALL, **changes}.items() if n in cls.parameter_names()})


@pytest.fixture(params=MODELS)
def key(request):
    return request.param


@pytest.fixture
def fitted(key, data):
    return make(key).fit(data)


def every_score(m):
    return m.score_rows(np.arange(len(m.users_)))


def test_the_class_says_what_it_is(key):
    cls = MODELS[key]
    assert cls.key == key
    assert cls.score_kind in ("rating", "probability", "order")
    first, *rest = inspect.signature(cls).parameters.values()
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in rest), first
    assert {"store_history", "n_threads"} <= set(cls.parameter_names())
    assert repr(cls()) == f"{cls.__name__}()"
    assert clone(make(key)).get_params() == make(key).get_params()


def test_the_constructor_only_stores_and_fit_returns_the_model(key, data):
    m = MODELS[key](**{MODELS[key].parameter_names()[0]: "nonsense"})
    with pytest.raises(ParameterError, match=r"must be a .*number .*, got 'nonsense'"):
        m.fit(data)
    for ask in (lambda: m.recommend(100), lambda: m.score_rows(np.arange(2)), m.state):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            ask()
    m = make(key)
    assert m.fit(data) is m
    assert m.history_ == [] or m.best_epoch_ >= 1


def test_scores_rank_and_a_batch_equals_one_by_one(data, fitted):
    users = data.users.values.to_list()
    batch = fitted.recommend(users, 5)
    for user in users[::7]:
        assert batch.filter(user_id=user).equals(fitted.recommend(user, 5))
    scores = every_score(fitted)
    items, best = fitted.rank_index(np.arange(40), 30)
    for u in range(40):
        order = np.lexsort((np.arange(30), -scores[u]))
        assert items[u].tolist() == order.tolist()
        np.testing.assert_array_equal(best[u], scores[u, order])


def test_threads_change_nothing(key, data, fitted):
    for n_threads in (2, 3, 7):
        other = make(key, n_threads=n_threads).fit(data)
        np.testing.assert_array_equal(every_score(other), every_score(fitted))
        assert other.recommend(data.users.values, 4).equals(fitted.recommend(data.users.values, 4))


def test_fitting_again_forgets_and_repeats(key, data, fitted):
    again = make(key).fit(low_rank(seed=5)).fit(data)
    np.testing.assert_array_equal(every_score(again), every_score(fitted))


def test_predictions_are_the_scores_where_they_are_ratings(data, fitted):
    u, i = np.arange(30), np.arange(30)
    if fitted.score_kind == "order":
        with pytest.raises(ParameterError, match=f"^{type(fitted).__name__} orders items and predicts no ratings; use"):
            fitted.predict_index(u, i)
        return
    np.testing.assert_array_equal(fitted.predict_index(u, i, clip=False), fitted.score_index(u, i))
    clipped = fitted.predict(data.users.values[:30], data.items.values[:30])
    assert ((clipped >= 1) & (clipped <= 5)).all()


def test_unknown_users_and_what_was_not_kept(key, data, fitted):
    with pytest.raises(UnknownIdError, match="unknown user id 7"):
        fitted.recommend(7)
    assert fitted.recommend([7, 100], 2, on_unknown="popular")["source"].to_list() == ["popular"] * 2 + ["model"] * 2
    bare = make(key, store_history=False).fit(data)
    assert bare.seen_ is None
    np.testing.assert_array_equal(every_score(bare), every_score(fitted))
    with pytest.raises(ParameterError, match="store_history=False and does not know what users have seen"):
        bare.recommend(100)


def test_users_and_items_without_rows_get_finite_scores(key, data):
    m = make(key).fit(data.take(np.flatnonzero((data.user_index != 5) & (data.item_index != 7))))
    assert np.isfinite(every_score(m)).all()
    assert len(m.recommend(105, 30)) == 30


def test_one_user_one_item_and_a_log_of_clicks(key):
    m = make(key).fit(interactions(["Ann"], ["Tea"]))
    assert m.recommend("Ann", exclude_seen=False)["item_id"].to_list() == ["Tea"]
    assert len(m.recommend("Ann")) == 0
    clicks = make(key).fit(interactions([1, 1, 2, 3], [1, 2, 2, 2]))
    assert len(clicks.recommend([1, 2, 3], 2)) == 0 + 1 + 1


def test_a_saved_model_answers_as_before(data, fitted, tmp_path):
    files.save(fitted, tmp_path / "m")
    loaded = files.load(tmp_path / "m")
    assert type(loaded) is type(fitted)
    np.testing.assert_array_equal(every_score(loaded), every_score(fitted))
    assert loaded.recommend(data.users.values, 3).equals(fitted.recommend(data.users.values, 3))
