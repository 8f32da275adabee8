"""A fitted model as plain data, and the check of positions given to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.data.interactions import Rows
from palate.errors import ParameterError


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
    """

    key: str
    parameters: Mapping[str, Any]
    learned: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    users: Ids
    items: Ids
    seen: Rows | None
    item_table: pl.DataFrame


def positions(what: str, index: Any) -> NDArray[Any]:
    """Return positions as a flat array.

    Raises:
        ParameterError: they are no flat list of whole numbers.
    """
    array = np.asarray(index)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        shape = f"{array.dtype} of shape {array.shape}"
        raise ParameterError(f"{what} positions must be a flat array of whole numbers, got {shape}")
    return array
