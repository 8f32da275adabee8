"""Lists of the users of a block: what runs in a task.

The items of the task, and then a chunk of users after the other, go through the scorer of one machine, in the order of
popularity where scores are equal: a list depends on neither chunk, block nor engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.models.contract.diversified import CANDIDATES, diversified
from palate.models.contract.lists import inverse
from palate.models.contract.scoring import FactorScorer
from palate.spark.user_blocks import Batches, ItemPart, UserPart, WireTypes, chunks_of
from palate.topk import ItemSide

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Listing:
    """What lists are made of.

    Attributes:
        n: how many items a user.
        mean: of all scores.
        types: of what travels.
        diversity: from 0 to 1.
        n_threads: of a task.
        candidates: whether what decides between the lists of several groups of items is given, too.
    """

    n: int
    mean: float
    types: WireTypes
    diversity: float = 0.0
    n_threads: int = 1
    candidates: bool = False


@dataclass(frozen=True, eq=False)
class Lister:
    """The items of a task, and what all lists need of them."""

    items: ItemPart
    asked: Listing
    side: ItemSide
    places: NDArray[np.int32]

    @classmethod
    def of(cls, items: ItemPart, asked: Listing) -> Lister:
        """Return what makes lists of these items."""
        return cls(items, asked, ItemSide(items.Q, items.c, asked.mean), inverse(items.by_popularity()))

    def best(self, users: UserPart) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.float64]]:
        """Return row of the user, item and score of each place of their lists, the best first."""
        scorer, asked = FactorScorer(users.P, users.b, self.side), self.asked
        m, excluded = np.arange(len(users.positions), dtype=np.int32), [users.seen_rows(self.items)]
        width = max(asked.n, CANDIDATES) if asked.diversity > 0 else asked.n
        filters: dict[str, Any] = {"excluded": excluded, "places": self.places, "n_threads": asked.n_threads}
        items, scores = scorer.best(m, min(width, len(self.side.c)), **filters)
        if asked.diversity > 0:
            items, scores = self._diverse(scorer, items, scores)
        row, rank = np.nonzero(items >= 0)
        return row, items[row, rank], scores[row, rank]

    def _diverse(self, scorer: FactorScorer, items: NDArray[Any], scores: NDArray[Any]) -> tuple[Any, Any]:
        """Return the lists with their best candidates in an order that has them unlike each other."""
        for row, (mine, theirs) in enumerate(zip(items, scores, strict=True)):
            best = mine[mine >= 0][:CANDIDATES]
            if len(best) > 1:
                order = diversified(theirs[: len(best)], scorer.likeness(best), self.asked.diversity)
                items[row, : len(best)], scores[row, : len(best)] = best[order], theirs[order]
        return items[:, : self.asked.n], scores[:, : self.asked.n]

    def table(self, users: UserPart) -> pa.RecordBatch:
        """Return the lists as rows: user_id, rank, item_id, score; and what decides between groups of items."""
        import pyarrow as pa

        row, item, score = self.best(users)
        rank = (np.arange(len(row)) - np.searchsorted(row, row) + 1).astype(np.int32)
        given = {"user_id": ids_at(users.ids, row), "rank": pa.array(rank), "item_id": ids_at(self.items.ids, item)}
        given["score"] = pa.array(score)
        if self.asked.candidates:
            facts = (users.positions[row], self.items.positions[item], self.items.counts[item], self.items.means[item])
            given |= {name: pa.array(fact) for name, fact in zip(DECIDING, facts, strict=True)}
        return pa.RecordBatch.from_arrays(list(given.values()), names=list(given))


DECIDING = ("user", "item", "count", "mean")


def schema_of(types: WireTypes, *, candidates: bool = False) -> str:
    """Return the columns of lists."""
    more = ", user int, item int, count long, mean double" if candidates else ""
    return f"user_id {types.user}, rank int, item_id {types.item}, score double{more}"


def list_users(batches: Batches, asked: Listing) -> Iterator[pa.RecordBatch]:
    """Yield the lists of the users of a partition, a chunk of them at a time."""
    lister: Lister | None = None
    for _, items, users in chunks_of(batches, asked.types):
        if items is None:
            continue
        if lister is None or lister.items is not items:
            lister = Lister.of(items, asked)
        yield lister.table(users)


def ids_at(ids: Any, index: NDArray[Any]) -> pa.Array:
    """Return ids at places, as Spark takes them."""
    import pyarrow as pa

    taken = ids.take(pa.array(index))
    return taken.cast(pa.string()) if pa.types.is_large_string(taken.type) else taken
