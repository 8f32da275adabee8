"""Who likes an item, told in numbers of many and never of one: how it was rated, what else its friends like.

Nothing is told of a group of fewer than FEWEST people, so that no answer points at somebody. Somebody likes what they
rated in the upper quarter of the scale, or had, where the model learned from values that are all alike.

Of n people among e expected, e = people times p, p the share among everybody, the count is clear where

    (n - e) / sqrt(e (1 - p)) >= CLEAR                                                                               (1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.models import Recommender
from palate.serve.engine.genres import genres_of_items
from palate.sparse import Rows

FEWEST = 5  # people of whom something is told
LIKED = 0.75  # of the scale
CLEAR = 2.0  # standard deviations
FANS = 0.25  # of all people: those with the largest share of a genre among what they like
PART = 0.1  # of what a fan of a genre likes is of it, at least: else whoever likes much is a fan of what is rare
ALSO, BEST = 3, 2  # items and genres that are told
MOST_BARS = 20
MOST_FRIENDS = 5000  # who are looked at; of more, every so manieth


@dataclass(frozen=True, slots=True)
class RatedBy:
    """How an item was rated.

    Attributes:
        count: how many people.
        histogram: (value, people) each, ascending; none where all values are alike, as those of clicks.
        mean, liked: of the ratings, and the share of people who like it; None as above.
    """

    count: int
    histogram: list[tuple[float, int]]
    mean: float | None
    liked: float | None


@dataclass(frozen=True, slots=True)
class Alike:
    """What those like who like an item, more than others do: positions of items, and genres; the clearest first."""

    items: list[int]
    genres: list[str]


class Likers:
    """What the rows of a model's training tell of who likes its items.

    Args:
        model: fitted; where it kept no rows, nothing is told.
    """

    def __init__(self, model: Recommender) -> None:
        self._seen = Rows.empty(0) if model.seen_ is None else model.seen_
        self._n_items = len(model.items_)
        low, high = model.rating_range_
        self._levels = np.unique(self._seen.values)
        self._has_values = len(self._levels) > 1
        self._bound = low + LIKED * (high - low) if self._has_values else -np.inf
        likes = self._likes(self._seen)
        self._friends = np.bincount(likes.indices, minlength=self._n_items)  # of each item
        self._taste = Taste(likes, genres_of_items(model))

    def rated(self, item: int) -> RatedBy | None:
        """Return how an item was rated; None where fewer than FEWEST did."""
        values = self._seen.values[self._cells(item)]
        if len(values) < FEWEST:
            return None
        if not self._has_values:
            return RatedBy(len(values), [], None, None)
        return RatedBy(
            len(values), self._histogram(values), float(values.mean()), float((values >= self._bound).mean())
        )

    def _histogram(self, values: NDArray[np.float32]) -> list[tuple[float, int]]:
        """Return how many gave each value; of a finer scale, how many gave about the middle of each of equal parts."""
        levels = self._levels.astype(float)
        if len(levels) <= MOST_BARS:
            counts = np.bincount(np.searchsorted(self._levels, values), minlength=len(levels))
        else:
            edges = np.linspace(levels[0], levels[-1], MOST_BARS // 2 + 1)
            counts, levels = np.histogram(values, edges)[0], (edges[1:] + edges[:-1]) / 2
        return list(zip(levels.tolist(), counts.tolist(), strict=True))

    def alike(self, item: int) -> Alike:
        """Return what those like who like an item; nothing where fewer than FEWEST do."""
        cells = self._cells(item)
        cells = cells[self._seen.values[cells] >= self._bound]
        friends = np.searchsorted(self._seen.indptr, cells, side="right") - 1
        friends = friends[:: 1 + len(friends) // MOST_FRIENDS]
        if len(friends) < FEWEST:
            return Alike([], [])
        liked = self._likes(self._seen.take(friends))
        both = np.bincount(liked.indices, minlength=self._n_items)
        both[item] = 0
        items = clearest(both, len(friends), self._friends / self._seen.n_rows, ALSO)
        return Alike(items, self._taste.of_friends(friends, liked.sizes, item, BEST))

    def _cells(self, item: int) -> NDArray[np.int64]:
        return np.flatnonzero(self._seen.indices == item)

    def _likes(self, rows: Rows) -> Rows:
        return rows.filter(rows.values >= self._bound) if self._has_values else rows


class Taste:
    """How much of what people like is of which genre.

    Args:
        likes: what everybody likes.
        genres: of each item.
    """

    def __init__(self, likes: Rows, genres: Sequence[Sequence[str]]) -> None:
        self.names = sorted({name for of in genres for name in of})
        at = {name: column for column, name in enumerate(self.names)}
        self._of_item = np.zeros((len(genres), len(self.names)), np.float32)
        for item, of in enumerate(genres):
            self._of_item[item, [at[name] for name in of]] = 1
        self._liked = likes.to_scipy(len(genres), np.ones(len(likes.indices), np.float32)) @ self._of_item
        knows = likes.sizes >= FEWEST
        shares = self._liked[knows] / likes.sizes[knows, None]
        empty = not len(shares) or not self.names
        self._bounds = (
            np.full(len(self.names), np.inf) if empty else np.maximum(np.quantile(shares, 1 - FANS, axis=0), PART)
        )
        self._fans = np.zeros(len(self.names)) if empty else ((shares >= self._bounds) & (shares > 0)).mean(0)

    def of_friends(self, friends: NDArray[Any], sizes: NDArray[Any], item: int, n: int) -> list[str]:
        """Return the genres that most friends of an item are fans of, by what else they like.

        Args:
            friends: of the item, positions of people.
            sizes: how many items each of them likes.
            item: left out of what they like.
            n: how many genres at most.
        """
        knows = sizes > FEWEST
        others = self._liked[friends[knows]] - self._of_item[item]
        fans = ((others / (sizes[knows, None] - 1) >= self._bounds) & (others > 0)).sum(0)
        return [self.names[at] for at in clearest(fans, int(knows.sum()), self._fans, n)]


def clearest(counts: NDArray[Any], people: int, shares: NDArray[Any], n: int) -> list[int]:
    """Return the places where a count of FEWEST or more is clearly above what chance gives, eq. 1, clearest first.

    Args:
        counts: of people, (m,).
        people: how many they are of.
        shares: of everybody, (m,).
        n: how many places at most.
    """
    expected = people * shares
    spread = np.sqrt(expected * (1 - shares))
    above = np.divide(counts - expected, spread, out=np.zeros(len(counts)), where=spread > 0)
    above[counts < FEWEST] = 0
    order = np.lexsort((np.arange(len(above)), -above))[:n]
    return [at for at in order.tolist() if above[at] >= CLEAR]
