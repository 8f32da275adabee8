"""Features of people and of new items, from their attributes in the store, where the model takes such."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from palate.data.features import Features
from palate.errors import DataError
from palate.models.contract.abilities import FoldsItemsIn, TakesFeatures
from palate.serve.engine.loaded import LoadedVersion
from palate.sparse import Rows
from palate.store.schema import users
from palate.topk import ItemSide

log = logging.getLogger(__name__)


def features_of_people(conn: Connection, loaded: LoadedVersion | None, keys: Sequence[int]) -> dict[int, NDArray[Any]]:
    """Return the features of users, by the store's key, of whom it has attributes; (1, n_features) each."""
    encoding = _encoding(loaded, "user")
    if not encoding:
        return {}
    query = select(users.c.key, users.c.attributes).where(users.c.key.in_(list(keys)), users.c.attributes != "{}")
    rows = [(key, json.loads(attributes)) for key, attributes in conn.execute(query)]
    matrix = encoded([attributes for _, attributes in rows], encoding, "user")
    return {} if matrix is None else {key: matrix[at : at + 1] for at, (key, _) in enumerate(rows)}


def new_items(loaded: LoadedVersion | None, attributes: Sequence[Mapping[str, Any]]) -> ItemSide | None:
    """Return new items as the model scores them by their attributes, None where it cannot."""
    encoding = _encoding(loaded, "item")
    if loaded is None or not encoding or not isinstance(loaded.model, FoldsItemsIn):
        return None
    matrix = encoded(attributes, encoding, "item")
    if matrix is None:
        return None
    factors, biases = loaded.model._fold_items(Rows.empty(len(matrix)), matrix)
    return ItemSide(factors, biases, loaded.model._factors().mean)  # type: ignore[attr-defined]


def encoded(
    attributes: Sequence[Mapping[str, Any]], encoding: Sequence[Mapping[str, Any]], side: Any
) -> NDArray[np.float32] | None:
    """Return attributes as the model's training encoded them; None where there are none, or they cannot be."""
    if not attributes:
        return None
    columns = {spec["column"]: [row.get(spec["column"]) for row in attributes] for spec in encoding}
    try:
        table = pl.DataFrame({f"{side}_id": list(range(len(attributes))), **columns}, strict=False)
        return Features.from_table(table, side, encoding=encoding).matrix
    except (DataError, pl.exceptions.PolarsError) as error:
        log.warning("attributes of %ss that the model cannot read: %s", side, error)
        return None


def _encoding(loaded: LoadedVersion | None, side: str) -> Sequence[Mapping[str, Any]]:
    if loaded is None or not isinstance(loaded.model, TakesFeatures):
        return ()
    return loaded.model._encoding(side)
