"""From positions to the tables that people read, and from their ids and conditions to positions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Id, Ids
from palate.data.interactions import Interactions
from palate.data.items import Condition, matching_items
from palate.errors import ParameterError, UnknownIdError
from palate.models.contract.lists import ItemOrder, Lists
from palate.models.contract.parameters import plain_value
from palate.models.contract.titles import Titles
from palate.sparse import Rows

log = logging.getLogger(__name__)

SOURCES = pl.Series("source", ["model", "popular"])

UserIds = Id | Iterable[Id] | pl.Series


def id_list(ids: Any) -> list[Any]:
    """Return one id (or person) or many as a list of plain ids; their types are checked where they are looked up.

    Raises:
        ParameterError: ids is an array of more than one dimension.
    """
    if isinstance(ids, np.ndarray) and ids.ndim > 1:
        raise ParameterError(f"give one id or a flat list of ids, got an array of shape {ids.shape}", subject="ids")
    if isinstance(ids, np.ndarray) and ids.ndim == 0:
        ids = ids.item()
    several: list[Any] = [ids] if isinstance(ids, str | bytes) or not isinstance(ids, Iterable) else list(ids)
    return [plain_value(given) for given in several]


def check_64_bits(users: Sequence[Id]) -> None:
    """Refuse an integer that the answer's column of ids cannot hold.

    Raises:
        UnknownIdError: names it.
    """
    for user in users:
        if isinstance(user, int) and not -(2**63) <= user < 2**63:
            raise UnknownIdError(f"unknown user id {user}: integer ids have 64 bits", subject="user", value=user)


@dataclass(frozen=True, eq=False)
class ListOptions:
    """What lists are made of.

    Attributes:
        n: how many items a user.
        allowed: (n_items,) items to choose from, or None for all.
        titles: where each title is shown once; else None.
        exclude_seen: leave out what users had.
        exclude: further pairs to leave out, or None.
    """

    n: int
    allowed: NDArray[np.bool_] | None
    titles: Titles | None
    exclude_seen: bool
    exclude: Interactions | None = None

    def width(self, n_items: int) -> int:
        """Return how many items of each user are to be found."""
        return min(self.n, n_items) if self.titles is None else self.titles.wide_enough(self.n)


def rows_of_pairs(exclude: Interactions, users: Ids | Sequence[Id | None], items: Ids) -> Rows:
    """Return pairs to leave out as rows over ``users``; unknown ids need no leaving out."""
    if not isinstance(users, Ids):
        left_out = [np.sort(indices[indices >= 0]) for indices in (items_of(exclude, user, items) for user in users)]
        return Rows.of_sizes([len(indices) for indices in left_out], np.concatenate(left_out))
    user = users.index(exclude.users.values, on_unknown="mark")[exclude.user_index]
    item = items.index(exclude.items.values, on_unknown="mark")[exclude.item_index]
    known = (user >= 0) & (item >= 0)
    return Rows.from_cells(user[known], item[known], len(users), len(items))


def allowed_items(
    items: Ids,
    table: pl.DataFrame,
    allow: Sequence[Id] | None,
    deny: Sequence[Id] | None,
    where: Condition | Sequence[Condition] | None,
) -> NDArray[np.bool_] | None:
    """Return which items may be recommended, or None for all of them.

    Raises:
        UnknownIdError: an item of allow is unknown, or an id of deny is of another type than the model's.
        ParameterError: a condition is wrong.
    """
    if allow is None and deny is None and where is None:
        return None
    allowed = np.ones(len(items), bool)
    if allow is not None:
        allowed[:] = False
        allowed[items.index(id_list(allow))] = True
    if deny is not None:
        denied = items.index(id_list(deny), on_unknown="mark")
        say_unknown("deny", int((denied < 0).sum()), "id", " of items")
        allowed[denied[denied >= 0]] = False
    if where is not None:
        allowed &= matching_items(table, where)
    return allowed


def say_unknown(where: str, count: int, what: str, of: str = "") -> None:
    """Say in one line how many ids, or rows of them, the model does not know and leaves out."""
    if count:
        log.warning(
            "%s: left out %s that training did not know", where, f"{count:,} {what}{'s' if count > 1 else ''}{of}"
        )


def items_of(exclude: Interactions | None, user: Id | None, items: Ids) -> NDArray[np.int32]:
    """Return the items to leave out for a user that the model does not know; -1 for unknown items."""
    if exclude is None or user is None:
        return np.empty(0, np.int32)
    rows = exclude.user_index == exclude.users.index([user], on_unknown="mark")[0]
    return items.index(exclude.items.at(exclude.item_index[rows]), on_unknown="mark")


def popular_items(popular: ItemOrder, allowed: NDArray[np.bool_] | None) -> NDArray[np.int32]:
    """Return the allowed items in the order of popularity.

    Raises:
        ParameterError: the model does not know.
    """
    if not popular.known:
        raise ParameterError(
            "this model, of an older file without training rows, does not know which items are popular; leave out "
            "unknown users, or fit it again",
            code="no_history",
            subject="on_unknown",
        )
    return popular.order if allowed is None else popular.order[allowed[popular.order]]


def list_table(ids: pl.Series, lists: Lists, items: Ids, titles: pl.Series, once: Titles | None) -> pl.DataFrame:
    """Return lists as rows: user_id, rank (from 1), item_id, title, score, and source: "model" or "popular".

    Args:
        ids: of the users.
        lists: theirs.
        items: the model's.
        titles: of all items.
        once: names the other ids of each title in a column ``same_title``, where each is shown once.
    """
    row, rank = np.nonzero(lists.items >= 0)
    index, scores = lists.items[row, rank], lists.scores[row, rank]
    score = pl.Series("score", scores, nan_to_null=bool(np.isnan(scores).any()))
    source = taken(SOURCES, lists.popular[row])
    columns = [taken(ids, row).alias("user_id"), pl.Series("rank", rank + 1), *item_columns(items, titles, index)]
    more = [] if once is None else [taken(once.same_title, index)]
    return pl.DataFrame([*columns, score, source, *more])


def item_columns(items: Ids, titles: pl.Series, index: NDArray[Any]) -> list[pl.Series]:
    """Return item_id and title at these positions."""
    return [items.at(index).alias("item_id"), taken(titles, index)]


def taken(column: pl.Series, index: NDArray[Any]) -> pl.Series:
    """Return the values at these positions; by a column of positions, the quickest way, and without Polars' threads."""
    return column[pl.Series(index.astype(np.uint32))]
