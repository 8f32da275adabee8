"""Items numbered by popularity while a model is computed, so that nothing depends on the caller's numbering."""

from __future__ import annotations

from palate.data.interactions import Interactions
from palate.models.contract.lists import ItemOrder
from palate.models.contract.state import Rated
from palate.sparse import Rows


def popular_first(rows: Rows, data: Interactions) -> tuple[Rows, ItemOrder]:
    """Return rows of the data with the items numbered by popularity, and that order.

    Sums over items, and the choice between equal ones, are then the same for any numbering.
    """
    order = ItemOrder(Rated.of(data.item_index, data.values, data.n_items), data.items)
    return rows.renumber(order.places), order
