"""Text ids as they lie in a model file: one after the other as UTF-8, so that processes share them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.parallel import chunks

BLOCK = 1 << 16  # texts compared at once


@dataclass(frozen=True, eq=False)
class Texts:
    """A list of texts that reads each when it is asked for.

    Attributes:
        text: all of them end to end as UTF-8 bytes.
        offsets: (n + 1,) int64, where each starts; checked by whoever makes this.
    """

    text: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        return self.text[self.offsets[index] : self.offsets[index + 1]].tobytes().decode()

    def at(self, index: Iterable[Any]) -> pl.Series:
        """Return the texts at these positions."""
        return pl.Series([self[int(at)] for at in index], dtype=pl.String)

    def to_series(self) -> pl.Series:
        """Return all texts in memory of our own."""
        return self.at(range(len(self)))

    def is_utf8(self) -> bool:
        """Return whether each text is valid by itself: the whole is, and none begins within a character."""
        begins = self.offsets[:-1][self.offsets[1:] > self.offsets[:-1]]
        if ((self.text[begins] & 0xC0) == 0x80).any():
            return False
        try:
            self.text.tobytes().decode()
        except UnicodeDecodeError:
            return False
        return True

    def ascending(self) -> bool:
        """Return whether each text stands before the next one, none twice; in the order of characters, and of bytes."""
        return all(self._ascending(block.start, block.stop) for block in chunks(len(self) - 1, BLOCK))

    def _ascending(self, first: int, stop: int) -> bool:
        """Compare the texts from first to stop - 1 with those behind them, byte by byte where they are equal so far."""
        here, there, end = (self.offsets[first + k : stop + k] for k in range(3))
        left, others_left = there - here, end - there  # bytes not compared yet
        while len(here):
            ended = left == 0
            if (others_left == 0).any():
                return False  # the next text is the beginning of this one, or the same
            here, there, left, others_left = (array[~ended] for array in (here, there, left, others_left))
            ours, theirs = self.text[here], self.text[there]
            if (ours > theirs).any():
                return False
            equal = ours == theirs
            here, there = here[equal] + 1, there[equal] + 1
            left, others_left = left[equal] - 1, others_left[equal] - 1
        return True
