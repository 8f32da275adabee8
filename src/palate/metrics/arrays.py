"""What the metrics share: types, checks of lists and rows, and divisions that may have nothing below the line."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.parallel import chunks
from palate.sparse import Array as Array
from palate.sparse import Rows

Values = NDArray[np.float64]
ItemLists = NDArray[np.int32]
Number = TypeVar("Number", bound=np.generic)
CELLS = 1 << 20  # numbers held at once by what works in blocks


def ratio(above: Array, below: Array, otherwise: float = np.nan) -> Values:
    """Return above / below, and ``otherwise`` where below is not above 0; shaped as above."""
    out: Values = np.full(above.shape, otherwise, np.float64)
    np.divide(above, below, out=out, where=np.broadcast_to(below > 0, above.shape))
    return out


def row_of_cells(rows: Rows) -> NDArray[np.int64]:
    """Return the row of each cell, (n,)."""
    return rows.row_of_cells().astype(np.int64)


def take_rows(rows: Rows, index: Array) -> Rows:
    """Return these rows, in this order: the relevant items of the users that got lists, say."""
    return rows.take(index)


def cut(lists: NDArray[Number], k: int) -> NDArray[Number]:
    """Return the first k places of (m, width) lists, or of marks beside them.

    Raises:
        ParameterError: k is below 1, or the lists are shorter.
    """
    if not 1 <= k <= lists.shape[1]:
        raise ParameterError.of(
            "k", f"must be from 1 to {lists.shape[1]}, the length of the lists, got {k}; ask for longer"
        )
    return lists[:, :k]


def check_lists(lists: ItemLists, n_items: int) -> None:
    """Refuse lists that are not (m, width) distinct positions below n_items, or -1.

    Raises:
        ParameterError: says which list is at fault.
    """
    if lists.ndim != 2 or not np.issubdtype(lists.dtype, np.integer):
        raise ParameterError.of(
            "lists", f"must be whole numbers of shape (m, k), got {lists.dtype} of shape {lists.shape}"
        )
    if lists.size and (lists.min() < -1 or lists.max() >= n_items):
        raise ParameterError.of("lists", f"must hold item positions from 0 to {n_items - 1}, or -1 where there is none")
    for block in chunks(len(lists), max(1, CELLS // max(1, lists.shape[1]))):
        ordered = np.sort(lists[block], axis=1)
        twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
        if twice.any():
            raise ParameterError(
                f"list {block.start + int(twice.argmax())} holds an item twice; each may stand once", subject="lists"
            )


def check_rows(rows: Rows, n_rows: int, n_items: int, name: str) -> None:
    """Refuse rows that are not n_rows, not sorted by item, hold one twice or one out of the catalogue.

    Raises:
        ParameterError: names the rows.
    """
    if rows.n_rows != n_rows:
        raise ParameterError.of(name, f"has {rows.n_rows} rows for {n_rows} users; take_rows picks users")
    items = rows.indices
    if len(items) and (items.min() < 0 or items.max() >= n_items):
        raise ParameterError.of(name, f"items must be positions from 0 to {n_items - 1}")
    follows = np.ones(len(items), bool)
    follows[rows.indptr[:-1][rows.sizes > 0]] = False
    if (items[1:] <= items[:-1])[follows[1:]].any():
        raise ParameterError.of(name, "rows must be sorted by item, each item once; Interactions.by_user gives such")
