"""Lists whose order ties decide: what to expect of each place, over all orders of the tied items.

A group of t items of equal score holds r relevant ones, with gains that add up to g; it begins after s places, and its
last items may lie beyond the list. With i places of the group above, a place of the group

    is a hit with chance               r / t                                                                       (1)
    has the gain                       g / t                                                                       (2)
    is no hit, if none was before      (t - r - i) / (t - i)                                                       (3)
    has above it, if it is a hit       R + i (r - 1) / (t - 1) hits, R those of the groups before                  (4)

McSherry & Najork 2008, "Computing information retrieval performance measures efficiently in the presence of tied
scores", sec. 2; (3) is drawing without replacement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.metrics.arrays import Values

Tail = Callable[[NDArray[np.intp]], tuple[NDArray[np.int64], NDArray[np.int64], Values]]


@dataclass(frozen=True, eq=False)
class Ties:
    """Expected values of the places of those lists that hold ties.

    Attributes:
        rows: (t,) which lists, rising.
        chance, gain, miss, above: (t, width) eq. 1 to 4.
    """

    rows: NDArray[np.intp]
    chance: Values
    gain: Values
    miss: Values
    above: Values


def tied_rows(keys: Values) -> NDArray[np.intp]:
    """Return the lists in which two neighbours have the same key; NaN marks a place without an item."""
    return np.flatnonzero((keys[:, 1:] == keys[:, :-1]).any(axis=1))


def ties_of(keys: Values, hits: NDArray[np.bool_], gains: NDArray[np.float32], tail: Tail) -> Ties | None:
    """Return what to expect of the lists that hold ties, or None where none does.

    Args:
        keys: (m, width + 1) what the lists are ordered by, falling, one place beyond them; NaN where there is no item.
        hits, gains: (m, width) of the lists as they are.
        tail: given the numbers of lists whose last item ties with one beyond, returns the sizes of these groups, how
            many relevant items they have, and the sums of their gains.
    """
    rows = tied_rows(keys)
    if not len(rows):
        return None
    width = hits.shape[1]
    keys = keys[rows]
    new = np.ones((len(rows), width), bool)
    new[:, 1:] = ~(keys[:, 1:width] == keys[:, : width - 1])
    group = np.cumsum(new.ravel()) - 1  # rows begin new groups
    size = np.bincount(group)
    n_hits = np.bincount(group, hits[rows].ravel())
    gain = np.bincount(group, gains[rows].ravel().astype(np.float64))
    before = np.tile(np.arange(width), len(rows))[new.ravel()]  # places above each group
    cut = np.flatnonzero(keys[:, width] == keys[:, width - 1])
    if len(cut):
        last = group.reshape(-1, width)[cut, -1]
        size[last], n_hits[last], gain[last] = tail(rows[cut])
    of_places = (part[group].reshape(-1, width) for part in (size, n_hits, gain))
    return _expected(rows, before[group].reshape(-1, width), *of_places)


def _expected(rows: NDArray[np.intp], s: NDArray[np.int64], t: Values, r: Values, g: Values) -> Ties:
    """Return eq. 1 to 4 for every place, (n, width) each."""
    i = np.arange(s.shape[1]) - s
    chance = r / t
    hits_before = np.concatenate([np.zeros((len(s), 1)), np.cumsum(chance, axis=1)], axis=1)
    above = np.take_along_axis(hits_before, s, axis=1) + i * (r - 1) / np.maximum(t - 1, 1)
    return Ties(rows, chance, g / t, np.maximum(t - r - i, 0) / (t - i), above)
