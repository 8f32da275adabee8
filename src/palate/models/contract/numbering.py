"""Items numbered by popularity while a model is computed, so that nothing depends on the caller's numbering."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from palate.data.interactions import Interactions, Rows
from palate.models.contract.lists import ItemOrder
from palate.models.contract.state import Rated
from palate.models.items.clicks import transpose_rows

Array = NDArray[Any]


def popular_first(rows: Rows, data: Interactions) -> tuple[Rows, ItemOrder]:
    """Return rows of the data with the items numbered by popularity, and that order.

    Sums over items, and the choice between equal ones, are then the same for any numbering.
    """
    order = ItemOrder.of(Rated.of(data.item_index, data.values, data.n_items), data.items)
    return renumbered(rows, order.places), order


def renumbered(rows: Rows, places: Array) -> Rows:
    """Return compressed rows whose column j stands at ``places[j]``, the cells of each row ascending."""
    moved = replace(rows, indices=places[rows.indices])
    return transpose_rows(transpose_rows(moved, len(places)), len(rows.indptr) - 1)


def square_renumbered(rows: Rows, places: Array) -> Rows:
    """Return a square matrix in compressed rows whose row and column j stand at ``places[j]``."""
    columns = transpose_rows(replace(rows, indices=places[rows.indices]), len(places))
    return transpose_rows(replace(columns, indices=places[columns.indices]), len(places))
