"""Places for items that the model has not seen, where it cannot score them: a stated share, always the same places.

With a share of 0.1 the 10th, 20th, 30th place … is a new item's. Which comes first differs from person to person, so
that each new item is shown to somebody; for one person it stays the same as long as the new items do.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-9  # ten times 0.1 is a whole place


def turned(new: NDArray[np.int32], user: str | None) -> NDArray[np.int32]:
    """Return new items, the newest first, beginning with the one whose turn it is for this person."""
    if len(new) < 2 or user is None:
        return new
    start = zlib.crc32(user.encode()) % len(new)
    return np.roll(new, -start)


def shared(ranked: NDArray[np.int32], new: NDArray[np.int32], share: float, depth: int) -> NDArray[np.int64]:
    """Return where each place's item comes from: of ranked its index, of new ones -1, -2, … for the first, second.

    Args:
        ranked: items in their order.
        new: items that get the share, each once.
        share: from 0 to 1.
        depth: places at most.
    """
    places = np.arange(min(depth, len(ranked) + len(new)))
    is_new = np.floor((places + 1) * share + ROUNDING) > np.floor(places * share + ROUNDING)
    is_new &= np.cumsum(is_new) <= len(new)
    is_new |= np.cumsum(~is_new) > len(ranked)  # where the others have come to an end
    sources: NDArray[np.int64] = np.where(is_new, -np.cumsum(is_new), np.cumsum(~is_new) - 1)
    return sources[: np.argmax(sources < -len(new)) if (sources < -len(new)).any() else None]
