"""The same fitted model with its items, or its users, in another order: whatever it answers must be the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from palate.data.ids import Ids
from palate.data.interactions import Rows
from palate.models.contract.state import Rated

OF_ITEMS = {"n_items", "n_items_had", "n_incidence", "n_projected", "n_intercepts", "n_items_between"}  # of shapes
SPARSE = ("weights_indptr_", "weights_indices_", "weights_values_")


def with_items_in_order(model, order):
    """Return the model whose item at position p is the one that stood at ``order[p]``."""
    return type(model).from_state(state_in_order(model, order))


def state_in_order(model, order):
    """Return the state of that model, and of its parts."""
    state, n = model.state(), len(order)
    arrays = {name: moved(array, model.learned_.ARRAYS[name].axes, order) for name, array in state.arrays.items()}
    if len(arrays.get("weights_indptr_", ())):
        indptr, indices, values = (state.arrays[name] for name in SPARSE)
        square = sparse.csr_matrix((values, indices, indptr), (n, n))[order][:, order]
        square.sort_indices()
        parts = square.indptr.astype(np.int64), square.indices.astype(np.int32), square.data
        arrays.update(zip(SPARSE, parts, strict=True))
    rated = state.rated and Rated(state.rated.counts[order], state.rated.means[order])
    return replace(
        state,
        arrays=arrays,
        items=Ids(state.items.values[order], "item"),
        item_table=state.item_table[order],
        seen=state.seen and columns_moved(state.seen, order),
        rated=rated,
        parts=tuple(state_in_order(part, order) for part in model.fitted_parts),
    )


def moved(array, words, order):
    """Return an array with each axis of items in the new order."""
    for axis, word in enumerate(words):
        if word in OF_ITEMS and array.shape[axis] == len(order):
            array = np.take(array, order, axis)
    return np.ascontiguousarray(array)


def columns_moved(rows, order):
    """Return compressed rows over the items in the new order."""
    assert rows.weights is None
    places = np.argsort(order).astype(np.int32)
    row = np.repeat(np.arange(len(rows.indptr) - 1), np.diff(rows.indptr))
    new = places[rows.indices]
    by = np.lexsort((new, row))
    return Rows(rows.indptr, new[by], rows.values[by])


def data_with_items_in_order(data, order):
    """Return the same rows, the ids of the items in another order."""
    places = np.argsort(order).astype(np.int32)
    return replace(data, item_index=places[data.item_index], items=Ids(data.items.values[order], "item"))
