"""Many lists at once: what `palate.store.packing` made of each, as columns with one row a place.

All lists are read side by side, the first id of each, then the second, …: a million lists take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.store.packing import FORMAT, MOST_BYTES, NO_SCORES, PROPENSITIES, SOURCES_DIFFER, damaged

BESIDE = 16  # zeros behind the last list, so that no number is read past the end


@dataclass(frozen=True, eq=False, slots=True)
class PlaceColumns:
    """The places of many lists, one after the other.

    Attributes:
        row: (m,) which list.
        at: (m,) its place in what was packed, from 0.
        item: ids.
        score, propensity: (m,); NaN where there is none.
    """

    row: NDArray[np.int64]
    at: NDArray[np.int64]
    item: pl.Series
    score: NDArray[np.float64]
    propensity: NDArray[np.float64]


def unpacked(packed: Sequence[bytes]) -> PlaceColumns:
    """Return the places of lists.

    Raises:
        StoreError: bytes are not those of a list.
    """
    read = _Lists(packed)
    flags, counts = read.begin()
    row = np.repeat(np.arange(len(packed)), counts)
    at = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    item = read.ids(counts, row, at)
    score = read.floats(counts, (flags & NO_SCORES) == 0, row, at, np.nan)
    propensity = read.floats(counts, (flags & PROPENSITIES) != 0, row, at, 1.0)
    read.at += counts * ((flags & SOURCES_DIFFER) != 0)
    if (read.at != read.ends).any():
        raise damaged()
    return PlaceColumns(row, at, item, score, propensity)


class _Lists:
    """Reads all lists from their fronts, and never past their ends.

    Attributes:
        at: (n,) where each is read next.
        ends: (n,) where each ends.
    """

    def __init__(self, packed: Sequence[bytes]) -> None:
        self.bytes = b"".join([*packed, bytes(BESIDE)])
        self.data = np.frombuffer(self.bytes, np.uint8)
        self.ends = np.cumsum(np.fromiter(map(len, packed), np.int64, len(packed)))
        self.at = np.concatenate([np.zeros(1, np.int64), self.ends[:-1]]) if len(packed) else self.ends.copy()

    def begin(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the flags and the number of places of each list."""
        everyone = np.arange(len(self.at))
        if (self.ends - self.at < 3).any() or (self.data[self.at] != FORMAT).any():
            raise damaged()
        flags = self.data[self.at + 1]
        self.at += 2
        counts = self._varints(everyone)
        if (counts > self.ends - self.at).any():  # an id has a byte at least
            raise damaged()
        return flags, counts.astype(np.int64)

    def _varints(self, which: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the next number of some lists."""
        values = np.zeros(len(which), np.uint64)
        todo = np.arange(len(which))
        for shift in range(0, 7 * MOST_BYTES, 7):
            byte = self.data[self.at[which[todo]]]
            values[todo] |= (byte & 127).astype(np.uint64) << np.uint64(shift)
            self.at[which[todo]] += 1
            todo = todo[byte > 127]
            if not len(todo):
                break
        if len(todo) or (self.at[which] > self.ends[which]).any():
            raise damaged()
        return values

    def ids(self, counts: NDArray[np.int64], row: NDArray[np.int64], at: NDArray[np.int64]) -> pl.Series:
        """Return the ids of all places."""
        first = np.cumsum(counts) - counts
        number, start = np.zeros(len(row), np.uint64), np.zeros(len(row), np.int64)
        for place in range(int(counts.max(initial=0))):
            which = np.flatnonzero(counts > place)
            values = self._varints(which)
            here = first[which] + place
            number[here], start[here] = values, self.at[which]
            length = np.where(values & np.uint64(1), 0, values >> np.uint64(1))
            self.at[which] += np.minimum(length, len(self.data)).astype(np.int64)
            if (self.at[which] > self.ends[which]).any():
                raise damaged()
        return self._texts(number, start)

    def _texts(self, number: NDArray[np.uint64], start: NDArray[np.int64]) -> pl.Series:
        """Return numbers as text, and texts as they stand."""
        ids = pl.Series("item", number >> np.uint64(1)).cast(pl.String)
        worded = np.flatnonzero((number & np.uint64(1)) == 0)
        if not len(worded):
            return ids
        lengths = (number[worded] >> np.uint64(1)).astype(np.int64)
        if (lengths == 0).any():
            raise damaged()
        begin = np.cumsum(lengths + 1) - lengths - 1
        text = np.zeros(int(begin[-1] + lengths[-1]), np.uint8)  # NUL between them: no id has one
        inside = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        text[np.repeat(begin, lengths) + inside] = self.data[np.repeat(start[worded], lengths) + inside]
        try:
            words = text.tobytes().decode().split("\0")
        except UnicodeDecodeError:
            raise damaged() from None
        if len(words) != len(worded):
            raise damaged()
        return ids.scatter(worded, pl.Series(words, dtype=pl.String))

    def floats(
        self, counts: NDArray[np.int64], there: NDArray[np.bool_], row: NDArray[Any], at: NDArray[Any], otherwise: float
    ) -> NDArray[np.float64]:
        """Return a number of each place, of the lists that have them."""
        width = 4 * counts * there
        if (self.at + width > self.ends).any():
            raise damaged()
        values = np.full(len(row), otherwise)
        having = np.flatnonzero(there[row])
        where = self.at[row[having]] + 4 * at[having]
        values[having] = self.data[where[:, None] + np.arange(4)].view("<f4")[:, 0]
        self.at += width
        return values
