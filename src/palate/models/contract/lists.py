"""The list that a person is given: the model's own or, where the model knows nothing of them, the popular one.

The rule, for everybody whom the model scores:

    All scores of the items that are left after filters and exclusions are equal: the list is the popular one of these
    items. Else it is the model's, equal scores in the order of popularity.

Somebody without a row in training, and without attributes that the model uses, has no scores of their own: models keep
no noise for them, so that all are equal, or differ by what is known of the items alone (biases, for example), which is
then the model's list. Popular means: most rated first, then of the highest mean value, then by the caller's id; so
no list depends on how items are numbered.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.models.contract.scoring import Scorer
from palate.models.contract.state import Rated
from palate.parallel import chunks
from palate.sparse import Rows
from palate.topk import excluded_rows

log = logging.getLogger(__name__)

CELLS = 1 << 22  # scores held at once
UNKNOWN_POPULARITY = (
    "the scores of %s users are all equal, and this model, of an older file without training rows, does not know which "
    "items are popular: their lists are in the order of the ids"
)


@dataclass(frozen=True, eq=False)
class Lists:
    """The best items of some users.

    Attributes:
        items: (m, n) int32 positions, -1 where fewer are left.
        scores: (m, n) float64, the model's own, NaN beside -1.
        popular: (m,) whether the list is the popular one.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float64]
    popular: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ItemOrder:
    """The items of a model in the order of popularity.

    Attributes:
        order: (n_items,) int32 positions: most rated first, then highest mean value, then the caller's id.
        places: (n_items,) int32, where each item stands in it.
        keys: (n_items,) float64, larger for more popular; equal where only the ids tell two items apart.
        known: whether it is known how items were rated; else they stand by their ids, and all keys are equal.
    """

    order: NDArray[np.int32]
    places: NDArray[np.int32]
    keys: NDArray[np.float64]
    known: bool

    @classmethod
    def of(cls, rated: Rated | None, items: Ids) -> ItemOrder:
        """Return the order of these items by how they were rated, or by their ids alone."""
        n_items = len(items)
        counts, means = (np.zeros(n_items),) * 2 if rated is None else (rated.counts, rated.means)
        order = np.lexsort((places_of_ids(items), -means, -counts)).astype(np.int32)
        steps = (np.diff(counts[order]) != 0) | (np.diff(means[order]) != 0)
        keys = np.empty(n_items)
        keys[order] = -np.concatenate([np.zeros(min(1, n_items)), np.cumsum(steps)])
        return cls(order, inverse(order), keys, rated is not None)


def places_of_ids(ids: Ids) -> NDArray[np.int32]:
    """Return where each id stands when they are sorted, (n,) int32."""
    values = ids.values.to_list()
    return inverse(np.array(sorted(range(len(values)), key=values.__getitem__), np.int32))


def inverse(order: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return where each position stands in an order."""
    places = np.empty(len(order), np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return places


def best_lists(
    scorer: Scorer,
    popular: ItemOrder,
    users: NDArray[np.int32],
    n: int,
    *,
    excluded: Sequence[Rows] = (),
    allowed: NDArray[np.bool_] | None = None,
    n_threads: int | None = None,
) -> Lists:
    """Return the best n items of each user, by the rule above.

    Args:
        scorer: what scores them.
        popular: the items in the order of popularity.
        users: (m,) positions.
        n: how many; at least 1.
        excluded: rows over all users of items to leave out.
        allowed: (n_items,) items to choose from, or None for all.
        n_threads: threads; the answer is the same for any number.
    """
    wide = max(n, 2)  # one score alone tells nothing of ties
    items, scores = scorer.best(
        users, wide, excluded=excluded, allowed=allowed, places=popular.places, n_threads=n_threads
    )
    last = np.maximum((items >= 0).sum(axis=1) - 1, 0)
    tied = (last > 0) & (scores[:, 0] == scores[np.arange(len(users)), last])
    open_yet = np.flatnonzero(tied & (last == wide - 1))
    open_yet = open_yet[~scorer.knows_nothing(users[open_yet], allowed)]
    for part, S in left_scores(scorer, len(popular.keys), users[open_yet], excluded, allowed):
        tied[open_yet[part]] = equal_rows(S)
    if not popular.known and tied.any():
        log.warning(UNKNOWN_POPULARITY, f"{tied.sum():,}")
        tied[:] = False
    return Lists(items[:, :n], scores[:, :n], tied)


def ranking_keys(
    scorer: Scorer,
    popular: ItemOrder,
    users: NDArray[np.int32],
    *,
    excluded: Sequence[Rows] = (),
    allowed: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return what items are ranked by, (m, n_items): larger is better, equal is a tie, -inf is left out.

    A score or, where the list is the popular one, the key of popularity. The parameters are those of `best_lists`.
    """
    keys = np.empty((len(users), len(popular.keys)))
    for part, S in left_scores(scorer, len(popular.keys), users, excluded, allowed):
        tied = equal_rows(S) & popular.known
        keys[part] = np.where(tied[:, None] & np.isfinite(S), popular.keys, S)
    return keys


def equal_rows(S: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return in which rows there are two finite numbers or more, and all of them equal."""
    finite = np.isfinite(S)
    low, high = np.where(finite, S, np.inf).min(axis=1), S.max(axis=1)
    equal: NDArray[np.bool_] = (finite.sum(axis=1) > 1) & (low == high)
    return equal


def left_scores(
    scorer: Scorer,
    n_items: int,
    users: NDArray[np.int32],
    excluded: Sequence[Rows],
    allowed: NDArray[np.bool_] | None,
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield parts of the users with their scores of all items, -inf where an item is left out."""
    for part in chunks(len(users), max(1, CELLS // max(1, n_items))):
        S = scorer.of_all(users[part])
        if allowed is not None:
            S[:, ~allowed] = -np.inf
        left_out = excluded_rows(users[part], excluded)
        S[left_out.row_of_cells(), left_out.indices] = -np.inf
        yield part, S
