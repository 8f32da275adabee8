"""What may become a model: every value of a state from outside is checked here, and before it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.features import is_encoding
from palate.errors import ModelFileError, ParameterError
from palate.files import strict_json
from palate.files.item_json import check_item_columns
from palate.models import MODELS, ModelState, Recommender
from palate.models.contract.state import Rated
from palate.sparse import Rows

LARGEST = 1e15  # a million products of two such numbers stay finite in float32
LARGEST_SQUARE = 1e34  # of what goes with the square of a rating or its inverse: no score is a product of two
SQUARES = ("noise_draws_", "prior_precisions_", "day_variances_", "page_variances_", "month_variances_")
INDEX_KINDS = {
    "indptr": ("int64",),
    "indices": ("int32",),
    "keys": ("int64",),
}  # of arrays named so: positions, not numbers to multiply
SEEN = {"indptr": np.int64, "indices": np.int32, "values": np.float32}


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
    state = replace(state, parameters=_plain(state.parameters), learned=_plain(state.learned))
    check_item_columns(state.item_table)
    _check_state(state)
    return state


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
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
        model.check_parameters()
    except ParameterError as error:
        raise ModelFileError(f"a parameter is refused: {error}") from None
    return model


def _check_state(state: ModelState) -> None:
    for name, array in state.arrays.items():
        kinds = kinds_of(name)
        if array.dtype.name not in kinds:
            raise ModelFileError.of(name, f"holds {array.dtype}, not {' or '.join(kinds)}")
        check_finite(name, array)
        largest = LARGEST_SQUARE if name in SQUARES else LARGEST
        if array.dtype.kind == "f" and array.size and max(-array.min(), array.max()) > largest:
            raise ModelFileError.of(name, f"holds a number beyond {largest:g}, with which scores would overflow")
    for name, value in state.learned.items():
        good, form = _LEARNED.get(name, (lambda _: True, ""))
        if not good(value):
            raise ModelFileError.of(name, f"must be {form}")
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


def kinds_of(name: str) -> tuple[str, ...]:
    """Return the dtypes that a learned array may have."""
    return INDEX_KINDS.get(name.rpartition("_")[0].rpartition("_")[2], ("float32", "float64"))


def check_finite(name: str, array: NDArray[Any]) -> None:
    """Refuse NaN and infinite numbers.

    Raises:
        ModelFileError: names the array.
    """
    with np.errstate(invalid="ignore"):
        finite = not array.size or (np.isfinite(array.min()) and np.isfinite(array.max()))  # NaN passes through both
    if not finite:
        raise ModelFileError.of(name, "holds NaN or an infinite number")


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


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_score(value: Any) -> bool:
    return _is_number(value) and abs(value) <= LARGEST


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]


def _is_whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(record, dict) and all(map(_is_number, record.values())) for record in value
    )


def _is_levels(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_score, value)) and value == sorted(set(value))


def _is_variances(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_number(one) and 0 <= one <= LARGEST_SQUARE for one in value.values())


def _is_encoding(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_encoding, value))


_LEARNED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "user_encoding_": (_is_encoding, "a list of columns and how they became numbers"),
    "item_encoding_": (_is_encoding, "a list of columns and how they became numbers"),
    "mean_": (_is_score, f"a number within {LARGEST:g}"),
    "rating_range_": (_is_range, "two numbers, the lowest first"),
    "history_": (_is_history, "a list of records of numbers"),
    "refit_history_": (_is_history, "a list of records of numbers"),
    "mean_score_error_": (lambda value: _is_score(value) and value >= 0, "a number of at least 0"),
    "levels_": (_is_levels, "numbers, ascending"),
    "time_variances_": (_is_variances, "numbers of at least 0 by name"),
    "draws_": (lambda value: _is_score(value) and value >= 0, "a number of at least 0"),
    "n_warm_": (_is_whole, "a whole number"),
    "best_epoch_": (_is_whole, "a whole number"),
    "seed_": (_is_whole, "a whole number"),
    "epoch_chosen_on_": (lambda value: isinstance(value, str), "text"),
    "interrupted_": (lambda value: isinstance(value, bool), "true or false"),
}
