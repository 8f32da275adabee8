"""`RatingRegressor`: a model of ratings as scikit-learn's searches, pipelines and cross-validation take it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from palate.data.checking import OnDuplicate
from palate.data.interactions import Interactions
from palate.errors import DataError, ParameterError, missing_extra
from palate.models import MODELS
from palate.models.contract.base import Recommender

try:
    from sklearn.base import BaseEstimator, RegressorMixin, clone
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise missing_extra("sklearn", "a regressor for scikit-learn") from None

COLUMNS = ("user", "item")


class RatingRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Regression of values on pairs of user and item, by any model that predicts values.

    X has two columns, the ids of user and item: whole numbers or text, each column of one kind. Parameters of the model
    are searched by their names behind ``model__``, such as ``{"model__n_factors": [8, 32]}``.

    Args:
        model: a model, which is copied before it is fitted, or its key.
        on_duplicate: what to do with a pair that stands twice: "error" raises one, "mean", "sum" and "last" make one
            row of it.

    Attributes:
        model_: the fitted model.
        mean_: mean of y, predicted where the user or the item is unknown, as it may be in a part of a cross-validation.
        n_features_in_: 2.
        feature_names_in_: the columns' names, of a table with names.
    """

    def __init__(self, model: Recommender | str = "mf", *, on_duplicate: OnDuplicate = "error") -> None:
        self.model = model
        self.on_duplicate = on_duplicate

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Learn from pairs (n, 2) and their values (n,).

        Raises:
            ParameterError: there is no such model, it predicts no values, or one of its parameters is wrong.
            DataError: X has no two columns of ids, or a pair stands twice.
        """
        X, y = validate_data(self, X, y, dtype=None, y_numeric=True)
        table = {**_pairs(X), "rating": np.asarray(y, np.float64)}
        rows = Interactions.from_table(table, on_duplicate=self.on_duplicate)
        self.model_ = _model(self.model).fit(rows)
        self.mean_ = float(np.mean(table["rating"]))
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predicted value of each pair, (n,).

        Raises:
            DataError: X has no two columns of ids.
            UnknownIdError: ids are numbers where those of training were text, or the other way round.
        """
        check_is_fitted(self)
        pairs = _pairs(validate_data(self, X, dtype=None, reset=False))
        sides = zip(pairs.values(), (self.model_.users_, self.model_.items_), strict=True)
        u, i = (ids.index(column, on_unknown="mark") for column, ids in sides)
        known = (u >= 0) & (i >= 0)
        predicted = np.full(len(u), self.mean_)
        predicted[known] = self.model_.predict_index(u[known], i[known])
        return predicted

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of an estimator: ids may be text, and are categories."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = True
        tags.regressor_tags.poor_score = True  # on columns that are no ids
        return tags


def _model(model: Recommender | str) -> Recommender:
    """Return an unfitted model of its own."""
    if isinstance(model, str) and model not in MODELS:
        raise ParameterError.unknown("no model", model, MODELS)
    made = MODELS[model]() if isinstance(model, str) else model
    if not isinstance(made, Recommender):
        raise ParameterError.outside("model", f"a model or one of {', '.join(MODELS)}", made)
    if made.score_kind != "rating":
        able = ", ".join(key for key, cls in MODELS.items() if cls.score_kind == "rating")
        raise ParameterError.of(
            made.key, f"ranks and predicts no values: take {able}, or search with palate.tune", code="not_offered"
        )
    copy: Recommender = clone(made)
    return copy


def _pairs(X: NDArray[Any]) -> dict[str, Any]:
    """Return the columns of ids."""
    if X.shape[1] != len(COLUMNS):
        raise DataError.of(
            "X", f"must have two columns, the ids of user and item, got {X.shape[1]} feature(s)", code="columns"
        )
    return {name: _ids(X[:, at], name) for at, name in enumerate(COLUMNS)}


def _ids(column: NDArray[Any], what: str) -> pl.Series:
    """Return ids as whole numbers or text; numbers that are whole may be of any type, for tables make them so."""
    ids = column.tolist()
    if all(isinstance(id_, str) for id_ in ids):
        return pl.Series(what, ids, pl.String)
    odd = next((id_ for id_ in ids if not _is_whole(id_)), None)
    if odd is not None:
        raise DataError.of(
            f"the {what} ids in X", f"must be all whole numbers or all text, got {odd!r}", code="ids", value=odd
        )
    return pl.Series(what, [int(id_) for id_ in ids], pl.Int64)


def _is_whole(value: Any) -> bool:
    """Return whether this is a whole number that 64 bits, and as a float 53, hold exactly."""
    if isinstance(value, float):
        return value.is_integer() and abs(value) < 2**53
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
