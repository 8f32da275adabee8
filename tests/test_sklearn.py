"""`RatingRegressor` in scikit-learn's hands: its own checks, its searches, pipelines of folds, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from synthetic import low_rank

from palate import ALS, BPR, MODELS
from palate.errors import DataError, MissingExtraError, ParameterError, UnknownIdError
from palate.integrations import sklearn as ours
from palate.integrations.sklearn import RatingRegressor

SMALL = ALS(n_factors=2, n_epochs=3, random_state=0)


@pytest.fixture(scope="module")
def pairs():
    data = low_rank()
    X = np.column_stack([data.users.values.to_numpy()[data.user_index], data.items.values.to_numpy()[data.item_index]])
    return X, data.values.astype(np.float64)


@parametrize_with_checks([RatingRegressor(SMALL, on_duplicate="mean")])
def test_scikit_learns_checks_pass(estimator, check, monkeypatch):
    """The checks' made-up data mostly have 3 to 10 columns: all but the first two are left out, here alone."""
    as_it_is = ours._pairs
    monkeypatch.setattr(ours, "_pairs", lambda X: as_it_is(X[:, :2] if X.shape[1] > 2 else X))
    check(estimator)


def test_it_is_the_model_and_predicts_the_mean_for_unknown_ids(pairs):
    X, y = pairs
    data = low_rank()
    fitted, model = RatingRegressor(SMALL).fit(X, y), clone(SMALL).fit(data)
    np.testing.assert_array_equal(fitted.predict(X), model.predict(X[:, 0].tolist(), X[:, 1].tolist()))
    np.testing.assert_array_equal(fitted.model_.user_factors_, model.user_factors_)
    np.testing.assert_array_equal(fitted.predict([[9, X[0, 1]], [X[0, 0], 9]]), [fitted.mean_] * 2)
    assert not hasattr(SMALL, "users_")  # the model given stays as it is
    assert (fitted.n_features_in_, fitted.mean_) == (2, y.mean())
    assert fitted.score(X, y) > 0.3


@pytest.mark.parametrize("key", [key for key, cls in MODELS.items() if cls.score_kind == "rating"])
def test_every_model_of_ratings_by_its_key(pairs, key):
    given = {"n_sweeps": 10, "n_burn_in": 2, "n_epochs": 3, "random_state": 0}
    cls = MODELS[key]
    model = cls(**{name: value for name, value in given.items() if name in cls.parameter_names()})
    assert np.isfinite(RatingRegressor(model).fit(*pairs).predict(pairs[0])).all()
    assert RatingRegressor(key).get_params()["model"] == key


def test_a_grid_search_finds_what_a_loop_finds(pairs):
    X, y = pairs
    folds = 3
    grid = {"model__n_factors": [1, 4], "model__reg": [0.5, 5.0]}
    search = GridSearchCV(RatingRegressor(SMALL), grid, scoring="neg_root_mean_squared_error", cv=folds).fit(X, y)
    by_hand = {
        (k, reg): cross_val_score(
            RatingRegressor(clone(SMALL).set_params(n_factors=k, reg=reg)),
            X,
            y,
            scoring="neg_root_mean_squared_error",
            cv=folds,
        ).mean()
        for k in (1, 4)
        for reg in (0.5, 5.0)
    }
    best = max(by_hand, key=by_hand.get)
    assert tuple(search.best_params_[name] for name in grid) == best
    assert search.best_score_ == pytest.approx(by_hand[best])
    assert search.best_estimator_.model.n_factors == best[0]


def test_a_grid_of_models(pairs):
    search = GridSearchCV(RatingRegressor("baseline"), {"model": ["baseline", SMALL]}, cv=3).fit(*pairs)
    assert len(search.cv_results_["params"]) == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_text_frames_and_mixed_columns(pairs):
    X, y = pairs
    users = [f"u{one}" for one in X[:, 0]]
    mixed = np.column_stack([np.array(users, object), X[:, 1].astype(object)])
    frame = pl.DataFrame({"who": users, "what": X[:, 1]})
    from_array, from_frame = RatingRegressor(SMALL).fit(mixed, y), RatingRegressor(SMALL).fit(frame, y)
    np.testing.assert_array_equal(from_array.predict(mixed), from_frame.predict(frame))
    assert from_frame.feature_names_in_.tolist() == ["who", "what"]
    assert (from_array.model_.users_.kind, from_array.model_.items_.kind) == ("text", "integer")
    whole = RatingRegressor(SMALL).fit(X.astype(float), y)
    np.testing.assert_array_equal(whole.predict(X), RatingRegressor(SMALL).fit(X, y).predict(X))


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda X, y: RatingRegressor("alss").fit(X, y), ParameterError, "no model 'alss'; did you mean 'als'?"),
        (lambda X, y: RatingRegressor(7).fit(X, y), ParameterError, "model must be a model or one of .*, got 7"),
        (lambda X, y: RatingRegressor(BPR()).fit(X, y), ParameterError, "bpr ranks and predicts no values: take .*als"),
        (lambda X, y: RatingRegressor().fit(X[:, :1], y), DataError, r"must have two columns.*, got 1 feature"),
        (lambda X, y: RatingRegressor().fit(X + 0.5, y), DataError, r"the user ids in X must be all whole .*, got \d"),
        (lambda X, y: RatingRegressor().fit(X * 1e16, y), DataError, "the user ids in X must be all whole numbers"),
        (lambda X, y: RatingRegressor().fit(X[[0, 0]], y[:2]), DataError, "pair stands again"),
        (lambda X, _: RatingRegressor().predict(X), Exception, "not fitted yet"),
        (lambda X, y: RatingRegressor(SMALL).fit(X, y).predict(X.astype(str)), UnknownIdError, "integers here"),
        (lambda X, y: GridSearchCV(ALS(), {"reg": [1]}).fit(X, y), ParameterError, r"RatingRegressor\(ALS\(\)\).*tune"),
        (
            lambda X, y: GridSearchCV(BPR(), {"draw": [1]}).fit(X, y),
            ParameterError,
            "not from X and y: palate.tune searches",
        ),
    ],
)
def test_what_is_refused(pairs, make, error, said):
    with pytest.raises(error, match=said):
        make(*pairs)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "palate.integrations.sklearn")
    with pytest.raises(MissingExtraError, match=r"pip install 'palate\[sklearn\]'"):
        __import__("palate.integrations.sklearn")
