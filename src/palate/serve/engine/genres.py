"""The genres of items, from whatever column holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.models import Recommender

COLUMNS = ("genres", "genre")
NONE = {"", "unknown", "(no genres listed)"}


def genres_of(columns: Mapping[str, Any]) -> list[str]:
    """Return the genres of an item, each once: of a list, or of a text such as "Drama|War"."""
    given: Any = next((columns[name] for name in COLUMNS if columns.get(name)), [])
    every = given.split("|") if isinstance(given, str) else given
    named = [one.strip() for one in every if isinstance(one, str)] if isinstance(every, list | tuple) else []
    return list(dict.fromkeys(one for one in named if one.casefold() not in NONE))


def genres_of_items(model: Recommender, items: NDArray[np.int32] | None = None) -> list[list[str]]:
    """Return the genres of each of a model's items, or of some of them, by its item table."""
    table = model.item_table_ if items is None else model.item_table_[items]
    columns = [name for name in COLUMNS if name in table.columns]
    return [genres_of(row) for row in table.select(columns).to_dicts()] if columns else [[]] * len(table)
