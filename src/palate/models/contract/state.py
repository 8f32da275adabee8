"""A fitted model as plain data, and the check of positions given to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.errors import ModelFileError, ParameterError
from palate.models.ridge.rows import feature_names
from palate.sparse import Rows


@dataclass(frozen=True, eq=False)
class Rated:
    """What makes an item popular.

    Attributes:
        counts: (n_items,) int64, its rows in training.
        means: (n_items,) float64, the mean of their values; 0 without a row.
    """

    counts: NDArray[np.int64]
    means: NDArray[np.float64]

    @classmethod
    def of(cls, item_index: NDArray[Any], values: NDArray[Any], n_items: int) -> Rated:
        """Return it of training rows."""
        counts = np.bincount(item_index, minlength=n_items)
        means = np.bincount(item_index, values, minlength=n_items) / np.maximum(counts, 1)
        return cls(counts, means)


@dataclass(frozen=True)
class ModelState:
    """All that a fitted model is, as plain data: what a model file holds.

    Attributes:
        key: the model's key in ``MODELS``.
        parameters: constructor parameters (JSON values).
        learned: learned scalars and the history (JSON values), by attribute name.
        arrays: learned arrays by attribute name, shapes as in the class's ``learned_arrays``.
        users, items: the ids of the rows and columns.
        seen: training interactions as compressed rows, or None where they were not kept.
        item_table: one row an item in index order: item_id, title, and further columns to show and filter by.
        rated: how often and how well each item was rated, where the training rows that tell it were not kept; None
            beside them, and in files that are older than it.
    """

    key: str
    parameters: Mapping[str, Any]
    learned: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    users: Ids
    items: Ids
    seen: Rows | None
    item_table: pl.DataFrame
    rated: Rated | None = None


def positions(what: str, index: Any) -> NDArray[Any]:
    """Return positions as a flat array.

    Raises:
        ParameterError: they are no flat list of whole numbers.
    """
    array = np.asarray(index)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        shape = f"{array.dtype} of shape {array.shape}"
        raise ParameterError.of(what, f"positions must be a flat array of whole numbers, got {shape}", value=shape)
    return array


def restore(model: Any, state: ModelState) -> None:
    """Give an unfitted model the learned state that ``state`` describes.

    Raises:
        ModelFileError: learned values, arrays or their shapes are not those of the model's class.
    """
    sizes = {"n_users": len(state.users), "n_items": len(state.items)}
    for name, words in model.learned_arrays.items():
        array = state.arrays[name]
        shape = tuple(sizes.setdefault(word, size) for word, size in zip(words, array.shape, strict=False))
        if array.shape != shape or array.ndim != len(words):
            raise ModelFileError.of(name, f"has shape {array.shape}, but {' x '.join(words)} is {shape}")
        setattr(model, name, array)
    _check_features(sizes, state.learned)
    if len(state.item_table) != len(state.items):
        raise ModelFileError.of("the item table", f"has {len(state.item_table)} rows for {len(state.items)} items")
    for name, value in state.learned.items():
        setattr(model, name, value)
    model.rating_range_ = (float(model.rating_range_[0]), float(model.rating_range_[1]))
    model.users_, model.items_ = state.users, state.items
    model.seen_, model.item_table_, model.rated_ = state.seen, state.item_table, state.rated


def _check_features(sizes: Mapping[str, int], learned: Mapping[str, Any]) -> None:
    """Refuse features of a model that are not as many as its rows and its encodings say.

    Raises:
        ModelFileError: says what does not fit.
    """
    for side in ("user", "item"):
        n_features = sizes.get(f"n_{side}_features")
        if n_features is None:
            continue
        encoding = learned[f"{side}_encoding_"]
        named = len(feature_names(encoding)) if encoding else 0
        if n_features != named:
            raise ModelFileError.of(f"{side}_encoding_", f"names {named} features, the arrays hold {n_features}")
    n_rows = sizes.get("n_users_with_features", 0)
    if n_rows != (sizes["n_users"] if sizes.get("n_user_features") else 0):
        raise ModelFileError.of("user_features_", f"has {n_rows} rows for {sizes['n_users']} users: out of step")


def check_names(cls: Any, state: ModelState) -> None:
    """Refuse a state whose parameters, learned values or arrays are not those of the class.

    Raises:
        ModelFileError: names those that are too many or missing.
    """
    for what, given, wanted in (
        ("parameters", set(state.parameters), set(cls.parameter_names())),
        ("learned values", set(state.learned), set(cls.learned_scalars)),
        ("arrays", set(state.arrays), set(cls.learned_arrays)),
    ):
        if given != wanted:
            odd = ", ".join(sorted(given ^ wanted))
            raise ModelFileError.of(f"the {what} of a {cls.__name__}", f"are not as they should be: {odd}")
