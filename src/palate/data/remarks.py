"""What is odd in data that are no fault: one line each, with what to do where it is not meant."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.data.reading.header import YEAR
from palate.errors import Blank, Set, shown

if TYPE_CHECKING:
    from palate.data.interactions import Interactions

log = logging.getLogger(__name__)

LOOKED_AT = 100_000  # values, evenly taken
RANGE = Set("rating_range", (Blank("LOWEST"), Blank("HIGHEST")))
FEW = 20  # values of which nothing is said
MUCH, SOME = 1 / 3, 0.01  # shares of the values
PADDED = r"^\s|\s$"
POINTED = r"^[+-]?\d+\.0+$"  # an integer, as tables write it in a column with missing values
WHOLE = r"^[+-]?\d+$"
ROUNDED = r"^\d(\.\d+)?E\+\d+$"  # how spreadsheets show long numbers


def remark(rows: Interactions, source: str) -> None:
    """Log what is odd in rows that were checked."""
    for ids in (rows.users, rows.items):
        _remark_ids(ids, source)
    if rows.times is not None and len(rows) and np.abs(rows.times[[0, -1]]).max() < YEAR:
        _remark_times(rows.times, source)
    mark = None if rows.rating_range is not None else odd_value(rows.values)
    if mark is not None:
        value, share = mark
        log.warning(
            "%s: %.0f %% of the values are %g, apart from the others; if that means 'not rated', %s and %s leave such "
            "rows out, else a rating_range that holds it says so",
            *(source, 100 * share, value, RANGE, Set("on_invalid", "drop")),
        )


def odd_value(values: NDArray[np.float32]) -> tuple[float, float] | None:
    """Return a lowest or highest value that stands apart from the others as a mark would, and its share; or None.

    Zeros, or -1, below ratings that are all positive are one where they are a third of all, or where the next value is
    further off than the others lie from each other; any lowest or highest value is one that is further off from the
    others than these spread.
    """
    sample = values[:: max(1, len(values) // LOOKED_AT)]
    distinct, counts = np.unique(sample, return_counts=True)
    if len(sample) < FEW or len(distinct) < 3:
        return None
    for end, others in ((0, distinct[1:]), (-1, distinct[:-1])):
        value, share = float(distinct[end]), float(counts[end] / len(sample))
        gap, spread = float(np.abs(others[end] - distinct[end])), float(others[-1] - others[0])
        if counts[end] < FEW // 4:
            continue
        apart = share > SOME and gap > spread
        if end == 0 and value in (0, -1) and others[0] > 0:
            apart |= share >= MUCH or (share > SOME and gap > float(np.diff(others).max()))
        if apart:
            return value, share
    return None


def _remark_ids(ids: Ids, source: str) -> None:
    if ids.kind != "text":
        return
    padded = ids.values.filter(ids.values.str.contains(PADDED))
    if len(padded):
        log.warning(
            "%s: %s %s ids have spaces around them, such as %s, and stay so: with and without are two",
            *(source, f"{len(padded):,}", ids.what, shown(padded[0])),
        )
    rounded = ids.values.filter(ids.values.str.contains(ROUNDED))
    if len(rounded):
        log.warning(
            "%s: %s ids such as %s look like numbers that a spreadsheet rounded: several may have become one",
            *(source, ids.what, shown(rounded[0])),
        )

    pointed = ids.values.filter(ids.values.str.contains(POINTED))
    whole = ids.values.filter(ids.values.str.contains(WHOLE)) if len(pointed) else pointed
    if len(whole):
        log.warning(
            "%s: %s ids are written as %s and as %s, and stay text: 1.0 and 1 are two",
            *(source, ids.what, shown(pointed[0]), shown(whole[0])),
        )


def _remark_times(times: NDArray[np.int64], source: str) -> None:
    low, high = int(times.min()), int(times.max())
    if max(abs(low), abs(high)) >= YEAR:
        return
    days = all(_is_day(time) for time in (low, high))
    log.warning(
        "%s: all times lie near 1970, such as %d: %s; %s leaves them out",
        *(
            source,
            high,
            "write days as 2024-03-11" if days else "seconds since 1970 are expected",
            Set("columns", {"time": None}),
        ),
    )


def _is_day(number: int) -> bool:
    """Return whether a number reads like 20240311."""
    return 1900 <= number // 10_000 <= 2100 and 1 <= number // 100 % 100 <= 12 and 1 <= number % 100 <= 31
