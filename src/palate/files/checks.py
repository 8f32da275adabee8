"""What may become a model: every value of a state from outside is checked here, and before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import NoneType
from typing import Any

import numpy as np
import polars as pl

from palate.data.dataset import LearnedLog
from palate.errors import ModelFileError, ParameterError
from palate.files import strict_json
from palate.files.item_json import check_item_columns
from palate.models import MODELS, ModelState, Recommender
from palate.models.contract.learned import RATING_RANGE, Check, Shape, check_finite
from palate.models.contract.state import Rated
from palate.sparse import Rows

SEEN = {"indptr": np.int64, "indices": np.int32, "values": np.float32}
_LOG = {
    "store": (str,),
    "namespace": (str,),
    "trained_to": (int, NoneType),
    "newest_event": (int, NoneType),
    "read": (int,),
}


def class_of(key: str) -> type[Recommender]:
    """Return the class of a key.

    Raises:
        ModelFileError: no model has this key.
    """
    if key not in MODELS:
        raise ModelFileError(
            f"unknown model class '{key[:40]}'; this Palate knows {', '.join(MODELS)}", code="unknown_name", subject=key
        )
    return MODELS[key]


def plain_state(state: ModelState) -> ModelState:
    """Return the state of a model with nothing but JSON values besides its arrays, checked as `model_of` does.

    Raises:
        ModelFileError: NaN or an infinite number, or anything that a file cannot hold; names the array or value.
    """
    state = _with_json(state)
    check_item_columns(state.item_table)
    _check_state(state)
    return state


def check_whole(model: Recommender, what: str) -> None:
    """Refuse a model that is made of others where only one model can be written.

    Raises:
        ModelFileError: says how to write it.
    """
    if model.made_of_parts:
        raise ModelFileError(
            f"{what} holds one model, and {model.key} is made of several: save it as a file, or write each of its "
            "fitted_parts",
            code="not_offered",
            subject=model.key,
        )


def _with_json(state: ModelState) -> ModelState:
    parts = tuple(map(_with_json, state.parts))
    return replace(state, parameters=_as_json(state.parameters), learned=_as_json(state.learned), parts=parts)


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: strict_json.loads(strict_json.dumps(value, name), name) for name, value in values.items()}


def model_of(state: ModelState) -> Recommender:
    """Return the fitted model that a state from outside describes, every value checked.

    Raises:
        ModelFileError: an array, shape, parameter or learned value that this class cannot have.
    """
    _check_state(state)
    model = class_of(state.key).from_state(state)
    model.check_learned()
    try:
        for one in (model, *model.fitted_parts):
            one.check_parameters()
    except ParameterError as error:
        raise error.within("a parameter is refused: ", kind=ModelFileError) from None
    return model


def _check_state(state: ModelState) -> None:
    learned = class_of(state.key).learned_.kind
    values = {**state.arrays, **state.learned}
    checks: dict[str, Shape | Check] = {**learned.ARRAYS, **learned.SCALARS, "rating_range_": RATING_RANGE}
    for name, check in checks.items():
        if name in values:  # names that are too many or missing are refused where the model is made
            check.check(name, values[name])
    for part in state.parts:
        _check_part(state, part)
    if state.seen is not None:
        check_seen(state.seen, len(state.users), len(state.items))
    if state.rated is not None:
        check_rated(state.rated, len(state.items))
    table, items = state.item_table, state.items
    if "item_id" not in table.columns or not table["item_id"].equals(items.values):
        raise ModelFileError.of(
            "the item table", f"is out of step with the {len(items)} items: its item_id must be theirs"
        )
    if table.schema.get("title") != pl.String:
        raise ModelFileError.of("the item table", "has no column 'title' of text")


def _check_part(whole: ModelState, part: ModelState) -> None:
    """Refuse a part of a model that takes none, one with parts of its own, and values that its class cannot have."""
    if not class_of(whole.key).made_of_parts or class_of(part.key).made_of_parts:
        raise ModelFileError.of(f"the part {part.key}", f"cannot be one of a {whole.key}")
    _check_state(part)


def check_seen(seen: Rows, n_users: int, n_items: int) -> None:
    """Refuse training rows that are no compressed rows of n_users x n_items.

    Raises:
        ModelFileError: says which of dtype, shape, order or range is wrong.
    """
    for part, dtype in SEEN.items():
        array = getattr(seen, part)
        if array.dtype != dtype or array.ndim != 1:
            raise ModelFileError.of(f"seen.{part}", f"must be one row of {np.dtype(dtype)}")
    indptr, indices, values = seen.indptr, seen.indices, seen.values
    if len(indptr) != n_users + 1:
        raise ModelFileError.of("seen.indptr", f"has {len(indptr)} numbers for {n_users} users; it must have one more")
    if len(indices) != len(values):
        raise ModelFileError.of("seen.indices", f"has {len(indices)} numbers, seen.values {len(values)}")
    if indptr[0] != 0 or indptr[-1] != len(indices) or (indptr[1:] < indptr[:-1]).any():
        raise ModelFileError.of("seen.indptr", f"does not rise from 0 to the {len(indices)} cells")
    if len(indices) and (indices.min() < 0 or indices.max() >= n_items):
        raise ModelFileError.of("seen.indices", f"leaves the range of the {n_items} items")
    falls = np.flatnonzero(indices[1:] <= indices[:-1]) + 1  # only where a row starts may an index not rise
    if not np.isin(falls, indptr).all():
        raise ModelFileError.of("seen.indices", "does not rise within a row")
    check_finite("seen.values", values)
    if seen.weights is not None:
        if seen.weights.dtype != np.float32 or seen.weights.shape != values.shape:
            raise ModelFileError.of("seen.weights", f"must be one row of {len(values)} float32")
        check_finite("seen.weights", seen.weights)
        if len(values) and not seen.weights.min() > 0:
            raise ModelFileError.of("seen.weights", "holds a number that is not above 0")


def check_rated(rated: Rated, n_items: int) -> None:
    """Refuse what does not tell how each of n_items was rated.

    Raises:
        ModelFileError: says which of dtype, length or range is wrong.
    """
    for part, dtype in (("counts", np.int64), ("means", np.float64)):
        array = getattr(rated, part)
        if array.dtype != dtype or array.shape != (n_items,):
            raise ModelFileError.of(f"rated.{part}", f"must be one row of {n_items} {np.dtype(dtype)}")
        check_finite(f"rated.{part}", array)
    if n_items and rated.counts.min() < 0:
        raise ModelFileError.of("rated.counts", "holds a number below 0")


def log_of(given: Any) -> LearnedLog:
    """Return which log of a store the model learned from, as the header says.

    Raises:
        ModelFileError: it says what no store gives.
    """
    if not isinstance(given, dict) or set(given) != set(_LOG):
        raise ModelFileError.of("the 'palate' header's log", f"must have {', '.join(_LOG)}")
    for name, kinds in _LOG.items():
        if type(given[name]) not in kinds or (isinstance(given[name], int) and not -(2**63) <= given[name] < 2**63):
            raise ModelFileError.of(f"the 'palate' header's log.{name}", "is not what a store gives")
    return LearnedLog(**given)


def check_names(where: str, what: str, given: set[str], known: set[str]) -> None:
    """Refuse names that are unknown, and the lack of a known one.

    Raises:
        ModelFileError: names it.
    """
    if given - known:
        raise ModelFileError.of(where, f"has the unknown {what} '{min(given - known)[:40]}'")
    if known - given:
        raise ModelFileError.of(where, f"lacks the {what} '{min(known - given)}'")
