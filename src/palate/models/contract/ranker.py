"""`Ranker`: the list that a person is given, the model's own or, where it knows nothing of them, the popular one.

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError, Remedy, Set
from palate.models.contract.lists import ItemOrder, Lists
from palate.models.contract.scoring import Scorer
from palate.parallel import chunks, once
from palate.sparse import Rows
from palate.topk import excluded_rows

log = logging.getLogger(__name__)

CELLS = 1 << 22  # scores held at once
UNKNOWN_POPULARITY = (
    "the scores of %s users are all equal, and this model, of an older file without training rows, does not know which "
    "items are popular: their lists are in the order of the ids"
)


@dataclass(frozen=True, eq=False)
class Ranker:
    """Scores, and lists of the best, for some users of a fitted model, in positions; nothing of it ever changes.

    A model has one for the users of training, made once (`Ranked.ranker`); people whom it has not seen share its
    items.

    Attributes:
        scoring: returns what scores the users; asked once, at first use.
        popular: the items in the order of popularity.
        seen: what the users had, or None where that is not known.
    """

    scoring: Callable[[], Scorer]
    popular: ItemOrder
    seen: Rows | None

    @once
    def scorer(self) -> Scorer:
        """What scores the users."""
        return self.scoring()

    @property
    def had(self) -> Rows:
        """What the users had.

        Raises:
            ParameterError: that is not known.
        """
        if self.seen is None:
            raise ParameterError(
                "the model was fitted with store_history=False and does not know what users have seen",
                Remedy("; pass ", Set("exclude_seen", False), ", and the pairs to leave out as exclude="),
                code="no_history",
                subject="exclude_seen",
            )
        return self.seen

    def take(self, users: NDArray[np.int32]) -> Ranker:
        """Return the ranker of these users alone, numbered as they are given; the lists are the same, bit for bit."""
        scorer, seen = self.scorer.take(users), None if self.seen is None else self.seen.take(users)
        return Ranker(lambda: scorer, self.popular, seen)

    def lists(
        self,
        users: NDArray[np.int32],
        n: int,
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
        n_threads: int | None = None,
    ) -> Lists:
        """Return the best n items of each user, by the rule above.

        Args:
            users: (m,) positions.
            n: how many; at least 1.
            excluded: rows over all users of items to leave out.
            allowed: (n_items,) items to choose from, or None for all.
            n_threads: threads; the answer is the same for any number.
        """
        wide = max(n, 2)  # one score alone tells nothing of ties
        filters: dict[str, Any] = {"excluded": excluded, "allowed": allowed, "places": self.popular.places}
        items, scores = self.scorer.best(users, wide, **filters, n_threads=n_threads)
        last = np.maximum((items >= 0).sum(axis=1) - 1, 0)
        tied = (last > 0) & (scores[:, 0] == scores[np.arange(len(users)), last])
        if tied.any():
            self._look_further(users, tied & (last == wide - 1), tied, excluded, allowed)
        return Lists(items[:, :n], scores[:, :n], tied)

    def _look_further(
        self,
        users: NDArray[np.int32],
        full: NDArray[np.bool_],
        tied: NDArray[np.bool_],
        excluded: Sequence[Rows],
        allowed: NDArray[np.bool_] | None,
    ) -> None:
        """Set which users' scores of all items are equal, where all of a full list are."""
        open_yet = np.flatnonzero(full)
        open_yet = open_yet[~self.scorer.knows_nothing(users[open_yet], allowed)]
        for part, S in self._left_scores(users[open_yet], excluded, allowed):
            tied[open_yet[part]] = equal_rows(S)
        if not self.popular.known and tied.any():
            log.warning(UNKNOWN_POPULARITY, f"{tied.sum():,}")
            tied[:] = False

    def best_users(
        self,
        items: NDArray[np.int32],
        n: int,
        *,
        places: NDArray[np.int32],
        exclude_seen: bool,
        n_threads: int | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return users and scores of the best n users of each item, (m, n) each.

        Args:
            items: (m,) positions.
            n: how many.
            places: (n_users,) int32; of users of equal score the one of lower place comes first.
            exclude_seen: leave out users who had the item.
            n_threads: threads.
        """
        excluded = [self._who_had(items)] if exclude_seen else []
        return self.scorer.best_users(items, n, excluded=excluded, places=places, n_threads=n_threads)

    def _who_had(self, items: NDArray[np.int32]) -> Rows:
        """Return which users had these items, one row each; the log is read once, and not copied."""
        seen, (wanted, place) = self.had, np.unique(items, return_inverse=True)
        cells = np.flatnonzero(np.isin(seen.indices, wanted))
        users = np.searchsorted(seen.indptr, cells, side="right") - 1
        rows = np.searchsorted(wanted, seen.indices[cells])
        return Rows.from_cells(rows, users, len(wanted), seen.n_rows).take(place)

    def keys(
        self,
        users: NDArray[np.int32],
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """Return what items are ranked by, (m, n_items): larger is better, equal is a tie, -inf is left out.

        A score or, where the list is the popular one, the key of popularity. The parameters are those of `lists`.
        """
        keys = np.empty((len(users), len(self.popular.items)))
        for part, S in self._left_scores(users, excluded, allowed):
            tied = equal_rows(S) & self.popular.known
            keys[part] = np.where(tied[:, None] & np.isfinite(S), self.popular.keys, S)
        return keys

    def _left_scores(
        self, users: NDArray[np.int32], excluded: Sequence[Rows], allowed: NDArray[np.bool_] | None
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield parts of the users with their scores of all items, -inf where an item is left out."""
        for part in chunks(len(users), max(1, CELLS // max(1, len(self.popular.items)))):
            S = self.scorer.of_all(users[part])
            if allowed is not None:
                S[:, ~allowed] = -np.inf
            left_out = excluded_rows(users[part], excluded)
            S[left_out.row_of_cells(), left_out.indices] = -np.inf
            yield part, S


def equal_rows(S: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return in which rows there are two finite numbers or more, and all of them equal."""
    finite = np.isfinite(S)
    low, high = np.where(finite, S, np.inf).min(axis=1), S.max(axis=1)
    equal: NDArray[np.bool_] = (finite.sum(axis=1) > 1) & (low == high)
    return equal
