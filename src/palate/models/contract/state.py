"""A fitted model as plain data, and the check of positions given to one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.dataset import LearnedLog
from palate.data.ids import Ids
from palate.errors import ModelFileError, ParameterError
from palate.models.contract.learned import Learned
from palate.models.contract.parameters import Parameter
from palate.models.contract.registry import MODELS
from palate.models.ridge.rows import feature_names
from palate.sparse import Rows

L = TypeVar("L", bound=Learned)


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


@dataclass(frozen=True, eq=False)
class Known:
    """What a fitted model keeps of its training part.

    Attributes:
        users, items: the ids of the rows and columns.
        seen: the training rows, or None where they were not kept.
        rated: what is popular, where they were not kept; None beside them, and in files that are older than it.
        item_table: columns of the items to show.
        rating_range: lowest and highest rating.
        log: which log of a store they were read from, or None.
    """

    users: Ids
    items: Ids
    seen: Rows | None
    rated: Rated | None
    item_table: pl.DataFrame
    rating_range: tuple[float, float]
    log: LearnedLog | None = None

    def read(self, name: str) -> Any:
        """Return a value by the name of the model's attribute."""
        return getattr(self, name.removesuffix("_"))


@dataclass(frozen=True)
class ModelState:
    """All that a fitted model is, as plain data: what a model file holds.

    Attributes:
        key: the model's key in ``MODELS``.
        parameters: constructor parameters (JSON values).
        learned: learned scalars and the history (JSON values), by attribute name.
        arrays: learned arrays by attribute name, shapes as in the dataclass of what the model has learned.
        users, items: the ids of the rows and columns.
        seen: training interactions as compressed rows, or None where they were not kept.
        item_table: one row an item in index order: item_id, title, and further columns to show and filter by.
        rated: how often and how well each item was rated, where the training rows that tell it were not kept; None
            beside them, and in files that are older than it.
        log: which log of a store the training rows were read from, or None.
        parts: the states of the fitted models that it is made of, of the same users, items and rows.
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
    log: LearnedLog | None = None
    parts: tuple[ModelState, ...] = ()


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


def known_of(state: ModelState) -> Known:
    """Return what a state says of the training part.

    Raises:
        ModelFileError: the item table has another number of rows than there are items.
    """
    if len(state.item_table) != len(state.items):
        raise ModelFileError.of("the item table", f"has {len(state.item_table)} rows for {len(state.items)} items")
    low, high = state.learned["rating_range_"]
    limits = (float(low), float(high))
    return Known(state.users, state.items, state.seen, state.rated, state.item_table, limits, state.log)


def learned_of(kind: type[L], state: ModelState) -> L:
    """Return what was learned, as a state describes it.

    Raises:
        ModelFileError: an array has another shape than the others and the ids ask for.
    """
    sizes = {"n_users": len(state.users), "n_items": len(state.items)}
    for name, shape in kind.ARRAYS.items():
        shape.match(name, state.arrays[name], sizes)
    _check_features(sizes, state.learned)
    parts = tuple(MODELS[part.key].from_state(part) for part in state.parts)
    return kind.from_values({**state.arrays, **state.learned, "parts_": parts})


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


def brought_up(state: ModelState, declarations: Mapping[str, Parameter], kind: type[Learned]) -> ModelState:
    """Return the state of a file that may be older than a parameter, or than what tells how one was used."""
    before = {name: declared.before.value for name, declared in declarations.items() if declared.before is not None}
    parameters = {**before, **state.parameters}
    learned = dict(state.learned)
    for name, used in kind.USED.items():
        value = parameters.get(name.removesuffix("_"))
        value = parameters.get(used.as_of, used.otherwise) if value is None else value
        if value is not None:
            learned.setdefault(name, value)
    arrays = {name: np.zeros((0,) * len(s.axes), s.dtypes[0]) for name, s in kind.ARRAYS.items() if s.may_lack}
    return replace(state, parameters=parameters, learned=learned, arrays={**arrays, **state.arrays})


def check_names(model: str, parameters: Iterable[str], kind: type[Learned], state: ModelState) -> None:
    """Refuse a state whose parameters, learned values or arrays are not those of the model.

    Raises:
        ModelFileError: names those that are too many or missing.
    """
    for what, given, wanted in (
        ("parameters", set(state.parameters), set(parameters)),
        ("learned values", set(state.learned), {"rating_range_", *kind.SCALARS}),
        ("arrays", set(state.arrays), set(kind.ARRAYS)),
    ):
        if given != wanted:
            odd = ", ".join(sorted(given ^ wanted))
            raise ModelFileError.of(f"the {what} of a {model}", f"are not as they should be: {odd}")
