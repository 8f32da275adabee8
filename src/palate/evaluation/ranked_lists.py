"""A model's lists of some users, and what equal scores, or equal popularity, leave open in them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.metrics import Judged, judge, take_rows
from palate.metrics.arrays import row_of_cells
from palate.models.contract.base import Recommender
from palate.models.contract.lists import Lists
from palate.parallel import chunks
from palate.sparse import Rows

KEYS = 1 << 21  # ranking keys held at once


class RankedLists:
    """A model's lists of some users, and what ties leave open in them.

    Args:
        model: fitted.
        users: (m,) positions.
        width: how long the lists are.
        excluded: rows over all users, of items to leave out.
        allowed: items to choose from, or None for all.
    """

    def __init__(
        self,
        model: Recommender,
        users: NDArray[np.intp],
        width: int,
        excluded: Rows,
        allowed: NDArray[np.bool_] | None,
    ) -> None:
        self.model, self.users, self.width = model, users.astype(np.int32), width
        self.filters: dict[str, Any] = {"excluded": [excluded], "allowed": allowed}

    @cached_property
    def _longer(self) -> Lists:
        """One place more than asked for: it tells whether the last one is a tie."""
        return self.model.lists_index(self.users, self.width + 1, **self.filters)

    @property
    def items(self) -> NDArray[np.int32]:
        """(m, width) as they are shown."""
        return self._longer.items[:, : self.width]

    @property
    def popular(self) -> NDArray[np.bool_]:
        """(m,) who was given the popular list."""
        return self._longer.popular

    def keys(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return what all items are ranked by in these lists, (n, n_items); -inf for items left out."""
        return self.model.ranking_keys(self.users[rows], **self.filters)

    def judged(self, relevant: Rows, n_items: int) -> Judged:
        """Return the lists with their hits marked, and with what to expect where ties decide."""
        lists = self._longer
        keys = np.where(lists.popular[:, None], self.model.item_order.keys[lists.items], lists.scores)
        keys[lists.items < 0] = np.nan

        def tail(rows: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
            parts = chunks(len(rows), max(1, KEYS // n_items))
            tied = [self._tied(rows[part], keys[rows[part], self.width - 1], relevant) for part in parts]
            size, hits, gains = (np.concatenate(column) for column in zip(*tied, strict=True))
            return size, hits, gains

        return judge(np.ascontiguousarray(self.items), relevant, n_items).with_ties(keys, tail)

    def _tied(self, rows: NDArray[np.intp], key: NDArray[np.float64], relevant: Rows) -> tuple[Any, Any, Any]:
        """Return how many items of each list have this key, how many of these are relevant, and their gains."""
        same = self.keys(rows) == key[:, None]
        wanted = take_rows(relevant, rows)
        row = row_of_cells(wanted)
        there = same[row, wanted.indices]
        hits = np.bincount(row[there], minlength=len(rows))
        gains = np.bincount(row[there], wanted.values[there].astype(np.float64), len(rows))
        return same.sum(axis=1), hits, gains
